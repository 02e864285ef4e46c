"""Figures as files: pictures (PNG, SVG, PDF) under their titles, their numbers (CSV) and their captions (TXT)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from dropstudy.core.tables import csv
from dropstudy.core.text import plain_name
from dropstudy.report.charts.render import draw

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dropstudy.report.charts import Chart
    from dropstudy.report.sections.blocks import Figure

DIGITS = 10
"""Significant digits of a number in a CSV file."""


def figure_files(figures: Sequence[Figure], subtitle: str, folder: Path) -> dict[Path, bytes]:
    """Contents of the files of some figures, by path.

    Raises:
        DropstudyError: the drawing library ended its process, twice.
    """
    files: dict[Path, bytes] = {}
    drawn = draw(titled_spec(figure, subtitle) for figure in figures) if figures else []
    for figure, pictures in zip(figures, drawn, strict=True):
        files |= {folder / f"{figure.name}.{kind}": content for kind, content in pictures.items()}
        files[folder / f"{figure.name}.csv"] = csv(figure.table, DIGITS).encode("utf-8")
        files[folder / f"{figure.name}.txt"] = caption(figure, subtitle).encode("utf-8")
    return files


def caption(figure: Figure, subtitle: str) -> str:
    """Caption for a paper: what is drawn, what its bands and bars are, how many seeds, the study; then the alt text."""
    about = f"{plain_name(figure.title, 200)}. {figure.caption} {figure.sample} Study: {subtitle}."
    return f"{about}\n\nAlt text: {figure.chart.description}\n"


def titled(figure: Figure, subtitle: str) -> Chart:
    """Chart of a figure with a title and a line below it, unless it has a title of its own."""
    if figure.chart.title is not alt.Undefined:
        return figure.chart
    return figure.chart.properties(title=_title(figure, subtitle))


def titled_spec(figure: Figure, subtitle: str) -> dict[str, Any]:
    """Vega-Lite specification of the same."""
    return {"title": _title(figure, subtitle).to_dict(), **figure.spec}


def _title(figure: Figure, subtitle: str) -> alt.Title:
    return alt.Title(plain_name(figure.title, 90), subtitle=subtitle, limit=640, offset=18)
