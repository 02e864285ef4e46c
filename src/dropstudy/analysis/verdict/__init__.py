"""Verdict of a study: one defensible sentence, with all estimates behind it."""

from dropstudy.analysis.verdict.build import give_verdict
from dropstudy.analysis.verdict.rule import LEVEL, MARGIN, SEEDS
from dropstudy.analysis.verdict.types import (
    DECIDED,
    ArmComparison,
    ArmScores,
    ConditionVerdict,
    Decision,
    Gap,
    MetricDifference,
    Verdict,
)

__all__ = [
    "DECIDED",
    "LEVEL",
    "MARGIN",
    "SEEDS",
    "ArmComparison",
    "ArmScores",
    "ConditionVerdict",
    "Decision",
    "Gap",
    "MetricDifference",
    "Verdict",
    "give_verdict",
]
