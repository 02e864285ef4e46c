"""Chart of paired seeds: each a line from the baseline's value of the metric to an arm's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from dropstudy.core.metrics import ACCURACY
from dropstudy.core.text import rounded, signed
from dropstudy.report.charts import palette, theme

if TYPE_CHECKING:
    import pandas as pd

    from dropstudy.core.metrics import Metric

WIDTH, HEIGHT = 150, 230


def paired_lines(pairs: pd.DataFrame, *, metric: Metric = ACCURACY, baseline: str) -> alt.FacetChart:
    """A panel for each arm, a line for each seed.

    Args:
        pairs: arm (a label), seed, before and after: of baseline and arm, in percent or the metric's unit.
        metric: that arms are judged by.
        baseline: label of the baseline.
    """
    change = pairs["after"] - pairs["before"]
    higher, lower, equal = f"higher than {baseline}", f"lower than {baseline}", f"as {baseline}"
    good, bad = (higher, lower) if metric.better == "higher" else (lower, higher)
    colors = {good: palette.BETTER, bad: palette.WORSE, equal: palette.AXIS}
    lines = pairs.assign(
        direction=[higher if c > 0 else lower if c < 0 else equal for c in change],
        text_before=[rounded(value, metric.places) for value in pairs["before"]],
        text_after=[rounded(value, metric.places) for value in pairs["after"]],
        text_change=[signed(value, places=metric.places) for value in change],
    )
    present = [name for name in colors if (lines["direction"] == name).any()]
    picked = theme.legend_selection("direction")
    base = alt.Chart().encode(
        x=alt.X(
            "side:N",
            sort=["baseline", "arm"],
            scale=alt.Scale(padding=0.35),
            axis=alt.Axis(title=None, labelAngle=0, domain=False, ticks=False, grid=True),
        ),
        y=alt.Y(
            "value:Q",
            scale=alt.Scale(zero=False),
            axis=alt.Axis(title=metric.heading, tickCount=6, grid=False),
        ),
        color=alt.Color(
            "direction:N", scale=alt.Scale(domain=present, range=[colors[name] for name in present])
        ),
        opacity=theme.highlight(picked, 0.75, 0.06),
        detail="seed:N",
        tooltip=theme.tooltip(
            arm="arm",
            seed="seed",
            text_before=baseline,
            text_after="arm",
            text_change=f"difference, {metric.short}" if metric.short else "difference",
        ),
    )
    layers = [base.mark_line(strokeWidth=1.6), base.mark_point(filled=True, size=44).add_params(picked)]
    panel = alt.LayerChart(layer=layers).properties(width=WIDTH, height=HEIGHT)
    ends = (
        lines.assign(side="baseline", value=pairs["before"]),
        lines.assign(side="arm", value=pairs["after"]),
    )
    words = "; ".join(
        f"{arm}: higher in {(part > 0).sum()} of {len(part)} seeds"
        for arm, part in change.groupby(pairs["arm"], sort=False)
    )
    chart = theme.facets(panel, "arm", *ends, order=pairs["arm"], columns=4)
    # An axis for each arm: one that loses ten points would flatten all others.
    independent: alt.FacetChart = chart.resolve_scale(y="independent")
    return theme.fitted(
        independent,
        panel=WIDTH,
        panels=pairs["arm"].nunique(),
        room=70,
        text=f"{metric.subject} of each seed with {baseline} and with each arm. {words}.",
    )
