"""The answer after other numbers of epochs: would a study of half the length have said the same?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from dropstudy.analysis.stats.over_epochs import COLUMNS, differences_over_epochs
from dropstudy.analysis.verdict.rule import SEEDS
from dropstudy.core.types import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dropstudy.analysis.verdict.design import Design
    from dropstudy.analysis.verdict.types import Decision
    from dropstudy.core.metrics import Metric
    from dropstudy.core.types import Arm


@dataclass(frozen=True)
class HalfTime:
    """Decision on an arm at half the epochs and at the end, by its interval on the data watched while training.

    Args:
        arm: its name.
        epochs: half of them.
        last: all of them.
        then: decision after half of the epochs.
        now: decision after all of them.
    """

    arm: str
    epochs: int
    last: int
    then: Decision
    now: Decision


def over_epochs(
    history: pd.DataFrame, arms: Sequence[Arm], metric: Metric, epochs: Iterable[int], *, best: bool
) -> pd.DataFrame:
    """Difference of each arm to the baseline after some numbers of epochs, in the metric's unit.

    On validation data, or on the test set where that was watched. Empty where histories do not hold the metric, and
    where an arm's rate changes during training: in a shorter one it would change sooner.

    Args:
        history: of one condition, finished runs.
        arms: baseline first.
        metric: that they are judged by.
        epochs: numbers of epochs.
        best: whether runs are tested with their best weights.
    """
    column = metric.validation
    if any(arm.schedule != "constant" for arm in arms):
        column = ""
    if column not in METRICS or history.empty or not history[column].notna().any():
        return pd.DataFrame(columns=list(COLUMNS))
    names = [arm.name for arm in arms]
    found = differences_over_epochs(history, names, column, epochs, best=best, fewest=SEEDS)
    found[["mean", "low", "high"]] *= metric.factor
    return found


def half_time(history: pd.DataFrame, design: Design) -> tuple[HalfTime, ...]:
    """Each arm with an interval at half of the epochs and at the end; none below four epochs.

    Args:
        history: of one condition, finished runs.
        design: of the study.
    """
    last = 0 if history.empty else int(history["epoch"].max())
    if last < 4 or len(design.arms) < 2:  # noqa: PLR2004 - an epoch is no study; nothing to compare
        return ()
    half = last // 2
    rows = over_epochs(history, design.arms, design.measure, (half, last), best=design.restore_best_weights)
    found = []
    for arm, ours in rows.groupby("arm", sort=False):
        if len(ours) == 2 and ours["low"].notna().all():  # noqa: PLR2004 - both numbers of epochs
            then, now = (
                _decision(low, high, design) for low, high in zip(ours["low"], ours["high"], strict=True)
            )
            found.append(HalfTime(str(arm), half, last, then, now))
    return tuple(found)


def _decision(low: float, high: float, design: Design) -> Decision:
    if -design.margin < low and high < design.margin:
        return "equivalent"
    if low <= 0 <= high:
        return "undecided"
    return "helps" if (low > 0) == (design.measure.sign > 0) else "hurts"
