"""Chart of paired seeds: each a line from the baseline's test accuracy to an arm's."""

from __future__ import annotations

import altair as alt
import pandas as pd

from dropstudy.core.text import rounded, signed
from dropstudy.report.charts import palette, theme

WIDTH, HEIGHT = 150, 230
COLUMNS = 4
COLORS = (palette.BETTER, palette.WORSE, palette.AXIS)


def slopes(pairs: pd.DataFrame, *, baseline: str) -> alt.FacetChart:
    """A panel for each arm, a line for each seed.

    Args:
        pairs: arm (as it is to be called), seed, before and after: test accuracies of baseline and arm in percent.
        baseline: what the baseline is called.
    """
    change = pairs["after"] - pairs["before"]
    higher, lower, equal = directions = (
        f"higher than {baseline}",
        f"lower than {baseline}",
        f"as {baseline}",
    )
    directed = pairs.assign(
        change=change,
        direction=[higher if c > 0 else lower if c < 0 else equal for c in change],
        told_before=[rounded(accuracy) for accuracy in pairs["before"]],
        told_after=[rounded(accuracy) for accuracy in pairs["after"]],
        told_change=[signed(points) for points in change],
    )
    sides = ("baseline", "arm")
    ends = pd.concat(
        [
            directed.assign(side=sides[0], accuracy=pairs["before"]),
            directed.assign(side=sides[1], accuracy=pairs["after"]),
        ],
        ignore_index=True,
    )
    present = [name for name in directions if (directed["direction"] == name).any()]
    picked = theme.isolating("direction")
    base = alt.Chart().encode(
        x=alt.X(
            "side:N",
            sort=list(sides),
            scale=alt.Scale(padding=0.35),
            axis=alt.Axis(title=None, labelAngle=0, domain=False, ticks=False, grid=True),
        ),
        y=alt.Y(
            "accuracy:Q",
            scale=alt.Scale(zero=False),
            axis=alt.Axis(title="Test accuracy (%)", tickCount=6, grid=False),
        ),
        color=alt.Color(
            "direction:N",
            scale=alt.Scale(domain=present, range=[COLORS[directions.index(name)] for name in present]),
            legend=alt.Legend(orient="top", title=None, symbolOpacity=1),
        ),
        detail="seed:N",
        tooltip=[
            alt.Tooltip("arm:N"),
            alt.Tooltip("seed:N"),
            alt.Tooltip("told_before:N", title=baseline),
            alt.Tooltip("told_after:N", title="arm"),
            alt.Tooltip("told_change:N", title="difference, points"),
        ],
    )
    faded = alt.condition(picked, alt.value(0.75), alt.value(0.06))
    lines = base.mark_line(strokeWidth=1.6).encode(opacity=faded)
    points = base.mark_point(filled=True, size=44).encode(opacity=faded).add_params(picked)
    chart: alt.FacetChart = (
        alt.LayerChart(layer=[lines, points])
        .properties(width=WIDTH, height=HEIGHT)
        .facet(
            facet=alt.Facet("arm:N", sort=list(dict.fromkeys(pairs["arm"])), title=None),
            columns=COLUMNS,
            data=theme.inline(ends),
        )
    )
    words = "; ".join(
        f"{arm}: higher in {(part > 0).sum()} of {len(part)} seeds"
        for arm, part in change.groupby(pairs["arm"], sort=False)
    )
    return theme.fitted(
        chart,
        panel=WIDTH,
        panels=pairs["arm"].nunique(),
        room=70,
        text=f"Test accuracy of each seed with {baseline} and with each arm. {words}.",
    )
