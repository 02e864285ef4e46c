"""Blocks of a page, as plain records: sections of paragraphs, figures, tables and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from dropstudy.report.charts import Chart


@dataclass(frozen=True, eq=False)
class Figure:
    """A chart with the numbers that it draws.

    Args:
        name: of its files and its place in the page: small letters, digits, dashes.
        title: above it.
        chart: the chart.
        caption: below it: what is drawn, which interval, over what.
        table: the numbers drawn, tidy.
        folded: whether the page shows it only when it is asked for.
        always_a_file: whether every report writes it as files, not only one with all figures.
    """

    name: str
    title: str
    chart: Chart
    caption: str
    table: pd.DataFrame
    folded: bool = False
    always_a_file: bool = False

    @cached_property
    def spec(self) -> dict[str, Any]:
        """The chart as Vega-Lite, made once for page and files; not to be changed."""
        # Altair's own check of the whole takes seconds; the tests hold every chart against the schema.
        told: dict[str, Any] = self.chart.to_dict(validate=False)
        return told


@dataclass(frozen=True, eq=False)
class Table:
    """A table of text and numbers, which a click on a heading sorts.

    Args:
        caption: what it holds.
        frame: a row a line; the columns' names are the headings.
        forms: how the numbers of a column are written, in Python's format language.
        sortable: whether headings sort.
    """

    caption: str
    frame: pd.DataFrame
    forms: dict[str, str]
    sortable: bool = True


@dataclass(frozen=True)
class Picture:
    """One image.

    Args:
        source: a data address.
        width: in pixels of the page.
        height: likewise.
        alt: what it shows, for who cannot see it.
        lines: short lines below it.
    """

    source: str
    width: int
    height: int
    alt: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pictures:
    """Images of one kind, side by side.

    Args:
        title: above them.
        pictures: the images.
        caption: below them.
        ink: whether they are shades of grey, bright on dark, which a page by day shows dark on bright.
    """

    title: str
    pictures: tuple[Picture, ...]
    caption: str = ""
    ink: bool = False


@dataclass(frozen=True)
class Code:
    """Text to copy: a command, a study file."""

    title: str
    text: str
    folded: bool = False


@dataclass(frozen=True)
class Facts:
    """Names and values, for instance of versions."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class Group:
    """Figures of one kind that the page shows when they are asked for, two in a row where there is room."""

    title: str
    figures: tuple[Figure, ...]


Block = Figure | Table | Pictures | Code | Facts | Group


def figures_of(sections: Iterable[Section]) -> list[Figure]:
    """All figures of some sections, in their order."""
    blocks = [block for section in sections for block in section.blocks]
    parts = [block.figures if isinstance(block, Group) else (block,) for block in blocks]
    return [part for inner in parts for part in inner if isinstance(part, Figure)]


@dataclass(frozen=True)
class Headline:
    """The verdict at the head of the page.

    Args:
        decision: in a word or two.
        headline: in a sentence.
        certainty: the figures behind it; empty where there are none.
        tone: `good`, `bad`, `even` or `open`, which colours it.
    """

    decision: str
    headline: str
    certainty: str
    tone: str


@dataclass(frozen=True, eq=False)
class Section:
    """A part of the page with a heading of its own.

    Args:
        name: of its anchor.
        title: its heading.
        paragraphs: what is said, a paragraph each.
        blocks: what is shown.
        verdict: what stands at its head instead of the heading, for the first section.
    """

    name: str
    title: str
    paragraphs: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    verdict: Headline | None = None
