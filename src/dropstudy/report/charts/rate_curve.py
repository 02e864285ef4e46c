"""Test error over the rate, and what dropout gains over the size of the training set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd

from dropstudy.core.text import rounded, signed
from dropstudy.report.charts import palette, theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.types import Arm

WIDE, NARROW = 560, 250
MOST_COLUMNS = 3


def rate_curve(
    means: pd.DataFrame, seeds: pd.DataFrame, *, chosen: dict[str, float] | None = None
) -> alt.FacetChart | alt.LayerChart:
    """Test error in percent over the rate, a panel for each condition: means with a band, and every seed.

    Args:
        means: condition, rate, mean, low, high, n; errors in percent, the band simultaneous over a condition's rates;
            low and high are empty where there is no band.
        seeds: condition, rate, seed, error.
        chosen: the rate chosen on validation data, by condition; None where none may be chosen.
    """
    chosen = chosen or {}
    table = pd.concat(
        [
            means.assign(
                kind="mean",
                chosen=[chosen.get(s) == r for s, r in zip(means["condition"], means["rate"], strict=True)],
            ),
            seeds.assign(kind="seed"),
        ],
        ignore_index=True,
    )
    for column in ("mean", "low", "high", "error"):
        table[f"told_{column}"] = [rounded(value) for value in table[column]]
    conditions = list(dict.fromkeys(means["condition"]))
    several = len(conditions) > 1
    width = NARROW if several else WIDE
    rates = sorted(set(means["rate"]))
    span = max(rates) - min(rates) or 1.0
    x_scale = alt.Scale(domain=[min(rates) - 0.04 * span, max(rates) + 0.04 * span], nice=False, zero=False)
    x_axis = alt.Axis(title="Rate: share of hidden units dropped", values=rates, format=".3~g", grid=False)
    y_scale = alt.Scale(domain=_domain(table), zero=False, nice=True)
    y_axis = alt.Axis(title="Test error (%)", tickCount=6)
    x = alt.X("rate:Q", scale=x_scale, axis=x_axis)

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", scale=y_scale, axis=y_axis)

    tooltip = [
        alt.Tooltip("rate:Q", format=".3~g"),
        alt.Tooltip("told_mean:N", title="mean test error, %"),
        alt.Tooltip("told_low:N", title="band from"),
        alt.Tooltip("told_high:N", title="to"),
        alt.Tooltip("n:Q", title="seeds"),
    ]
    base = alt.Chart().encode(x=x)
    mean = base.transform_filter("datum.kind == 'mean'")
    layers = [
        mean.mark_area(opacity=theme.BAND_OPACITY, color=palette.BLUE, clip=True).encode(
            y=y("low"), y2="high:Q"
        ),
        base.transform_filter("datum.kind == 'seed'")
        .mark_point(filled=True, size=28, opacity=0.35, color=palette.FAINT_INK, clip=True)
        .encode(
            y=y("error"),
            tooltip=[
                alt.Tooltip("rate:Q", format=".3~g"),
                alt.Tooltip("seed:N"),
                alt.Tooltip("told_error:N", title="test error, %"),
            ],
        )
        .add_params(theme.zooming("zoom", "x", "y")),
        mean.mark_line(strokeWidth=2, color=palette.BLUE, clip=True).encode(y=y("mean")),
        mean.mark_point(filled=True, size=64, opacity=1, color=palette.BLUE, clip=True).encode(
            y=y("mean"), tooltip=tooltip
        ),
    ]
    if chosen:
        mark = mean.transform_filter("datum.chosen")
        ring = mark.mark_point(size=230, opacity=1, color=palette.VERMILLION, strokeWidth=2.5, clip=False)
        layers.append(ring.encode(y=y("mean")))
        if not several:
            word = mark.mark_text(dy=-20, fontWeight="bold", color=palette.INK, text="chosen", clip=False)
            layers.append(word.encode(y=y("mean")))
    words = "Mean test error in percent over the rate: " + "; ".join(
        (f"{condition}, " if several else "")
        + ", ".join(f"rate {r:.3g} {rounded(m)}" for r, m in zip(part["rate"], part["mean"], strict=True))
        for condition, part in means.groupby("condition", sort=False)
    )
    layered = alt.LayerChart(layer=layers).properties(width=width, height=190 if several else 300)
    text = f"{words}."
    if not several:
        whole = layered.properties(data=theme.inline(table))
        return theme.fitted(whole, panel=width, room=70, text=text)
    chart: alt.FacetChart = layered.facet(
        facet=alt.Facet("condition:N", sort=conditions, title=None),
        columns=MOST_COLUMNS,
        data=theme.inline(table),
    )
    return theme.fitted(chart, panel=width, panels=len(conditions), room=70, text=text)


def _domain(table: pd.DataFrame) -> list[float]:
    """Ends of the axis: all points, and the band as far as it is no wider than they are and an error can be."""
    points = table[["mean", "error"]].to_numpy(dtype=float)
    low, high = float(np.nanmin(points)), float(np.nanmax(points))
    room = high - low or 1.0
    # fmin and fmax pass over a band that is not there.
    band_low, band_high = float(np.fmin(low, table["low"].min())), float(np.fmax(high, table["high"].max()))
    return [min(low, max(0.0, low - room, band_low)), max(high, min(100.0, high + room, band_high))]


def payoff(rows: pd.DataFrame, arms: Sequence[Arm], *, baseline: str) -> alt.LayerChart:
    """Gain of each arm over the baseline, in points, against the number of training examples.

    Args:
        rows: hidden, arm (as it is to be called), train_size, mean, low, high, n; paired differences in points.
        arms: the study's arms, for their colours.
        baseline: what the baseline is called.
    """
    sizes = sorted(set(rows["train_size"]))
    rows = rows.assign(
        **{f"told_{end}": [signed(value) for value in rows[end]] for end in ("mean", "low", "high")}
    )
    x = alt.X(
        "train_size:Q",
        scale=alt.Scale(type="log", nice=False, padding=20),
        axis=alt.Axis(
            title="Training examples (log scale)",
            values=sizes,
            format=",d",
            grid=False,
            labelOverlap="greedy",
        ),
    )
    y_axis = alt.Axis(
        title=f"Test accuracy minus that of {baseline}, points", labelExpr=theme.SIGNED, tickCount=6
    )
    picked = theme.isolating("arm")
    color, faded = theme.by_arm(arms, baseline=False), alt.condition(picked, alt.value(1), alt.value(0.08))
    base = alt.Chart(theme.inline(rows)).encode(x=x, color=color)
    if len(set(rows["hidden"])) > 1:
        base = base.encode(
            strokeDash=alt.StrokeDash("hidden:N", sort=None, legend=alt.Legend(orient="top", title="Units:"))
        )
    zero = alt.Chart(theme.inline(rows.head(1).assign(zero=0))).mark_rule(color=palette.AXIS)
    layers = [
        zero.encode(y=alt.Y("zero:Q", axis=y_axis)),
        base.mark_area().encode(
            y=alt.Y("low:Q", axis=y_axis),
            y2="high:Q",
            opacity=alt.condition(picked, alt.value(0.12), alt.value(0)),
            detail="hidden:N",
        ),
        base.mark_line(strokeWidth=2).encode(
            y=alt.Y("mean:Q", axis=y_axis), opacity=faded, detail="hidden:N"
        ),
        base.mark_point(filled=True, size=60)
        .encode(
            y=alt.Y("mean:Q", axis=y_axis),
            opacity=faded,
            tooltip=[
                alt.Tooltip("arm:N"),
                alt.Tooltip("hidden:N", title="hidden layers"),
                alt.Tooltip("train_size:Q", title="training examples", format=","),
                alt.Tooltip("told_mean:N", title="difference, points"),
                alt.Tooltip("told_low:N", title="interval from"),
                alt.Tooltip("told_high:N", title="to"),
                alt.Tooltip("n:Q", title="seeds"),
            ],
        )
        .add_params(picked, theme.zooming("zoom", "y")),
    ]
    chart = alt.LayerChart(layer=layers).properties(width=WIDE, height=300)
    text = f"Gain of each arm over {baseline} in points of test accuracy, for {len(sizes)} sizes of the training set."
    return theme.fitted(chart, panel=WIDE, room=80, text=text)
