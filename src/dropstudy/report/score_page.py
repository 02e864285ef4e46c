"""The page on scores that others computed: one HTML file, which replaces none but such a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.core.atomic import expand_home, write_text
from dropstudy.core.text import plain_name
from dropstudy.errors import InvalidArgument
from dropstudy.report.page import Heading, render
from dropstudy.report.sections.given_scores import about, sections_on_scores
from dropstudy.report.title import compared
from dropstudy.store.outputs import refuse_overwriting

if TYPE_CHECKING:
    from pathlib import Path

    from dropstudy.analysis.given_scores import ScoresAssessed

SUFFIX = ".html"

_MAKER = "dropstudy verdict"
_MARK = f'<meta name="generator" content="{_MAKER}">'.encode()
_TOP = 2000
"""Bytes of a page within which it names its maker."""


def write_score_page(scores: ScoresAssessed, out: str | Path | None = None) -> Path:
    """Write the page.

    Args:
        scores: with their verdict.
        out: the page; by default it lies beside the table: `scores.verdict.html` beside `scores.csv`.

    Returns:
        Its path.

    Raises:
        InvalidArgument: another file has this name, or a data frame has no file to lie beside.
        StoreError: the disk is full, or the folder cannot be written.
    """
    path = _beside(scores.table.path) if out is None else expand_home(out)
    check_page(path)
    source = plain_name(scores.table.path.name if scores.table.path else scores.table.source)
    title = f"{scores.metric.subject} in {source}: {compared(scores.arms)}"
    write_text(path, render(Heading(title, source, about(scores), maker=_MAKER), sections_on_scores(scores)))
    return path


def check_page(path: Path) -> None:
    """Refuse a path that is no HTML file, or a file that is no page on scores.

    Raises:
        InvalidArgument: the page may not be written there.
    """
    if path.suffix.lower() != SUFFIX:
        raise InvalidArgument(
            "--out", expected=f"the name of a page, which ends in {SUFFIX}", received=str(path)
        )
    refuse_overwriting(path)
    if path.is_symlink() or (path.exists() and not _is_ours(path)):
        raise InvalidArgument(
            "--out",
            expected="a new file, or a page of dropstudy verdict",
            received=f"{path}, which is another file",
            next_step="Name another one; nothing was written.",
        )


def _beside(table: Path | None) -> Path:
    if table is None or not table.is_file():
        raise InvalidArgument(
            "--out", expected="the name of the page, since the scores are no file", received="none"
        )
    return table.with_name(f"{table.stem}.verdict{SUFFIX}")


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _MARK in file.read(_TOP)
    except OSError:  # not readable
        return False
