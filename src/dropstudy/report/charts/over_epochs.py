"""Difference of each arm to the baseline over the epochs, with its interval, against zero and the margin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from dropstudy.core.text import signed
from dropstudy.report.charts import palette, theme

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pandas as pd

    from dropstudy.core.metrics import Metric
    from dropstudy.core.types import Arm

WIDTH, HEIGHT = 560, 300
_LEFT_OUT = 0.25
"""Share of the epochs, the first ones, that the axis need not show."""
_BELOW = 1.5
"""Room below the best arm's interval, in its heights: else an arm that is far worse hides all others."""


def over_epochs(
    rows: pd.DataFrame,
    arms: Sequence[Arm],
    *,
    metric: Metric,
    margin: float,
    measure: str,
    baseline: str,
    bands: Collection[str],
) -> alt.LayerChart:
    """A line for each arm, with a band for some.

    Args:
        rows: arm (a label), epoch, n, mean, low, high, in the metric's unit.
        arms: the study's arms, for order and colour.
        metric: that they are judged by.
        margin: grey within ±margin.
        measure: name of the metric on the data that it was measured on.
        baseline: label of the baseline.
        bands: arms whose interval is drawn.
    """
    rows = rows.assign(
        **{
            f"text_{end}": [signed(v, places=metric.places) for v in rows[end]]
            for end in ("mean", "low", "high")
        }
    )
    unit = f", {metric.short}" if metric.short else ""
    title = f"{measure} minus that of {baseline}{unit}"
    scale = theme.exact_scale(*_ends(rows, metric.sign, margin))
    epoch_scale, epoch_axis = theme.epoch_axis(int(rows["epoch"].max()), WIDTH)
    epoch_axis.grid = False

    def y(field: str) -> alt.Y:
        return alt.Y(
            f"{field}:Q", scale=scale, axis=alt.Axis(title=title, labelExpr=theme.SIGNED, tickCount=6)
        )

    picked = theme.legend_selection("arm")
    faded = theme.highlight(picked, 1, 0.08)
    base = alt.Chart(theme.inline_data(rows)).encode(
        x=alt.X("epoch:Q", scale=epoch_scale, axis=epoch_axis), color=theme.arm_color(arms, baseline=False)
    )
    ground = alt.Chart(theme.inline_data(rows.head(1)[["arm"]].assign(zero=0.0, low=-margin, high=margin)))
    tooltip = theme.tooltip(
        arm="arm",
        epoch="epochs",
        text_mean=f"difference{unit}",
        text_low="interval from",
        text_high="to",
        n="seeds",
    )
    banded = base.transform_filter(alt.FieldOneOfPredicate("arm", list(bands)))
    layers = [
        ground.mark_rect(color=palette.MARGIN, clip=True).encode(y=y("low"), y2="high:Q"),
        ground.mark_rule(color=palette.AXIS).encode(y=y("zero")),
        banded.mark_area(clip=True).encode(
            y=y("low"), y2="high:Q", opacity=theme.highlight(picked, theme.BAND_OPACITY, 0)
        ),
        base.mark_line(strokeWidth=2, clip=True).encode(y=y("mean"), opacity=faded),
        base.mark_point(filled=True, size=34, clip=True)
        .encode(y=y("mean"), opacity=faded, tooltip=tooltip)
        .add_params(picked, theme.zoom("x", "y")),
    ]
    last = rows.groupby("arm", sort=False).last()
    words = "; ".join(f"{arm} {text}" for arm, text in last["text_mean"].items())
    return theme.fitted(
        alt.LayerChart(layer=layers).properties(width=WIDTH, height=HEIGHT),
        panel=WIDTH,
        room=70,
        text=f"{title}, over the epochs. At the end: {words}.",
    )


def _ends(rows: pd.DataFrame, sign: int, margin: float) -> tuple[float, float]:
    """Ends of the axis: zero, the margin, the best arm's late intervals, and the others as far as there is room."""
    late = rows[rows["epoch"] > _LEFT_OUT * rows["epoch"].max()]
    gains = late.assign(
        mean=sign * late["mean"],
        low=np.fmin(sign * late["low"], sign * late["high"]).fillna(sign * late["mean"]),
        high=np.fmax(sign * late["low"], sign * late["high"]).fillna(sign * late["mean"]),
    )
    best = gains.loc[gains["arm"] == gains.groupby("arm")["mean"].last().idxmax()]
    top = max(float(gains["high"].max()), 1.2 * margin)
    bottom = min(float(best["low"].min()), -1.2 * margin)
    bottom = max(min(float(gains["low"].min()), bottom), bottom - _BELOW * (top - bottom))
    room = 0.04 * (top - bottom)
    low, high = sorted((sign * (bottom - room), sign * (top + room)))
    return low, high
