"""Sameness: conditions in which the arms did exactly the same, so that no seed can tell them apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.analysis.stats.estimate import ROUNDING
from dropstudy.analysis.verdict.rule import SEEDS

if TYPE_CHECKING:
    from dropstudy.analysis.verdict.types import ConditionVerdict


def all_the_same(condition: ConditionVerdict) -> bool:
    """True where each arm equals the baseline in every seed, with enough seeds for a verdict."""
    return bool(condition.comparisons) and all(
        c.n >= SEEDS and not c.diverged and max(map(abs, c.differences)) <= ROUNDING
        for c in condition.comparisons
    )


def nothing_to_improve(condition: ConditionVerdict) -> bool:
    """True where, beyond that, every network is right on the whole test set."""
    perfect = all(set(arm.test_accuracy) == {1.0} for arm in condition.arms)
    return perfect and all_the_same(condition)
