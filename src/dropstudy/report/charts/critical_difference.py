"""Critical-difference picture: mean ranks of arms over data sets, and lines that join those not shown to differ."""

from __future__ import annotations

from math import ceil, floor, isfinite
from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from dropstudy.core.text import rounded
from dropstudy.report.charts import palette, theme

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDTH, ROW = 380, 22
_FIRST_GROUP, _GROUP, _FIRST_ARM = 0.7, 0.6, 0.9
"""Rows from the axis to the first line, from a line to the next, and from the last to the first arm."""
_BEYOND = 0.03
"""Ranks by which a line goes beyond its arms."""


def critical_difference(
    means: pd.Series[float], groups: Sequence[Sequence[str]], *, distance: float, sets: int
) -> alt.LayerChart:
    """Ranks on an axis, each arm a leader to its name, as in Demsar 2006, figure 1.

    Args:
        means: mean rank of each arm, its label the index.
        groups: labels of arms of which no two are shown to differ.
        distance: critical difference of mean ranks; not a number where there is none.
        sets: number of data sets.
    """
    ordered = means.sort_values(kind="stable")
    low, high = floor(ordered.iloc[0]), ceil(max(ordered.iloc[-1], ordered.iloc[0] + 1))
    first = _FIRST_GROUP + _GROUP * max(0, len(groups) - 1) + _FIRST_ARM
    arms = pd.DataFrame(
        {
            "arm": ordered.index,
            "rank": ordered.to_numpy(),
            "top": 0.0,
            "row": [first + place for place in range(len(ordered))],
            "end": float(low),
            "text": [f"{arm} ({rounded(rank)})" for arm, rank in ordered.items()],
        }
    )
    joined = pd.DataFrame(
        {
            "row": [_FIRST_GROUP + _GROUP * place for place in range(len(groups))],
            "from": [means[list(group)].min() - _BEYOND for group in groups],
            "to": [means[list(group)].max() + _BEYOND for group in groups],
        }
    )
    x_scale = theme.exact_scale(high, low)  # the best on the right, as there
    bottom = first + len(ordered) + 0.9 * isfinite(distance) - 0.5
    y_scale = theme.exact_scale(bottom, 0)
    axis = alt.Axis(
        title=f"Mean rank over {sets} data sets, 1 is best", orient="top", grid=False, tickCount=high - low
    )

    def x(field: str) -> alt.X:
        return alt.X(f"{field}:Q", scale=x_scale, axis=axis)

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", scale=y_scale, axis=None)

    base = alt.Chart(theme.inline_data(arms))
    tooltip = theme.tooltip(arm="arm", rank=("mean rank", ".2f"))
    layers = [
        base.mark_rule(color=palette.AXIS).encode(x=x("rank"), y=y("top"), y2="row:Q"),
        base.mark_rule(color=palette.AXIS).encode(x=x("rank"), x2="end:Q", y=y("row")),
        base.mark_point(size=50, filled=True, opacity=1, color=palette.BLUE).encode(
            x=x("rank"), y=y("top"), tooltip=tooltip
        ),
        base.mark_text(align="left", fontSize=12, dx=6).encode(x=x("end"), y=y("row"), text="text:N"),
        alt.Chart(theme.inline_data(joined))
        .mark_rule(strokeWidth=4, color=palette.INK)
        .encode(x=x("from"), x2="to:Q", y=y("row")),
    ]
    if isfinite(distance):
        layers += _ruler(high, distance, bottom - 0.9, x, y)
    tied = "; ".join(" = ".join(group) for group in groups)
    words = ", ".join(arms["text"])
    return theme.fitted(
        alt.LayerChart(layer=layers).properties(width=WIDTH, height=ROW * bottom),
        panel=WIDTH,
        room=200,
        text=f"Mean ranks over {sets} data sets, 1 is best: {words}. "
        f"Not shown to differ: {tied or 'none'}. Critical difference {rounded(distance)}.",
    )


def _ruler(
    end: float, distance: float, row: float, x: Callable[[str], alt.X], y: Callable[[str], alt.Y]
) -> list[alt.Chart]:
    """The critical difference as a length, from the left end of the axis."""
    ends = pd.DataFrame(
        {"from": [end], "to": end - distance, "row": row, "text": f"critical difference {rounded(distance)}"}
    )
    base = alt.Chart(theme.inline_data(ends))
    return [
        base.mark_rule(strokeWidth=3, color=palette.VERMILLION, clip=True).encode(
            x=x("from"), x2="to:Q", y=y("row")
        ),
        base.mark_text(align="left", fontSize=11, dy=11, color=palette.VERMILLION).encode(
            x=x("from"), y=y("row"), text="text:N"
        ),
    ]
