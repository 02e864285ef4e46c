"""Calibration charts: reliability, and entropy under Monte-Carlo dropout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from dropstudy.report.charts import palette, theme
from dropstudy.report.charts.learning_curves import round_ends

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.types import Arm

SIDE = 340


def reliability(bins: pd.DataFrame, arms: Sequence[Arm]) -> alt.LayerChart:
    """Accuracy over confidence, both in percent, with the diagonal where they are equal.

    Args:
        bins: arm (a label), confidence, accuracy, share of the examples in the bin; all in percent.
        arms: the study's arms, for their colours.
    """
    low = max(0.0, float(min(bins["confidence"].min(), bins["accuracy"].min())) - 4) if len(bins) else 0.0
    low, high, ticks = round_ends(low, 100.0, (0.5, 1, 2, 5, 10, 20))
    scale = theme.exact_scale(low, high)
    picked = theme.legend_selection("arm")
    faded = theme.highlight(picked, 0.9, 0.06)
    ends = pd.DataFrame({"confidence": [low, 100.0], "accuracy": [low, 100.0]})
    x = alt.X("confidence:Q", scale=scale, axis=alt.Axis(title="Confidence (%), mean of a bin", values=ticks))
    y = alt.Y(
        "accuracy:Q", scale=scale, axis=alt.Axis(title="Accuracy (%) of the bin's examples", values=ticks)
    )
    diagonal = alt.Chart(theme.inline_data(ends)).mark_line(color=palette.AXIS, strokeDash=list(theme.DASHED))
    base = alt.Chart(theme.inline_data(bins)).encode(x=x, y=y, color=theme.arm_color(arms), opacity=faded)
    points = base.mark_point(filled=True).encode(
        size=alt.Size("share:Q", scale=alt.Scale(type="sqrt", domain=[0, 100], range=[14, 420]), legend=None),
        tooltip=theme.tooltip(
            arm="arm",
            confidence=("mean confidence, %", ".2f"),
            accuracy=("accuracy, %", ".2f"),
            share=("share of the examples, %", ".2f"),
        ),
    )
    layers = [diagonal.encode(x=x, y=y), base.mark_line(strokeWidth=1.5), points.add_params(picked)]
    return theme.fitted(
        alt.LayerChart(layer=layers).properties(width=SIDE, height=SIDE),
        panel=SIDE,
        room=70,
        text="Reliability: accuracy of the test examples in each bin of confidence, for each arm, beside the diagonal "
        "where both are equal.",
    )


def entropy(density: pd.DataFrame) -> alt.FacetChart:
    """Entropy of sampled networks on right and on wrong answers, a panel for each arm.

    Args:
        density: arm (a label), answer ("right" or "wrong"), entropy (the middle of a bin, in nats), share of the
            answers of that kind, in percent.
    """
    picked = theme.legend_selection("answer")
    colors = alt.Scale(domain=["right", "wrong"], range=[palette.BETTER, palette.WORSE])
    panel = (
        alt.Chart()
        .mark_line(interpolate="step", strokeWidth=2)
        .encode(
            x=alt.X("entropy:Q", axis=alt.Axis(title="Predictive entropy (nats)", tickCount=5, grid=False)),
            y=alt.Y("share:Q", axis=alt.Axis(title="Share of these answers (%)", tickCount=5)),
            color=alt.Color("answer:N", scale=colors),
            opacity=theme.highlight(picked, 1, 0.08),
            tooltip=theme.tooltip(
                arm="arm", answer="answer", entropy=("entropy", ".2f"), share=("share", ".1f")
            ),
        )
        .add_params(picked)
        .properties(width=220, height=150)
    )
    return theme.fitted(
        theme.facets(panel, "arm", density, order=density["arm"], columns=3),
        panel=220,
        panels=density["arm"].nunique(),
        room=70,
        text="Distribution of predictive entropy on right and on wrong answers, a panel for each arm.",
    )
