"""Files of charts for documents, one for a light and one for a dark page."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from dropstudy.report.charts import palette
from dropstudy.report.charts.render import save

if TYPE_CHECKING:
    from pathlib import Path

    import altair as alt


def save_chart(chart: alt.LayerChart, path: Path) -> None:
    """Write `PATH_light.png` and `PATH_dark.png`; `path` has no suffix."""
    light = json.dumps(chart.to_dict())
    dark = re.sub("|".join(map(re.escape, palette.DARK)), lambda color: palette.DARK[color[0]], light)
    for name, text in (("light", light), ("dark", dark)):
        save(json.loads(text), path.with_name(f"{path.stem}_{name}.png"))
