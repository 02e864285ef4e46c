"""Statistics: arrays and tables in, numbers with intervals out."""

from dropstudy.analysis.stats.estimate import Estimate, Mean, mean_over_seeds
from dropstudy.analysis.stats.runs import finished_history, learning_curves, mean_curves
from dropstudy.analysis.stats.summaries import ArmSummary, summarise

__all__ = [
    "ArmSummary",
    "Estimate",
    "Mean",
    "finished_history",
    "learning_curves",
    "mean_curves",
    "mean_over_seeds",
    "summarise",
]
