"""The figures of a report as files show them: with their titles, which the page has as headings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from dropstudy.core.text import plain_name

if TYPE_CHECKING:
    from dropstudy.report.charts import Chart
    from dropstudy.report.sections.blocks import Figure


def titled(figure: Figure, subtitle: str) -> Chart:
    """A figure's chart with its title, unless it has one, and a line below that."""
    if figure.chart.title is not alt.Undefined:
        return figure.chart
    return figure.chart.properties(title=_title(figure, subtitle))


def titled_spec(figure: Figure, subtitle: str) -> dict[str, Any]:
    """The same as Vega-Lite."""
    return {"title": _title(figure, subtitle).to_dict(), **figure.spec}


def _title(figure: Figure, subtitle: str) -> alt.Title:
    return alt.Title(plain_name(figure.title, 90), subtitle=subtitle, limit=640, offset=18)
