"""The notebook's two figures of an arm, as it drew them: loss x 100 and accuracy over epochs, 0 to 100.

Where the study has several seeds the lines are means and a band spans the lowest to the highest seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from dropstudy.charts import palette, theme
from dropstudy.charts.theme import Series
from dropstudy.names import plain_name
from dropstudy.stats import learning_curves

if TYPE_CHECKING:
    import pandas as pd

    from dropstudy.records import Arm

WIDTH, HEIGHT = 480, 320
RATE_DOMAIN = (-5, 105)


def notebook_test(history: pd.DataFrame, arm: Arm, *, watches_test: bool) -> alt.LayerChart:
    """Loss x 100 and accuracy on the data watched every epoch.

    Args:
        history: one row per arm, seed and epoch; other arms may be in it.
        arm: the arm to draw.
        watches_test: whether the validation columns are of the test set, which the title then says.
    """
    title = "Test Data" if watches_test else "Validation Data"
    return _notebook_figure(history, arm, title, loss="val_loss", accuracy="val_accuracy")


def notebook_training(history: pd.DataFrame, arm: Arm) -> alt.LayerChart:
    """Loss x 100 and accuracy on training data as Keras prints them: running means, dropout on.

    Args:
        history: one row per arm, seed and epoch; other arms may be in it.
        arm: the arm to draw.
    """
    return _notebook_figure(history, arm, "Training Data", loss="loss", accuracy="accuracy")


def _notebook_figure(
    history: pd.DataFrame, arm: Arm, title: str, *, loss: str, accuracy: str
) -> alt.LayerChart:
    series = (
        Series(loss, "loss", "loss", palette.BLUE, theme.DASHED),
        Series(accuracy, "accuracy", "accuracy", palette.PURPLE),
    )
    rows = history[history["arm"] == arm.name]
    curves = learning_curves(rows, [s.metric for s in series])
    curves[["mean", "low", "high"]] *= 100
    curves["series"] = curves["metric"].map({s.metric: s.name for s in series})
    epochs = int(rows["epoch"].max()) if len(rows) else 1
    scale, axis = theme.epoch_axis(epochs, WIDTH)
    names = [s.name for s in series]
    color = alt.Color(
        "series:N",
        scale=alt.Scale(domain=names, range=[s.color for s in series]),
        legend=alt.Legend(
            orient="top",
            title=None,
            symbolType="stroke",
            symbolSize=500,
            symbolStrokeWidth=2,
            symbolOpacity=1,
        ),
    )
    dash = alt.StrokeDash("series:N", scale=alt.Scale(domain=names, range=[list(s.dash) for s in series]))
    base = alt.Chart(theme.inline(curves)).encode(x=alt.X("epoch:Q", scale=scale, axis=axis))
    rates = alt.Scale(domain=list(RATE_DOMAIN), nice=False)
    rate_axis = alt.Axis(title="Rate (%)", values=list(range(0, 101, 10)))
    rate = alt.Y("mean:Q", scale=rates, axis=rate_axis)
    # A single epoch has no line to draw; a dot keeps its value on the page.
    dot = alt.OverlayMarkDef(size=40) if epochs == 1 else False
    layers = [
        base.mark_line(strokeWidth=2, clip=True, point=dot).encode(y=rate, color=color, strokeDash=dash)
    ]
    seeds = rows["seed"].nunique()
    if seeds > 1:
        band = base.mark_area(opacity=theme.BAND_OPACITY, clip=True)
        layers.insert(
            0, band.encode(y=alt.Y("low:Q", scale=rates, axis=rate_axis), y2=alt.Y2("high:Q"), color=color)
        )
    subtitle = [plain_name(arm.name, 70), theme.rate_in_words(arm)]
    if seeds > 1:
        subtitle[1] += f"; mean of {seeds} seeds, band from the lowest to the highest"
    chart = alt.LayerChart(layer=theme.settled(layers)).properties(
        width=WIDTH, height=HEIGHT, title=alt.Title(title, subtitle=subtitle, limit=WIDTH + 90)
    )
    words = f"{title} of {subtitle[0]}: loss times 100 and accuracy in percent for each epoch."
    return theme.fitted(chart, panel=WIDTH, room=70, text=words)
