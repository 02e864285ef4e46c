"""A panel for each arm, below its name and its rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import altair as alt
import pandas as pd

from dropstudy.report.charts import palette, theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.types import Arm

_COLUMNS = {1: 1, 2: 2, 4: 2}
"""Panels in a row, by the number of arms; three for any other."""
_SIZES = {1: (420, 280), 2: (300, 260), 3: (220, 190)}
"""Width and height of a panel, by the number of columns."""
_HEAD = 8
"""Pixels between the words of the rate and the panel below them."""


class Grid(NamedTuple):
    """Number of panels in a row; width, height and right margin of each, in pixels."""

    columns: int
    width: int
    height: int
    room: int

    @property
    def whole(self) -> int:
        """Width of a row of panels."""
        return self.columns * (self.width + self.room)


def panel_grid(arms: Sequence[Arm], room: int) -> Grid:
    """Grid for some arms: the more there are, the smaller each panel."""
    columns = _COLUMNS.get(len(arms), 3)
    return Grid(columns, *_SIZES[columns], room)


def panel_titles(arms: Sequence[Arm], grid: Grid) -> dict[str, str]:
    """Titles of the panels, by name of the arm."""
    return theme.arm_labels(arms, (grid.width + grid.room) // 8)


def arm_panels(
    arms: Sequence[Arm], grid: Grid, layers: Sequence[alt.Chart], *tables: pd.DataFrame
) -> alt.FacetChart:
    """The panels.

    Args:
        arms: the study's, in their order; each gets a panel, even without data.
        grid: size and arrangement.
        layers: drawn in each panel from its arm's rows of all tables. A layer selects its rows by a column that no
            other table has.
        tables: `arm` as `panel_titles` has it, and other columns.
    """
    titles = panel_titles(arms, grid)
    filled = {arm for table in tables for arm in table["arm"]}
    words = [
        theme.rate_in_words(arm) + ("" if titles[arm.name] in filled else "; no epoch to draw")
        for arm in arms
    ]
    heads = pd.DataFrame({"arm": list(titles.values()), "words": words})
    head = (
        alt.Chart()
        .transform_filter("isValid(datum.words)")
        .mark_text(
            align="left",
            baseline="bottom",
            color=palette.FAINT_INK,
            limit=grid.width + grid.room,
            clip=False,
        )
        .encode(x=alt.value(0), y=alt.value(-_HEAD), text="words:N")
    )
    panel = alt.LayerChart(layer=[*layers, head]).properties(width=grid.width, height=grid.height)
    chart = theme.facets(
        panel, "arm", *tables, heads, order=titles.values(), columns=grid.columns, label_padding=4
    )
    # Each panel has numbers on its axes, since the page chooses how many stand in a row.
    independent: alt.FacetChart = chart.resolve_axis(x="independent", y="independent")
    return independent
