"""The rule by which a verdict falls, for one arm and for a shape's arms together.

Its error rates are those that benchmarks/verdict_rates.py finds by simulation; docs/semantics.md has the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.records import MARGIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dropstudy.stats import Estimate
    from dropstudy.verdict.records import Decision

__all__ = ["EQUIVALENCE", "LEVEL", "MARGIN", "SEEDS", "decide", "decide_together"]

LEVEL = 0.05
"""At most this share of studies without an effect says "helps" or "hurts" of any arm, and at most this share of
studies with an effect of the margin or more says "equivalent" of an arm that has it."""

EQUIVALENCE = LEVEL / 2
"""Of the two one-sided tests: half of LEVEL, so that "equivalent" takes the 95% interval, not the 90% one, inside the
margin. At 5%, with skewed differences and few seeds, nine in a hundred arms at the margin were called equivalent."""

SEEDS = 6
"""Below it no verdict: the exact sign-flip test's smallest two-sided p is 2 / 2^n, above 0.05 at 5 pairs."""


def decide(
    n: int,
    *,
    difference: Estimate,
    p_adjusted: float,
    tost_holm: float,
    anytime: Estimate | None,
    margin: float,
) -> Decision:
    """About one arm.

    An arm is equivalent where its difference is shown to lie within the margin, even if it is shown not to be 0 as
    well: whoever sets a margin says that less does not matter. It helps or hurts where the sign flips, adjusted for
    all arms, say that there is a difference and the 95% t interval lies on one side of 0 as well, so that no verdict
    contradicts the interval printed beside it.

    Args:
        n: paired seeds.
        difference: mean with the paired t interval.
        p_adjusted: of the sign flips, for all arms of the shape.
        tost_holm: p of equivalence, for all arms of the shape.
        anytime: where seeds were added until a decision, the always-valid interval, for all arms of the shape; it then
            takes the place of the t interval and of the test of equivalence.
        margin: in points.
    """
    if n < SEEDS:
        return "too few seeds"
    interval = difference if anytime is None else anytime
    equivalent = tost_holm <= EQUIVALENCE if anytime is None else anytime.within(margin)
    if equivalent:
        return "equivalent"
    if p_adjusted <= LEVEL and interval.above_zero:
        return "helps"
    if p_adjusted <= LEVEL and interval.below_zero:
        return "hurts"
    return "undecided"


def decide_together(decisions: Mapping[str, Decision], chosen: str | None) -> Decision:
    """About a shape: that of the arm which validation data chose; where they chose none, or the baseline, of all arms.

    All arms together help where one does: the rule for an arm already allows for how many were tried. They hurt where
    each does. As long as one may still help, it is undecided.

    Args:
        decisions: of each arm but the baseline, by name.
        chosen: name of an arm, the baseline's, or None.
    """
    if not decisions:
        return "nothing to compare"
    if chosen is not None and chosen in decisions:
        return decisions[chosen]
    order: tuple[Decision, ...] = ("helps", "undecided", "too few seeds", "equivalent", "hurts")
    return next(decision for decision in order if decision in decisions.values())
