"""Draw charts as pictures, in another process: the drawing library ends its own where memory or address space lacks."""

from __future__ import annotations

import json
import os
import re
from concurrent.futures import BrokenExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import vl_convert

from dropstudy.core.atomic import write_files
from dropstudy.errors import DropstudyError, InvalidArgument
from dropstudy.runtime.local import LocalWorkers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

FORMATS = ("png", "svg", "pdf")
PIXELS_PER_POINT = 2  # of PNG: sharp at 5 inches in print and on dense screens

_STDERR = 2

T = TypeVar("T")


def draw(specs: Iterable[dict[str, Any]], formats: Sequence[str] = FORMATS) -> list[dict[str, bytes]]:
    """Pictures of charts, in each format.

    Args:
        specs: Vega-Lite specifications.
        formats: of `FORMATS`.

    Raises:
        DropstudyError: the drawing library ended its process, twice.
    """
    return apart(_draw, [_json(spec) for spec in specs], formats)


def save(spec: dict[str, Any], path: Path) -> None:
    """Write a chart as a picture; the suffix of the path names the format.

    Raises:
        InvalidArgument: the suffix is of no format that can be drawn.
        StoreError: the disk is full, or the folder cannot be written.
        DropstudyError: the drawing library ended its process, twice.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise InvalidArgument(
            "path", expected=f"a name that ends in .{', .'.join(FORMATS)}", received=repr(path.name)
        )
    (drawn,) = draw([spec], [kind])
    write_files({path: drawn[kind]})


def apart(call: Callable[..., T], *arguments: Any) -> T:
    """Call the drawing library in another process and return its result.

    Raises:
        DropstudyError: that process died, and a second one too.
    """
    for _ in range(2):
        workers = LocalWorkers(1, None)
        try:
            return workers.submit(_silently, call, *arguments).result()
        except BrokenExecutor:
            continue
        finally:
            workers.shutdown(cancel_futures=True)
    raise DropstudyError(
        "figures",
        expected="a drawing library (vl-convert) that works here",
        received="one that ended its process, twice",
        next_step="All results are saved. Lift the limit on memory or address space (ulimit -v), "
        "if there is one, and run the same command again.",
    )


def _draw(specs: Sequence[str], formats: Sequence[str]) -> list[dict[str, bytes]]:
    return [_pictures(vl_convert.vegalite_to_svg(spec), formats) for spec in specs]


def _pictures(svg: str, formats: Sequence[str]) -> dict[str, bytes]:
    """Pictures of a chart that was laid out once, so that all formats show the same."""
    make: dict[str, Callable[[], bytes]] = {
        "png": lambda: vl_convert.svg_to_png(svg, scale=PIXELS_PER_POINT),
        "svg": lambda: svg.encode("utf-8"),
        "pdf": lambda: vl_convert.svg_to_pdf(svg),
    }
    return {kind: bytes(make[kind]()) for kind in formats}


def _json(spec: dict[str, Any]) -> str:
    """JSON with null in place of NaN and infinities, which Vega leaves out."""
    return re.sub(r"(?<![\w\"])(?:-?Infinity|NaN)(?![\w\"])", "null", json.dumps(spec, default=str))


def _silently(call: Callable[..., T], *arguments: Any) -> T:
    """Call without the error stream, which the crash of a JavaScript engine would fill."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
    return call(*arguments)
