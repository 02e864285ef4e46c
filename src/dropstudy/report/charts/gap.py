"""The gap between training and test accuracy in two steps: the artefact of measuring, and overfitting."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import altair as alt
import numpy as np
import pandas as pd

from dropstudy.core.text import rounded, signed
from dropstudy.report.charts import palette, theme
from dropstudy.report.charts.learning_curves import measures

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, ROW = 360, 56
STEP = 9
"""Pixels by which an arm's two steps lie above and below its middle."""
_CLEAN, _KERAS, _TEST = measures("accuracy", watches_test=True)
MEASURES = {"running": _KERAS, "noisy": replace(_KERAS, shape="diamond"), "clean": _CLEAN, "test": _TEST}
NAMES = {
    "running": "as Keras measures it",
    "noisy": "with dropout on",
    "clean": "clean: dropout off",
    "test": "test",
}


class Column(NamedTuple):
    """Column of numbers: its field, its heading and its right end, in pixels right of the plot."""

    field: str
    heading: str
    right: int


COLUMNS = (Column("artefact", "measuring", 74), Column("true_gap", "true gap", 168))


def gap(rows: pd.DataFrame) -> alt.LayerChart:
    """Two steps for each arm: from the running to the clean training accuracy, and from there to the test accuracy.

    Args:
        rows: a row for each arm: arm (a label), then running, noisy (may be empty), clean and test, means in percent,
            and artefact (running - clean) and true_gap (clean - test) in points.
    """
    measured = [key for key in MEASURES if rows[key].notna().any()]
    values = rows[measured].to_numpy(dtype=float)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.06 * (high - low) or 0.5
    scale = theme.exact_scale(low - margin, high + margin)
    axis = alt.Axis(title="Accuracy (%)", tickCount=6, format=".4~g")

    def x(field: str) -> alt.X:
        return alt.X(f"{field}:Q", scale=scale, axis=axis)

    y = theme.arm_rows(rows["arm"])
    base = alt.Chart(theme.inline_data(rows)).encode(y=y)
    points = rows.melt(id_vars=["arm"], value_vars=measured, var_name="key", value_name="accuracy").dropna()
    # Each step has its two ends at its own height: the clean accuracy ends one and begins the other.
    upper, lower = points[points["key"] != "test"], points[points["key"].isin(["clean", "test"])]
    bar: dict[str, Any] = {"height": 5, "opacity": 0.45}
    layers: list[alt.Chart] = [
        base.mark_bar(**bar, color=palette.PURPLE, yOffset=-STEP).encode(x=x("running"), x2="clean:Q"),
        base.mark_bar(**bar, color=palette.BLUE, yOffset=STEP).encode(x=x("clean"), x2="test:Q"),
        _marks(upper, measured, x("accuracy"), y, shift=-STEP),
        _marks(lower, measured, x("accuracy"), y, shift=STEP),
        *(_column(column, rows, y) for column in COLUMNS),
        *map(_heading, COLUMNS),
    ]
    words = "; ".join(
        f"{arm}: running {rounded(running)}, clean {rounded(clean)}, test {rounded(test)} percent"
        for arm, running, clean, test in rows[["arm", "running", "clean", "test"]].itertuples(
            index=False, name=None
        )
    )
    return theme.fitted(
        alt.LayerChart(layer=layers).properties(width=WIDTH, height=ROW * max(1, len(rows))),
        panel=WIDTH,
        room=170 + COLUMNS[-1].right,
        spare=COLUMNS[-1].right,
        text=f"Training accuracy as Keras measures it, measured cleanly, and test accuracy. {words}.",
    )


def _marks(frame: pd.DataFrame, keys: Sequence[str], x: alt.X, y: alt.Y, *, shift: int) -> alt.Chart:
    """The measured accuracies, as points whose colour and shape say which."""
    names = [NAMES[key] for key in keys]
    colors = alt.Scale(domain=names, range=[MEASURES[key].color for key in keys])
    shapes = alt.Scale(domain=names, range=[MEASURES[key].shape for key in keys])
    legend = alt.Legend(symbolStrokeWidth=0, offset=22)
    named = frame.assign(
        measure=frame["key"].map(NAMES), percent=[rounded(value) for value in frame["accuracy"]]
    )
    marks: alt.Chart = (
        alt.Chart(theme.inline_data(named))
        .mark_point(filled=True, size=70, opacity=1, yOffset=shift)
        .encode(
            x=x,
            y=y,
            color=alt.Color("measure:N", scale=colors, legend=legend),
            shape=alt.Shape("measure:N", scale=shapes, legend=legend),
            tooltip=theme.tooltip(arm="arm", measure="accuracy", percent="percent"),
        )
    )
    return marks


def _column(column: Column, rows: pd.DataFrame, y: alt.Y) -> alt.Chart:
    numbers = rows.assign(text=[signed(points) for points in rows[column.field]])
    chart = alt.Chart(theme.inline_data(numbers), name=f"wide_{column.field}")
    text: alt.Chart = chart.mark_text(align="right", fontSize=12, dx=column.right).encode(
        x=alt.value("width"), y=y, text="text:N"
    )
    return text


def _heading(column: Column) -> alt.Chart:
    chart = alt.Chart(
        theme.inline_data(pd.DataFrame([{"text": column.heading}])), name=f"wide_{column.right}"
    )
    heading: alt.Chart = chart.mark_text(align="right", color=palette.FAINT_INK, dx=column.right).encode(
        x=alt.value("width"), y=alt.value(-8), text="text:N"
    )
    return heading
