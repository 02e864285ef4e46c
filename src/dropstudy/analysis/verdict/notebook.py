"""A verdict as a notebook shows it: its sentences, and the table behind each condition."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from dropstudy.analysis.verdict.tables import comparison_cells

if TYPE_CHECKING:
    from dropstudy.analysis.verdict.types import Verdict


def html(verdict: Verdict) -> str:
    """The headline in bold, the other sentences, and a table of comparisons for each condition."""
    first, *others = verdict.sentences or (verdict.headline,)
    parts = [f"<p><b>{escape(first)}</b></p>", *(f"<p>{escape(sentence)}</p>" for sentence in others)]
    for condition in verdict.conditions:
        if any(comparison.n for comparison in condition.comparisons):
            where = f"{condition.hidden} on {condition.train_size:,}: " if len(verdict.conditions) > 1 else ""
            title = f"{where}test accuracy against '{condition.baseline}', paired by seed, percentage points"
            parts += [f"<p>{escape(title)}</p>", comparison_cells(condition).to_html(index=False, border=0)]
    return "\n".join(parts)
