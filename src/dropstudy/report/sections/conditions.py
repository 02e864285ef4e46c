"""Conditions (networks and training-set sizes) in names and titles of figures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from dropstudy.report.assessed import Assessed
    from dropstudy.report.sections.blocks import Figure

MOST = 6
"""Most conditions whose predictions and weights are read: those of more would be slow."""


def condition_words(condition: tuple[str, int]) -> str:
    """Condition in a title, for instance `512-512 units, 60,000 training examples`."""
    return f"{condition[0]} units, {condition[1]:,} training examples"


def of_condition(snapshot: Assessed, condition: tuple[str, int], figure: Figure) -> Figure:
    """Figure with the name and title of a condition, folded unless it is of the first.

    Its sample are all finished seeds, unless it names another.
    """
    seeds = snapshot.of_condition(snapshot.finals, condition)["arm"].value_counts()
    return replace(
        figure,
        sample=figure.sample or sample(seeds),
        name=f"{figure.name}{name_suffix(snapshot, condition)}",
        title=f"{figure.title}{title_suffix(snapshot, condition)}",
        folded=figure.folded or folded(snapshot, condition),
    )


def of_table(frame: pd.DataFrame, condition: tuple[str, int]) -> pd.DataFrame:
    """Table with the columns `hidden` and `train_size`, where the condition is known."""
    return frame.assign(hidden=condition[0], train_size=condition[1]) if condition[0] else frame


def sample(counts: Iterable[int], of: str = "seed") -> str:
    """Sentence on the number of seeds: "n = 5 to 6 seeds for each arm." Arms without any do not count."""
    found = sorted({int(count) for count in counts} - {0}) or [0]
    n = f"{found[0]} to {found[-1]}" if len(found) > 1 else str(found[0])
    return f"n = {n} {of}{'' if found == [1] else 's'} for each arm."


def name_suffix(snapshot: Assessed, condition: tuple[str, int]) -> str:
    """Number of a condition in the name of its figure, where there are several conditions."""
    return f"-{snapshot.conditions.index(condition) + 1}" if len(snapshot.conditions) > 1 else ""


def title_suffix(snapshot: Assessed, condition: tuple[str, int]) -> str:
    """Condition at the end of a title, where there are several."""
    return f": {condition_words(condition)}" if len(snapshot.conditions) > 1 else ""


def folded(snapshot: Assessed, condition: tuple[str, int]) -> bool:
    """Whether the page folds a condition's figures: all but those of the first."""
    return condition != snapshot.conditions[0]


def left_out(snapshot: Assessed) -> tuple[str, ...]:
    """Sentence on the conditions beyond `MOST`; none where there are no more."""
    count = len(snapshot.conditions)
    if count <= MOST:
        return ()
    return (f"This section shows the first {MOST} of {count} networks and training sizes.",)


def short_words(snapshot: Assessed, condition: tuple[str, int]) -> str:
    """What distinguishes a condition from the others of its study, for instance `512-512, 1,000 examples`."""
    networks, sizes = (len(set(values)) for values in zip(*snapshot.conditions, strict=True))
    parts = [condition[0]] if networks > 1 else []
    return ", ".join([*parts, f"{condition[1]:,} examples"] if sizes > 1 else parts)
