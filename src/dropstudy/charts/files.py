"""Charts as picture files, each there whole or not at all."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from dropstudy.errors import InvalidArgument
from dropstudy.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import altair as alt

FORMATS = ("png", "svg")
PIXELS_PER_POINT = 2  # of PNG: sharp at 5 inches in print and on dense screens


def save(chart: alt.TopLevelMixin, path_without_suffix: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write a chart in each of the formats and return the paths.

    Args:
        chart: any Altair chart.
        path_without_suffix: folder and name; `.png` or `.svg` is added to the name, whatever dots are in it.
        formats: `"png"` (twice the chart's size in pixels), `"svg"`.

    Raises:
        InvalidArgument: a format that is neither.
        StoreError: the disk is full, or the folder cannot be written.
    """
    paths = []
    for kind in formats:
        if kind not in FORMATS:
            raise InvalidArgument("formats", expected=" or ".join(FORMATS), received=repr(kind))
        path = path_without_suffix.with_name(f"{path_without_suffix.name}.{kind}")
        write_bytes(path, _picture(chart, kind))
        paths.append(path)
    return paths


def _picture(chart: alt.TopLevelMixin, kind: str) -> bytes:
    if kind == "svg":
        text = io.StringIO()
        chart.save(text, format="svg")
        return text.getvalue().encode("utf-8")
    pixels = io.BytesIO()
    chart.save(pixels, format="png", scale_factor=PIXELS_PER_POINT)
    return pixels.getvalue()
