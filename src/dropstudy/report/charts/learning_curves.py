"""Learning curves of each arm on one axis, accuracy or loss: as Keras measures it, measured cleanly, on test data.

The axis leaves out the worst tenth of each curve's epochs: the first epochs would flatten all others. A note says
when points lie outside.
"""

from __future__ import annotations

import json
from dataclasses import replace
from math import ceil, floor
from typing import TYPE_CHECKING, NamedTuple

import altair as alt
import pandas as pd

from dropstudy.analysis.stats import learning_curves
from dropstudy.report.charts import palette, theme
from dropstudy.report.charts.panels import arm_panels, panel_grid, panel_titles
from dropstudy.report.charts.theme import Series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.types import Arm

LABEL_HEIGHT = 14
LABEL_ROOM = 80  # for the names at the ends of the lines, right of a panel
KEY_WIDTH, KEY_ROW, NOTE_ROW = 420, 19, 17
MOST_DOTS = 30
MOST_STEPS = 8
HEADROOM = 0.04  # share of the axis: a point at the top is drawn whole and no number juts out above


class ValueAxis(NamedTuple):
    """Vertical axis of all panels."""

    low: float
    high: float
    ticks: list[float]
    title: str

    @property
    def percent(self) -> bool:
        """True for accuracies, False for losses in nats."""
        return "%" in self.title

    def y(self, field: str) -> alt.Y:
        """Encoding of a field by this axis."""
        # With a tick count, as Vega drops every other tick of a low panel without.
        axis = alt.Axis(title=self.title, values=self.ticks, tickCount=len(self.ticks))
        return alt.Y(f"{field}:Q", scale=theme.exact_scale(self.low, self.high), axis=axis)


def measures(quantity: str, *, watches_test: bool) -> tuple[Series, Series, Series]:
    """Clean, running and validation `accuracy` or `loss`."""
    short, watched = ("test", "Test") if watches_test else ("val.", "Validation")
    at_the_end = "end of the epoch, dropout off"
    clean = f"Training {quantity} measured cleanly: {at_the_end}"
    running = f"Training {quantity} as Keras measures it: running mean over the epoch, dropout on"
    return (
        Series(f"clean_{quantity}", "clean", clean, palette.VERMILLION, shape="square"),
        Series(quantity, "Keras", running, palette.PURPLE, theme.DASHED, "triangle-up"),
        Series(f"val_{quantity}", short, f"{watched} {quantity}: {at_the_end}", palette.BLUE),
    )


def _known(quantity: str, history: pd.DataFrame, *, watches_test: bool) -> Sequence[Series]:
    """The measures that a history has; how a training function measures what it gives, only its author knows."""
    clean, running, watched = measures(quantity, watches_test=watches_test)
    if history.empty or history[clean.metric].notna().any():
        return clean, running, watched
    own = "as the training function gave it"
    named = replace(running, name="train", meaning=f"Training {quantity}, {own}")
    return named, replace(watched, meaning=f"{watched.meaning.partition(':')[0]}, {own}")


def accuracy_curves(
    history: pd.DataFrame, arms: Sequence[Arm], *, watches_test: bool, subtitle: str = ""
) -> alt.VConcatChart:
    """A panel per arm: clean training, Keras' running training and test accuracy over epochs, on one axis.

    With several seeds the lines are means and a band spans the lowest to the highest seed.

    Args:
        history: one row per arm, seed and epoch.
        arms: the study's arms in their order.
        watches_test: whether the validation columns are of the test set; the third line is named accordingly.
        subtitle: a line below the title, for instance the study's name and its data.
    """
    series = _known("accuracy", history, watches_test=watches_test)
    curves = _curves(history, arms, series)
    curves[["mean", "low", "high"]] *= 100
    return _panels(
        curves, arms, series, accuracy_axis(curves), title="Accuracy while training", subtitle=subtitle
    )


def loss_curves(
    history: pd.DataFrame, arms: Sequence[Arm], *, watches_test: bool, subtitle: str = ""
) -> alt.VConcatChart:
    """Chart as `accuracy_curves`, of the losses in nats."""
    series = _known("loss", history, watches_test=watches_test)
    curves = _curves(history, arms, series)
    return _panels(curves, arms, series, loss_axis(curves), title="Loss while training", subtitle=subtitle)


def _curves(history: pd.DataFrame, arms: Sequence[Arm], series: Sequence[Series]) -> pd.DataFrame:
    ours = history[history["arm"].isin([arm.name for arm in arms])]
    return learning_curves(ours, [s.metric for s in series])


