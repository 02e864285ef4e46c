"""A study as a notebook shows it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from dropstudy.analysis.verdict.tables import answer_cells
from dropstudy.report.stamp import is_current
from dropstudy.store.directory import recorded_spec

if TYPE_CHECKING:
    from dropstudy.study.study import Study


def html_of(study: Study) -> str:
    """HTML of a study: what it is, and its answer with the numbers behind it as far as it has results."""
    about = f"<p>{escape(repr(study))}</p>"
    if recorded_spec(study.folder) is None:
        return about
    snapshot = study.results().snapshot
    cells, _ = answer_cells(snapshot.verdict)
    table = "" if snapshot.finals.empty else cells.to_html(index=False, border=0)
    notes = (snapshot.fallback_note, *snapshot.verdict.disclosures, snapshot.left_out)
    page = f"The report: {study.folder / 'report.html'}" if is_current(snapshot) else ""
    noted = (f"<p>{escape(note)}</p>" for note in (*notes, page) if note)
    return "\n".join((about, snapshot.answer._repr_html_(), table, *noted))
