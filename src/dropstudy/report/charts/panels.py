"""A panel for each arm, under its name and what it drops: one description for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import altair as alt
import pandas as pd

from dropstudy.report.charts import palette, theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.types import Arm

_COLUMNS = {1: 1, 2: 2, 4: 2}  # by the number of arms; three for any other
_SIZES = {
    1: (420, 280),
    2: (300, 260),
    3: (220, 190),
}  # width and height of a panel, by the number of columns
_HEAD = 8
"""Pixels between what an arm drops and the panel below it."""


class Grid(NamedTuple):
    """StudyPaths of the panels: number in a row; width, height and margin of each, in pixels."""

    columns: int
    width: int
    height: int
    room: int

    @property
    def whole(self) -> int:
        """Width of a row of panels."""
        return self.columns * (self.width + self.room)


def grid(arms: Sequence[Arm], room: int) -> Grid:
    """The grid for some arms: the more there are, the smaller each panel is."""
    columns = _COLUMNS.get(len(arms), 3)
    return Grid(columns, *_SIZES[columns], room)


def labels(arms: Sequence[Arm], place: Grid) -> dict[str, str]:
    """Titles of the arms' panels, by name of the arm."""
    return theme.arm_labels(arms, (place.width + place.room) // 8)


def drawn(
    arms: Sequence[Arm], place: Grid, layers: Sequence[alt.Chart], *tables: pd.DataFrame
) -> alt.FacetChart:
    """The panels.

    Args:
        arms: the study's, in their order; each gets a panel, whatever is to be drawn in it.
        place: where they stand.
        layers: what is drawn in each, from the rows of all tables that belong to its arm. Tables have different
            columns; a layer picks the rows that are its own by a column that only they have.
        tables: `arm` as `labels` has it, and other columns.
    """
    names = labels(arms, place)
    filled = {arm for table in tables for arm in table["arm"]}
    words = [
        theme.rate_in_words(arm) + ("" if names[arm.name] in filled else "; no epoch to draw") for arm in arms
    ]
    heads = pd.DataFrame({"arm": list(names.values()), "words": words})
    head = (
        alt.Chart()
        .transform_filter("isValid(datum.words)")
        .mark_text(
            align="left",
            baseline="bottom",
            color=palette.FAINT_INK,
            fontSize=11,
            limit=place.width + place.room,
            clip=False,
        )
        .encode(x=alt.value(0), y=alt.value(-_HEAD), text=alt.Text("words:N"))
    )
    chart: alt.FacetChart = (
        alt.LayerChart(layer=[*layers, head])
        .properties(width=place.width, height=place.height)
        .facet(
            facet=alt.Facet(
                "arm:N", sort=list(names.values()), title=None, header=alt.Header(labelPadding=4)
            ),
            columns=place.columns,
            data=theme.inline(*tables, heads),
        )
        # Each panel has numbers on its axes: how many stand in a row is the page's choice.
        .resolve_axis(x="independent", y="independent")
    )
    return chart
