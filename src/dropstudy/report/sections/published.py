"""Section after the answer, of a study that repeats published results: these beside its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.analysis.answered import AS_PUBLISHED
from dropstudy.analysis.as_published import caption, cells
from dropstudy.report.sections.blocks import Section, Table

if TYPE_CHECKING:
    from dropstudy.report.snapshot import Snapshot


def published(snapshot: Snapshot) -> Section | None:
    """Each published result with the number of this study; None where it repeats none, or has no finished run."""
    found = snapshot.published
    if not snapshot.answer.published:
        return None
    table = Table("Published and here", caption(found), cells(found), {}, sortable=False, folded=False)
    purpose = "This study repeats published results."
    return Section("published", AS_PUBLISHED, purpose, blocks=(table,))
