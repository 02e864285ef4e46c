"""How every chart looks: colours, line styles, type, axes. No other file holds a colour.

Colours are from the palette of Okabe and Ito (2008, "Color Universal Design"), chosen so that they also
differ in lightness: a grey print keeps them apart, and dashes and point shapes do so once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import altair as alt

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from dropstudy.records import Arm

# Liberation Sans, which vl-convert carries, has the widths of Arial and Helvetica: whichever is found, text
# that fitted when the picture was laid out fits where it is looked at.
FONT = "Arial, Helvetica, Liberation Sans, sans-serif"
INK = "#222222"
FAINT_INK = "#5a5a5a"
AXIS = "#8c8c8c"
GRID = "#e3e3e3"
PAPER = "#ffffff"
BLUE, PURPLE, VERMILLION = "#0072b2", "#cc79a7", "#d55e00"
SOLID, DASHED = (1, 0), (5, 3)
BAND_OPACITY = 0.18

_MOST_TICKS = 60

ChartType = TypeVar("ChartType", alt.LayerChart, alt.VConcatChart)


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    Args:
        metric: the column of a history that it shows.
        name: one word, for the end of the line.
        meaning: what it is, for the legend.
        color: of line and points.
        dash: lengths of stroke and gap, in pixels.
        shape: of its points.
    """

    metric: str
    name: str
    meaning: str
    color: str
    dash: tuple[int, int] = SOLID
    shape: str = "circle"


class Look(NamedTuple):
    """The encodings that tell the series of a table apart by its column `metric`, without a legend."""

    color: alt.Color
    dash: alt.StrokeDash
    shape: alt.Shape


def look(series: Sequence[Series]) -> Look:
    """Color, dash and point shape of each series."""
    metrics = [s.metric for s in series]

    def scale(values: list[str] | list[list[int]]) -> alt.Scale:
        return alt.Scale(domain=metrics, range=values)

    return Look(
        color=alt.Color("metric:N", scale=scale([s.color for s in series]), legend=None),
        dash=alt.StrokeDash("metric:N", scale=scale([list(s.dash) for s in series]), legend=None),
        shape=alt.Shape("metric:N", scale=scale([s.shape for s in series]), legend=None),
    )


def themed(chart: ChartType) -> ChartType:
    """The chart with the type, grid and spacing that all charts share."""
    configured: ChartType = chart.configure(
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
        legend=alt.LegendConfig(labelColor=INK, labelFontSize=12, labelLimit=0, title=None),
    )
    return configured


def inline(table: pd.DataFrame) -> alt.InlineData:
    """The rows of a table inside the chart. Altair refuses a DataFrame of more than 5,000 rows, not these."""
    rows = table.to_dict(orient="records")
    return alt.InlineData(values=[{str(column): value for column, value in row.items()} for row in rows])


def rate_in_words(arm: Arm) -> str:
    """`drops 80%, keeps 20%`: both said, since a rate is easily read as the share kept."""
    return f"drops {100 * arm.rate:.4g}%, keeps {100 * (1 - arm.rate):.4g}%" if arm.rate else "drops nothing"


def epoch_axis(last_epoch: int, width: int) -> tuple[alt.Scale, alt.Axis]:
    """Scale and axis of epochs 1 to `last_epoch` over `width` pixels; every epoch a tick where there is room.

    Numbers stand at every epoch where there is room, else at the first and at multiples of a round step.
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
    return alt.Scale(domain=[1 - margin, last_epoch + margin], nice=False, zero=False), axis
