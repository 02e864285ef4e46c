"""One table in, one chart out: Vega-Lite through Altair, the same on screen, in print and as a file."""

from dropstudy.report.charts.all_arms import all_arms
from dropstudy.report.charts.by_layer import by_layer
from dropstudy.report.charts.calibration import entropy, reliability
from dropstudy.report.charts.confusion import MOST_CLASSES, confusion
from dropstudy.report.charts.critical_difference import critical_difference
from dropstudy.report.charts.gap import gap
from dropstudy.report.charts.intervals import intervals
from dropstudy.report.charts.learning_curves import accuracy_curves, loss_curves
from dropstudy.report.charts.notebook import notebook_test, notebook_training
from dropstudy.report.charts.over_epochs import over_epochs
from dropstudy.report.charts.paired_lines import paired_lines
from dropstudy.report.charts.palette import DARK
from dropstudy.report.charts.rate_curve import payoff, rate_curve
from dropstudy.report.charts.theme import Chart, arm_labels
from dropstudy.report.charts.top_rate import axis_ends, top_rate

__all__ = [
    "DARK",
    "MOST_CLASSES",
    "Chart",
    "accuracy_curves",
    "all_arms",
    "arm_labels",
    "axis_ends",
    "by_layer",
    "confusion",
    "critical_difference",
    "entropy",
    "gap",
    "intervals",
    "loss_curves",
    "notebook_test",
    "notebook_training",
    "over_epochs",
    "paired_lines",
    "payoff",
    "rate_curve",
    "reliability",
    "top_rate",
]
