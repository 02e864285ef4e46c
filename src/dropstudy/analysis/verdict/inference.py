"""Tests and decisions for all arms of a condition together: differences in, decisions out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from math import hypot
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from dropstudy.analysis.stats.anytime import anytime
from dropstudy.analysis.stats.equivalence import tost
from dropstudy.analysis.stats.paired import paired_t
from dropstudy.analysis.stats.sign_flip import sign_flips
from dropstudy.analysis.stats.simultaneous import simultaneous
from dropstudy.analysis.verdict.rule import LEVEL, Limits, decide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dropstudy.analysis.stats import Estimate
    from dropstudy.analysis.verdict.types import Decision


@dataclass(frozen=True)
class ArmTests:
    """Tests of one arm against the baseline; fields as in `ArmComparison`."""

    difference: Estimate
    anytime: Estimate
    over_seeds: Estimate
    new_data: Estimate | None
    deciding: Estimate
    p_value: float
    exact: bool
    p_adjusted: float
    p_holm: float
    tost_p: float
    tost_holm: float
    decision: Decision
    decision_on_these: Decision


def arm_tests(
    points: NDArray[np.float64],
    *,
    margin: float,
    always_valid: bool,
    new_data: Sequence[Estimate | None] = (),
    example_errors: Sequence[float] = (),
    limits: Sequence[Limits] = (),
    sign: int = 1,
) -> list[ArmTests]:
    """Every arm of a family against the baseline.

    Args:
        points: paired differences, (seeds, arms), NaN where an arm has no pair; each arm has one at least.
        margin: in the same unit.
        always_valid: whether the design is sequential.
        new_data: of each arm, for all arms together, the interval for other seeds and test examples; None where that is
            not known.
        example_errors: standard error of each from the choice of test examples; for a sequential design.
        limits: reasons against a verdict on each arm; none where they are not given.
        sign: 1 where a difference above 0 is better, -1 where one below 0 is.
    """
    columns = [column[~np.isnan(column)] for column in points.T]
    flips, tosts = sign_flips(points), [tost(x, margin) for x in columns]
    flips_holm, tosts_holm = holm(flips.p_values), holm(tosts)
    valid = [anytime(x, 1 - LEVEL / len(columns)) for x in columns]
    over_seeds = valid if always_valid else simultaneous(points)
    found = []
    for place, x in enumerate(columns):
        beyond = new_data[place] if new_data else None
        known = beyond is not None and over_seeds[place].known
        error = example_errors[place] if always_valid and example_errors else 0.0
        of_examples = NormalDist().inv_cdf(1 - LEVEL / (2 * len(columns))) * error
        unseen_too = None if beyond is None else wider(over_seeds[place], beyond, of_examples)
        deciding = unseen_too if unseen_too is not None and known else over_seeds[place]
        rule = partial(
            decide,
            len(x),
            p_adjusted=flips.adjusted[place],
            tost_holm=None if always_valid else tosts_holm[place],
            margin=margin,
            sign=sign,
        )
        limit = limits[place] if limits else Limits()
        decision = rule(interval=deciding, limits=limit)
        these = limit if beyond is None else replace(limit, unseen=0.0)
        found.append(
            ArmTests(
                difference=paired_t(x),
                anytime=valid[place],
                over_seeds=over_seeds[place],
                new_data=unseen_too,
                deciding=deciding,
                p_value=flips.p_values[place],
                exact=flips.exact,
                p_adjusted=flips.adjusted[place],
                p_holm=flips_holm[place],
                tost_p=tosts[place],
                tost_holm=tosts_holm[place],
                decision=decision,
                decision_on_these=rule(interval=over_seeds[place], limits=these),
            )
        )
    return found


def wider(over_seeds: Estimate, new_data: Estimate, of_examples: float = 0.0) -> Estimate:
    """The interval for new data, around the mean over seeds and never narrower than theirs.

    In a sequential design each look would give the examples another chance, so its half width is at least the root of
    the sum of squares of that over seeds, which holds at all looks, and `of_examples`, their part at any number of
    seeds. They are the same at all looks.
    """
    half = [(each.high - each.low) / 2 for each in (over_seeds, new_data) if each.known]
    reach = max(*half, hypot(half[0], of_examples))
    return replace(
        new_data, value=over_seeds.value, low=over_seeds.value - reach, high=over_seeds.value + reach
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979): the jth smallest of k times k - j + 1, never below the ones before it.

    NaN stay NaN and do not count. statsmodels' `multipletests` is equal (tested) and far slower, since it collects
    garbage.
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values)[: int((~np.isnan(values)).sum())]  # NaN come last
    factors = np.arange(len(order), 0, -1)
    values[order] = np.minimum(1, np.maximum.accumulate(factors * values[order]))
    return [float(p) for p in values]
