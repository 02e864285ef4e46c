"""Render the page: sections in, one HTML file out that needs no other file."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jinja2
import pandas as pd
from markupsafe import Markup

from dropstudy.core.text import plain_name, rounded
from dropstudy.report.sections.blocks import Figure, Group, Table, figures_of
from dropstudy.report.style import POLICY, style
from dropstudy.report.title import about, title
from dropstudy.report.vega import script, specs_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.report.sections.blocks import Block, Section
    from dropstudy.report.snapshot import Snapshot

MOST_NUMBERS = 240
"""Most rows of a figure's table on the page."""


@dataclass(frozen=True)
class Heading:
    """What a page says above its sections.

    Args:
        title: of the page.
        name: of what it is about.
        about: a line on it.
        notes: what to know before reading on, a sentence each.
        maker: the command that makes such pages.
    """

    title: str
    name: str
    about: str
    notes: tuple[str, ...] = ()
    maker: str = "dropstudy report"


def html(snapshot: Snapshot, sections: Sequence[Section], *, live: str = "", progress: str = "") -> str:
    """Page of a study; arguments as for `render`."""
    heading = Heading(
        title(snapshot),
        plain_name(snapshot.spec.name),
        about(snapshot),
        tuple(note for note in (snapshot.fallback_note, snapshot.left_out) if note),
    )
    return render(heading, sections, live=live, progress=progress)


def render(heading: Heading, sections: Sequence[Section], *, live: str = "", progress: str = "") -> str:
    """Page of sections.

    Args:
        heading: above them.
        sections: in their order.
        live: version of the page, where a server keeps it up to date; empty in a file.
        progress: a line on the study's progress, where it is served.
    """
    return _template().render(
        heading=heading,
        live=live,
        progress=progress,
        policy=POLICY,
        css=Markup(style()),  # noqa: S704 - our own file
        sections=[_section(section) for section in sections],
        specs=Markup(specs_json(figures_of(sections))),  # noqa: S704 - escaped there
        bundle=Markup(script()),  # noqa: S704 - Vega's own code
        script=Markup(_file("page.js")),  # noqa: S704 - our own file
        version=version("dropstudy"),
        date=datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0"),
    )


def _table(table: Table) -> dict[str, Any]:
    """Table for the template: headings, and the text and sort key of each cell."""
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
        "title": table.title,
        "caption": table.caption,
        "columns": columns,
        "rows": rows,
        "sortable": table.sortable,
        "folded": table.folded,
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
    return {**_fields(section), "blocks": [_block(block) for block in section.blocks]}


def _block(block: Block) -> dict[str, Any]:
    kind = type(block).__name__.lower()
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Group):
        return {"kind": kind, "title": block.title, "figures": [_block(figure) for figure in block.figures]}
    if isinstance(block, Figure):
        numbers = block.table if block.cells is None else block.cells
        short = len(numbers) <= MOST_NUMBERS
        table = _table(Table("", "", numbers, {}, sortable=False)) if short else None
        return {"kind": kind, **_fields(block), "table": table, "words": block.chart.description}
    return {"kind": kind, **_fields(block)}


def _fields(record: Block | Section) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


@lru_cache
def _file(name: str) -> str:
    return (files("dropstudy.report") / "templates" / name).read_text(encoding="utf-8")


@lru_cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=False)
    return environment.from_string(_file("report.html.j2"))
