"""Validation of values from a study file, a flag or an argument: the value, or an error that names it."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import PurePath
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's categories of characters that break a line, control a terminal or cannot be encoded."""

_SHOWN = 200


def validate(subject: str, value: object, kind: Any) -> Any:
    """A value of a type such as those in `bounds`.

    Args:
        subject: name of the argument, for the error.
        value: any value; NumPy's numbers, paths, and sequences other than lists are accepted too.
        kind: the type, or `type | None`; its description is the expected value in an error.

    Raises:
        InvalidArgument: the value is of another type or out of bounds.
    """
    if NoneType in get_args(kind):
        if value is None:
            return None
        kind = get_args(kind)[0]
    plain = _plain(value)
    try:
        valid = msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        # "Expected `int` >= 1 - at `$[0][2]`": the path of the value that is wrong, within a list.
        _, _, path = str(error).rpartition(" - at `$")
        for index in re.findall(r"\[(\d+)\]", path):
            plain = plain[int(index)]
    else:
        if not isinstance(valid, str) or one_line(valid) == valid:
            return valid
    expected, next_step = _expected(kind)
    raise InvalidArgument(subject, expected=expected, received=shown(plain), next_step=next_step)


def validate_fields(record: type, table: Mapping[str, Any], subject: str = "{}") -> dict[str, Any]:
    """Values of a table, each of the type that the record's field has.

    Args:
        record: a dataclass with all fields of the table.
        table: values by name of the field.
        subject: template of the fields' names in errors.
    """
    kinds = get_type_hints(record, include_extras=True)
    return {name: validate(subject.format(name), value, kinds[name]) for name, value in table.items()}


def refuse_unknown(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Refuse a table with an unknown field, and suggest the known field whose name is closest."""
    known = tuple(known)
    for field in map(str, table):
        if field not in known:
            near = difflib.get_close_matches(field, known, n=1)
            raise InvalidArgument(
                f"{one_line(field)} ({where})",
                expected=f"one of {', '.join(known)}",
                received=f"the unknown field {field!r}",
                next_step=f"Did you mean {near[0]!r}?" if near else "Remove it.",
            )


def refuse_duplicates(subject: str, item: str, values: Iterable[Any]) -> None:
    """Refuse a list with equal values.

    Args:
        subject: name of the list.
        item: noun for one of its values.
        values: the list.
    """
    seen = set()
    for value in values:
        if value in seen:
            raise InvalidArgument(
                subject, expected=f"{subject} that differ in {item}", received=f"{item} {shown(value)} twice"
            )
        seen.add(value)


def shown(value: object) -> str:
    """A value as an error prints it, at most a line or two long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]}...{text[-_SHOWN // 2 :]}"


def one_line(text: str) -> str:
    """A text with spaces in place of line breaks and control characters."""
    return "".join(" " if unicodedata.category(c) in _UNPRINTABLE else c for c in text)


def _plain(value: object) -> Any:
    """A number as Python's own, a path as text, a sequence as a list, and anything else as it is."""
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, Real) and not isinstance(value, Integral):
        return float(value) + 0.0  # -0.0 becomes 0.0: one number, one key
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [_plain(item) for item in value]
    return value


def _expected(kind: Any) -> tuple[str, str]:
    """Words for the values of a type, and the next step of an error."""
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, get_args(kind))), ""
    if kind is bool:
        return "true or false", ""
    (bounds,) = kind.__metadata__
    return bounds.description, (bounds.extra or {}).get("next_step", "")
