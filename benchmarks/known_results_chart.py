"""Chart of what dropout gains by the number of training examples, from the results of known_results.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import pandas as pd

from dropstudy.core.text import counted
from dropstudy.report.charts import palette, theme

if TYPE_CHECKING:
    from collections.abc import Sequence


def gain_by_size(rows: Sequence[dict[str, Any]]) -> alt.LayerChart:
    """Paired difference of test error by training size, with its interval.

    Args:
        rows: results of one comparison at several sizes, as known_results.json has them.
    """
    rows = [row for row in rows if row["here"]["n"]]
    here = pd.DataFrame([row["here"] for row in rows])[["train_size", "value", "low", "high", "n"]]
    data = alt.Chart(theme.inline_data(here))
    x = alt.X(
        "train_size:Q",
        title="Training examples",
        scale=alt.Scale(type="log", domain=[here["train_size"].min() / 1.4, here["train_size"].max() * 1.4]),
        axis=alt.Axis(values=here["train_size"].tolist(), format=",d", grid=False),
    )
    y = alt.Y(
        "value:Q", title="Difference of test error, percentage points", axis=alt.Axis(labelExpr=theme.SIGNED)
    )
    layers = [
        alt.Chart(theme.inline_data(pd.DataFrame({"zero": [0]})))
        .mark_rule(color=palette.AXIS)
        .encode(y="zero:Q"),
        data.mark_line(color=palette.BLUE, strokeWidth=1.5).encode(x=x, y=y),
        data.mark_rule(color=palette.BLUE, strokeWidth=1.5).encode(x=x, y="low:Q", y2="high:Q"),
        data.mark_point(color=palette.BLUE, filled=True, size=60, opacity=1).encode(x=x, y=y),
    ]
    published, difference_to = rows[0]["published"], rows[0]["here"]["difference_to"]
    seeds = counted(here["n"].min(), "seed")
    title = alt.Title(
        f"Test error with {published['arm']} minus that with {difference_to}",
        subtitle=f"{published['source']}, repeated: mean of {seeds}, 95% interval",
    )
    return theme.themed(alt.LayerChart(layer=layers).properties(width=440, height=260, title=title))
