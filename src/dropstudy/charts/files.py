"""Charts as picture files, each there whole or not at all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import vl_convert

from dropstudy.errors import InvalidArgument
from dropstudy.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dropstudy.charts.theme import Chart

FORMATS = ("png", "svg", "pdf")
PIXELS_PER_POINT = 2  # of PNG: sharp at 5 inches in print and on dense screens


def save(chart: Chart, path_without_suffix: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write a chart in each of the formats and return the paths.

    The chart is laid out once; PNG and PDF are made from the SVG, so that all show the same.

    Args:
        chart: any Altair chart.
        path_without_suffix: folder and name; `.png`, `.svg` or `.pdf` is added to the name, whatever dots are in it.
        formats: `"png"` (twice the chart's size in pixels), `"svg"`, `"pdf"`.

    Raises:
        InvalidArgument: a format that is none of these.
        StoreError: the disk is full, or the folder cannot be written.
    """
    for kind in formats:
        if kind not in FORMATS:
            raise InvalidArgument("formats", expected=" or ".join(FORMATS), received=repr(kind))
    # Numbers that are none become null, which Vega leaves out; Altair's own check of the whole takes seconds.
    spec = json.dumps(chart.to_dict(validate=False), default=str).replace("NaN", "null")
    svg: str = vl_convert.vegalite_to_svg(spec)
    paths = []
    for kind in formats:
        path = path_without_suffix.with_name(f"{path_without_suffix.name}.{kind}")
        write_bytes(path, _picture(svg, kind))
        paths.append(path)
    return paths


def _picture(svg: str, kind: str) -> bytes:
    if kind == "svg":
        return svg.encode("utf-8")
    convert = (
        vl_convert.svg_to_pdf(svg) if kind == "pdf" else vl_convert.svg_to_png(svg, scale=PIXELS_PER_POINT)
    )
    return bytes(convert)
