"""Each arm of a shape against its baseline: every estimate and test, and what they decide."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np
from statsmodels.stats.multitest import multipletests

from dropstudy.stats import paired
from dropstudy.stats.anytime import anytime
from dropstudy.stats.equivalence import detectable, seeds_needed, tost
from dropstudy.stats.newdata import crossed_bootstrap
from dropstudy.stats.signflip import sign_flips
from dropstudy.stats.simultaneous import simultaneous
from dropstudy.verdict.decide import LEVEL, SEEDS, decide
from dropstudy.verdict.metrics import metric_differences
from dropstudy.verdict.records import ArmComparison

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
    points, level = 100 * shares, LEVEL / len(family)
    flips, simultaneously = sign_flips(points), simultaneous(points)
    columns = [column[~np.isnan(column)] for column in points.T]
    tosts = [tost(x, margin) for x in columns]
    tosts_holm, flips_holm = holm(tosts), holm(list(flips.p_values))
    new_data = _new_data(tables, family)
    for place, (arm, x) in enumerate(zip(family, columns, strict=True)):
        beyond = new_data.get(arm.name)
        n, deviation = len(x), float(x.std(ddof=1)) if len(x) > 1 else nan
        difference, valid = paired.paired_t(x), anytime(x, 1 - level)
        yield ArmComparison(
            arm=arm.name,
            rate=arm.rate,
            baseline=tables.arms[0].name,
            n=n,
            seeds=tuple(
                seed for seed, value in zip(seeds, points[:, place], strict=True) if not np.isnan(value)
            ),
            differences=tuple(x.tolist()),
            difference=difference,
            bca=paired.bca(x),
            simultaneous=simultaneously[place],
            anytime=valid,
            new_data=None if beyond is None else beyond.difference.scaled(100),
            example_error=None if beyond is None else 100 * beyond.example_error,
            p_value=flips.p_values[place] if n else nan,
            exact=flips.exact,
            p_adjusted=flips.adjusted[place] if n else nan,
            p_holm=flips_holm[place] if n else nan,
            improvement=paired.improvement(x),
            effect_size=paired.effect_size(x),
            tost_p=tosts[place],
            tost_holm=tosts_holm[place],
            decision=decide(
                n,
                difference=difference,
                p_adjusted=flips.adjusted[place],
                tost_holm=tosts_holm[place],
                anytime=valid if always_valid else None,
                margin=margin,
            ),
            seeds_needed=max(SEEDS, seeds_needed(deviation, margin, level=level)) if n > 1 else nan,
            detectable=detectable(deviation, n, level=level) if n > 1 else nan,
            metrics=metric_differences(tables, arm),
        )


def _new_data(tables: ShapeTables, family: Sequence[Arm]) -> dict[str, NewData]:
    """Of each arm with two seeds or more whose runs' answers are all known."""
    answers = {arm.name: tables.answers(arm.name, tables.pairs(arm.name)) for arm in family}
    known = {name: table for name, table in answers.items() if table is not None and len(table) > 1}
    return dict(zip(known, crossed_bootstrap(list(known.values())), strict=True))


def holm(p_values: list[float]) -> list[float]:
    """Holm's (1979) step-down correction; p that are not numbers stay so and count for nothing."""
    values = np.asarray(p_values, dtype=np.float64)
    known = ~np.isnan(values)
    if known.any():
        values[known] = multipletests(values[known], method="holm")[1]
    return [float(p) for p in values]
