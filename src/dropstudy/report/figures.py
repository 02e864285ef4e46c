"""The figures of a report as files show them: with their titles, which the page has as headings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from dropstudy.names import plain_name

if TYPE_CHECKING:
    from dropstudy.charts import Chart
    from dropstudy.report.parts import Figure


def titled(figure: Figure, subtitle: str) -> Chart:
    """A figure's chart with its title, unless it has one, and a line below that."""
    if figure.chart.title is not alt.Undefined:
        return figure.chart
    title = alt.Title(plain_name(figure.title, 90), subtitle=subtitle, limit=640, offset=18)
    return figure.chart.properties(title=title)
