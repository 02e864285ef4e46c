"""Each arm of a condition against its baseline: every estimate and test, and what they decide."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite, isnan, nan
from typing import TYPE_CHECKING

import numpy as np

from dropstudy.analysis.stats import paired, unknown
from dropstudy.analysis.stats.anytime import seeds_for
from dropstudy.analysis.stats.crossed_bootstrap import crossed_bootstrap, unseen
from dropstudy.analysis.stats.equivalence import detectable, deviation_interval, seeds_needed
from dropstudy.analysis.stats.estimate import spread_out
from dropstudy.analysis.stats.simultaneous import simultaneous
from dropstudy.analysis.verdict.inference import arm_tests
from dropstudy.analysis.verdict.metrics import metric_differences
from dropstudy.analysis.verdict.rule import LEVEL, SEEDS, Limits
from dropstudy.analysis.verdict.types import ArmComparison

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dropstudy.analysis.stats import Estimate
    from dropstudy.analysis.stats.crossed_bootstrap import NewData
    from dropstudy.analysis.verdict.pairs import ShapeTables
    from dropstudy.core.types import Arm


def compare_arms(tables: ShapeTables, *, margin: float, always_valid: bool) -> tuple[ArmComparison, ...]:
    """Every arm but the baseline, in their order.

    Corrections for several arms are over those with enough seeds for a decision; the others have none to make.

    Args:
        tables: of the condition.
        margin: in points.
        always_valid: whether seeds were added until a decision, so that decisions rest on always-valid intervals.
    """
    others = tables.arms[1:]
    family = [arm for arm in others if len(tables.pairs(arm.name)) >= SEEDS]
    families = [family] * bool(family) + [[arm] for arm in others if arm not in family]
    compared = {
        comparison.arm: comparison
        for arms in families
        for comparison in _compare_family(tables, arms, margin=margin, always_valid=always_valid)
    }
    return tuple(compared[arm.name] for arm in others)


def _compare_family(
    tables: ShapeTables, family: Sequence[Arm], *, margin: float, always_valid: bool
) -> Iterator[ArmComparison]:
    seeds, shares = tables.differences("test_accuracy", family)
    if not seeds:
        label = _label(len(family), always_valid=always_valid)
        yield from (_nothing_shared(tables, arm, label) for arm in family)
        return
    points, level = 100 * shares, LEVEL / len(family)
    new_data = _new_data(tables, family)
    limits = [_limits(tables, arm, new_data.get(arm.name)) for arm in family]
    tested = arm_tests(points, margin=margin, always_valid=always_valid, limits=limits)
    simultaneously = simultaneous(points) if always_valid else [tests.deciding for tests in tested]
    label = _label(len(family), always_valid=always_valid)
    for place, (arm, column, tests) in enumerate(zip(family, points.T, tested, strict=True)):
        paired_here = ~np.isnan(column)
        x = column[paired_here]
        n, beyond = len(x), new_data.get(arm.name)
        deviation = float(x.std(ddof=1)) if spread_out(x) else nan
        sought = max(abs(tests.difference.value), margin)
        needed, low, high = _seeds(deviation, n, sought, level, always_valid=always_valid)
        yield ArmComparison(
            arm=arm.name,
            rate=arm.rate,
            baseline=tables.arms[0].name,
            n=n,
            seeds=tuple(seed for seed, here in zip(seeds, paired_here, strict=True) if here),
            differences=tuple(x.tolist()),
            bca=paired.bca(x),
            simultaneous=simultaneously[place],
            deciding_label=label,
            family=len(family),
            new_data=None if beyond is None else _both_noises(beyond, tests.difference),
            example_error=None if beyond is None else 100 * beyond.example_error,
            test_examples=tables.examples,
            unseen=_unseen(tables),
            diverged=limits[place].diverged,
            improvement=paired.improvement(x),
            effect_size=paired.effect_size(x),
            sought=sought,
            seeds_needed=needed,
            seeds_low=low,
            seeds_high=high,
            detectable=nan if isnan(deviation) else detectable(deviation, n, level=level),
            metrics=metric_differences(tables, arm),
            **vars(tests),
        )


def _nothing_shared(tables: ShapeTables, arm: Arm, label: str) -> ArmComparison:
    """An arm that finished in no seed in which the baseline did."""
    none, diverged = unknown(0, "no pair of runs"), _diverged(tables, arm)
    return ArmComparison(
        arm=arm.name,
        rate=arm.rate,
        baseline=tables.arms[0].name,
        n=0,
        seeds=(),
        differences=(),
        difference=none,
        bca=none,
        simultaneous=none,
        anytime=none,
        deciding=none,
        deciding_label=label,
        family=1,
        new_data=None,
        example_error=None,
        test_examples=tables.examples,
        unseen=_unseen(tables),
        diverged=diverged,
        p_value=nan,
        exact=True,
        p_adjusted=nan,
        p_holm=nan,
        improvement=none,
        effect_size=none,
        tost_p=nan,
        tost_holm=nan,
        decision="diverged" if diverged else "too few seeds",
        sought=nan,
        seeds_needed=nan,
        seeds_low=nan,
        seeds_high=nan,
        detectable=nan,
    )


def _both_noises(beyond: NewData, difference: Estimate) -> Estimate:
    """The interval for seeds and examples, around the difference as it was measured.

    Stored answers have 16 bits, so that an example may count otherwise; what is shown must hold the t interval.
    """
    told = beyond.difference.scaled(100)
    shift = difference.value - told.value
    low, high = (
        float(np.fmin(told.low + shift, difference.low)),
        float(np.fmax(told.high + shift, difference.high)),
    )
    return replace(told, value=difference.value, low=low, high=high)


def _seeds(
    deviation: float, n: int, difference: float, level: float, *, always_valid: bool
) -> tuple[float, float, float]:
    """Seeds that a difference takes: at the deviation seen, and at both ends of what it may be."""
    if isnan(deviation):
        return nan, nan, nan
    takes = seeds_for if always_valid else seeds_needed
    found = [takes(each, difference, level=level) for each in (deviation, *deviation_interval(deviation, n))]
    needed, low, high = (float(max(SEEDS, seeds)) for seeds in found)
    return needed, low, high


def _label(family: int, *, always_valid: bool) -> str:
    """Name of the interval that a decision rests on."""
    whose = f" for all {family} arms together" if family > 1 else ""
    return f"interval that holds at every look{whose}" if always_valid else f"95% interval{whose}"


def _diverged(tables: ShapeTables, arm: Arm) -> int:
    """Seeds in which the arm or the baseline diverged."""
    either = {arm.name, tables.arms[0].name}
    lost = {
        seed for (name, seed), status in tables.unfinished.items() if name in either and status == "diverged"
    }
    return len(lost)


def _unseen(tables: ShapeTables) -> float | None:
    return None if tables.examples is None else 100 * unseen(tables.examples)


def _limits(tables: ShapeTables, arm: Arm, beyond: NewData | None) -> Limits:
    error = 0.0 if beyond is None or not isfinite(beyond.example_error) else 100 * beyond.example_error
    return Limits(_diverged(tables, arm), tables.examples, max(_unseen(tables) or 0.0, error))


def _new_data(tables: ShapeTables, family: Sequence[Arm]) -> dict[str, NewData]:
    """Estimates for new test data, of each arm with two seeds or more whose runs' answers are all known."""
    answers = {arm.name: tables.answers(arm.name, tables.pairs(arm.name)) for arm in family}
    known = {name: table for name, table in answers.items() if table is not None and len(table) > 1}
    return dict(zip(known, crossed_bootstrap(list(known.values())), strict=True))
