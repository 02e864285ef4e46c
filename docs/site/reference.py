"""Parts of the reference that are made of the program: commands, the Python API, the fields of a study file."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import typer

import dropstudy
from dropstudy import cli
from dropstudy.cli.groups import EXAMPLES
from dropstudy.spec.schema import study_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNLIMITED = 2**31 - 1
"""Bounds from here on are those of the number's type."""


def commands() -> str:
    """A section for each command: usage, what it does, arguments and options as its `--help` has them."""
    return "\n\n".join(
        part
        for name, command in typer.main.get_command(cli.app).commands.items()
        for part in _command(name, command)
    )


def _command(name: str, command: Any) -> Iterator[str]:
    with command.make_context(f"dropstudy {name}", [], resilient_parsing=True) as context:
        yield f"## {name}"
        yield f"```\n{' '.join([context.info_name, *command.collect_usage_pieces(context)])}\n```"
        for paragraph in command.help.split("\n\n"):
            text, _, example = " ".join(paragraph.split()).partition("Example: ")
            yield f"Example: `{example}`" if example else _escaped(text)
        for group, records in command.records(context).items():
            yield f"**{group}**" + (f": `{EXAMPLES[group]}`" if group in EXAMPLES else "")
            yield "\n".join(f"- `{each}`: {_escaped(text)}" for each, text in records)


def python() -> str:
    """A section for each public name, from its docstring."""
    return "\n\n".join(
        f"## {name}\n\n```{{eval-rst}}\n.. auto{_kind(getattr(dropstudy, name))}:: dropstudy.{name}\n```"
        for name in dropstudy.__all__
        if name != "__version__"
    )


def _kind(item: Any) -> str:
    return (
        "function" if not isinstance(item, type) else "exception" if issubclass(item, Exception) else "class"
    )


def study_file() -> str:
    """The fields of a study file, and those of the tables in it."""
    schema = study_schema()
    parts = [_fields(schema)]
    parts += [
        f"## {name}\n\n{table['description']}\n\n{_fields(table)}"
        for name, table in schema["definitions"].items()
    ]
    return "\n\n".join(parts)


def _fields(record: dict[str, Any]) -> str:
    return "\n".join(
        f"- `{name}`: {field['description']} *{'; '.join(_facts(field, name in record['required']))}.*"
        for name, field in record["properties"].items()
    )


def _facts(field: dict[str, Any], required: bool) -> Iterator[str]:
    values = _values(field)
    yield values[:1].upper() + values[1:]
    if required:
        yield "required"
    if "default" in field:
        yield f"default: `{json.dumps(field['default'])}`"


def _values(kind: dict[str, Any]) -> str:
    """The values of a field in words."""
    if "anyOf" in kind:
        return " or ".join(_values(each) for each in kind["anyOf"])
    if "$ref" in kind:
        name = kind["$ref"].rpartition("/")[2]
        return f"a table, [{name}](#{name.lower()})"
    if "enum" in kind:
        return ", ".join(f'`"{value}"`' for value in kind["enum"])
    if kind["type"] == "array":
        return f"a list (each: {_values(kind['items'])})"
    words = {"string": "text", "boolean": "`true`, `false`", "integer": "whole number", "number": "number"}
    limits = {
        "minimum": "from {}",
        "exclusiveMinimum": "above {}",
        "maximum": "up to {}",
        "exclusiveMaximum": "below {}",
    }
    bounds = [
        text.format(kind[key]) for key, text in limits.items() if kind.get(key, _UNLIMITED) < _UNLIMITED
    ]
    return " ".join([words[kind["type"]], *bounds])


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is, but flags as code."""
    return re.sub(r"--[a-z][a-z-]*", r"`\g<0>`", re.sub(r"([\\`*_<>\[\]])", r"\\\1", text))


PARTS = {
    "(Made of the program.)": commands,
    "(Made of the package.)": python,
    "(Made of the schema.)": study_file,
}
"""Marks in pages of this folder, and what stands in their place."""
