"""Spend a budget of runs on finding the best rate: seeds where rates are close, new rates where a curve promises more.

A race (Maron and Moore 1994; Birattari et al. 2002): all rates start on a few seeds, those that are shown to be worse
than another one stop, and the others go on. Validation data decide. The claim about the rate that is found rests on
fresh seeds, for which a third of the budget is kept (`analysis.confirm`); so its error does not depend on the search.
"""

from __future__ import annotations

from math import ceil
from numbers import Integral
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dropstudy.analysis.stats.best_set import DRAWS, best_set
from dropstudy.analysis.stats.rate_curve import MOST_KNOTS, smoother
from dropstudy.analysis.verdict.rates import rate_family
from dropstudy.analysis.verdict.rule import LEVEL, SEEDS
from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dropstudy.core.types import StudySpec

START = (0.0, 0.2, 0.4, 0.6, 0.8)
"""Rates of a search that names none."""
START_SEEDS = 3
MORE_SEEDS = 2
"""Seeds that a round adds."""
STEP = 0.05
"""Least distance of a new rate from those that were tried."""


class Round(NamedTuple):
    """What to train next.

    Args:
        seeds: number of seeds of the rates that go on; the others stop where they are.
        racing: places of the rates that go on, the baseline always among them, so that all are paired with it.
        new: a rate that was not tried, which gets all seeds; None for none.
        runs: that this takes.
    """

    seeds: int
    racing: tuple[int, ...]
    new: float | None
    runs: int


def search_runs(max_runs: int) -> int:
    """Runs of a budget that the search may use; the others are for the fresh seeds."""
    return 2 * max_runs // 3


def runs_left(max_runs: int, used: int, fresh: int) -> int:
    """Runs that a search may still train; 0 or less where its part of the budget is used.

    Fresh seeds of an earlier end of the search count as well, and leave room for the seeds of a verdict on another arm.

    Args:
        max_runs: the budget.
        used: runs of the search so far.
        fresh: runs on fresh seeds so far.
    """
    most = search_runs(max_runs)
    return (min(most, max_runs - fresh - 2 * SEEDS) if fresh else most) - used


def least_runs(rates: int, seeds: int = START_SEEDS) -> int:
    """The smallest budget for so many rates to start with: each may need the seeds of a verdict."""
    return max(6 * SEEDS, ceil(rates * max(seeds, SEEDS) * 3 / 2))


