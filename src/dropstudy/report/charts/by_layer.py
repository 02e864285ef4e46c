"""A number of each arm and hidden layer, such as the share of active units or the length of weights."""

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
    """A panel for each layer, a point for each network.

    Args:
        rows: arm (a label), layer (its name), seed, value.
        arms: the study's arms, for order and colour.
        title: of the axis, with its unit.
        words: description of the chart.
        form: d3's format of values.
    """
    labels = [label for label in theme.arm_labels(arms).values() if (rows["arm"] == label).any()]
    panel = (
        alt.Chart()
        .mark_point(filled=True, size=60, opacity=0.8)
        .encode(
            x=alt.X("value:Q", scale=alt.Scale(zero=True), axis=alt.Axis(title=title, tickCount=5)),
            y=theme.arm_rows(labels, labelFontSize=11, labelLimit=150, labelPadding=8, grid=True),
            color=theme.arm_color(arms, legend=False),
            tooltip=theme.tooltip(arm="arm", layer="layer", seed="seed", value=(title, form)),
        )
        .properties(width=PANEL, height=ROW * len(labels))
    )
    chart = theme.facets(panel, "layer", rows, order=rows["layer"], columns=3)
    independent: alt.FacetChart = chart.resolve_scale(x="independent")
    return theme.fitted(independent, panel=PANEL, panels=rows["layer"].nunique(), room=130, text=words)
