"""Theme of all charts, and what several of them encode alike: arms, series, tooltips, facets, selections, zoom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import altair as alt

from dropstudy.core.text import plain_name
from dropstudy.report.charts.palette import AXIS, FAINT_INK, GRID, INK, PAPER, arm_colors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from dropstudy.core.types import Arm

# Liberation Sans, which vl-convert carries, has the widths of Arial and Helvetica: text fits with any of them.
FONT = "Arial, Helvetica, Liberation Sans, sans-serif"
SOLID, DASHED = (1, 0), (5, 3)
BAND_OPACITY = 0.18

SIGNED = "datum.value == 0 ? '0' : format(datum.value, '+.4~f')"
"""Labels of an axis of differences."""

_MOST_TICKS = 60

Chart = alt.Chart | alt.LayerChart | alt.FacetChart | alt.ConcatChart | alt.VConcatChart
ChartType = TypeVar("ChartType", alt.Chart, alt.LayerChart, alt.FacetChart, alt.ConcatChart, alt.VConcatChart)


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    Args:
        metric: column of a history.
        name: one word, for the end of the line.
        meaning: words of the legend.
        color: of line and points.
        dash: lengths of stroke and gap, in pixels.
        shape: of points.
    """

    metric: str
    name: str
    meaning: str
    color: str
    dash: tuple[int, int] = SOLID
    shape: str = "circle"


class SeriesEncodings(NamedTuple):
    """Encodings that distinguish series by the column `metric`, without a legend."""

    color: alt.Color
    dash: alt.StrokeDash
    shape: alt.Shape


def series_encodings(series: Sequence[Series]) -> SeriesEncodings:
    """Colour, dash and point shape of each series."""
    metrics = [s.metric for s in series]

    def scale(values: list[str] | list[list[int]]) -> alt.Scale:
        return alt.Scale(domain=metrics, range=values)

    return SeriesEncodings(
        color=alt.Color("metric:N", scale=scale([s.color for s in series]), legend=None),
        dash=alt.StrokeDash("metric:N", scale=scale([list(s.dash) for s in series]), legend=None),
        shape=alt.Shape("metric:N", scale=scale([s.shape for s in series]), legend=None),
    )


def arm_labels(arms: Sequence[Arm], longest: int = 28) -> dict[str, str]:
    """Label of each arm in a chart: its name as one short line, numbered where two would read the same."""
    labels: dict[str, str] = {}
    for arm in arms:
        base = label = plain_name(arm.name, longest)
        number = 1
        while label in labels.values():
            number += 1
            label = f"{base} ({number})"
        labels[arm.name] = label
    return labels


def arm_color(arms: Sequence[Arm], *, legend: bool = True, baseline: bool = True) -> alt.Color:
    """Colour of the column `arm`, which holds labels of `arm_labels`."""
    first = 0 if baseline else 1
    scale = alt.Scale(domain=list(arm_labels(arms).values())[first:], range=arm_colors(arms)[first:])
    return alt.Color("arm:N", scale=scale, legend=alt.Undefined if legend else None)


def arm_rows(labels: Iterable[str], **axis: Any) -> alt.Y:
    """Rows of the column `arm` in the order of `labels`, with an axis of names alone."""
    axis = {"labelFontSize": 12, "labelLimit": 160, "labelPadding": 10} | axis
    return alt.Y(
        "arm:N",
        sort=list(labels),
        title=None,
        axis=alt.Axis(domain=False, ticks=False, **axis),
    )


def exact_scale(low: float, high: float) -> alt.Scale:
    """Linear scale that ends at these values."""
    return alt.Scale(domain=[low, high], nice=False, zero=False)


def tooltip(**fields: str | tuple[str, str]) -> list[alt.Tooltip]:
    """Fields of a tooltip with their titles; the second of a pair is d3's format of a number."""
    return [
        alt.Tooltip(f"{field}:N", title=title)
        if isinstance(title, str)
        else alt.Tooltip(f"{field}:Q", title=title[0], format=title[1])
        for field, title in fields.items()
    ]


def facets(
    panel: alt.Chart | alt.LayerChart,
    field: str,
    *tables: pd.DataFrame,
    order: Iterable[str],
    columns: int,
    label_padding: int = 10,
) -> alt.FacetChart:
    """A panel for each value of a field of some tables."""
    header = alt.Header(labelPadding=label_padding)
    facet = alt.Facet(f"{field}:N", sort=list(dict.fromkeys(order)), title=None, header=header)
    chart: alt.FacetChart = panel.facet(facet=facet, columns=columns, data=inline_data(*tables))
    # Axes of its own for each: in a last row that is not full, shared ones would stand below nothing.
    independent: alt.FacetChart = chart.resolve_axis(x="independent")
    return independent


def legend_selection(field: str, *, legend: bool = True) -> alt.Parameter:
    """A click on a legend's entry selects that value of `field`; a click beside it selects all again."""
    return alt.selection_point(fields=[field], name="picked", bind="legend" if legend else alt.Undefined)


