"""Choice of an arm on validation data, and the arms that cannot be told from the best one."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, sqrt
from typing import TYPE_CHECKING

import numpy as np

from dropstudy.analysis.stats.anytime import anytime
from dropstudy.analysis.stats.best_set import best_set
from dropstudy.analysis.stats.estimate import ROUNDING, spread_out
from dropstudy.analysis.verdict.rule import LEVEL, SEEDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dropstudy.analysis.verdict.pairs import PairedRuns
    from dropstudy.analysis.verdict.types import ArmScores
    from dropstudy.core.metrics import Metric


@dataclass(frozen=True)
class Choice:
    """Choice of an arm on the validation data.

    Args:
        arm: its name.
        considered: number of arms it was chosen from.
        second: name of the next best arm.
        lead: by which it is better than that on the validation data, in the unit of the metric; 0 where the loss broke
            a tie.
        sure: whether the lead is more than twice its standard error, paired by seed.
        best: names of the arms that cannot be told from the best one, with 95% confidence, in the order of the arms;
            empty where all arms differ equally in every seed, which shows nothing about other seeds.
    """

    arm: str
    considered: int
    second: str
    lead: float
    sure: bool
    best: tuple[str, ...] = ()


def choose(
    scores: tuple[ArmScores, ...],
    runs: PairedRuns,
    metric: Metric,
    *,
    always_valid: bool = False,
    stopped: frozenset[str] = frozenset(),
) -> Choice | None:
    """The arm of the best mean on the validation data over the seeds that all of them finished; loss breaks a tie.

    By the metric that the verdict is about: at the last epoch an overconfident network has the worse loss and may have
    the better accuracy. Excluded are arms with fewer than `SEEDS` seeds, with diverged runs, or whose mean is not a
    number. None where fewer than two arms or than `SEEDS` shared seeds remain, where the baseline is excluded, and
    where loss does not break a tie either.

    Args:
        scores: of each arm, baseline first.
        runs: of the same condition.
        metric: to choose by.
        always_valid: whether the arms that may be the best are to hold at every look at growing seeds.
        stopped: names of arms that a search has stopped because another one is better.
    """
    candidates = [
        arm
        for arm in scores
        if len(arm.seeds) >= SEEDS
        and not arm.diverged
        and isfinite(arm.validation.value)
        and arm.arm not in stopped
    ]
    if len(candidates) < 2 or candidates[0] is not scores[0]:  # noqa: PLR2004 - one is no choice
        return None
    shared = sorted(set.intersection(*(set(arm.seeds) for arm in candidates)))
    if len(shared) < SEEDS:
        return None
    finished = [runs.of(arm.arm).loc[shared] for arm in candidates]
    values = [metric.sign * rows[metric.validation] for rows in finished]
    means = [
        (float(better.mean()), -float(rows["val_loss"].mean()))
        for better, rows in zip(values, finished, strict=True)
    ]
    order = sorted(range(len(means)), key=lambda place: means[place], reverse=True)
    best = max(mean for mean, _ in means)
    tied = [place for place in order if best - means[place][0] <= ROUNDING]
    first = max(tied, key=lambda place: means[place][1])
    second = next(place for place in (*tied, *order) if place != first)
    lead = means[first][0] - means[second][0]
    if second in tied:
        lead = 0.0
        if not means[first][1] - means[second][1] > ROUNDING:
            return None
    each = (values[first] - values[second]).to_numpy(dtype=np.float64)
    error = float(each.std(ddof=1)) / sqrt(len(each))
    return Choice(
        arm=candidates[first].arm,
        considered=len(candidates) + len(stopped),
        second=candidates[second].arm,
        lead=metric.factor * lead,
        sure=lead > 2 * error,
        best=_best([arm.arm for arm in candidates], np.column_stack(values), always_valid=always_valid),
    )


def _best(names: list[str], values: NDArray[np.float64], *, always_valid: bool) -> tuple[str, ...]:
    """Names of the arms that may be the best.

    At every look: of those that no other one is shown to be better than by an always-valid interval, at 5% divided by
    the number of the others, since the best arm is compared with each of them.

    Args:
        names: of the arms.
        values: (n, k), seeds by arms, higher is better.
        always_valid: whether at every look.
    """
    if not any(map(spread_out, (values - values[:, :1]).T)):
        return ()
    if not always_valid:
        return tuple(name for name, may in zip(names, best_set(values, 1 - LEVEL), strict=True) if may)
    level = 1 - LEVEL / (len(names) - 1)
    found = []
    for name, ours in zip(names, values.T, strict=True):
        if not any(anytime(theirs - ours, level).above_zero for theirs in values.T):
            found.append(name)
    return tuple(found)
