"""Where the best rate lies: gain over the rate on validation data, the fitted curve with its band, and its top."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd

from dropstudy.core.text import signed
from dropstudy.report.charts import palette, theme

if TYPE_CHECKING:
    from dropstudy.analysis.stats.rate_curve import RateCurve
    from dropstudy.core.metrics import Metric

WIDTH, HEIGHT = 560, 300
_BANDS = 2.5
"""Height of the axis at most, in widths of the band at the top: else a rate that is far worse hides all others."""


def top_rate(curve: RateCurve, best: frozenset[float], *, metric: Metric, baseline: str) -> alt.LayerChart:
    """Curve with its band, means of the rates that were tried, each seed, and the interval of the top.

    Args:
        curve: of gains, above 0 where a rate is better than the baseline.
        best: rates that cannot be told apart from the best.
        metric: that arms are judged by.
        baseline: label of the baseline.
    """
    sign = metric.sign
    fitted = pd.DataFrame({"rate": curve.rates, "mean": curve.mean, "low": curve.low, "high": curve.high})
    fitted[["mean", "low", "high"]] *= sign
    points, seeds = means(curve, best, metric), _seeds(curve, sign)
    domain = axis_ends(curve)
    scale = theme.exact_scale(*sorted(sign * end for end in domain))
    unit = f", {metric.short}" if metric.short else ""
    measured = metric.on_validation
    title = f"{measured[:1].upper()}{measured[1:]} minus that of {baseline}{unit}"

    def y(field: str) -> alt.Y:
        return alt.Y(
            f"{field}:Q", scale=scale, axis=alt.Axis(title=title, labelExpr=theme.SIGNED, tickCount=6)
        )

    margin = 0.04 * (curve.tried[-1] - curve.tried[0])
    across = theme.exact_scale(curve.tried[0] - margin, curve.tried[-1] + margin)
    x = alt.X(
        "rate:Q",
        scale=across,
        axis=alt.Axis(
            title="Rate: share of hidden units dropped", values=list(curve.tried), format=".3~g", grid=False
        ),
    )
    line, dots = (alt.Chart(theme.inline_data(table)).encode(x=x) for table in (fitted, points))
    top = pd.DataFrame({"rate": [curve.top_low], "to": [curve.top_high], "top": [curve.top], "zero": [0.0]})
    ground = alt.Chart(theme.inline_data(top))
    tooltip = theme.tooltip(
        rate=("rate", ".3~g"), text=f"mean difference{unit}", best="may be the best", n="seeds"
    )
    layers = [
        ground.mark_rect(color=palette.VERMILLION, opacity=0.1, clip=True).encode(x=x, x2="to:Q"),
        ground.mark_rule(color=palette.AXIS).encode(y=y("zero")),
        line.mark_area(opacity=theme.BAND_OPACITY, color=palette.BLUE, clip=True).encode(
            y=y("low"), y2="high:Q"
        ),
        alt.Chart(theme.inline_data(seeds))
        .mark_point(filled=True, size=28, opacity=0.35, color=palette.FAINT_INK, clip=True)
        .encode(x=x, y=y("value"))
        .add_params(theme.zoom("x", "y")),
        line.mark_line(strokeWidth=2, color=palette.BLUE, clip=True).encode(y=y("mean")),
        ground.mark_rule(color=palette.VERMILLION, strokeDash=[4, 4], strokeWidth=1.5).encode(
            x=alt.X("top:Q", scale=across)
        ),
        dots.mark_point(filled=True, size=64, opacity=1, clip=True).encode(
            y=y("mean"),
            color=alt.condition(
                "datum.best == 'yes'", alt.value(palette.VERMILLION), alt.value(palette.BLUE)
            ),
            tooltip=tooltip,
        ),
    ]
    words = ", ".join(
        f"rate {rate:.3g} {text}" for rate, text in zip(points["rate"], points["text"], strict=True)
    )
    text = (
        f"{title}, over the rate: {words}. The curve is highest at {curve.top:.2g}; "
        f"its top may lie from {curve.top_low:.2g} to {curve.top_high:.2g}."
    )
    chart = alt.LayerChart(layer=layers).properties(width=WIDTH, height=HEIGHT)
    return theme.fitted(chart, panel=WIDTH, room=70, text=text)


def means(curve: RateCurve, best: frozenset[float], metric: Metric) -> pd.DataFrame:
    """Mean difference of each rate that was tried, in the metric's own direction: rate, mean, text, best, n."""
    values = metric.sign * np.mean(curve.gains, axis=0)
    return pd.DataFrame(
        {
            "rate": curve.tried,
            "mean": values,
            "text": [signed(value, places=metric.places) for value in values],
            "best": ["yes" if rate in best else "no" for rate in curve.tried],
            "n": len(curve.gains),
        }
    )


def _seeds(curve: RateCurve, sign: int) -> pd.DataFrame:
    rows = [
        (rate, sign * value) for gains in curve.gains for rate, value in zip(curve.tried, gains, strict=True)
    ]
    return pd.DataFrame(rows, columns=["rate", "value"])


def axis_ends(curve: RateCurve) -> tuple[float, float]:
    """Ends of the axis: all gains and the band, as far as `_BANDS` allow downwards from the top.

    The width of the band is that at the top, or at the tried rate where it is narrowest if that is more: gains of the
    first rate over itself are 0, so that beside it the band is as narrow as you like.
    """
    gains, low, high = np.array(curve.gains), np.array(curve.low), np.array(curve.high)
    top = max(float(gains.max()), float(high.max()))
    at_top = int(np.argmax(curve.mean))
    others = np.interp(curve.tried[1:], curve.rates, high - low)
    width = max(float(high[at_top] - low[at_top]), float(others.min()))
    room = 0.05 * width
    least = float(curve.mean[at_top] - _BANDS * width)
    return max(min(float(gains.min()), float(low.min())), min(least, float(low[at_top]))) - room, top + room
