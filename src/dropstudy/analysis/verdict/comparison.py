"""Each arm of a condition against its baseline: every estimate and test, and the decision."""

from __future__ import annotations

from math import isfinite, isnan, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np

from dropstudy.analysis.stats import Estimate, paired
from dropstudy.analysis.stats.anytime import seeds_for
from dropstudy.analysis.stats.crossed_bootstrap import crossed_bootstrap
from dropstudy.analysis.stats.equivalence import detectable, deviation_interval, seeds_needed
from dropstudy.analysis.stats.estimate import spread_out
from dropstudy.analysis.stats.posterior import posterior
from dropstudy.analysis.stats.robust import robust_centres
from dropstudy.analysis.stats.simultaneous import simultaneous
from dropstudy.analysis.stats.unseen import unseen
from dropstudy.analysis.verdict.inference import arm_tests
from dropstudy.analysis.verdict.metrics import metric_differences
from dropstudy.analysis.verdict.rule import LEVEL, SEEDS, Limits
from dropstudy.analysis.verdict.types import ArmComparison
from dropstudy.core.metrics import ACCURACY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from dropstudy.analysis.stats.crossed_bootstrap import NewData
    from dropstudy.analysis.stats.posterior import Posterior
    from dropstudy.analysis.verdict.pairs import PairedRuns
    from dropstudy.core.metrics import Metric
    from dropstudy.core.types import Arm


def compare_arms(
    runs: PairedRuns, *, metric: Metric, margin: float, always_valid: bool
) -> tuple[ArmComparison, ...]:
    """Every arm but the baseline, in their order; corrections are over the arms with enough seeds for a decision.

    Args:
        runs: of the condition.
        metric: that they are judged by.
        margin: in its unit.
        always_valid: whether decisions rest on always-valid intervals.
    """
    others = runs.arms[1:]
    enough = [arm for arm in others if len(runs.pairs(arm.name)) >= SEEDS]
    families = [enough] * bool(enough) + [[arm] for arm in others if arm not in enough]
    compared = {
        comparison.arm: comparison
        for family in families
        for comparison in _compare_family(
            runs, family, metric=metric, margin=margin, always_valid=always_valid
        )
    }
    return tuple(compared[arm.name] for arm in others)


def _compare_family(
    runs: PairedRuns, family: Sequence[Arm], *, metric: Metric, margin: float, always_valid: bool
) -> Iterator[ArmComparison]:
    seeds, stored = runs.differences(metric.column, family)
    points, baseline = metric.factor * stored, runs.arms[0].name
    # Resampling examples takes a score of each: other metrics have none.
    new_data = _new_data(runs, family) if metric is ACCURACY else {}
    limits = [_limits(runs, arm, new_data.get(arm.name), metric) for arm in family]
    tested = arm_tests(points, margin=margin, always_valid=always_valid, limits=limits, sign=metric.sign)
    together = simultaneous(points) if always_valid else [tests.deciding for tests in tested]
    for place, (arm, column, tests) in enumerate(zip(family, points.T, tested, strict=True)):
        shared = ~np.isnan(column)
        x = column[shared]
        beyond = new_data.get(arm.name)
        deviation = float(x.std(ddof=1)) if spread_out(x) else nan
        sought, level = max(abs(tests.difference.value), margin), LEVEL / len(family)
        needed, low, high = _seeds(deviation, len(x), sought, level, always_valid=always_valid)
        yield ArmComparison(
            arm=arm.name,
            rate=arm.common_rate,
            baseline=baseline,
            n=len(x),
            seeds=tuple(seed for seed, here in zip(seeds, shared, strict=True) if here),
            differences=tuple(x.tolist()),
            bca=paired.bca(x),
            robust=robust_centres(x),
            simultaneous=together[place],
            deciding_label=_label(len(family), always_valid=always_valid),
            family=len(family),
            new_data=None if beyond is None else _both_sources(beyond.difference, tests.difference),
            example_error=None if beyond is None else 100 * beyond.example_error,
            test_examples=runs.examples,
            unseen=_unseen(runs, metric),
            diverged=limits[place].diverged,
            improvement=paired.improvement(metric.sign * x),
            effect_size=paired.effect_size(x),
            sought=sought,
            seeds_needed=needed,
            seeds_low=low,
            seeds_high=high,
            detectable=nan if isnan(deviation) else detectable(deviation, len(x), level=level),
            metrics=metric_differences(runs, arm),
            metric=metric.name,
            posterior=_posterior(x, limits[place], margin=margin, sign=metric.sign),
            **vars(tests),
        )


def _both_sources(shares: Estimate, points: Estimate) -> Estimate:
    """The interval for seeds and examples, in points, around the measured difference; it contains the t interval.

    Stored probabilities have 16 bits, so that an example may count otherwise.
    """
    shift = points.value - 100 * shares.value
    low = float(np.fmin(100 * shares.low + shift, points.low))
    high = float(np.fmax(100 * shares.high + shift, points.high))
    return Estimate(points.value, low, high, shares.n, shares.method, shares.level)


def _seeds(
    deviation: float, n: int, difference: float, level: float, *, always_valid: bool
) -> tuple[float, float, float]:
    """Seeds that a difference needs: at the observed deviation, and at both ends of its interval."""
    if isnan(deviation):
        return nan, nan, nan
    needs = seeds_for if always_valid else seeds_needed
    found = [needs(each, difference, level=level) for each in (deviation, *deviation_interval(deviation, n))]
    needed, low, high = (float(max(SEEDS, seeds)) for seeds in found)
    return needed, low, high


def _posterior(x: NDArray[np.float64], limits: Limits, *, margin: float, sign: int) -> Posterior | None:
    """Probabilities for other seeds; None below the seeds of a decision, and where runs diverged."""
    n = len(x)
    if n < SEEDS or limits.diverged or limits.examples == 1 or not spread_out(x):
        return None
    return posterior(float(x.mean()), float(x.std(ddof=1)) / sqrt(n), n - 1, margin=margin, sign=sign)


def _label(family: int, *, always_valid: bool) -> str:
    """Name of the interval that a decision rests on."""
    arms = f" for all {family} arms together" if family > 1 else ""
    return f"always-valid 95% interval{arms}" if always_valid else f"95% interval{arms}"


def _unseen(runs: PairedRuns, metric: Metric) -> float | None:
    """Difference that unseen kinds of examples may make, each worth an answer, a pair of answers or a nat."""
    return None if runs.examples is None else metric.factor * unseen(runs.examples)


def _limits(runs: PairedRuns, arm: Arm, beyond: NewData | None, metric: Metric) -> Limits:
    error = 0.0 if beyond is None or not isfinite(beyond.example_error) else 100 * beyond.example_error
    diverged = runs.diverged(arm.name, runs.arms[0].name)
    return Limits(diverged, runs.examples, max(_unseen(runs, metric) or 0.0, error))


def _new_data(runs: PairedRuns, family: Sequence[Arm]) -> dict[str, NewData]:
    """Estimates for new test data, of each arm with two seeds or more and complete predictions."""
    answers = {arm.name: runs.discordance(arm.name, runs.pairs(arm.name)) for arm in family}
    known = {name: table for name, table in answers.items() if table is not None and len(table) > 1}
    return dict(zip(known, crossed_bootstrap(list(known.values())), strict=True))