def highlight(picked: alt.Parameter, shown: float, hidden: float) -> alt.OpacityValue:
    """Opacity of what is selected, and of the rest."""
    # As `alt.condition` has it; that is a dict, for which Altair looks through all of its classes each time.
    return alt.OpacityValue(hidden, condition={"param": picked.name, "value": shown})


def zoom(*encodings: Literal["x", "y"]) -> alt.Parameter:
    """Zoom by wheel with Ctrl (or a pinch), move by mouse, reset by double click; a finger still scrolls the page."""
    return alt.selection_interval(
        name="zoom",
        bind="scales",
        encodings=list(encodings),
        zoom="wheel![event.ctrlKey || event.metaKey]",
        translate="[pointerdown[event.pointerType == 'mouse'], window:pointerup] > window:pointermove!",
    )


def fitted(
    chart: ChartType, *, panel: int, room: int, text: str, panels: int = 1, spare: int = 0
) -> ChartType:
    """Theme a chart, and record how a page fits it into its width and describes it to who cannot see it.

    Args:
        chart: the chart.
        panel: width of a plot in pixels.
        room: pixels of axes and labels beside each plot.
        text: description of the chart.
        panels: number of plots.
        spare: pixels of the room that a narrow page saves without the layers named `wide`.
    """
    chart.description = text
    chart.usermeta = {"panel": panel, "room": room, "panels": panels, "spare": spare}
    return themed(chart)


def themed(chart: ChartType) -> ChartType:
    """Set the type, grid and spacing that all charts share."""
    # Set in place: `configure` and `properties` copy the whole chart, data and all, each time.
    chart.config = alt.Config(
        font=FONT,
        background=PAPER,
        padding=12,
        view=alt.ViewConfig(stroke=None),
        title=alt.TitleConfig(
            anchor="start",
            frame="group",
            color=INK,
            fontSize=15,
            fontWeight="bold",
            subtitleColor=FAINT_INK,
            subtitleFontSize=12,
            subtitlePadding=4,
            offset=12,
        ),
        axis=alt.AxisConfig(
            domainColor=AXIS,
            gridColor=GRID,
            labelColor=INK,
            labelFontSize=11,
            labelPadding=4,
            tickColor=AXIS,
            tickSize=4,
            titleColor=INK,
            titleFontSize=12,
            titleFontWeight="normal",
            titlePadding=8,
        ),
        header=alt.HeaderConfig(
            labelColor=INK,
            labelFontSize=13,
            labelFontWeight="bold",
            labelAnchor="start",
            labelLimit=0,
            titleFontSize=0,
        ),
        text=alt.MarkConfig(color=INK, fontSize=11),
        legend=alt.LegendConfig(
            orient="top",
            title=None,
            labelColor=INK,
            labelFontSize=12,
            labelLimit=0,
            symbolOpacity=1,
            columns=4,
        ),
    )
    return chart


def inline_data(*tables: pd.DataFrame) -> alt.InlineData:
    """Rows of tables, for a chart to hold. Altair refuses a DataFrame of more than 5,000 rows, not these."""
    rows = [row for table in tables for row in table.to_dict(orient="records")]
    # A tuple: Altair copies lists, and all in them, whenever a property of a chart is set.
    return alt.InlineData(values=tuple({str(column): value for column, value in row.items()} for row in rows))


def rate_in_words(arm: Arm) -> str:
    """Both readings of a rate, such as `drops 80%, keeps 20%`; one of rates by layer, `drops 20%, 50% by layer`."""
    if not arm.rate:
        return "drops nothing"
    drops = ", ".join(f"{100 * rate:.4g}%" for rate in arm.rates)
    return (
        f"drops {drops} by layer"
        if len(arm.rates) > 1
        else f"drops {drops}, keeps {100 * (1 - arm.common_rate):.4g}%"
    )


def epoch_axis(last_epoch: int, width: int) -> tuple[alt.Scale, alt.Axis]:
    """Scale and axis of epochs 1 to `last_epoch` over `width` pixels.

    Each epoch has a number where there is room, else the first epoch and multiples of a round step.
    """
    most_labels = max(2, width // 22)
    if last_epoch <= most_labels:
        step = 1
    else:
        steps = (factor * 10**power for power in range(9) for factor in (1, 2, 5))
        step = next(step for step in steps if last_epoch / step <= most_labels / 2)
    labelled = sorted({1, *range(step, last_epoch + 1, step)})
    ticks = list(range(1, last_epoch + 1)) if last_epoch <= _MOST_TICKS else labelled
    margin = max(0.5, 0.02 * (last_epoch - 1))
    axis = alt.Axis(
        title="Epoch",
        values=ticks,
        format="d",
        labelExpr=f"datum.value == 1 || datum.value % {step} == 0 ? datum.label : ''",
        labelOverlap=False,
    )
    return exact_scale(1 - margin, last_epoch + margin), axis
