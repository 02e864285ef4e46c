"""Chart of the answer: each arm's paired difference to the baseline as an interval against zero and the margin."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from dropstudy.core.metrics import ACCURACY
from dropstudy.core.text import signed, span
from dropstudy.report.charts import palette, theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.metrics import Metric

WIDTH, ROW = 460, 58
TEXT, BELOW, DOTS = -19, 9, 14
"""Pixels of a row's words above its middle; of its ground and of its seeds below."""
GROUND = 38
"""Height of the ground, which leaves the words free."""
FAR = 4.0
"""An interval that is this many times as wide as all else that is drawn is cut at the ends of the axis."""


def intervals(
    rows: pd.DataFrame, seeds: pd.DataFrame, *, metric: Metric = ACCURACY, margin: float, baseline: str
) -> alt.LayerChart:
    """Mean differences of a metric with the interval that decides, the seeds behind them, zero and the margin.

    Args:
        rows: a row for each comparison: arm (a label), mean, all_low, all_high (of the interval that decides), n; ends
            are empty where they are not known.
        seeds: arm, seed, difference.
        metric: that arms are judged by; differences are in its unit.
        margin: differences smaller than this count as none; 0 for no margin.
        baseline: label of the baseline.
    """
    numbers = rows[["mean", "all_low", "all_high"]].astype(float)
    ends = _domain(
        [*numbers["mean"], *seeds["difference"].astype(float), -margin, margin, 0.0],
        [*zip(numbers["all_low"], numbers["all_high"], strict=True)],
    )
    dots = seeds.assign(text=[signed(value, places=metric.places) for value in seeds["difference"]])
    spans = [
        span(low, high, margin=margin, places=metric.places) if isfinite(low) and isfinite(high) else "-"
        for low, high in zip(numbers["all_low"], numbers["all_high"], strict=True)
    ]
    means = [signed(mean, places=metric.places) for mean in numbers["mean"]]
    unit = f", {metric.short}" if metric.short else ""
    frame = rows.assign(
        **numbers.clip(*ends),
        difference=means,
        interval=spans,
        text=[
            mean if between == "-" else f"{mean}  ({between})"
            for mean, between in zip(means, spans, strict=True)
        ],
    )
    cut = pd.concat(
        [
            frame[numbers["all_low"] < ends[0]].assign(side="below", end=ends[0]),
            frame[numbers["all_high"] > ends[1]].assign(side="above", end=ends[1]),
        ]
    )
    scale = theme.exact_scale(*ends)
    axis = alt.Axis(
        title=f"Difference to {baseline}{f' ({metric.unit})' if metric.unit else ''}",
        labelExpr=theme.SIGNED,
        tickCount=6,
        grid=False,
    )

    def x(field: str) -> alt.X:
        return alt.X(f"{field}:Q", scale=scale, axis=axis)

    y = alt.Y("arm:N", sort=[*rows["arm"]], scale=alt.Scale(paddingInner=0, paddingOuter=0), axis=None)
    tooltip = theme.tooltip(
        arm="arm", difference=f"mean difference{unit}", interval="interval that decides", n="seeds"
    )
    base = alt.Chart(theme.inline_data(frame)).encode(y=y)
    ground = alt.Chart(theme.inline_data(frame[["arm"]].assign(zero=0, least=-margin, most=margin))).encode(
        y=y
    )
    blue = palette.BLUE
    turned = alt.Angle("side:N", scale=alt.Scale(domain=["below", "above"], range=[-90, 90]), legend=None)
    layers = [
        ground.mark_bar(color=palette.MARGIN, height=GROUND, yOffset=BELOW).encode(x=x("least"), x2="most:Q"),
        ground.mark_tick(color=palette.AXIS, size=GROUND, yOffset=BELOW, thickness=1.5).encode(x=x("zero")),
        alt.Chart(theme.inline_data(dots))
        .mark_point(size=26, filled=True, opacity=0.5, color=palette.FAINT_INK, yOffset=DOTS)
        .encode(
            x=x("difference"), y=y, tooltip=theme.tooltip(arm="arm", seed="seed", text=f"difference{unit}")
        ),
        base.mark_rule(strokeWidth=4, color=blue).encode(x=x("all_low"), x2="all_high:Q", tooltip=tooltip),
        alt.Chart(theme.inline_data(cut))
        .mark_point(size=90, filled=True, opacity=1, color=blue, shape="triangle")
        .encode(y=y, x=x("end"), angle=turned, tooltip=tooltip),
        base.mark_point(
            size=90, filled=True, opacity=1, color=palette.PAPER, stroke=blue, strokeWidth=2
        ).encode(x=x("mean"), tooltip=tooltip),
        base.mark_text(align="left", fontSize=12, fontWeight="bold", yOffset=TEXT).encode(
            x=alt.value(0), text="arm:N"
        ),
    ]
    if len(rows) > 1:  # the numbers of one alone are those of the answer beside it
        layers.append(
            base.mark_text(align="right", fontSize=12, yOffset=TEXT).encode(
                x=alt.value("width"), text="text:N"
            )
        )
    words = "; ".join(f"{arm} {text}" for arm, text in zip(frame["arm"], frame["text"], strict=True))
    return theme.fitted(
        alt.LayerChart(layer=layers).properties(width=WIDTH, height=ROW * max(1, len(rows))),
        panel=WIDTH,
        room=30,
        text=f"Difference in {metric.on_test} to {baseline}{f', in {metric.unit}' if metric.unit else ''}, mean and "
        f"the interval that decides: {words}.",
    )


def _domain(values: Sequence[float], intervals: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Ends of the axis: all values and all intervals, but for one that is many times as wide as all else.

    Few seeds can make an interval so wide that nothing else could be seen.
    """
    known = sorted(
        (pair for pair in intervals if all(map(isfinite, pair))), key=lambda pair: pair[1] - pair[0]
    )
    *others, widest = known or [(0.0, 0.0)]
    rest = [*values, *(end for pair in others for end in pair)]
    alone = bool(others) and widest[1] - widest[0] > FAR * (max(rest) - min(rest))
    shown = rest if alone else [*rest, *widest]
    low, high = min(shown), max(shown)
    margin = 0.06 * (high - low) or 1.0
    return low - margin, high + margin
