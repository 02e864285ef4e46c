"""Inside the trained networks: which share of the hidden units an example activates, and how long weights are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from dropstudy.report.charts import theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from dropstudy.core.types import Arm

PANEL, ROW = 230, 26


def by_layer(
    rows: pd.DataFrame, arms: Sequence[Arm], *, title: str, words: str, form: str = ".3~g"
) -> alt.FacetChart:
    """A number of each arm and layer: a point for each network, a panel for each layer.

    Args:
        rows: arm (as it is to be called), layer (as it is to be called), seed, value.
        arms: the study's arms, for order and colour.
        title: of the axis, with its unit.
        words: what the chart shows, for who cannot see it.
        form: how values are written, in d3's format.
    """
    labels = [label for label in theme.arm_labels(arms).values() if (rows["arm"] == label).any()]
    chart: alt.FacetChart = (
        alt.Chart()
        .mark_point(filled=True, size=60, opacity=0.8)
        .encode(
            x=alt.X(
                "value:Q", scale=alt.Scale(zero=True, nice=True), axis=alt.Axis(title=title, tickCount=5)
            ),
            y=alt.Y(
                "arm:N",
                sort=labels,
                title=None,
                axis=alt.Axis(domain=False, ticks=False, labelLimit=150, grid=True, labelPadding=8),
            ),
            color=theme.by_arm(arms, legend=False),
            tooltip=[
                alt.Tooltip("arm:N"),
                alt.Tooltip("layer:N"),
                alt.Tooltip("seed:N"),
                alt.Tooltip("value:Q", title=title, format=form),
            ],
        )
        .properties(width=PANEL, height=ROW * len(labels))
        .facet(
            facet=alt.Facet("layer:N", sort=list(dict.fromkeys(rows["layer"])), title=None),
            columns=3,
            data=theme.inline(rows),
        )
        .resolve_scale(x="independent")
    )
    return theme.fitted(chart, panel=PANEL, panels=rows["layer"].nunique(), room=130, text=words)
