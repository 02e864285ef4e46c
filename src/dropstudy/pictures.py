"""A chart's specification as pictures, drawn here or in other processes. Light to import: each of those has to."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor
from typing import TYPE_CHECKING, Self

import vl_convert

from dropstudy.canvases import without_idle_canvases
from dropstudy.hardware import physical_cores
from dropstudy.typefaces import carried_first
from dropstudy.workers import LocalWorkers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from types import TracebackType

FORMATS = ("png", "svg", "pdf")
PIXELS_PER_POINT = 2  # of PNG: sharp at 5 inches in print and on dense screens

_MOST_PROCESSES = 4
_NOTHING = '{"mark": "point", "data": {"values": []}}'


def pictures(spec: str, formats: Sequence[str] = FORMATS) -> dict[str, bytes]:
    """A chart in each of the formats.

    It is laid out once; PNG and PDF are made from the SVG, so that all show the same.

    Args:
        spec: Vega-Lite, as JSON.
        formats: of `FORMATS`.
    """
    carried_first()
    svg = without_idle_canvases(vl_convert.vegalite_to_svg(spec))
    make: dict[str, Callable[[], bytes]] = {
        "png": lambda: vl_convert.svg_to_png(svg, scale=PIXELS_PER_POINT),
        "svg": lambda: svg.encode("utf-8"),
        "pdf": lambda: vl_convert.svg_to_pdf(svg),
    }
    return {kind: bytes(make[kind]()) for kind in formats}


class Drawing:
    """Processes that draw pictures while this one goes on; they start at once, and end with the `with` block.

    Threads would gain nothing: vl-convert holds Python's lock while it draws.
    """

    def __init__(self) -> None:
        count = max(1, min(physical_cores() - 1, _MOST_PROCESSES))  # one core is for this process
        self._workers = LocalWorkers(count)
        for _ in range(count):  # what draws takes half a second to start
            self._workers.submit(pictures, _NOTHING, ("svg",))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._workers.shutdown(cancel_futures=True)

    def begin(self, spec: str) -> Callable[[], dict[str, bytes]]:
        """Have a chart drawn in all formats; what is returned waits for the pictures and gives them."""
        future: Future[dict[str, bytes]] = self._workers.submit(pictures, spec)

        def drawn() -> dict[str, bytes]:
            try:
                return future.result()
            except BrokenExecutor:  # the process was killed, for its memory perhaps
                return pictures(spec)

        return drawn
