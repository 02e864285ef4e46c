"""Every arm beside the others on one axis, accuracy or loss: as Keras prints it, measured cleanly, on test data.

The axis spans where the curves live. The first epochs climb from far below and would flatten everything else,
so for each curve the worst tenth of its epochs does not count, and a note says when points lie outside.
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
from dropstudy.report.charts import panels as arm_panels
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

CLEAN = Series(
    "clean_accuracy",
    "clean",
    "Training accuracy measured cleanly: end of the epoch, dropout off",
    palette.VERMILLION,
    shape="square",
)
KERAS = Series(
    "accuracy",
    "Keras",
    "Training accuracy as Keras prints it: running mean over the epoch, dropout on",
    palette.PURPLE,
    theme.DASHED,
    "triangle-up",
)
TEST = Series("val_accuracy", "test", "Test accuracy: end of the epoch, dropout off", palette.BLUE)
VALIDATION = Series(
    "val_accuracy", "val.", "Validation accuracy: end of the epoch, dropout off", palette.BLUE
)


LOSSES = (
    replace(
        CLEAN, metric="clean_loss", meaning="Training loss measured cleanly: end of the epoch, dropout off"
    ),
    replace(
        KERAS,
        metric="loss",
        meaning="Training loss as Keras prints it: running mean over the epoch, dropout on",
    ),
    replace(TEST, metric="val_loss", meaning="Test loss: end of the epoch, dropout off"),
)
VALIDATION_LOSS = replace(
    VALIDATION, metric="val_loss", meaning="Validation loss: end of the epoch, dropout off"
)


class Rates(NamedTuple):
    """The vertical axis that all panels share, in percent or nats."""

    low: float
    high: float
    ticks: list[float]


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
    return _panels(
        curves,
        arms,
        series,
        rate_axis(curves),
        title="Accuracy while training",
        axis_title="Accuracy (%)",
        subtitle=subtitle,
    )


def losses_side_by_side(
    history: pd.DataFrame, arms: Sequence[Arm], *, watches_test: bool, subtitle: str = ""
) -> alt.VConcatChart:
    """Chart as `side_by_side`, of the losses in nats."""
    series = (*LOSSES[:2], LOSSES[2] if watches_test else VALIDATION_LOSS)
    history = history[history["arm"].isin([arm.name for arm in arms])]
    curves = learning_curves(history, [s.metric for s in series])
    return _panels(
        curves,
        arms,
        series,
        loss_axis(curves),
        title="Loss while training",
        axis_title="Loss (nats)",
        subtitle=subtitle,
    )


def _panels(
    curves: pd.DataFrame,
    arms: Sequence[Arm],
    series: tuple[Series, ...],
    rates: Rates,
    *,
    title: str,
    axis_title: str,
    subtitle: str,
) -> alt.VConcatChart:
    place = arm_panels.grid(arms, LABEL_ROOM)
    picked = theme.isolating("metric", legend=False)
    named = curves.assign(arm=curves["arm"].map(arm_panels.labels(arms, place)))
    ends = _line_ends(named, series, rates, place.height, digits=1 if "%" in axis_title else 3)
    lines = _drawn_curves(named, series, rates, picked=picked, width=place.width, axis_title=axis_title)
    panels = arm_panels.drawn(arms, place, [*lines, *_drawn_ends(series, rates, picked)], named, ends)
    notes = _notes(curves, rates, percent="%" in axis_title)
    chart = alt.vconcat(panels, _key(series, picked), _remarks(notes), spacing=18)
    chart.title = alt.Title(title, subtitle=subtitle, limit=place.whole)
    words = f"{' '.join(s.meaning + '.' for s in series)} One panel per arm, {len(arms)} in all."
    return theme.fitted(chart, panel=place.width, panels=len(arms), room=LABEL_ROOM + 60, text=words)


def rate_axis(curves: pd.DataFrame) -> Rates:
    """The axis for curves of `learning_curves` in percent, with round ends and at most ten ticks.

    Args:
        curves: arm, metric, epoch, mean, low, high.
    """
    if curves.empty:
        return Rates(0, 100, [0, 20, 40, 60, 80, 100])
    lowest = min(float(curve["low"].quantile(0.1)) for _, curve in curves.groupby(["arm", "metric"]))
    return _round_axis(lowest, float(curves["high"].max()), (0.1, 0.2, 0.5, 1, 2, 5, 10, 20))


def loss_axis(curves: pd.DataFrame) -> Rates:
    """The axis for curves of losses, from 0, with a round end and at most ten ticks."""
    if curves.empty:
        return Rates(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1])
    highest = max(float(curve["high"].quantile(0.9)) for _, curve in curves.groupby(["arm", "metric"]))
    steps = tuple(factor * 10.0**power for power in range(-4, 300) for factor in (1, 2, 5))
    return _round_axis(0.0, max(highest, 1e-4), steps)


def _round_axis(lowest: float, highest: float, steps: Sequence[float]) -> Rates:
    step = next(step for step in steps if (highest - lowest) / step <= MOST_STEPS)
    first, last = floor(lowest / step + 1e-9), ceil(highest / step - 1e-9)
    if first == last:
        first -= 1
    ticks = [float(f"{i * step:.10g}") for i in range(first, last + 1)]
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


def _drawn_curves(
    curves: pd.DataFrame,
    series: Sequence[Series],
    rates: Rates,
    *,
    picked: alt.Parameter,
    width: int,
    axis_title: str,
) -> list[alt.Chart]:
    """Bands and lines, and a dot for each epoch; where there are many, for some."""
    look, shown = theme.look(series), theme.fading(picked, 1, 0.08)
    epochs = int(curves["epoch"].max()) if len(curves) else 1
    epoch_scale, epoch_axis = theme.epoch_axis(epochs, width)
    epoch_axis.grid = False
    scale = alt.Scale(domain=[rates.low, rates.high], nice=False, zero=False)
    axis = alt.Axis(
        title=axis_title,
        values=rates.ticks,
        tickCount=len(rates.ticks),  # else Vega drops every other one of a low panel
    )
    y = alt.Y("mean:Q", scale=scale, axis=axis)
    each = alt.Chart().encode(x=alt.X("epoch:Q", scale=epoch_scale, axis=epoch_axis), color=look.color)
    lines = each.transform_filter("isValid(datum.epoch)")
    step = ceil(epochs / MOST_DOTS)
    dots = each.transform_filter(f"datum.epoch == 1 || datum.epoch % {step} == 0").transform_calculate(
        what=f"{json.dumps({s.metric: s.meaning.split(':')[0] for s in series})}[datum.metric]"
    )
    layers = [
        lines.mark_line(strokeWidth=1.8, clip=True).encode(y=y, strokeDash=look.dash, opacity=shown),
        dots.mark_point(filled=True, size=24, clip=True).encode(
            y=y, shape=look.shape, opacity=shown, tooltip=_tooltip(axis_title)
        ),
    ]
    if (curves["n"] > 1).any():
        band = lines.mark_area(clip=True).encode(
            y=alt.Y("low:Q", scale=scale, axis=axis),
            y2=alt.Y2("high:Q"),
            opacity=theme.fading(picked, theme.BAND_OPACITY, 0),
        )
        layers.insert(0, band)
    layers[0] = layers[0].add_params(theme.zooming("zoom", "x"))
    return layers


def _drawn_ends(series: Sequence[Series], rates: Rates, picked: alt.Parameter) -> list[alt.Chart]:
    """Marks at the ends of lines, and their names, dark enough to read."""
    look = theme.look(series)
    right = alt.XValue("width")  # type: ignore[no-untyped-call] # Altair leaves it so
    scale = alt.Scale(domain=[rates.low, rates.high], nice=False, zero=False)
    ends = (
        alt.Chart()
        .transform_filter("isValid(datum.height)")
        .encode(x=right, y=alt.Y("height:Q", scale=scale), opacity=theme.fading(picked, 1, 0.08))
    )
    return [
        ends.mark_point(filled=True, size=34, xOffset=8, clip=False).encode(
            color=look.color, shape=look.shape
        ),
        ends.mark_text(
            align="left", baseline="middle", color=palette.INK, fontSize=11, xOffset=15, clip=False
        ).encode(text=alt.Text("text:N")),
    ]


def _line_ends(
    curves: pd.DataFrame, series: Sequence[Series], rates: Rates, height: int, *, digits: int
) -> pd.DataFrame:
    """A label for the end of each line: arm, metric, text, and the height on the axis where it stands.

    Half a label's height stays free at both ends: what juts out of a panel would shift its title.
    """
    gap = LABEL_HEIGHT * (rates.high - rates.low) / height
    columns = ["arm", "metric", "text", "height"]
    tables = [pd.DataFrame([], columns=columns)]
    for arm, of_arm in curves.groupby("arm", sort=False):
        last = of_arm.groupby("metric")["mean"].last()
        there = [(s, float(last[s.metric])) for s in series if s.metric in last]
        rows = [(arm, s.metric, f"{s.name} {end:.{digits}f}", end) for s, end in there]
        table = pd.DataFrame(rows, columns=columns)
        places = spread_labels([end for _, end in there], gap, rates.low + gap / 2, rates.high - gap / 2)
        tables.append(table.assign(height=places))
    return pd.concat(tables, ignore_index=True)


def _tooltip(title: str) -> list[alt.Tooltip]:
    form = ".2f" if "%" in title else ".4f"
    return [
        alt.Tooltip("arm:N"),
        alt.Tooltip("what:N", title="measure"),
        alt.Tooltip("epoch:Q"),
        alt.Tooltip("mean:Q", title=title, format=form),
        alt.Tooltip("low:Q", title="lowest seed", format=form),
        alt.Tooltip("high:Q", title="highest seed", format=form),
        alt.Tooltip("n:Q", title="seeds"),
    ]


def _notes(curves: pd.DataFrame, rates: Rates, *, percent: bool) -> list[str]:
    notes = ["Clean: on a fixed sample of the training data each epoch, on all of it at the last."]
    if (curves["n"] > 1).any():
        notes.append("Lines are means over seeds; bands reach from the lowest to the highest seed.")
    below, above = (curves["low"] < rates.low).any(), (curves["high"] > rates.high).any()
    outside = f" Epochs below {rates.low:g}% lie outside the axis." if below else ""
    outside += f" Epochs above {rates.ticks[-1]:g} lie outside the axis." if above else ""
    unit = "percent" if percent else "nats"
    return [*notes, f"Numbers at the lines are {unit}, last epoch.{outside}"]


def _key(series: Sequence[Series], picked: alt.Parameter) -> alt.LayerChart:
    """The legend, drawn by hand: Vega's own keeps line style and point shape of layered marks apart.

    A click on a row isolates its series in every panel.
    """
    rows = pd.DataFrame(
        [
            {"row": i, "metric": s.metric, "text": s.meaning, "short": s.meaning.split(":")[0]}
            for i, s in enumerate(series)
        ]
    )
    look = theme.look(series)
    key = alt.Chart(theme.inline(rows)).encode(y=_rows(len(series)))
    shown = theme.fading(picked, 1, 0.35)
    layers = [
        key.mark_rule(strokeWidth=1.8).encode(
            x=alt.value(0), x2=alt.value(30), color=look.color, strokeDash=look.dash, opacity=shown
        ),
        key.mark_point(filled=True, size=34).encode(
            x=alt.value(15), color=look.color, shape=look.shape, opacity=shown
        ),
        key.mark_text(
            align="left", baseline="middle", fontSize=12, color=palette.INK, cursor="pointer", style="key"
        )
        .encode(x=alt.value(40), text=alt.Text("text:N"), opacity=shown)
        .add_params(picked),
    ]
    return alt.LayerChart(layer=layers).properties(width=KEY_WIDTH, height=KEY_ROW * len(series))


def _remarks(notes: Sequence[str]) -> alt.Chart:
    rows = pd.DataFrame([{"row": i, "text": note} for i, note in enumerate(notes)])
    remarks: alt.Chart = (
        alt.Chart(theme.inline(rows))
        .mark_text(align="left", baseline="middle", fontSize=12, color=palette.FAINT_INK)
        .encode(y=_rows(len(notes)), x=alt.value(0), text=alt.Text("text:N"))
        .properties(width=KEY_WIDTH, height=NOTE_ROW * len(notes))
    )
    return remarks


def _rows(count: int) -> alt.Y:
    return alt.Y("row:Q", scale=alt.Scale(domain=[-0.5, count - 0.5], reverse=True, nice=False), axis=None)
