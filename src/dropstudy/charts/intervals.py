"""The verdict's picture: each arm's paired difference to the baseline as an interval against zero and the margin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from dropstudy.charts import palette, theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

WIDTH, ROW = 400, 46
NUMBERS = 150
"""Pixels right of the plot, for the numbers."""


def intervals(rows: pd.DataFrame, seeds: pd.DataFrame, *, margin: float, baseline: str) -> alt.LayerChart:
    """Mean differences in percentage points with two intervals each, the seeds behind them, zero and the margin.

    Args:
        rows: a row for each comparison: arm (as it is to be called), mean, low, high (for this arm alone), all_low,
            all_high (for all arms at once, empty where not known), n.
        seeds: arm, seed, difference.
        margin: differences smaller than this, in points, count as none; 0 for no margin.
        baseline: what the baseline is called.
    """
    order = list(rows["arm"])
    height = ROW * max(1, len(order))
    domain = _domain([*rows["low"], *rows["high"], *seeds["difference"], -margin, margin, 0.0])
    frame = rows.assign(
        text=[_numbers(mean, low, high) for mean, low, high in _ends(rows)],
        # The interval for all arms at once ends with the axis: a few seeds can make it many times as wide.
        all_low=rows["all_low"].clip(lower=domain[0]),
        all_high=rows["all_high"].clip(upper=domain[1]),
    )
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
        alt.Tooltip("mean:Q", title="mean difference, points", format="+.3f"),
        alt.Tooltip("low:Q", title="95% interval from", format="+.3f"),
        alt.Tooltip("high:Q", title="to", format="+.3f"),
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
                alt.Tooltip("difference:Q", title="difference, points", format="+.3f"),
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
        f"Difference in test accuracy of each arm to {baseline}, in points, mean and 95% interval: "
        + "; ".join(f"{arm} {text}" for arm, text in zip(frame["arm"], frame["text"], strict=True))
    )
    return theme.fitted(chart, panel=WIDTH, room=170 + NUMBERS, spare=NUMBERS, text=f"{words}.")


def _ends(rows: pd.DataFrame) -> list[tuple[float, float, float]]:
    return list(rows[["mean", "low", "high"]].itertuples(index=False, name=None))


def _numbers(mean: float, low: float, high: float) -> str:
    return f"{mean:+.2f}  ({low:+.2f} to {high:+.2f})" if low == low else f"{mean:+.2f}"  # noqa: PLR0124 - not a number


def _domain(values: Sequence[float]) -> list[float]:
    finite = [value for value in values if value == value]  # noqa: PLR0124 - leaves out what is not a number
    low, high = min(finite), max(finite)
    room = 0.06 * (high - low) or 1.0
    return [low - room, high + room]
