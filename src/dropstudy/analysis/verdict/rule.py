"""Decision rule of the verdict, for one arm and for a condition's arms together.

Its error rates are those that benchmarks/verdict_rates.py finds by simulation; docs/verdict.md has the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropstudy.core import bounds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dropstudy.analysis.stats import Estimate
    from dropstudy.analysis.verdict.types import Decision

LEVEL = 0.05
"""Highest share of studies without an effect that say "helps" or "hurts" of any arm, and of studies with an effect of
the margin or more that say "equivalent" of an arm that has it."""

EQUIVALENCE = LEVEL / 2
"""Level of each of the two one-sided tests: half of LEVEL. So "equivalent" needs the 95% interval inside the
margin, not the 90% one.

At 5%, with skewed differences and few seeds, nine in a hundred arms at the margin were called equivalent."""

SEEDS = bounds.SEEDS
"""Fewest seeds for a verdict."""

MAX_SEEDS = 50
"""Default limit of seeds that are added until a decision."""


@dataclass(frozen=True)
class Limits:
    """Reasons against a verdict on an arm, whatever its differences are.

    Args:
        diverged: seeds in which the arm or the baseline diverged. The others are no random sample: both arms can be
            trained in them.
        examples: in the test set; None where that is not known.
        unseen: difference that other examples may show although none of these does, in its unit: no smaller margin can
            be shown; 0 where that is not known.
    """

    diverged: int = 0
    examples: int | None = None
    unseen: float = 0.0


def decide(
    n: int,
    *,
    interval: Estimate,
    p_adjusted: float,
    tost_holm: float | None,
    limits: Limits,
    margin: float,
    sign: int = 1,
) -> Decision:
    """Decision on one arm.

    An arm is equivalent where its difference lies within the margin, even if it is also shown not to be 0: smaller
    differences do not matter. It helps or hurts where the adjusted sign-flip test shows a difference and the interval
    lies on one side of 0. So no verdict contradicts the interval printed beside it.

    Args:
        n: paired seeds.
        interval: of the mean difference, for all arms of the condition: for other seeds and test examples, or over
            seeds alone.
        p_adjusted: of the sign flips, for all arms of the condition.
        tost_holm: p of equivalence, for all arms of the condition; None in a sequential design.
        limits: reasons against a verdict.
        margin: in the unit of the differences.
        sign: 1 where a difference above 0 is better, -1 where one below 0 is.
    """
    if limits.diverged:
        return "diverged"
    if n < SEEDS:
        return "too few seeds"
    if not interval.known or limits.examples == 1:
        return "undecided"
    if interval.within(margin):
        shown = (tost_holm is None or tost_holm <= EQUIVALENCE) and limits.unseen <= margin
        return "equivalent" if shown else "undecided"
    if p_adjusted <= LEVEL and (interval.above_zero or interval.below_zero):
        return "helps" if interval.above_zero == (sign > 0) else "hurts"
    return "undecided"


def decide_together(decisions: Mapping[str, Decision], chosen: str | None) -> Decision:
    """Decision on a condition: that of the arm that validation data chose, else of all arms together.

    All arms together help where one does, since the rule for an arm is adjusted for the number of arms. They hurt where
    each does, and are undecided while one may still help. Where validation data chose the baseline and an arm is
    better on the test set, that is undecided too, since nothing is chosen on the test set.

    Args:
        decisions: of each arm but the baseline, by name.
        chosen: name of an arm, the baseline's, or None.
    """
    if not decisions:
        return "nothing to compare"
    if chosen is not None and chosen in decisions:
        return decisions[chosen]
    found = set(decisions.values())
    if chosen is not None and "helps" in found:
        return "undecided"
    order: tuple[Decision, ...] = ("helps", "undecided", "too few seeds", "diverged", "equivalent", "hurts")
    return next(decision for decision in order if decision in found)
