"""Records of what a page shows: sections of paragraphs, figures, tables, pictures, text and facts."""

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
        name: of its files and its anchor: small letters, digits, dashes.
        title: heading above the chart.
        chart: the chart.
        caption: text below the chart.
        table: the numbers drawn, tidy.
        sample: sentence on the seeds that it shows, for its caption in a file.
        cells: the numbers as the page shows and prints them; where left out, it shows `table` and prints none.
        folded: whether the page shows it only on a click.
        always_a_file: whether every report writes it as files, not only one with all figures.
    """

    name: str
    title: str
    chart: Chart
    caption: str
    table: pd.DataFrame
    sample: str = ""
    cells: pd.DataFrame | None = None
    folded: bool = False
    always_a_file: bool = False

    @cached_property
    def spec(self) -> dict[str, Any]:
        """Vega-Lite specification, made once for page and files; do not change it."""
        # Without validation, which takes seconds.
        spec: dict[str, Any] = self.chart.to_dict(validate=False)
        return spec


@dataclass(frozen=True, eq=False)
class Table:
    """A table of text and numbers.

    Args:
        title: what it holds.
        caption: text above it.
        frame: rows; the columns' names are the headings.
        forms: format specification of a column's numbers, as Python has it.
        sortable: whether a click on a heading sorts.
        folded: whether the page shows it only on a click.
    """

    title: str
    caption: str
    frame: pd.DataFrame
    forms: dict[str, str]
    sortable: bool = True
    folded: bool = True


@dataclass(frozen=True)
class Picture:
    """One image.

    Args:
        source: a data address.
        width: in pixels of the page.
        height: in pixels of the page.
        alt: text alternative.
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
        ink: whether they are grey, bright on dark, so that a light page inverts them.
    """

    title: str
    pictures: tuple[Picture, ...]
    caption: str = ""
    ink: bool = False


@dataclass(frozen=True)
class Code:
    """Text to copy: a command, a study file.

    Args:
        title: above it.
        text: the text.
        folded: whether the page shows it only on a click.
    """

    title: str
    text: str
    folded: bool = False


@dataclass(frozen=True)
class Facts:
    """Names and values, for instance of versions."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class Group:
    """Figures of one kind that the page shows on a click, two in a row if they fit."""

    title: str
    figures: tuple[Figure, ...]


Block = Figure | Table | Pictures | Code | Facts | Group


def figures_of(sections: Iterable[Section]) -> list[Figure]:
    """All figures of some sections, in their order."""
    blocks = [block for section in sections for block in section.blocks]
    parts = [block.figures if isinstance(block, Group) else (block,) for block in blocks]
    return [part for inner in parts for part in inner if isinstance(part, Figure)]


@dataclass(frozen=True)
class Head:
    """Head of the page: the study's answer.

    Args:
        lines: each question with its answer.
        cautions: reasons to trust the answer less, one or two sentences each.
        steps: what to do next: a text and a command, which may be empty.
        tone: `good`, `bad`, `even` or `open`, for its colour.
    """

    lines: tuple[tuple[str, str], ...]
    cautions: tuple[str, ...]
    steps: tuple[tuple[str, str], ...]
    tone: str


@dataclass(frozen=True, eq=False)
class Section:
    """A part of the page with a heading of its own.

    Args:
        name: of its anchor.
        title: heading.
        purpose: what it is for, in one sentence below the heading.
        paragraphs: text.
        blocks: figures, tables and others.
        head: the study's answer, in the first section.
    """

    name: str
    title: str
    purpose: str
    paragraphs: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    head: Head | None = None
