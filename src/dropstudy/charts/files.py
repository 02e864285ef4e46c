"""Charts as picture files, each there whole or not at all."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import vl_convert

from dropstudy.errors import InvalidArgument
from dropstudy.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dropstudy.charts.theme import Chart

FORMATS = ("png", "svg", "pdf")
PIXELS_PER_POINT = 2  # of PNG: sharp at 5 inches in print and on dense screens


def save(
    chart: Chart | dict[str, Any], path_without_suffix: Path, formats: Sequence[str] = FORMATS
) -> list[Path]:
    """Write a chart in each of the formats and return the paths.

    The chart is laid out once; PNG and PDF are made from the SVG, so that all show the same.

    Args:
        chart: any Altair chart, or its specification.
        path_without_suffix: folder and name; `.png`, `.svg` or `.pdf` is added to the name, whatever dots are in it.
        formats: `"png"` (twice the chart's size in pixels), `"svg"`, `"pdf"`.

    Raises:
        InvalidArgument: a format that is none of these.
        StoreError: the disk is full, or the folder cannot be written.
    """
    for kind in formats:
        if kind not in FORMATS:
            raise InvalidArgument("formats", expected=" or ".join(FORMATS), received=repr(kind))
    spec = chart if isinstance(chart, dict) else chart.to_dict(validate=False)
    svg: str = vl_convert.vegalite_to_svg(_json(spec))
    paths = []
    for kind in formats:
        path = path_without_suffix.with_name(f"{path_without_suffix.name}.{kind}")
        write_bytes(path, _picture(svg, kind))
        paths.append(path)
    return paths


def _json(spec: dict[str, Any]) -> str:
    """JSON, in which numbers that are none are null: Vega leaves them out."""
    return re.sub(r"(?<![\w\"])(?:-?Infinity|NaN)(?![\w\"])", "null", json.dumps(spec, default=str))


def _picture(svg: str, kind: str) -> bytes:
    if kind == "svg":
        return svg.encode("utf-8")
    convert = (
        vl_convert.svg_to_pdf(svg) if kind == "pdf" else vl_convert.svg_to_png(svg, scale=PIXELS_PER_POINT)
    )
    return bytes(convert)
