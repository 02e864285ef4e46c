"""Charts as picture files, each there whole or not at all."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from dropstudy.core.atomic import write_files
from dropstudy.errors import InvalidArgument
from dropstudy.report.charts.render import FORMATS, apart, pictures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dropstudy.report.charts.theme import Chart


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
        DropstudyError: the drawing library ended its process, twice.
    """
    for kind in formats:
        if kind not in FORMATS:
            raise InvalidArgument("formats", expected=" or ".join(FORMATS), received=repr(kind))
    spec = chart if isinstance(chart, dict) else chart.to_dict(validate=False)
    drawn = files(apart(pictures, spec_json(spec), formats), path_without_suffix)
    write_files(drawn)
    return list(drawn)


def files(drawn: dict[str, bytes], path_without_suffix: Path) -> dict[Path, bytes]:
    """Pictures by the paths where `save` would put them."""
    name = path_without_suffix.name
    return {path_without_suffix.with_name(f"{name}.{kind}"): data for kind, data in drawn.items()}


def spec_json(spec: dict[str, Any]) -> str:
    """JSON, in which numbers that are none are null: Vega leaves them out."""
    return re.sub(r"(?<![\w\"])(?:-?Infinity|NaN)(?![\w\"])", "null", json.dumps(spec, default=str))
