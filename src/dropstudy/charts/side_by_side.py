"""Every arm beside the others on one accuracy axis: as Keras prints it, measured cleanly, and on test data.

The axis spans where the curves live. The first epochs climb from far below and would flatten everything else,
so for each curve the lowest tenth of its epochs does not count, and a note says when points lie outside.
"""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING, NamedTuple

import altair as alt
import pandas as pd

from dropstudy.charts import theme
from dropstudy.charts.theme import Series
from dropstudy.names import plain_name
from dropstudy.stats import learning_curves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.records import Arm

COLUMNS = {1: 1, 2: 2, 4: 2}  # by the number of arms; three for any other
SIZES = {1: (420, 280), 2: (300, 260), 3: (220, 190)}  # width and height of a panel, by the number of columns
LABEL_HEIGHT = 14
LABEL_ROOM = 80  # for the names at the ends of the lines, right of a panel
KEY_ROW = 19
MOST_DOTS = 30
MOST_STEPS = 8
HEADROOM = 0.04  # share of the axis: a point at the top is drawn whole and no number juts out above

CLEAN = Series(
    "clean_accuracy",
    "clean",
    "Training accuracy measured cleanly: end of the epoch, dropout off",
    theme.VERMILLION,
    shape="square",
)
KERAS = Series(
    "accuracy",
    "Keras",
    "Training accuracy as Keras prints it: running mean over the epoch, dropout on",
    theme.PURPLE,
    theme.DASHED,
    "triangle-up",
)
TEST = Series("val_accuracy", "test", "Test accuracy: end of the epoch, dropout off", theme.BLUE)
VALIDATION = Series("val_accuracy", "val.", "Validation accuracy: end of the epoch, dropout off", theme.BLUE)


class Rates(NamedTuple):
    """The axis of accuracies that all panels share, in percent."""

    low: float
    high: float
    ticks: list[float]


class Layout(NamedTuple):
    """What all panels have in common; width and height in pixels."""

    series: tuple[Series, ...]
    rates: Rates
    epochs: int
    width: int
    height: int


def side_by_side(
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
    series = (CLEAN, KERAS, TEST if watches_test else VALIDATION)
    history = history[history["arm"].isin([arm.name for arm in arms])]
    curves = learning_curves(history, [s.metric for s in series])
    curves[["mean", "low", "high"]] *= 100
    columns = COLUMNS.get(len(arms), 3)
    epochs = int(history["epoch"].max()) if len(history) else 1
    layout = Layout(series, rate_axis(curves), epochs, *SIZES[columns])
    panels = [
        _panel(curves[curves["arm"] == arm.name], arm, layout, leftmost=i % columns == 0)
        for i, arm in enumerate(arms)
    ]
    rows = [alt.hconcat(*panels[i : i + columns], spacing=16) for i in range(0, len(panels), columns)]
    notes = _notes(curves, layout.rates)
    chart = alt.vconcat(*rows, _key(series, notes), spacing=22).properties(
        title=alt.Title(
            "Accuracy while training", subtitle=subtitle, limit=columns * (layout.width + LABEL_ROOM)
        ),
        description=f"{' '.join(s.meaning + '.' for s in series)} One panel per arm, {len(arms)} in all.",
    )
    return theme.themed(chart)


def rate_axis(curves: pd.DataFrame) -> Rates:
    """The axis for curves of `learning_curves` in percent, with round ends and at most ten ticks.

    Args:
        curves: arm, metric, epoch, mean, low, high.
    """
    if curves.empty:
        return Rates(0, 100, [0, 20, 40, 60, 80, 100])
    lowest = min(float(curve["low"].quantile(0.1)) for _, curve in curves.groupby(["arm", "metric"]))
    highest = float(curves["high"].max())
    span = highest - lowest
    step = next(step for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20) if span / step <= MOST_STEPS)
    first, last = floor(lowest / step + 1e-9), ceil(highest / step - 1e-9)
    if first == last:
        first -= 1
    ticks = [round(i * step, 1) for i in range(first, last + 1)]
    return Rates(ticks[0], ticks[-1] + HEADROOM * (ticks[-1] - ticks[0]), ticks)


