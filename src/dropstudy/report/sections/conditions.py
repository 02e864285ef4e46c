"""Names of figures where a study has several networks or training-set sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dropstudy.report.sections.blocks import Figure
    from dropstudy.report.snapshot import Snapshot

MOST = 6
"""Shapes that are looked into run by run: answers, weights. The figures of others would be many and slow to make."""


def condition_words(condition: tuple[str, int]) -> str:
    """A condition as a title says it, for instance `512-512 units, 60,000 training examples`."""
    return f"{condition[0]} units, {condition[1]:,} training examples"


def of_condition(snapshot: Snapshot, condition: tuple[str, int], figure: Figure) -> Figure:
    """A figure named and titled as that of a condition, and folded where it is not of the first."""
    return replace(
        figure,
        name=f"{figure.name}{ending(snapshot, condition)}",
        title=f"{figure.title}{where(snapshot, condition)}",
        folded=figure.folded or folded(snapshot, condition),
    )


def ending(snapshot: Snapshot, condition: tuple[str, int]) -> str:
    """Ending of the name of a condition's figure: its number, where there are several."""
    return f"-{snapshot.conditions.index(condition) + 1}" if len(snapshot.conditions) > 1 else ""


def where(snapshot: Snapshot, condition: tuple[str, int]) -> str:
    """Ending of a condition's title: the condition, where there are several."""
    return f": {condition_words(condition)}" if len(snapshot.conditions) > 1 else ""


def folded(snapshot: Snapshot, condition: tuple[str, int]) -> bool:
    """Whether the page shows a condition's figure only when it is asked for: all but the first."""
    return condition != snapshot.conditions[0]


def left_out(snapshot: Snapshot) -> tuple[str, ...]:
    """Sentence on the conditions that a section leaves out, which shows at most `MOST`; none where it has all."""
    count = len(snapshot.conditions)
    if count <= MOST:
        return ()
    return (
        f"The study has {count} networks and training sizes; here are the first {MOST}, in its own order.",
    )