def _panels(
    curves: pd.DataFrame,
    arms: Sequence[Arm],
    series: Sequence[Series],
    axis: ValueAxis,
    *,
    title: str,
    subtitle: str,
) -> alt.VConcatChart:
    grid = panel_grid(arms, LABEL_ROOM)
    picked = theme.legend_selection("metric", legend=False)
    named = curves.assign(arm=curves["arm"].map(panel_titles(arms, grid)))
    ends = _line_ends(named, series, axis, grid.height)
    layers = [*_lines(named, series, axis, picked, grid.width), *_end_labels(series, axis, picked)]
    panels = arm_panels(arms, grid, layers, named, ends)
    chart = alt.vconcat(panels, _key(series, picked), _remarks(_notes(curves, axis)), spacing=18)
    chart.title = alt.Title(title, subtitle=subtitle, limit=grid.whole)
    words = f"{' '.join(s.meaning + '.' for s in series)} One panel per arm, {len(arms)} in all."
    return theme.fitted(chart, panel=grid.width, panels=len(arms), room=LABEL_ROOM + 60, text=words)


def accuracy_axis(curves: pd.DataFrame) -> ValueAxis:
    """Axis for curves of `learning_curves` in percent, with round ends and at most ten ticks."""
    title = "Accuracy (%)"
    if curves.empty:
        return ValueAxis(0, 100, [0, 20, 40, 60, 80, 100], title)
    lowest = min(float(curve["low"].quantile(0.1)) for _, curve in curves.groupby(["arm", "metric"]))
    steps = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
    return ValueAxis(*round_ends(lowest, float(curves["high"].max()), steps), title)


def loss_axis(curves: pd.DataFrame) -> ValueAxis:
    """Axis for curves of losses, from 0, with a round end and at most ten ticks."""
    title = "Loss (nats)"
    if curves.empty:
        return ValueAxis(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1], title)
    highest = max(float(curve["high"].quantile(0.9)) for _, curve in curves.groupby(["arm", "metric"]))
    steps = tuple(factor * 10.0**power for power in range(-4, 300) for factor in (1, 2, 5))
    return ValueAxis(*round_ends(0.0, max(highest, 1e-4), steps), title)


def round_ends(lowest: float, highest: float, steps: Sequence[float]) -> tuple[float, float, list[float]]:
    """Low end, high end and ticks of an axis: multiples of the smallest step that takes few of them."""
    step = next(step for step in steps if (highest - lowest) / step <= MOST_STEPS)
    first, last = floor(lowest / step + 1e-9), ceil(highest / step - 1e-9)
    if first == last:
        first -= 1
    ticks = [float(f"{i * step:.10g}") for i in range(first, last + 1)]
    return ticks[0], ticks[-1] + HEADROOM * (ticks[-1] - ticks[0]), ticks


