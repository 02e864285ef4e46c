"""Confusion matrices of the baseline and of an arm, and their difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from dropstudy.report.charts import palette, theme

if TYPE_CHECKING:
    import pandas as pd

SIDE = 210
TEN = 9.95
"""Lowest value that rounds to ten and needs no decimal."""
MOST_NUMBERED = 12
"""Most classes whose cells hold numbers."""
LONGEST_LEVEL = 3
"""Most letters of a class name that is written horizontally below the cells."""
LABEL_LIMIT, LETTER = 90, 7
"""Pixels of the longest class name, and of a letter."""
MOST_CLASSES = 30
"""Most classes of a readable matrix."""


def confusion(cells: pd.DataFrame, *, first: str, second: str) -> alt.ConcatChart:
    """Three matrices: mistakes of two arms per run, and how many more the second makes.

    Args:
        cells: true, predicted (names of classes, in their order), first and second (examples per run, means over
            seeds).
        first: label of the first arm, the baseline.
        second: label of the second.
    """
    wrong = cells[cells["true"] != cells["predicted"]]
    difference = wrong["second"] - wrong["first"]
    most = max(float(wrong[["first", "second"]].to_numpy().max(initial=0)), 1e-9)
    largest = max(float(difference.abs().max()) if len(difference) else 0.0, 1e-9)
    classes = list(dict.fromkeys(cells["true"]))
    panels = [
        _panel(wrong.assign(value=wrong["first"]), classes, title=first, most=most),
        _panel(wrong.assign(value=wrong["second"]), classes, title=second, most=most),
        _panel(
            wrong.assign(value=difference),
            classes,
            title=f"{second} minus {first}",
            most=largest,
            signed=True,
        ),
    ]
    top = wrong.assign(change=difference).sort_values("change", key=abs, ascending=False).head(3)
    words = "; ".join(
        f"{row.true} taken for {row.predicted} {row.change:+.1f}" for row in top.itertuples(index=False)
    )
    return theme.fitted(
        alt.concat(*panels, columns=3, spacing=20),
        panel=SIDE,
        panels=3,
        room=54 + min(LABEL_LIMIT, LETTER * max(map(len, classes), default=0)),
        text=f"Mistakes by true and predicted class of {first} and {second}, examples a run. Largest changes: {words}.",
    )


def _panel(
    cells: pd.DataFrame, classes: list[str], *, title: str, most: float, signed: bool = False
) -> alt.LayerChart:
    frame = cells.assign(
        strength=cells["value"].abs() / most,
        sign=["fewer" if value < 0 else "more" for value in cells["value"]],
        text=[_short(value, signed=signed) for value in cells["value"]],
    )
    angle = -90 if max(map(len, classes), default=0) > LONGEST_LEVEL else 0
    scale = alt.Scale(domain=classes)
    axis: dict[str, Any] = {"labelLimit": LABEL_LIMIT, "ticks": False, "domain": False}
    quantity = ("difference, examples a run", "+.2f") if signed else ("examples a run", ".2f")
    base = alt.Chart(theme.inline_data(frame)).encode(
        x=alt.X(
            "predicted:N",
            sort=classes,
            scale=scale,
            axis=alt.Axis(title="Predicted", labelAngle=angle, **axis),
        ),
        y=alt.Y("true:N", sort=classes, scale=scale, axis=alt.Axis(title="True class", **axis)),
        tooltip=theme.tooltip(true="true", predicted="predicted", value=quantity),
    )
    signs = alt.Scale(domain=["fewer", "more"], range=[palette.BETTER, palette.WORSE])
    color = alt.Color("sign:N", scale=signs, legend=None) if signed else alt.value(palette.BLUE)
    strength = alt.Scale(domain=[0, 1], range=[0.04, 1])
    layers = [
        base.mark_rect(stroke=palette.PAPER, strokeWidth=1).encode(
            color=color, fillOpacity=alt.FillOpacity("strength:Q", scale=strength, legend=None)
        )
    ]
    if len(classes) <= MOST_NUMBERED:
        ink = alt.condition("datum.strength > 0.55", alt.value(palette.PAPER), alt.value(palette.INK))
        numbers = base.transform_filter("abs(datum.value) >= 0.05").mark_text(fontSize=9)
        layers.append(numbers.encode(text="text:N", color=ink))
    return alt.LayerChart(layer=layers).properties(
        width=SIDE, height=SIDE, title=alt.Title(title, fontSize=13, limit=SIDE + 40)
    )


def _short(value: float, *, signed: bool) -> str:
    """A number in at most four letters: one decimal below ten, none above."""
    sign = "+" if signed else ""
    return f"{value:{sign}.0f}" if abs(value) >= TEN else f"{value:{sign}.1f}".removesuffix(".0")
