"""Each arm of a shape against its baseline: every estimate and test, and what they decide."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np

from dropstudy.stats import paired, unknown
from dropstudy.stats.anytime import seeds_for
from dropstudy.stats.equivalence import detectable, seeds_needed
from dropstudy.stats.newdata import crossed_bootstrap
from dropstudy.stats.simultaneous import simultaneous
from dropstudy.verdict.decide import LEVEL, SEEDS
from dropstudy.verdict.metrics import metric_differences
from dropstudy.verdict.records import ArmComparison
from dropstudy.verdict.testing import arm_tests

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dropstudy.records import Arm
    from dropstudy.stats.newdata import NewData
    from dropstudy.verdict.paired import ShapeTables


def compare_arms(tables: ShapeTables, *, margin: float, always_valid: bool) -> tuple[ArmComparison, ...]:
    """Every arm but the baseline, in their order.

    Corrections for several arms are over those with enough seeds for a decision; the others have none to make.

    Args:
        tables: of the shape.
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
        yield from (_nothing_shared(tables, arm) for arm in family)
        return
    points, level = 100 * shares, LEVEL / len(family)
    simultaneously, new_data = simultaneous(points), _new_data(tables, family)
    takes = seeds_for if always_valid else seeds_needed
    tested = arm_tests(points, margin=margin, always_valid=always_valid)
    for arm, column, tests, together in zip(family, points.T, tested, simultaneously, strict=True):
        paired_here = ~np.isnan(column)
        x = column[paired_here]
        n, deviation = len(x), float(x.std(ddof=1)) if len(x) > 1 else nan
        beyond = new_data.get(arm.name)
        yield ArmComparison(
            arm=arm.name,
            rate=arm.rate,
            baseline=tables.arms[0].name,
            n=n,
            seeds=tuple(seed for seed, here in zip(seeds, paired_here, strict=True) if here),
            differences=tuple(x.tolist()),
            bca=paired.bca(x),
            simultaneous=together,
            new_data=None if beyond is None else beyond.difference.scaled(100),
            example_error=None if beyond is None else 100 * beyond.example_error,
            improvement=paired.improvement(x),
            effect_size=paired.effect_size(x),
            seeds_needed=max(SEEDS, takes(deviation, margin, level=level)) if n > 1 else nan,
            detectable=detectable(deviation, n, level=level) if n > 1 else nan,
            metrics=metric_differences(tables, arm),
            **vars(tests),
        )


def _nothing_shared(tables: ShapeTables, arm: Arm) -> ArmComparison:
    """An arm that finished in no seed in which the baseline did."""
    none = unknown(0, "no pair of runs")
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
        new_data=None,
        example_error=None,
        p_value=nan,
        exact=True,
        p_adjusted=nan,
        p_holm=nan,
        improvement=none,
        effect_size=none,
        tost_p=nan,
        tost_holm=nan,
        decision="too few seeds",
        seeds_needed=nan,
        detectable=nan,
    )


def _new_data(tables: ShapeTables, family: Sequence[Arm]) -> dict[str, NewData]:
    """Of each arm with two seeds or more whose runs' answers are all known."""
    answers = {arm.name: tables.answers(arm.name, tables.pairs(arm.name)) for arm in family}
    known = {name: table for name, table in answers.items() if table is not None and len(table) > 1}
    return dict(zip(known, crossed_bootstrap(list(known.values())), strict=True))
