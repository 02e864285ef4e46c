"""Pictures of charts for documents, for a light and a dark page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dropstudy.report.charts import palette
from dropstudy.report.charts.render import save

if TYPE_CHECKING:
    from pathlib import Path

    import altair as alt


def save_chart(chart: alt.LayerChart, path: Path) -> None:
    """Write `PATH_light.png` and `PATH_dark.png`."""
    light = dark = json.dumps(chart.to_dict())
    for color, counterpart in palette.DARK.items():
        dark = dark.replace(color, counterpart)
    for name, text in (("light", light), ("dark", dark)):
        save(json.loads(text), path.with_name(f"{path.stem}_{name}.png"))
