"""One table in, one chart out: Vega-Lite through Altair, the same on screen, in print and as a file."""

from dropstudy.charts.confusion import MOST_CLASSES, confusion
from dropstudy.charts.files import files, save, spec_json
from dropstudy.charts.gap import gap
from dropstudy.charts.inside import by_layer
from dropstudy.charts.intervals import intervals
from dropstudy.charts.notebook import notebook_test, notebook_training
from dropstudy.charts.palette import NIGHT
from dropstudy.charts.rates import payoff, rate_curve
from dropstudy.charts.side_by_side import losses_side_by_side, side_by_side
from dropstudy.charts.slopes import slopes
from dropstudy.charts.theme import Chart, arm_labels
from dropstudy.charts.trust import entropy, reliability

__all__ = [
    "MOST_CLASSES",
    "NIGHT",
    "Chart",
    "arm_labels",
    "by_layer",
    "confusion",
    "entropy",
    "files",
    "gap",
    "intervals",
    "losses_side_by_side",
    "notebook_test",
    "notebook_training",
    "payoff",
    "rate_curve",
    "reliability",
    "save",
    "side_by_side",
    "slopes",
    "spec_json",
]