def spread_labels(heights: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move labels apart, by a pass up and a pass down, until each keeps `gap` to the next.

    Args:
        heights: where each label wants to stand.
        gap: least distance between two.
        low: none stands below, while there is room.
        high: none stands above.

    Returns:
        Where each stands, in the order received.
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


def _panel(curves: pd.DataFrame, arm: Arm, layout: Layout, *, leftmost: bool) -> alt.LayerChart:
    """One arm; only the leftmost of a row has numbers on its axis."""
    look, rates = theme.look(layout.series), layout.rates
    epoch_scale, epoch_axis = theme.epoch_axis(layout.epochs, layout.width)
    epoch_axis.grid = False
    x = alt.X("epoch:Q", scale=epoch_scale, axis=epoch_axis)
    scale = alt.Scale(domain=[rates.low, rates.high], nice=False, zero=False)
    axis = alt.Axis(
        title="Accuracy (%)" if leftmost else None,
        values=rates.ticks,
        tickCount=len(rates.ticks),  # else Vega drops every other one of a low panel
        labels=leftmost,
        ticks=leftmost,
        domain=leftmost,
    )
    y = alt.Y("mean:Q", scale=scale, axis=axis)
    lines = alt.Chart(theme.inline(curves)).encode(x=x, color=look.color)
    dotted = curves[(curves["epoch"] % ceil(layout.epochs / MOST_DOTS) == 0) | (curves["epoch"] == 1)]
    dots = alt.Chart(theme.inline(dotted)).encode(x=x, y=y, color=look.color, shape=look.shape)
    ends = alt.Chart(theme.inline(_line_ends(curves, layout))).encode(y=alt.Y("height:Q", scale=scale))
    layers = [
        lines.mark_line(strokeWidth=1.8, clip=True).encode(y=y, strokeDash=look.dash),
        dots.mark_point(filled=True, opacity=1, size=24, clip=True),
        # The line's own mark before its name, so that the text can be dark enough to read.
        ends.mark_point(filled=True, opacity=1, size=34).encode(
            x=alt.value(layout.width + 8), color=look.color, shape=look.shape
        ),
        ends.mark_text(align="left", baseline="middle", color=theme.INK, fontSize=11).encode(
            x=alt.value(layout.width + 15), text="text:N"
        ),
    ]
    if (curves["n"] > 1).any():
        band = lines.mark_area(opacity=theme.BAND_OPACITY, clip=True)
        layers.insert(0, band.encode(y=alt.Y("low:Q", scale=scale, axis=axis), y2="high:Q"))
    words = theme.rate_in_words(arm)
    return alt.LayerChart(layer=layers).properties(
        width=layout.width,
        height=layout.height,
        title=alt.Title(
            plain_name(arm.name, (layout.width + LABEL_ROOM) // 8),
            subtitle=words if len(curves) else f"{words}; no epoch to draw",
            fontSize=13,
            subtitleFontSize=11,
            offset=8,
            limit=layout.width + LABEL_ROOM,
        ),
    )


def _line_ends(curves: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """A label for the end of each line: metric, text, and the height on the axis where it stands.

    Half a label's height stays free at both ends: what juts out of a panel would shift its title.
    """
    rates = layout.rates
    rows = []
    for s in layout.series:
        line = curves[curves["metric"] == s.metric]
        if len(line):
            end = float(line["mean"].to_numpy()[-1])
            rows.append((s.metric, f"{s.name} {end:.1f}", end))
    table = pd.DataFrame(rows, columns=["metric", "text", "height"])
    gap = LABEL_HEIGHT * (rates.high - rates.low) / layout.height
    spread = spread_labels(table["height"].to_list(), gap, rates.low + gap / 2, rates.high - gap / 2)
    return table.assign(height=spread)


def _notes(curves: pd.DataFrame, rates: Rates) -> list[str]:
    notes = ["Clean: on a fixed sample of the training data each epoch, on all of it at the last."]
    if (curves["n"] > 1).any():
        notes.append("Lines are means over seeds; bands reach from the lowest to the highest seed.")
    outside = (curves["low"] < rates.low).any()
    below = f" Epochs below {rates.low:g}% lie outside the axis." if outside else ""
    return [*notes, f"Numbers at the lines are percent, last epoch.{below}"]


def _key(series: Sequence[Series], notes: Sequence[str]) -> alt.LayerChart:
    """The legend, drawn by hand: Vega's own keeps line style and point shape of layered marks apart."""
    rows = pd.DataFrame([{"row": i, "metric": s.metric, "text": s.meaning} for i, s in enumerate(series)])
    remarks = pd.DataFrame([{"row": len(series) + 0.3 + 0.85 * i, "text": n} for i, n in enumerate(notes)])
    count = len(series) + len(notes)
    scale = alt.Scale(domain=[-0.5, count - 0.5], reverse=True, nice=False)
    y = alt.Y("row:Q", scale=scale, axis=None)
    look = theme.look(series)
    key = alt.Chart(theme.inline(rows)).encode(y=y)
    words = {"x": alt.value(40), "text": alt.Text("text:N")}
    layers = [
        key.mark_rule(strokeWidth=1.8).encode(
            x=alt.value(0), x2=alt.value(30), color=look.color, strokeDash=look.dash
        ),
        key.mark_point(filled=True, opacity=1, size=34).encode(
            x=alt.value(15), color=look.color, shape=look.shape
        ),
        key.mark_text(align="left", baseline="middle", fontSize=12, color=theme.INK).encode(**words),
        alt.Chart(theme.inline(remarks))
        .mark_text(align="left", baseline="middle", fontSize=12, color=theme.FAINT_INK)
        .encode(y=y, x=alt.value(0), text="text:N"),
    ]
    return alt.LayerChart(layer=layers).properties(width=SIZES[1][0], height=KEY_ROW * count)
