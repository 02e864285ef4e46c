"""Calibration charts: reliability, and entropy under Monte-Carlo dropout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from dropstudy.report.charts import palette, theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.types import Arm

SIDE = 340


def reliability(bins: pd.DataFrame, arms: Sequence[Arm]) -> alt.LayerChart:
    """Accuracy over confidence, both in percent; on the diagonal a network is as often right as it says.

    Args:
        bins: arm (as it is to be called), confidence, accuracy, share of the examples in the bin; all in percent.
        arms: the study's arms, for their colours.
    """
    low = max(0.0, float(min(bins["confidence"].min(), bins["accuracy"].min())) - 4) if len(bins) else 0.0
    scale = alt.Scale(domain=[low, 102], nice=False, zero=False)
    picked = theme.isolating("arm")
    faded = alt.condition(picked, alt.value(0.9), alt.value(0.06))
    ends = pd.DataFrame({"confidence": [low, 100.0], "accuracy": [low, 100.0]})
    x = alt.X("confidence:Q", scale=scale, axis=alt.Axis(title="Confidence (%), mean of a bin", tickCount=6))
    y = alt.Y(
        "accuracy:Q", scale=scale, axis=alt.Axis(title="Accuracy (%) of the bin's examples", tickCount=6)
    )
    diagonal = (
        alt.Chart(theme.inline(ends))
        .mark_line(color=palette.AXIS, strokeDash=list(theme.DASHED))
        .encode(x=x, y=y)
    )
    base = alt.Chart(theme.inline(bins)).encode(x=x, y=y, color=theme.by_arm(arms))
    points = base.mark_point(filled=True).encode(
        opacity=faded,
        size=alt.Size("share:Q", scale=alt.Scale(type="sqrt", domain=[0, 100], range=[14, 420]), legend=None),
        tooltip=[
            alt.Tooltip("arm:N"),
            alt.Tooltip("confidence:Q", title="mean confidence, %", format=".2f"),
            alt.Tooltip("accuracy:Q", title="accuracy, %", format=".2f"),
            alt.Tooltip("share:Q", title="share of the examples, %", format=".2f"),
        ],
    )
    lines = base.mark_line(strokeWidth=1.5).encode(opacity=faded)
    chart = alt.LayerChart(layer=[diagonal, lines, points.add_params(picked)]).properties(
        width=SIDE, height=SIDE
    )
    return theme.fitted(
        chart,
        panel=SIDE,
        room=70,
        text="Reliability: accuracy of the test examples in each bin of confidence, for each arm, beside the diagonal "
        "where both are equal.",
    )


def entropy(density: pd.DataFrame) -> alt.FacetChart:
    """Entropy of sampled networks, for right and for wrong answers.

    Args:
        density: arm (as it is to be called), answer ("right" or "wrong"), entropy (the middle of a bin, in nats),
            share of the answers of that kind, in percent.
    """
    answers = ["right", "wrong"]
    picked = theme.isolating("answer")
    chart: alt.FacetChart = (
        alt.Chart()
        .mark_line(interpolate="step", strokeWidth=2)
        .encode(
            x=alt.X("entropy:Q", axis=alt.Axis(title="Predictive entropy (nats)", tickCount=5, grid=False)),
            y=alt.Y("share:Q", axis=alt.Axis(title="Share of these answers (%)", tickCount=5)),
            color=alt.Color(
                "answer:N",
                scale=alt.Scale(domain=answers, range=[palette.BETTER, palette.WORSE]),
                legend=alt.Legend(orient="top", title=None),
            ),
            opacity=alt.condition(picked, alt.value(1), alt.value(0.08)),
            tooltip=[
                alt.Tooltip("arm:N"),
                alt.Tooltip("answer:N"),
                alt.Tooltip("entropy:Q", format=".2f"),
                alt.Tooltip("share:Q", format=".1f"),
            ],
        )
        .add_params(picked)
        .properties(width=220, height=150)
        .facet(
            facet=alt.Facet("arm:N", sort=list(dict.fromkeys(density["arm"])), title=None),
            columns=3,
            data=theme.inline(density),
        )
    )
    return theme.fitted(
        chart,
        panel=220,
        panels=density["arm"].nunique(),
        room=70,
        text="Distribution of predictive entropy on right and on wrong answers, a panel for each arm.",
    )
