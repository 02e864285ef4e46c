"""Write a report into a study's folder: the page, figures, tables and the conclusion."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from dropstudy.core.atomic import write_files
from dropstudy.core.tables import csv
from dropstudy.core.text import plain_name
from dropstudy.report.figures import DIGITS, figure_files
from dropstudy.report.page import html
from dropstudy.report.sections import sections
from dropstudy.report.sections.blocks import figures_of
from dropstudy.report.sections.runs import run_table
from dropstudy.report.stamp import write_stamp
from dropstudy.report.tables import summary_table
from dropstudy.store.paths import FIGURE, FIGURES

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from dropstudy.report.snapshot import Snapshot


def write_report(snapshot: Snapshot, folder: Path, *, figures: bool = False) -> list[Path]:
    """Write page, figures, tables and conclusion of a study.

    `report.html` needs no other file. Beside it lie `history.csv`, `runs.csv`, `summary.csv` and `conclusion.txt`.
    `figures/` has the accuracy curves and the notebook's figures as PNG, SVG and PDF, their numbers as CSV, and their
    captions as TXT.
    Figures of an earlier report that this one does not write are removed, as their numbers may be older.

    Args:
        snapshot: the study.
        folder: where to write; made where missing.
        figures: also write the other figures of the page.

    Returns:
        The paths written.

    Raises:
        StoreError: the disk is full, or the folder cannot be written.
        DropstudyError: the drawing library ended its process, twice.
    """
    parts = sections(snapshot)
    drawn = [figure for figure in figures_of(parts) if figures or figure.always_a_file]
    texts = {
        "history.csv": csv(snapshot.history),
        "runs.csv": csv(run_table(snapshot), DIGITS),
        "summary.csv": csv(summary_table(snapshot.summaries), DIGITS),
        "conclusion.txt": conclusion(snapshot),
    }
    files = {
        folder / "report.html": html(snapshot, parts).encode("utf-8"),
        **figure_files(drawn, snapshot.subtitle, folder / FIGURES),
        **{folder / name: text.encode("utf-8") for name, text in texts.items()},
    }
    write_files(files)
    _remove_old(folder / FIGURES, files)
    write_stamp(snapshot, folder, files)
    return list(files)


def conclusion(snapshot: Snapshot) -> str:
    """Text of `conclusion.txt`."""
    heading = f"Study {plain_name(snapshot.spec.name)}, data: {plain_name(snapshot.metadata['data'])}"
    notes = [note for note in (snapshot.fallback_note, snapshot.left_out) if note]
    return "\n\n".join([heading, *notes, str(snapshot.answer), *snapshot.verdict.sentences]) + "\n"


def _remove_old(figures: Path, files: Collection[Path]) -> None:
    """Remove the figures of an earlier report that this one does not have."""
    if figures.is_symlink() or not figures.is_dir():
        return
    for path in figures.iterdir():
        if FIGURE.fullmatch(path.name) and path not in files and not path.is_symlink():
            with suppress(OSError):  # the report itself is written
                path.unlink()
