"""Write a report into a study's folder: the page, the figures, the tables, the conclusion."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from dropstudy.core.atomic import write_files
from dropstudy.core.tables import csv
from dropstudy.core.text import plain_name
from dropstudy.report import charts
from dropstudy.report.charts.render import Drawing
from dropstudy.report.figures import titled_spec
from dropstudy.report.page import html
from dropstudy.report.sections import sections
from dropstudy.report.sections.blocks import figures_of
from dropstudy.report.sections.runs import run_table
from dropstudy.report.stamp import seal
from dropstudy.report.tables import summary_table
from dropstudy.store.paths import FIGURE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from dropstudy.report.sections.blocks import Section
    from dropstudy.report.snapshot import Snapshot

_DIGITS = 10


def write_report(snapshot: Snapshot, folder: Path, drawing: Drawing | None = None) -> list[Path]:
    """Write page, figures, tables and conclusion of a study; files of these names from earlier are replaced.

    `report.html` holds everything in itself. `figures/` has its figures as PNG, SVG and PDF and their numbers as CSV;
    beside it lie `history.csv`, `runs.csv`, `summary.csv` and, last of all, `conclusion.txt`. Each file is there whole
    or not at all.

    Args:
        snapshot: the study.
        folder: where to; made where missing.
        drawing: who draws the figures, where somebody was started for that already.

    Returns:
        The paths written.

    Raises:
        StoreError: the disk is full, or the folder cannot be written.
    """
    if drawing is None:
        with Drawing() as own:
            return write_report(snapshot, folder, own)
    pictures: dict[str, Callable[[], dict[str, bytes]]] = {}

    def begin(section: Section) -> None:
        for figure in figures_of([section]):
            spec = charts.spec_json(titled_spec(figure, snapshot.subtitle))
            pictures[figure.name] = drawing.begin(spec)

    parts = sections(snapshot, begin)
    figures = folder / "figures"
    page = {folder / "report.html": html(snapshot, parts)}
    numbers = {figures / f"{figure.name}.csv": csv(figure.table, _DIGITS) for figure in figures_of(parts)}
    tables = {
        folder / "history.csv": csv(snapshot.history),
        folder / "runs.csv": csv(run_table(snapshot), _DIGITS),
        folder / "summary.csv": csv(summary_table(snapshot.summaries), _DIGITS),
        folder / "conclusion.txt": conclusion(snapshot),
    }
    drawn: dict[Path, bytes] = {}
    for name, when_drawn in pictures.items():
        drawn |= charts.files(when_drawn(), figures / name)
    files = {**_encoded(page), **drawn, **_encoded(numbers | tables)}
    write_files(files)
    _remove_old(figures, files)
    seal(snapshot, folder, files)
    return list(files)


def conclusion(snapshot: Snapshot) -> str:
    """Text of `conclusion.txt`."""
    heading = f"Study {plain_name(snapshot.spec.name)}, data: {plain_name(snapshot.metadata['data'])}"
    notes = [note for note in (snapshot.fallback_note, snapshot.left_out) if note]
    return "\n\n".join([heading, *notes, *snapshot.verdict.sentences]) + "\n"


def _remove_old(figures: Path, files: Collection[Path]) -> None:
    """Remove the figures of an earlier report that this one has not: they would stand beside newer numbers."""
    if figures.is_symlink() or not figures.is_dir():
        return
    for path in figures.iterdir():
        if FIGURE.fullmatch(path.name) and path not in files and not path.is_symlink():
            with suppress(OSError):  # one that cannot be removed is in nobody's way
                path.unlink()


def _encoded(texts: dict[Path, str]) -> dict[Path, bytes]:
    return {path: text.encode("utf-8") for path, text in texts.items()}