def next_round(
    rates: Sequence[float],
    counts: Sequence[int],
    values: NDArray[np.float64],
    left: int,
    *,
    draws: int = DRAWS,
) -> Round | None:
    """Next round of a search, from what was trained and nothing else: a search that was killed goes on alike.

    A rate stops if another one is better on the seeds of both (`best_set`), at 5% / 2^j at the j-th look, so that the
    best of the rates stops in at most 5% of searches. A new rate is the top of the spline through the means of all
    rates, in steps of `STEP`, or lies beyond the highest rate where the top is there. It needs the seeds that the
    others have, so that it is added while they are few.

    Args:
        rates: in the order of the arms, the baseline first.
        counts: seeds of each rate; those with the most are in the race.
        values: (seeds, rates), validation scores, higher is better; NaN where there is no run or it has no score.
        left: runs that the search may still use.
        draws: as for `best_set`.

    Returns:
        None where the budget of the search is used, or one rate is left.
    """
    most = max(counts)
    running = [
        place for place, count in enumerate(counts) if count == most and not np.isnan(values[:, place]).all()
    ]
    if 0 not in running:
        return None
    look = 1 + ceil(max(0, most - START_SEEDS) / MORE_SEEDS)
    left_in = best_set(values[:, running], 1 - LEVEL / 2**look, draws)
    best = [place for place, may in zip(running, left_in, strict=True) if may]
    racing = tuple(sorted({0, *best}))
    catching_up = max(0, SEEDS - most)
    new = _new_rate(rates, arm_means(values))
    taken = 0
    if new is not None:
        taken = most
        if taken + (len(racing) + 1) * max(1, catching_up) > left or taken > max(START_SEEDS, left / 3):
            new, taken = None, 0
    if new is None and len(best) == 1 and not catching_up:
        return None
    size = len(racing) + (new is not None)
    if size == 1:  # the baseline is best, and needs another one beside it for a choice
        racing = tuple(running)
        size = len(racing)
    more = min(MORE_SEEDS, (left - taken) // size)
    return Round(most + more, racing, new, taken + more * size) if more > 0 else None


def arm_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of the columns of a table with gaps, up to a common constant: least squares with an effect of each row."""
    rows, columns = np.nonzero(~np.isnan(values))
    n, k = values.shape
    design = np.hstack([np.eye(k)[columns], np.eye(n)[rows]])
    found = np.linalg.lstsq(design, values[rows, columns], rcond=None)[0][:k]
    return np.where(np.isnan(values).all(axis=0), np.nan, found)


def _new_rate(rates: Sequence[float], means: NDArray[np.float64]) -> float | None:
    known = ~np.isnan(means)
    order = np.argsort(np.asarray(rates)[known])
    tried, heights = np.asarray(rates)[known][order], means[known][order]
    points = np.arange(round(tried[0] / STEP), round(tried[-1] / STEP) + 1) * STEP
    curve = smoother(tried, points, min(MOST_KNOTS, len(tried))) @ heights
    top = round(float(points[curve.argmax()]), 2)
    if top >= tried[-1]:
        top = round(float(min(top + tried[-1] - tried[-2], (top + 1) / 2)), 2)
    near = min(abs(top - rate) for rate in rates)
    return top if near > 0.9 * STEP and top < 1 else None


def refuse_to_find_rate(spec: StudySpec, max_runs: object, *, seeds: int, searching: bool) -> int:
    """Refuse a search that cannot end in an answer, before anything is trained.

    Args:
        spec: of the study.
        max_runs: the budget.
        seeds: that the rates start on.
        searching: whether the study has been searched before, so that its rates and seeds are paid for.

    Returns:
        The budget.

    Raises:
        InvalidArgument: the test set is watched, there are several conditions, arms that differ in more than the rate,
            or too few runs.
    """
    if spec.watches_test:
        raise InvalidArgument(
            "find_rate",
            expected="validation data apart from the test set, to search on",
            received="the test set evaluated every epoch",
            next_step="Hold out training examples: --validation-split 0.15.",
        )
    if len(spec.hidden) > 1 or len(spec.train_sizes) > 1:
        raise InvalidArgument(
            "find_rate",
            expected="one network and one number of training examples, since each may have a best rate of its own",
            received=f"{len(spec.hidden)} networks and {len(spec.train_sizes)} numbers of training examples",
            next_step="Make a study of each, with a folder of its own (--out).",
        )
    others = [arm.name for arm in spec.arms if arm not in rate_family(spec.arms)]
    if others or len(spec.arms) < 2:  # noqa: PLR2004 - a rate beside the baseline
        raise InvalidArgument(
            "find_rate",
            expected="two or more arms that differ in one rate for all layers and nothing else",
            received=f"{', '.join(map(repr, others)) or 'one arm'}",
            next_step="Name the rates to start with: --rates 0,0.2,0.4,0.6,0.8.",
        )
    least = 1 if searching else least_runs(len(spec.arms), seeds)
    if isinstance(max_runs, bool) or not isinstance(max_runs, Integral) or max_runs < least:
        raise InvalidArgument(
            "find_rate",
            expected=f"a budget of {least} runs or more: {len(spec.arms)} rates on {max(seeds, SEEDS)} seeds each, and "
            f"a third, {2 * SEEDS} at least, for fresh seeds",
            received=repr(max_runs),
            next_step=f"Use --find-rate {least}{', or fewer rates to start with' * (least > least_runs(2))}.",
        )
    return int(max_runs)
