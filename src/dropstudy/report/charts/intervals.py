"""Chart of the verdict: each arm's paired difference to the baseline as an interval against zero and the margin."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

import altair as alt

from dropstudy.core.text import signed, span
from dropstudy.report.charts import palette, theme

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

WIDTH, ROW = 400, 46
NUMBERS = 150
"""Pixels right of the plot, for the numbers."""


def intervals(rows: pd.DataFrame, seeds: pd.DataFrame, *, margin: float, baseline: str) -> alt.LayerChart:
    """Mean differences in percentage points with two intervals each, the seeds behind them, zero and the margin.

    Args:
        rows: a row for each comparison: arm (a label), mean, low, high (for this arm alone and a single look), all_low,
            all_high (of the interval that decides), n; ends are empty where they are not known.
        seeds: arm, seed, difference.
        margin: differences smaller than this, in points, count as none; 0 for no margin.
        baseline: label of the baseline.
    """
    height = ROW * max(1, len(rows))
    domain = _domain(
        [*rows["mean"], *seeds["difference"], -margin, margin, 0.0], [*rows["low"], *rows["high"]]
    )
    means = [signed(mean) for mean in rows["mean"]]
    deciding = _spans(rows["all_low"], rows["all_high"], margin)
    frame = rows.assign(
        text=[
            mean if span == "-" else f"{mean}  ({span})" for mean, span in zip(means, deciding, strict=True)
        ],
        difference=means,
        deciding=deciding,
        alone=_spans(rows["low"], rows["high"], margin),
        # Intervals end with the axis: few seeds can make them many times as wide as all that was seen.
        **{name: rows[name].clip(*domain) for name in ("low", "high", "all_low", "all_high")},
    )
    dots = seeds.assign(text=[signed(points) for points in seeds["difference"]])
    tooltip = theme.tooltip(
        arm="arm",
        difference="mean difference, points",
        deciding="interval that decides",
        alone="this arm alone, single look",
        n="seeds",
    )
    scale = theme.exact_scale(*domain)
    title = f"Test accuracy minus that of {baseline}, points"
    axis = alt.Axis(title=title, labelExpr=theme.SIGNED, tickCount=6, grid=False)

    def x(field: str) -> alt.X:
        return alt.X(f"{field}:Q", scale=scale, axis=axis)

    y = theme.arm_rows(rows["arm"], scale=alt.Scale(paddingInner=0))
    base = alt.Chart(theme.inline_data(frame)).encode(y=y)
    ground = alt.Chart(theme.inline_data(frame.head(1).assign(zero=0, least=-margin, most=margin))).encode(
        y=alt.value(0), y2=alt.value(height)
    )
    blue = palette.BLUE
    layers = [
        *([ground.mark_rect(color=palette.MARGIN).encode(x=x("least"), x2="most:Q")] if margin else []),
        ground.mark_rule(color=palette.AXIS).encode(x=x("zero")),
        alt.Chart(theme.inline_data(dots))
        .mark_point(size=26, filled=True, opacity=0.45, color=palette.FAINT_INK, yOffset=11)
        .encode(
            x=x("difference"), y=y, tooltip=theme.tooltip(arm="arm", seed="seed", text="difference, points")
        ),
        *(
            [base.mark_rule(strokeWidth=1.5, color=blue).encode(x=x("all_low"), x2="all_high:Q")]
            if frame["all_low"].notna().any()
            else []
        ),
        base.mark_rule(strokeWidth=5, color=blue, opacity=0.9).encode(
            x=x("low"), x2="high:Q", tooltip=tooltip
        ),
        base.mark_point(
            size=90, filled=True, opacity=1, color=palette.PAPER, stroke=blue, strokeWidth=2
        ).encode(x=x("mean"), tooltip=tooltip),
        alt.Chart(theme.inline_data(frame), name="wide")
        .mark_text(align="left", fontSize=12, dx=14)
        .encode(x=alt.value("width"), y=y, text="text:N"),
    ]
    words = "; ".join(f"{arm} {text}" for arm, text in zip(frame["arm"], frame["text"], strict=True))
    return theme.fitted(
        alt.LayerChart(layer=layers).properties(width=WIDTH, height=height),
        panel=WIDTH,
        room=170 + NUMBERS,
        spare=NUMBERS,
        text=f"Difference in test accuracy of each arm to {baseline}, in points, mean and the interval that decides: "
        f"{words}.",
    )


def _spans(lows: Iterable[float], highs: Iterable[float], margin: float) -> list[str]:
    """Intervals as text; a dash where one is not known."""
    return [
        span(low, high, margin=margin) if isfinite(low) and isfinite(high) else "-"
        for low, high in zip(lows, highs, strict=True)
    ]


def _domain(values: Sequence[float], bounds: Sequence[float]) -> tuple[float, float]:
    """Ends of the axis: all values, and bounds that lie no further out than the values are wide."""
    seen = [value for value in values if isfinite(value)]
    low, high = min(seen), max(seen)
    reach = high - low
    wide = [min(max(bound, low - reach), high + reach) for bound in bounds if isfinite(bound)]
    low, high = min(low, *wide, low), max(high, *wide, high)
    margin = 0.06 * (high - low) or 1.0
    return low - margin, high + margin