def spread_labels(heights: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move labels apart, by a pass up and a pass down, until each keeps `gap` to the next.

    Args:
        heights: preferred heights.
        gap: least distance between two labels.
        low: lowest height, while there is room.
        high: highest height.

    Returns:
        Heights of the labels, in the order received.
    """
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    placed = [min(max(heights[i], low), high) for i in order]
    for i in range(1, len(placed)):
        placed[i] = max(placed[i], placed[i - 1] + gap)
    ceiling = high
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], ceiling)
        ceiling = placed[i] - gap
    back = dict(zip(order, placed, strict=True))
    return [back[i] for i in range(len(heights))]


def _lines(
    curves: pd.DataFrame, series: Sequence[Series], axis: ValueAxis, picked: alt.Parameter, width: int
) -> list[alt.Chart]:
    """Bands and lines, and a dot for each epoch; where there are many, for some."""
    style, shown = theme.series_encodings(series), theme.highlight(picked, 1, 0.08)
    epochs = int(curves["epoch"].max()) if len(curves) else 1
    epoch_scale, epoch_axis = theme.epoch_axis(epochs, width)
    epoch_axis.grid = False
    each = alt.Chart().encode(x=alt.X("epoch:Q", scale=epoch_scale, axis=epoch_axis), color=style.color)
    lines = each.transform_filter("isValid(datum.epoch)")
    step = ceil(epochs / MOST_DOTS)
    dots = each.transform_filter(f"datum.epoch == 1 || datum.epoch % {step} == 0").transform_calculate(
        what=f"{json.dumps({s.metric: s.meaning.split(':')[0] for s in series})}[datum.metric]"
    )
    form = ".2f" if axis.percent else ".4f"
    tooltip = theme.tooltip(
        arm="arm",
        what="measure",
        epoch="epoch",
        mean=(axis.title, form),
        low=("lowest seed", form),
        high=("highest seed", form),
        n="seeds",
    )
    layers = [
        lines.mark_line(strokeWidth=1.8, clip=True).encode(
            y=axis.y("mean"), strokeDash=style.dash, opacity=shown
        ),
        dots.mark_point(filled=True, size=24, clip=True).encode(
            y=axis.y("mean"), shape=style.shape, opacity=shown, tooltip=tooltip
        ),
    ]
    if (curves["n"] > 1).any():
        band = lines.mark_area(clip=True).encode(
            y=axis.y("low"), y2="high:Q", opacity=theme.highlight(picked, theme.BAND_OPACITY, 0)
        )
        layers.insert(0, band)
    layers[0] = layers[0].add_params(theme.zoom("x"))
    return layers


def _end_labels(series: Sequence[Series], axis: ValueAxis, picked: alt.Parameter) -> list[alt.Chart]:
    """Marks at the ends of lines, and their names, dark enough to read."""
    style = theme.series_encodings(series)
    ends = (
        alt.Chart()
        .transform_filter("isValid(datum.height)")
        .encode(
            x=alt.value("width"),
            y=alt.Y("height:Q", scale=theme.exact_scale(axis.low, axis.high)),
            opacity=theme.highlight(picked, 1, 0.08),
        )
    )
    return [
        ends.mark_point(filled=True, size=34, xOffset=8, clip=False).encode(
            color=style.color, shape=style.shape
        ),
        ends.mark_text(align="left", baseline="middle", xOffset=15, clip=False).encode(text="text:N"),
    ]


def _line_ends(curves: pd.DataFrame, series: Sequence[Series], axis: ValueAxis, height: int) -> pd.DataFrame:
    """A label for the end of each line: arm, metric, text and height on the axis.

    Half a label's height stays free at both ends: what juts out of a panel would shift its title.
    """
    gap = LABEL_HEIGHT * (axis.high - axis.low) / height
    digits = 1 if axis.percent else 3
    columns = ["arm", "metric", "text", "height"]
    tables = [pd.DataFrame([], columns=columns)]
    for arm, of_arm in curves.groupby("arm", sort=False):
        last = of_arm.groupby("metric")["mean"].last()
        ends = [(s, float(last[s.metric])) for s in series if s.metric in last]
        heights = spread_labels([end for _, end in ends], gap, axis.low + gap / 2, axis.high - gap / 2)
        rows = [
            (arm, s.metric, f"{s.name} {end:.{digits}f}", place)
            for (s, end), place in zip(ends, heights, strict=True)
        ]
        tables.append(pd.DataFrame(rows, columns=columns))
    return pd.concat(tables, ignore_index=True)


def _notes(curves: pd.DataFrame, axis: ValueAxis) -> list[str]:
    notes = ["Clean: on a fixed sample of the training data each epoch, on all of it at the last."]
    if (curves["n"] > 1).any():
        notes.append("Lines are means over seeds; bands reach from the lowest to the highest seed.")
    below, above = (curves["low"] < axis.low).any(), (curves["high"] > axis.high).any()
    outside = f" Epochs below {axis.low:g}% lie outside the axis." if below else ""
    outside += f" Epochs above {axis.ticks[-1]:g} lie outside the axis." if above else ""
    unit = "percent" if axis.percent else "nats"
    return [*notes, f"Numbers at the lines are {unit}, last epoch.{outside}"]


def _key(series: Sequence[Series], picked: alt.Parameter) -> alt.LayerChart:
    """Legend drawn by hand, as Vega's own keeps line style and point shape of layered marks apart.

    A click on a row isolates its series in every panel.
    """
    rows = pd.DataFrame(
        [
            {"row": i, "metric": s.metric, "text": s.meaning, "short": s.meaning.split(":")[0]}
            for i, s in enumerate(series)
        ]
    )
    style = theme.series_encodings(series)
    shown = theme.highlight(picked, 1, 0.35)
    key = alt.Chart(theme.inline_data(rows)).encode(y=_row(len(series)), opacity=shown)
    layers = [
        key.mark_rule(strokeWidth=1.8).encode(
            x=alt.value(0), x2=alt.value(30), color=style.color, strokeDash=style.dash
        ),
        key.mark_point(filled=True, size=34).encode(x=alt.value(15), color=style.color, shape=style.shape),
        key.mark_text(align="left", baseline="middle", fontSize=12, cursor="pointer", style="key")
        .encode(x=alt.value(40), text="text:N")
        .add_params(picked),
    ]
    return alt.LayerChart(layer=layers).properties(width=KEY_WIDTH, height=KEY_ROW * len(series))


def _remarks(notes: Sequence[str]) -> alt.Chart:
    rows = pd.DataFrame([{"row": i, "text": note} for i, note in enumerate(notes)])
    remarks: alt.Chart = (
        alt.Chart(theme.inline_data(rows))
        .mark_text(align="left", baseline="middle", fontSize=12, color=palette.FAINT_INK)
        .encode(y=_row(len(notes)), x=alt.value(0), text="text:N")
        .properties(width=KEY_WIDTH, height=NOTE_ROW * len(notes))
    )
    return remarks


def _row(count: int) -> alt.Y:
    return alt.Y("row:Q", scale=alt.Scale(domain=[-0.5, count - 0.5], reverse=True, nice=False), axis=None)
