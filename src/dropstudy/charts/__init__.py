"""One table in, one chart out: Vega-Lite through Altair, the same on screen, in print and as a file."""

from dropstudy.charts.files import save
from dropstudy.charts.notebook import notebook_test, notebook_training
from dropstudy.charts.side_by_side import side_by_side

__all__ = ["notebook_test", "notebook_training", "save", "side_by_side"]
