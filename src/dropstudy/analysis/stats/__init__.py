"""Arrays in, numbers with intervals out. One idea a file; nothing here knows of files, colours or sentences."""

from dropstudy.analysis.stats.estimate import Estimate, unknown
from dropstudy.analysis.stats.summaries import (
    ArmSummary,
    Comparison,
    Mean,
    by_condition,
    compare,
    compare_pair,
    finished_history,
    learning_curves,
    mean_over_seeds,
    paired_differences,
    summarise,
)

__all__ = [
    "ArmSummary",
    "Comparison",
    "Estimate",
    "Mean",
    "by_condition",
    "compare",
    "compare_pair",
    "finished_history",
    "learning_curves",
    "mean_over_seeds",
    "paired_differences",
    "summarise",
    "unknown",
]
