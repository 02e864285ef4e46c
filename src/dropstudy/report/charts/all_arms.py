"""All arms over each other: test accuracy of each epoch, on an axis on which a difference of 0.3 points can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from dropstudy.core.text import rounded
from dropstudy.report.charts import theme
from dropstudy.report.charts.learning_curves import LABEL_HEIGHT, ValueAxis, round_ends, spread_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from dropstudy.core.types import Arm

WIDTH, HEIGHT = 560, 330
LABEL_ROOM = 150
"""Pixels right of the plot, for the names at the ends of the lines."""
MOST_POINTS = 8.0
"""Longest axis, in percentage points, but for its round ends: a difference of 0.3 is 9 pixels high or more."""
LEFT_OUT = 0.25
"""Share of the epochs, the first ones, that the axis need not show."""


def all_arms(curves: pd.DataFrame, arms: Sequence[Arm], *, measure: str) -> alt.LayerChart:
    """A line for each arm: mean accuracy over seeds at each epoch, with a band where there is an interval.

    Args:
        curves: arm (a label), epoch, mean, low, high (in percent), n.
        arms: the study's arms, for order and colour.
        measure: name of the accuracy, such as "Test accuracy".
    """
    axis = near_the_top(curves, title=f"{measure} (%)")
    epoch_scale, epoch_axis = theme.epoch_axis(int(curves["epoch"].max()), WIDTH)
    epoch_axis.grid = False
    picked = theme.legend_selection("arm")
    faded = theme.highlight(picked, 1, 0.08)
    base = alt.Chart(theme.inline_data(curves)).encode(
        x=alt.X("epoch:Q", scale=epoch_scale, axis=epoch_axis), color=theme.arm_color(arms)
    )
    tooltip = theme.tooltip(
        arm="arm",
        epoch="epoch",
        mean=(axis.title, ".2f"),
        low=("interval from", ".2f"),
        high=("to", ".2f"),
        n="seeds",
    )
    ends = _line_ends(curves, axis)
    labels = alt.Chart(theme.inline_data(ends)).encode(
        x=alt.value("width"),
        y=alt.Y("height:Q", scale=theme.exact_scale(axis.low, axis.high)),
        opacity=faded,
    )
    layers = [
        base.mark_line(strokeWidth=2, clip=True).encode(y=axis.y("mean"), opacity=faded),
        base.mark_point(filled=True, size=30, clip=True)
        .encode(y=axis.y("mean"), opacity=faded, tooltip=tooltip)
        .add_params(picked, theme.zoom("x")),
        labels.mark_point(filled=True, size=34, xOffset=8, clip=False)
        .encode(color=theme.arm_color(arms))
        .properties(name="wide_marks"),
        labels.mark_text(align="left", baseline="middle", dx=15, clip=False)
        .encode(text="text:N")
        .properties(name="wide_text"),
    ]
    if curves["low"].notna().any():
        opacity = theme.highlight(picked, theme.BAND_OPACITY, 0)
        band = base.mark_area(clip=True).encode(y=axis.y("low"), y2="high:Q", opacity=opacity)
        layers.insert(0, band)
    return theme.fitted(
        alt.LayerChart(layer=layers).properties(width=WIDTH, height=HEIGHT),
        panel=WIDTH,
        room=70 + LABEL_ROOM,
        spare=LABEL_ROOM,
        text=f"{measure} of each arm over the epochs. At the end: {'; '.join(ends['text'])}.",
    )


def near_the_top(curves: pd.DataFrame, *, title: str) -> ValueAxis:
    """Axis that shows the best arm's last epochs, and the other arms and the bands as far as `MOST_POINTS` allow."""
    late = curves[curves["epoch"] > LEFT_OUT * curves["epoch"].max()]
    highest = float(late["mean"].max())
    lowest = max(float(late["mean"].min()), highest - MOST_POINTS)
    room = MOST_POINTS - (highest - lowest)
    above = min(room / 2, max(0.0, float(np.fmax(late["high"].max(), highest)) - highest))
    below = min(room - above, max(0.0, lowest - float(np.fmin(late["low"].min(), lowest))))
    top = min(highest + above, 100.0)
    return ValueAxis(*round_ends(lowest - below, top, (0.1, 0.2, 0.5, 1, 2)), title)


def _line_ends(curves: pd.DataFrame, axis: ValueAxis) -> pd.DataFrame:
    """A label at the end of each line: arm, height on the axis and text, with the last epoch's accuracy."""
    last = curves.groupby("arm", sort=False).last().reset_index()
    gap = LABEL_HEIGHT * (axis.high - axis.low) / HEIGHT
    heights = spread_labels([*last["mean"]], gap, axis.low + gap / 2, axis.high - gap / 2)
    texts = [
        f"{arm} {rounded(mean)}{'' if mean >= axis.low else ' ↓'}"
        for arm, mean in zip(last["arm"], last["mean"], strict=True)
    ]
    return last[["arm"]].assign(height=heights, text=texts)
