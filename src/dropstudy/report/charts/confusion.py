"""Confusion matrices of the baseline and of an arm, and their difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from dropstudy.report.charts import palette, theme

if TYPE_CHECKING:
    import pandas as pd

SIDE = 210
TEN = 9.95
"""Lowest value that rounds to ten, and needs no decimal."""
MOST_NUMBERED = 12
"""Cells to a side that numbers fit into."""
LONGEST_LEVEL = 3
"""Letters of a class that fit side by side below the cells."""
MOST_CLASSES = 30
"""More cells than this to a side cannot be read."""


def confusion(cells: pd.DataFrame, *, first: str, second: str) -> alt.ConcatChart:
    """Three square tables: mistakes of two arms per run, and how many more the second makes.

    Args:
        cells: true, predicted (names of classes, in the order in which they are to stand), first and second: examples
            a run, means over seeds.
        first: what the first arm is called, the baseline.
        second: what the second is called.
    """
    wrong = cells[cells["true"] != cells["predicted"]]
    most = max(float(wrong[["first", "second"]].to_numpy().max(initial=0)), 1e-9)
    difference = wrong["second"] - wrong["first"]
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
    chart = alt.concat(*panels, columns=3, spacing=20)
    top = wrong.assign(change=difference).sort_values("change", key=abs, ascending=False).head(3)
    words = "; ".join(
        f"{row.true} taken for {row.predicted} {row.change:+.1f}" for row in top.itertuples(index=False)
    )
    return theme.fitted(
        chart,
        panel=SIDE,
        panels=3,
        room=62,
        text=f"Mistakes by true and predicted class of {first} and {second}, examples a run. Largest changes: {words}.",
    )


def _panel(
    cells: pd.DataFrame, classes: list[str], *, title: str, most: float, signed: bool = False
) -> alt.LayerChart:
    frame = cells.assign(
        strength=cells["value"].abs() / most, sign=["fewer" if v < 0 else "more" for v in cells["value"]]
    )
    frame["text"] = [_short(value, signed=signed) for value in frame["value"]]
    angle = -90 if max(map(len, classes), default=0) > LONGEST_LEVEL else 0
    base = alt.Chart(theme.inline(frame)).encode(
        x=alt.X(
            "predicted:N",
            sort=classes,
            scale=alt.Scale(domain=classes),
            axis=alt.Axis(title="Predicted", labelAngle=angle, labelLimit=90, ticks=False, domain=False),
        ),
        y=alt.Y(
            "true:N",
            sort=classes,
            scale=alt.Scale(domain=classes),
            axis=alt.Axis(title="True class", labelLimit=90, ticks=False, domain=False),
        ),
        tooltip=[
            alt.Tooltip("true:N"),
            alt.Tooltip("predicted:N"),
            alt.Tooltip(
                "value:Q",
                title="difference, examples a run" if signed else "examples a run",
                format="+.2f" if signed else ".2f",
            ),
        ],
    )
    color = (
        alt.Color(
            "sign:N",
            scale=alt.Scale(domain=["fewer", "more"], range=[palette.BETTER, palette.WORSE]),
            legend=None,
        )
        if signed
        else alt.value(palette.BLUE)
    )
    cell = base.mark_rect(stroke=palette.PAPER, strokeWidth=1).encode(
        color=color,
        fillOpacity=alt.FillOpacity(
            "strength:Q", scale=alt.Scale(domain=[0, 1], range=[0.04, 1]), legend=None
        ),
    )
    layers: list[alt.Chart] = [cell]
    if len(classes) <= MOST_NUMBERED:
        strong = alt.condition("datum.strength > 0.55", alt.value(palette.PAPER), alt.value(palette.INK))
        layers.append(
            base.transform_filter("abs(datum.value) >= 0.05")
            .mark_text(fontSize=9)
            .encode(text="text:N", color=strong)
        )
    return alt.LayerChart(layer=layers).properties(
        width=SIDE, height=SIDE, title=alt.Title(title, fontSize=13, limit=SIDE + 40)
    )


def _short(value: float, *, signed: bool) -> str:
    """A number in at most four letters: one decimal below ten, none above."""
    sign = "+" if signed else ""
    return f"{value:{sign}.0f}" if abs(value) >= TEN else f"{value:{sign}.1f}".removesuffix(".0")
