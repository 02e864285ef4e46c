"""Chart of the verdict: each arm's paired difference to the baseline as an interval against zero and the margin."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

import altair as alt

from dropstudy.core.text import signed, span
from dropstudy.report.charts import palette, theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

WIDTH, ROW = 400, 46
NUMBERS = 150
"""Pixels right of the plot, for the numbers."""


def intervals(rows: pd.DataFrame, seeds: pd.DataFrame, *, margin: float, baseline: str) -> alt.LayerChart:
    """Mean differences in percentage points with two intervals each, the seeds behind them, zero and the margin.

    Args:
        rows: a row for each comparison: arm (as it is to be called), mean, low, high (for this arm alone and a single
            look), all_low, all_high (of the interval that decides), n; ends are empty where they are not known.
        seeds: arm, seed, difference.
        margin: differences smaller than this, in points, count as none; 0 for no margin.
        baseline: what the baseline is called.
    """
    order = list(rows["arm"])
    height = ROW * max(1, len(order))
    domain = _domain(
        [*rows["mean"], *seeds["difference"], -margin, margin, 0.0], [*rows["low"], *rows["high"]]
    )
    # Intervals end with the axis: few seeds can make them many times as wide as all that was seen.
    ends = {name: rows[name].clip(*domain) for name in ("low", "high", "all_low", "all_high")}
    frame = rows.assign(
        text=[_numbers(mean, low, high, margin) for mean, low, high in _ends(rows)],
        told=[signed(mean) for mean in rows["mean"]],
        told_interval=[_interval(low, high, margin) for _, low, high in _ends(rows)],
        told_alone=[
            _interval(low, high, margin) for low, high in zip(rows["low"], rows["high"], strict=True)
        ],
        **ends,
    )
    seeds = seeds.assign(told=[signed(points) for points in seeds["difference"]])
    scale = alt.Scale(domain=domain, nice=False, zero=False)
    title = f"Test accuracy minus that of {baseline}, points"
    axis = alt.Axis(title=title, labelExpr=theme.SIGNED, tickCount=6, grid=False)
    y = alt.Y(
        "arm:N",
        sort=order,
        title=None,
        scale=alt.Scale(paddingInner=0),
        axis=alt.Axis(domain=False, ticks=False, labelFontSize=12, labelLimit=160, labelPadding=10),
    )
    tooltip = [
        alt.Tooltip("arm:N", title="arm"),
        alt.Tooltip("told:N", title="mean difference, points"),
        alt.Tooltip("told_interval:N", title="interval that decides"),
        alt.Tooltip("told_alone:N", title="this arm alone, single look"),
        alt.Tooltip("n:Q", title="seeds"),
    ]
    base = alt.Chart(theme.inline(frame)).encode(y=y)
    numbers = alt.Chart(theme.inline(frame), name="wide").encode(y=y)
    dots = alt.Chart(theme.inline(seeds)).encode(y=y)
    zero = alt.Chart(theme.inline(frame.head(1).assign(zero=0, least=-margin, most=margin)))
    layers = []
    if margin:
        layers.append(
            zero.mark_rect(color=palette.MARGIN).encode(
                x=alt.X("least:Q", scale=scale, axis=axis), x2="most:Q", y=alt.value(0), y2=alt.value(height)
            )
        )
    layers += [
        zero.mark_rule(color=palette.AXIS).encode(
            x=alt.X("zero:Q", scale=scale, axis=axis), y=alt.value(0), y2=alt.value(height)
        ),
        dots.mark_point(size=26, filled=True, opacity=0.45, color=palette.FAINT_INK, yOffset=11).encode(
            x=alt.X("difference:Q", scale=scale, axis=axis),
            tooltip=[
                alt.Tooltip("arm:N"),
                alt.Tooltip("seed:N"),
                alt.Tooltip("told:N", title="difference, points"),
            ],
        ),
    ]
    if frame["all_low"].notna().any():
        layers.append(
            base.mark_rule(strokeWidth=1.5, color=palette.BLUE).encode(
                x=alt.X("all_low:Q", scale=scale, axis=axis), x2="all_high:Q"
            )
        )
    layers += [
        base.mark_rule(strokeWidth=5, color=palette.BLUE, opacity=0.9).encode(
            x=alt.X("low:Q", scale=scale, axis=axis), x2="high:Q", tooltip=tooltip
        ),
        base.mark_point(
            size=90, filled=True, opacity=1, color=palette.PAPER, stroke=palette.BLUE, strokeWidth=2
        ).encode(x=alt.X("mean:Q", scale=scale, axis=axis), tooltip=tooltip),
        numbers.mark_text(align="left", fontSize=12, dx=14).encode(x=alt.value("width"), text="text:N"),
    ]
    chart = alt.LayerChart(layer=layers).properties(width=WIDTH, height=height)
    words = (
        f"Difference in test accuracy of each arm to {baseline}, in points, mean and the interval that decides: "
        + "; ".join(f"{arm} {text}" for arm, text in zip(frame["arm"], frame["text"], strict=True))
    )
    return theme.fitted(chart, panel=WIDTH, room=170 + NUMBERS, spare=NUMBERS, text=f"{words}.")


def _ends(rows: pd.DataFrame) -> list[tuple[float, float, float]]:
    return list(rows[["mean", "all_low", "all_high"]].itertuples(index=False, name=None))


def _interval(low: float, high: float, margin: float) -> str:
    return span(low, high, margin=margin) if isfinite(low) and isfinite(high) else "-"


def _numbers(mean: float, low: float, high: float, margin: float) -> str:
    told = _interval(low, high, margin)
    return signed(mean) if told == "-" else f"{signed(mean)}  ({told})"


def _domain(values: Sequence[float], bounds: Sequence[float]) -> tuple[float, float]:
    """Ends of the axis: all that was seen, and intervals as far as they reach no further out than that is wide."""
    seen = [value for value in values if isfinite(value)]
    low, high = min(seen), max(seen)
    reach = high - low
    wide = [min(max(bound, low - reach), high + reach) for bound in bounds if isfinite(bound)]
    low, high = min(low, *wide, low), max(high, *wide, high)
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room
