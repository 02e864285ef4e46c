"""The page: sections in, one HTML file out, with its charts, its script and its style inside."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jinja2
import pandas as pd
from markupsafe import Markup

from dropstudy.core.text import plain_name, rounded
from dropstudy.report.charts import NIGHT
from dropstudy.report.sections.blocks import Figure, Group, Table, figures_of
from dropstudy.report.vega import vega

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.report.sections.blocks import Block, Section
    from dropstudy.report.snapshot import Snapshot

MOST_NUMBERS = 240
"""Rows of a figure's table that the page holds; longer ones lie beside it as CSV."""

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'"
"""Content security policy of the page: run what is in it and load nothing from elsewhere."""

# The style's own names for the colours of the charts.
_NAMES = {
    "ink": "INK",
    "faint": "FAINT_INK",
    "axis": "AXIS",
    "line": "GRID",
    "paper": "PAPER",
    "accent": "BLUE",
}
_DATA = {"data", "datasets"}
_WORDS = {"domain", "title", "text", "subtitle", "description", "field", "sort"}


def html(snapshot: Snapshot, sections: Sequence[Section], *, live: str = "", progress: str = "") -> str:
    """The whole page.

    Args:
        snapshot: the study.
        sections: in their order.
        live: the version of what is shown, where a server keeps the page up to date; empty in a file.
        progress: a line on how far the study is, where it is served.
    """
    specs = {figure.name: page_spec(figure) for figure in figures_of(sections)}
    return _template().render(
        title=plain_name(snapshot.spec.name),
        about=snapshot.about,
        notes=[note for note in (snapshot.fallback_note, snapshot.left_out) if note],
        live=live,
        progress=progress,
        policy=_POLICY,
        css=Markup(style()),  # noqa: S704 - our own file
        sections=[_section(section) for section in sections],
        specs=Markup(_json(specs)),  # noqa: S704 - escaped there
        bundle=Markup(vega()),  # noqa: S704 - Vega's own code
        script=Markup(_file("page.js")),  # noqa: S704 - our own file
        version=version("dropstudy"),
        date=datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0"),
    )


def page_spec(figure: Figure) -> dict[str, Any]:
    """A figure's chart as the page draws it: no title or ground of its own, and colours that follow the page's."""
    spec = {name: value for name, value in figure.spec.items() if name not in {"title", "$schema"}}
    spec["config"] = {**spec["config"], "background": None}
    spec["padding"] = 4
    if "vconcat" in spec:  # the page has the remarks below the key as its caption
        spec["vconcat"] = spec["vconcat"][:2]
    drawn: dict[str, Any] = _with_variables(spec)
    return drawn


def style() -> str:
    """The page's style, with each colour as a variable that has a value by day and one by night."""
    from dropstudy.report.charts import palette  # noqa: PLC0415 - names of colours, read here alone

    names = {name: getattr(palette, constant) for name, constant in _NAMES.items()}
    names |= {"worse": palette.WORSE, "raised": palette.MARGIN}
    day = [f"--c{color[1:]}: {color}" for color in NIGHT]
    night = [f"--c{color[1:]}: {dark}" for color, dark in NIGHT.items()]
    roles = [f"--{name}: var(--c{color[1:]})" for name, color in names.items()]
    return (
        f":root {{ color-scheme: light dark; {'; '.join(day + roles)} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {'; '.join(night)} }} }}\n{_file('page.css')}"
    )


def cells(table: Table) -> dict[str, Any]:
    """A table as the template writes it: headings, and of each cell its text and what it is sorted by."""
    numeric = {name: pd.api.types.is_numeric_dtype(table.frame[name]) for name in table.frame}
    columns = [{"name": str(name), "number": numeric[name]} for name in table.frame]
    rows = [
        [
            _cell(value, table.forms.get(str(name), ""), number=numeric[name])
            for name, value in zip(table.frame, row, strict=True)
        ]
        for row in table.frame.itertuples(index=False, name=None)
    ]
    return {
        "kind": "table",
        "caption": table.caption,
        "columns": columns,
        "rows": rows,
        "sortable": table.sortable,
    }


def _cell(value: Any, form: str, *, number: bool) -> dict[str, Any]:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return {"text": "", "key": "", "number": number}
    if not number:
        return {"text": str(value), "key": None, "number": False}
    if places := re.fullmatch(r"\.(\d)f", form):
        text = rounded(value, int(places[1]))
    else:
        text = format(value, form) if form else format(value, "," if isinstance(value, int) else ".6g")
    return {"text": text, "key": repr(value.item() if hasattr(value, "item") else value), "number": True}


def _section(section: Section) -> dict[str, Any]:
    told = {field.name: getattr(section, field.name) for field in fields(section)}
    return {**told, "blocks": [_block(block) for block in section.blocks]}


def _block(block: Block) -> dict[str, Any]:
    if isinstance(block, Table):
        return cells(block)
    if isinstance(block, Group):
        return {
            "kind": "group",
            "title": block.title,
            "figures": [_block(figure) for figure in block.figures],
        }
    told = {"kind": type(block).__name__.lower(), **{f.name: getattr(block, f.name) for f in fields(block)}}
    if isinstance(block, Figure):
        short = len(block.table) <= MOST_NUMBERS
        table = cells(Table("", block.table, {}, sortable=False)) if short else None
        told |= {"table": table, "words": block.chart.description}
    return told


def _with_variables(value: Any) -> Any:
    """The same specification with `var(--c0072b2)` in place of `#0072b2`, wherever it is a colour and not a name."""
    if isinstance(value, dict):
        return {
            key: item
            if key in _DATA or (key in _WORDS and not isinstance(item, dict))
            else _with_variables(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_with_variables(item) for item in value]
    if isinstance(value, str) and value in NIGHT:
        return f"var(--c{value[1:]})"
    return value


def _json(value: Any) -> str:
    """JSON that cannot end the script element around it; numbers that are none become null."""
    text = json.dumps(_finite(value), separators=(",", ":"), ensure_ascii=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.7g}") if value - value == 0 else None
    return value


@lru_cache
def _file(name: str) -> str:
    return (files("dropstudy.report") / "templates" / name).read_text(encoding="utf-8")


@lru_cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=False)
    return environment.from_string(_file("report.html.j2"))
