"""Test error over the rate, and the gain over the size of the training set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd

from dropstudy.core.metrics import ACCURACY
from dropstudy.core.text import rounded, signed
from dropstudy.report.charts import palette, theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.metrics import Metric
    from dropstudy.core.types import Arm

WIDE, NARROW = 560, 250
MOST_COLUMNS = 3


def rate_curve(
    means: pd.DataFrame,
    seeds: pd.DataFrame,
    *,
    metric: Metric = ACCURACY,
    chosen: dict[str, float] | None = None,
) -> alt.FacetChart | alt.LayerChart:
    """The metric over the rate, a panel for each condition: means with a band, and every seed.

    Args:
        means: condition, rate, mean, low, high, n, in percent or the metric's unit; the band is simultaneous over a
            condition's rates; low and high are empty where there is no band.
        seeds: condition, rate, seed, value.
        metric: that arms are judged by; of accuracy the error is shown.
        chosen: the rate chosen on validation data, by condition; None where none may be chosen.
    """
    chosen = chosen or {}
    ringed = [chosen.get(c) == rate for c, rate in zip(means["condition"], means["rate"], strict=True)]
    table = pd.concat(
        [means.assign(kind="mean", chosen=ringed), seeds.assign(kind="seed")], ignore_index=True
    )
    what, unit = ("test error", "%") if metric is ACCURACY else (metric.on_test, metric.axis_unit)
    of, named = f", {unit}" if unit else "", f"{what[:1].upper()}{what[1:]}{f' ({unit})' if unit else ''}"
    for column in ("mean", "low", "high", "value"):
        table[f"text_{column}"] = [rounded(value, metric.places) for value in table[column]]
    conditions = list(dict.fromkeys(means["condition"]))
    several = len(conditions) > 1
    rates = sorted(set(means["rate"]))
    margin = 0.04 * (rates[-1] - rates[0] or 1.0)
    x = alt.X(
        "rate:Q",
        scale=theme.exact_scale(rates[0] - margin, rates[-1] + margin),
        axis=alt.Axis(title="Rate: share of hidden units dropped", values=rates, format=".3~g", grid=False),
    )

    def y(field: str) -> alt.Y:
        scale = alt.Scale(domain=_domain(table, 1.0 if unit == "" else 100.0), zero=False, nice=True)
        return alt.Y(f"{field}:Q", scale=scale, axis=alt.Axis(title=named, tickCount=6))

    rate = ("rate", ".3~g")
    base = alt.Chart().encode(x=x)
    mean = base.transform_filter("datum.kind == 'mean'")
    layers = [
        mean.mark_area(opacity=theme.BAND_OPACITY, color=palette.BLUE, clip=True).encode(
            y=y("low"), y2="high:Q"
        ),
        base.transform_filter("datum.kind == 'seed'")
        .mark_point(filled=True, size=28, opacity=0.35, color=palette.FAINT_INK, clip=True)
        .encode(y=y("value"), tooltip=theme.tooltip(rate=rate, seed="seed", text_value=f"{what}{of}"))
        .add_params(theme.zoom("x", "y")),
        mean.mark_line(strokeWidth=2, color=palette.BLUE, clip=True).encode(y=y("mean")),
        mean.mark_point(filled=True, size=64, opacity=1, color=palette.BLUE, clip=True).encode(
            y=y("mean"),
            tooltip=theme.tooltip(
                rate=rate, text_mean=f"mean {what}{of}", text_low="band from", text_high="to", n="seeds"
            ),
        ),
    ]
    if chosen:
        mark = mean.transform_filter("datum.chosen").encode(y=y("mean"))
        layers.append(
            mark.mark_point(size=230, opacity=1, color=palette.VERMILLION, strokeWidth=2.5, clip=False)
        )
        if not several:
            layers.append(
                mark.mark_text(dy=-20, fontWeight="bold", color=palette.INK, text="chosen", clip=False)
            )
    words = "; ".join(
        (f"{condition}, " if several else "")
        + ", ".join(
            f"rate {r:.3g} {rounded(m, metric.places)}"
            for r, m in zip(part["rate"], part["mean"], strict=True)
        )
        for condition, part in means.groupby("condition", sort=False)
    )
    text = f"Mean {what}{of} over the rate: {words}."
    layered = alt.LayerChart(layer=layers)
    if not several:
        whole = layered.properties(width=WIDE, height=300, data=theme.inline_data(table))
        return theme.fitted(whole, panel=WIDE, room=70, text=text)
    panel = layered.properties(width=NARROW, height=190)
    chart = theme.facets(panel, "condition", table, order=conditions, columns=MOST_COLUMNS)
    return theme.fitted(chart, panel=NARROW, panels=len(conditions), room=70, text=text)


def _domain(table: pd.DataFrame, most: float) -> list[float]:
    """Ends of the axis: all points, and the band as far as it is no wider than they are and a value can be."""
    points = table[["mean", "value"]].to_numpy(dtype=float)
    low, high = float(np.nanmin(points)), float(np.nanmax(points))
    room = high - low or 1.0
    # fmin and fmax ignore a band that is not there.
    band_low, band_high = float(np.fmin(low, table["low"].min())), float(np.fmax(high, table["high"].max()))
    return [min(low, max(0.0, low - room, band_low)), max(high, min(most, high + room, band_high))]


def payoff(
    rows: pd.DataFrame, arms: Sequence[Arm], *, metric: Metric = ACCURACY, baseline: str
) -> alt.LayerChart:
    """Gain of each arm over the baseline against the number of training examples.

    Args:
        rows: hidden, arm (a label), train_size, mean, low, high, n; paired differences in the metric's unit.
        arms: the study's arms, for their colours.
        metric: that they are judged by.
        baseline: label of the baseline.
    """
    sizes = sorted(set(rows["train_size"]))
    rows = rows.assign(
        **{
            f"text_{end}": [signed(value, places=metric.places) for value in rows[end]]
            for end in ("mean", "low", "high")
        }
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
    unit = f", {metric.short}" if metric.short else ""
    title = f"{metric.subject} minus that of {baseline}{unit}"

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", axis=alt.Axis(title=title, labelExpr=theme.SIGNED, tickCount=6))

    picked = theme.legend_selection("arm")
    faded = theme.highlight(picked, 1, 0.08)
    color = theme.arm_color(arms, baseline=False)
    base = alt.Chart(theme.inline_data(rows)).encode(x=x, color=color, detail="hidden:N")
    lines = base
    if len(set(rows["hidden"])) > 1:
        lines = base.encode(
            strokeDash=alt.StrokeDash("hidden:N", sort=None, legend=alt.Legend(title="Units:"))
        )
    tooltip = theme.tooltip(
        arm="arm",
        hidden="hidden layers",
        train_size=("training examples", ","),
        text_mean=f"difference{unit}",
        text_low="interval from",
        text_high="to",
        n="seeds",
    )
    zero = alt.Chart(theme.inline_data(rows.head(1).assign(zero=0)))
    layers = [
        zero.mark_rule(color=palette.AXIS).encode(y=y("zero")),
        base.mark_area().encode(y=y("low"), y2="high:Q", opacity=theme.highlight(picked, 0.12, 0)),
        lines.mark_line(strokeWidth=2).encode(y=y("mean"), opacity=faded),
        base.mark_point(filled=True, size=60)
        .encode(y=y("mean"), opacity=faded, tooltip=tooltip)
        .add_params(picked, theme.zoom("y")),
    ]
    chart = alt.LayerChart(layer=layers).properties(width=WIDE, height=300)
    text = f"{title}, for {len(sizes)} sizes of the training set."
    return theme.fitted(chart, panel=WIDE, room=80, text=text)
