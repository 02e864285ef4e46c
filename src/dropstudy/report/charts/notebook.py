"""The notebook's two figures as it drew them, a panel for each arm: loss x 100 and accuracy over epochs, 0 to 100.

Where the study has several seeds the lines are means and a band spans the lowest to the highest seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from dropstudy.analysis.stats import learning_curves
from dropstudy.report.charts import palette, theme
from dropstudy.report.charts.panels import arm_panels, panel_grid, panel_titles
from dropstudy.report.charts.theme import Series

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from dropstudy.core.types import Arm

RATE_DOMAIN = (-5, 105)
ROOM = 16
"""Pixels right of a panel."""


def notebook_test(history: pd.DataFrame, arms: Sequence[Arm], *, watches_test: bool) -> alt.FacetChart:
    """Loss x 100 and accuracy on validation data.

    Args:
        history: one row per arm, seed and epoch.
        arms: the arms to draw, in their order.
        watches_test: whether the validation data are the test set, which the title then says.
    """
    title = "Test Data" if watches_test else "Validation Data"
    return _notebook_figure(history, arms, title, loss="val_loss", accuracy="val_accuracy")


def notebook_training(history: pd.DataFrame, arms: Sequence[Arm]) -> alt.FacetChart:
    """Loss x 100 and accuracy on training data as Keras measures them: running means, dropout on.

    Args:
        history: one row per arm, seed and epoch.
        arms: the arms to draw, in their order.
    """
    return _notebook_figure(history, arms, "Training Data", loss="loss", accuracy="accuracy")


def _notebook_figure(
    history: pd.DataFrame, arms: Sequence[Arm], title: str, *, loss: str, accuracy: str
) -> alt.FacetChart:
    series = (
        Series(loss, "loss", "loss", palette.BLUE, theme.DASHED),
        Series(accuracy, "accuracy", "accuracy", palette.PURPLE),
    )
    grid = panel_grid(arms, ROOM)
    titles = panel_titles(arms, grid)
    rows = history[history["arm"].isin(titles)]
    curves = learning_curves(rows, [s.metric for s in series])
    curves[["mean", "low", "high"]] *= 100
    curves["series"] = curves.pop("metric").map({s.metric: s.name for s in series})
    curves["arm"] = curves["arm"].map(titles)
    epochs = int(rows["epoch"].max()) if len(rows) else 1
    layers = _layers(series, epochs, grid.width, banded=bool((curves["n"] > 1).any()))
    chart = arm_panels(arms, grid, layers, curves)
    seeds = rows["seed"].nunique()
    subtitle = f"Mean of {seeds} seeds, band from the lowest to the highest" if seeds > 1 else alt.Undefined
    chart.title = alt.Title(title, subtitle=subtitle, limit=grid.whole)
    words = f"{title}: loss times 100 and accuracy in percent for each epoch, a panel for each of {len(arms)} arms."
    return theme.fitted(chart, panel=grid.width, panels=len(arms), room=ROOM + 60, text=words)


def _layers(series: Sequence[Series], epochs: int, width: int, *, banded: bool) -> list[alt.Chart]:
    scale, axis = theme.epoch_axis(epochs, width)
    names = [s.name for s in series]
    legend = alt.Legend(symbolType="stroke", symbolSize=500, symbolStrokeWidth=2)
    color = alt.Color(
        "series:N", scale=alt.Scale(domain=names, range=[s.color for s in series]), legend=legend
    )
    dash = alt.StrokeDash("series:N", scale=alt.Scale(domain=names, range=[list(s.dash) for s in series]))

    def y(field: str) -> alt.Y:
        ticks = alt.Axis(title="Rate (%)", values=list(range(0, 101, 10)))
        return alt.Y(f"{field}:Q", scale=alt.Scale(domain=list(RATE_DOMAIN), nice=False), axis=ticks)

    base = (
        alt.Chart()
        .transform_filter("isValid(datum.epoch)")
        .encode(x=alt.X("epoch:Q", scale=scale, axis=axis), color=color)
    )
    # A single epoch has no line, only a dot.
    dot = alt.OverlayMarkDef(size=40) if epochs == 1 else False
    line = base.mark_line(strokeWidth=2, clip=True, point=dot).encode(y=y("mean"), strokeDash=dash)
    if not banded:
        return [line]
    band = base.mark_area(opacity=theme.BAND_OPACITY, clip=True).encode(y=y("low"), y2="high:Q")
    return [band, line]
