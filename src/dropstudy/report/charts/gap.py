"""The gap between training and test accuracy taken apart: what measuring adds, and what overfitting is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd

from dropstudy.core.text import rounded, signed
from dropstudy.report.charts import palette, theme
from dropstudy.report.charts.learning_curves import CLEAN, KERAS, TEST

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, ROW = 360, 56
STEP = 9
"""Pixels by which an arm's two steps lie above and below its middle."""
COLUMNS = (74, 168)
"""Right ends of the two columns of numbers, in pixels right of the plot."""
NOISY = replace(KERAS, shape="diamond")
MEASURES = {"running": KERAS, "noisy": NOISY, "clean": CLEAN, "test": TEST}
NAMES = {
    "running": "running, as Keras prints it",
    "noisy": "weights at rest, dropout on",
    "clean": "clean: dropout off",
    "test": "test",
}


def gap(rows: pd.DataFrame) -> alt.LayerChart:
    """Two steps for each arm: from the running to the clean training accuracy, and from there to the test accuracy.

    Args:
        rows: a row for each arm: arm (as it is to be called), then running, noisy (may be empty), clean and test, means
            in percent, and artefact (running - clean) and true_gap (clean - test) in points.
    """
    order = list(rows["arm"])
    height = ROW * max(1, len(order))
    measured = [key for key in MEASURES if rows[key].notna().any()]
    values = rows[measured].to_numpy(dtype=float)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = 0.06 * (high - low) or 0.5
    scale = alt.Scale(domain=[low - room, high + room], nice=False, zero=False)
    axis = alt.Axis(title="Accuracy (%)", tickCount=6, format=".4~g")
    y = alt.Y(
        "arm:N",
        sort=order,
        title=None,
        axis=alt.Axis(domain=False, ticks=False, labelFontSize=12, labelLimit=160, labelPadding=10),
    )
    base = alt.Chart(theme.inline(rows)).encode(y=y)
    points = rows.melt(id_vars=["arm"], value_vars=measured, var_name="key", value_name="accuracy").dropna()
    # Each step has its two ends at its own height: the clean accuracy ends one and begins the other.
    upper = points[points["key"] != "test"].assign(shift=-STEP)
    lower = points[points["key"].isin(["clean", "test"])].assign(shift=STEP)
    layers: list[alt.Chart] = [
        _step(base, scale, axis, ends=("running", "clean"), shift=-STEP, color=palette.PURPLE),
        _step(base, scale, axis, ends=("clean", "test"), shift=STEP, color=palette.BLUE),
        *(
            _marks(frame, measured, y, scale=scale, axis=axis, shift=shift)
            for frame, shift in ((upper, -STEP), (lower, STEP))
        ),
        *_columns(rows, y),
    ]
    for right, text in zip(COLUMNS, ("measuring", "true gap"), strict=True):
        layers.append(
            alt.Chart(theme.inline(pd.DataFrame([{"text": text}])), name=f"wide_{text.split()[0]}")
            .mark_text(align="right", color=palette.FAINT_INK, dx=right)
            .encode(x=alt.value("width"), y=alt.value(-8), text="text:N")
        )
    chart = alt.LayerChart(layer=layers).properties(width=WIDTH, height=height)
    words = "; ".join(
        f"{arm}: running {rounded(running)}, clean {rounded(clean)}, test {rounded(test)} percent"
        for arm, running, clean, test in zip(
            rows["arm"], rows["running"], rows["clean"], rows["test"], strict=True
        )
    )
    return theme.fitted(
        chart,
        panel=WIDTH,
        room=170 + COLUMNS[-1],
        spare=COLUMNS[-1],
        text=f"Training accuracy as Keras prints it, measured cleanly, and test accuracy. {words}.",
    )


def _step(
    base: alt.Chart, scale: alt.Scale, axis: alt.Axis, *, ends: Sequence[str], shift: int, color: str
) -> alt.Chart:
    first, second = ends
    step: alt.Chart = base.mark_bar(height=5, opacity=0.45, color=color, yOffset=shift).encode(
        x=alt.X(f"{first}:Q", scale=scale, axis=axis), x2=f"{second}:Q"
    )
    return step


def _marks(
    frame: pd.DataFrame, keys: Sequence[str], y: alt.Y, *, scale: alt.Scale, axis: alt.Axis, shift: int
) -> alt.Chart:
    """The measured accuracies, as points whose colour and shape say which."""
    names = [NAMES[key] for key in keys]
    named = frame.assign(
        measure=frame["key"].map(NAMES), told=[rounded(value) for value in frame["accuracy"]]
    )
    legend = alt.Legend(orient="top", title=None, symbolOpacity=1, symbolStrokeWidth=0, offset=22)
    marks: alt.Chart = (
        alt.Chart(theme.inline(named))
        .mark_point(filled=True, size=70, opacity=1, yOffset=shift)
        .encode(
            x=alt.X("accuracy:Q", scale=scale, axis=axis),
            y=y,
            color=alt.Color(
                "measure:N",
                scale=alt.Scale(domain=names, range=[MEASURES[key].color for key in keys]),
                legend=legend,
            ),
            shape=alt.Shape(
                "measure:N",
                scale=alt.Scale(domain=names, range=[MEASURES[key].shape for key in keys]),
                legend=legend,
            ),
            tooltip=[
                alt.Tooltip("arm:N"),
                alt.Tooltip("measure:N", title="accuracy"),
                alt.Tooltip("told:N", title="percent"),
            ],
        )
    )
    return marks


def _columns(rows: pd.DataFrame, y: alt.Y) -> list[alt.Chart]:
    """Both differences as numbers, right of the plot."""
    fields = ("artefact", "true_gap")
    told = rows.assign(**{f"told_{field}": [signed(points) for points in rows[field]] for field in fields})
    return [
        alt.Chart(theme.inline(told), name=f"wide_{field}")
        .mark_text(align="right", fontSize=12, dx=right)
        .encode(y=y, x=alt.value("width"), text=alt.Text(f"told_{field}:N"))
        for right, field in zip(COLUMNS, fields, strict=True)
    ]
