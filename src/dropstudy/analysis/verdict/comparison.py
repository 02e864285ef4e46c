"""Each arm of a condition against its baseline: every estimate and test, and the decision."""

from __future__ import annotations

from dataclasses import replace
from math import hypot, inf, isnan, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np

from dropstudy.analysis.stats import paired
from dropstudy.analysis.stats.anytime import seeds_for
from dropstudy.analysis.stats.equivalence import detectable, deviation_interval, quantiles, seeds_needed
from dropstudy.analysis.stats.estimate import spread_out
from dropstudy.analysis.stats.noise import noise
from dropstudy.analysis.stats.robust import robust_centres
from dropstudy.analysis.stats.simultaneous import simultaneous
from dropstudy.analysis.stats.two_way import two_way
from dropstudy.analysis.stats.unseen import unseen
from dropstudy.analysis.verdict.evidence import p_of_interval, probabilities, spreads
from dropstudy.analysis.verdict.inference import arm_tests
from dropstudy.analysis.verdict.metrics import metric_differences
from dropstudy.analysis.verdict.phrases import every
from dropstudy.analysis.verdict.rule import LEVEL, SEEDS, Limits
from dropstudy.analysis.verdict.types import ArmComparison

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dropstudy.analysis.stats import Estimate
    from dropstudy.analysis.stats.two_way import NewData
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
    new_data = _new_data(runs, family)
    in_units = [
        _in_units(new_data[arm.name].difference, metric) if arm.name in new_data else None for arm in family
    ]
    limits = [
        Limits(runs.diverged(arm.name, baseline), runs.examples, _unseen(runs, metric) or 0.0)
        for arm in family
    ]
    tested = arm_tests(
        points,
        margin=margin,
        always_valid=always_valid,
        new_data=in_units,
        example_errors=[_example_error(new_data.get(arm.name), metric) for arm in family],
        limits=limits,
        sign=metric.sign,
    )
    together = simultaneous(points) if always_valid else [tests.over_seeds for tests in tested]
    for place, (arm, column, tests) in enumerate(zip(family, points.T, tested, strict=True)):
        shared = ~np.isnan(column)
        x = column[shared]
        beyond = new_data.get(arm.name)
        spread = spreads(x, beyond, metric.factor)
        enough = len(x) >= SEEDS and not limits[place].diverged and runs.examples != 1
        deviation = float(x.std(ddof=1)) if spread_out(x) else nan
        size = abs(tests.difference.value)
        sought, level = max(size, margin), LEVEL / len(family)
        error = _example_error(beyond, metric)
        of_examples = quantiles(level) * error
        left = sqrt(max(0.0, sought**2 - of_examples**2))
        needed, low, high = _seeds(deviation, len(x), left, level, always_valid=always_valid)
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
            deciding_label=_label(len(family), always_valid=always_valid, new_data=beyond is not None),
            family=len(family),
            example_error=None if beyond is None else metric.factor * beyond.example_error,
            examples_needed=nan
            if beyond is None
            else beyond.examples_needed(max(size, margin - size) / metric.factor, level=level),
            test_examples=runs.examples,
            unseen=_unseen(runs, metric),
            diverged=limits[place].diverged,
            improvement=paired.improvement(metric.sign * x),
            effect_size=paired.effect_size(x),
            sought=sought,
            seeds_needed=needed,
            seeds_low=low,
            seeds_high=high,
            detectable=nan
            if isnan(deviation)
            else hypot(detectable(deviation, len(x), level=level), of_examples),
            metrics=metric_differences(runs, arm),
            metric=metric.name,
            posterior=probabilities(x, spread, margin=margin, sign=metric.sign) if enough else None,
            noise=None if beyond is None else noise(beyond),
            p_interval=p_of_interval(
                x, spread, family=len(family), always_valid=always_valid, example_error=error
            ),
            **vars(tests),
        )


def _example_error(found: NewData | None, metric: Metric) -> float:
    """Standard error from the choice of test examples, in the unit of the metric; 0 where it is not known."""
    known = found is not None and not isnan(found.example_error)
    return metric.factor * found.example_error if found is not None and known else 0.0


def _in_units(stored: Estimate, metric: Metric) -> Estimate:
    """An interval of stored values in the unit of the metric."""
    value, low, high = (metric.factor * each for each in (stored.value, stored.low, stored.high))
    return replace(stored, value=value, low=low, high=high)


def _seeds(
    deviation: float, n: int, difference: float, level: float, *, always_valid: bool
) -> tuple[float, float, float]:
    """Seeds that a difference needs: at the observed deviation, and at both ends of its interval.

    Of a difference, what the choice of examples leaves to seeds: squares of standard errors add up.
    """
    if isnan(deviation):
        return nan, nan, nan
    if not difference:
        return inf, inf, inf
    needs = seeds_for if always_valid else seeds_needed
    found = [needs(each, difference, level=level) for each in (deviation, *deviation_interval(deviation, n))]
    needed, low, high = (float(max(SEEDS, seeds)) for seeds in found)
    return needed, low, high


def _label(family: int, *, always_valid: bool, new_data: bool) -> str:
    """Name of the interval that a decision rests on."""
    arms = f"{' and' if new_data else ' for'} {every(family)} arms together" if family > 1 else ""
    over = "for new data" if new_data else "over seeds"
    return f"{'always-valid ' if always_valid else ''}95% interval {over}{arms}"


def _unseen(runs: PairedRuns, metric: Metric) -> float | None:
    """Difference that unseen kinds of examples may make, each worth an answer, a pair of answers or a nat."""
    return None if runs.examples is None else metric.factor * unseen(runs.examples)


def _new_data(runs: PairedRuns, family: Sequence[Arm]) -> dict[str, NewData]:
    """Estimates for new data, of each arm with two seeds or more and complete predictions."""
    seeds = {arm.name: runs.pairs(arm.name) for arm in family}
    per_example = {name: runs.per_example(name, each) for name, each in seeds.items() if len(each) > 1}
    known = {name: table for name, table in per_example.items() if table is not None}
    same = len({tuple(seeds[name]) for name in known}) == 1
    return dict(zip(known, two_way(list(known.values()), same_seeds=same), strict=True))
