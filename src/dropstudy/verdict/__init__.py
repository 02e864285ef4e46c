"""From the runs of a study to one defensible sentence, with everything behind it."""

from dropstudy.verdict.build import give_verdict
from dropstudy.verdict.decide import LEVEL, MARGIN, SEEDS
from dropstudy.verdict.records import (
    DECIDED,
    ArmComparison,
    ArmScores,
    Decision,
    Gap,
    MetricDifference,
    ShapeVerdict,
    Verdict,
)

__all__ = [
    "DECIDED",
    "LEVEL",
    "MARGIN",
    "SEEDS",
    "ArmComparison",
    "ArmScores",
    "Decision",
    "Gap",
    "MetricDifference",
    "ShapeVerdict",
    "Verdict",
    "give_verdict",
]
