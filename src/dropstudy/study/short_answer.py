"""The short answer of a study as plain text, as `dropstudy run` ends with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.core import tables
from dropstudy.report.stamp import is_current

if TYPE_CHECKING:
    from dropstudy.report.snapshot import Snapshot

_MOST_ROWS = 24


def short_answer(snapshot: Snapshot) -> str:
    """The answer, its cautions, one table, what to run next, and where the page is."""
    from dropstudy.analysis.verdict.tables import answer_cells  # noqa: PLC0415 - pandas is slow to import

    answer, verdict = snapshot.answer, snapshot.verdict
    notes = [*answer.cautions, *verdict.disclosures, snapshot.fallback_note, snapshot.left_out]
    lines = ["", *(f"{question} {text}" for question, text in answer.lines)]
    lines += [f"Note: {note}" for note in notes if note]
    if not snapshot.finals.empty:
        cells, _ = answer_cells(verdict)
        lines.append(tables.text(cells[:_MOST_ROWS]))
    lines += map(str, answer.steps)
    if is_current(snapshot):
        lines.append(f"The report: {snapshot.folder / 'report.html'} (open it in a browser)")
    return "\n".join(lines)
