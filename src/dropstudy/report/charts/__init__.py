"""One table in, one chart out: Vega-Lite through Altair, the same on screen, in print and as a file."""

from dropstudy.report.charts.by_layer import by_layer
from dropstudy.report.charts.calibration import entropy, reliability
from dropstudy.report.charts.confusion import MOST_CLASSES, confusion
from dropstudy.report.charts.gap import gap
from dropstudy.report.charts.intervals import intervals
from dropstudy.report.charts.learning_curves import losses_side_by_side, side_by_side
from dropstudy.report.charts.notebook import notebook_test, notebook_training
from dropstudy.report.charts.paired_lines import slopes
from dropstudy.report.charts.palette import NIGHT
from dropstudy.report.charts.rate_curve import payoff, rate_curve
from dropstudy.report.charts.theme import Chart, arm_labels

__all__ = [
    "MOST_CLASSES",
    "NIGHT",
    "Chart",
    "arm_labels",
    "by_layer",
    "confusion",
    "entropy",
    "gap",
    "intervals",
    "losses_side_by_side",
    "notebook_test",
    "notebook_training",
    "payoff",
    "rate_curve",
    "reliability",
    "side_by_side",
    "slopes",
]
