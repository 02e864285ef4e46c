"""A chart's specification as pictures, drawn in other processes. Light to import: each of those has to.

The drawing library holds a JavaScript engine, which ends its process where it lacks memory or address space.
"""

from __future__ import annotations

import os
from concurrent.futures import BrokenExecutor
from typing import TYPE_CHECKING, Any, Self, TypeVar

import vl_convert

from dropstudy.core.hardware import physical_cores
from dropstudy.errors import DropstudyError
from dropstudy.report.charts.canvases import without_idle_canvases
from dropstudy.report.charts.typefaces import carried_first
from dropstudy.runtime.local import LocalWorkers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from types import TracebackType

FORMATS = ("png", "svg", "pdf")
PIXELS_PER_POINT = 2  # of PNG: sharp at 5 inches in print and on dense screens

_MOST_PROCESSES = 4
_STDERR = 2
_NOTHING = '{"mark": "point", "data": {"values": []}}'


T = TypeVar("T")


def pictures(spec: str, formats: Sequence[str] = FORMATS) -> dict[str, bytes]:
    """A chart in each of the formats, drawn in the process that calls this.

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


def apart(call: Callable[..., T], *arguments: Any) -> T:
    """Call the drawing library in a process of its own, and return its result.

    Raises:
        DropstudyError: that process died, and so did another one.
    """
    workers = LocalWorkers(1, None)
    try:
        return _twice(workers, call, *arguments)()
    finally:
        workers.shutdown(cancel_futures=True)


class Drawing:
    """Processes that draw pictures while this one goes on; they start at once, and end with the `with` block.

    Threads would gain nothing: vl-convert holds Python's lock while it draws.
    """

    def __init__(self) -> None:
        count = max(1, min(physical_cores() - 1, _MOST_PROCESSES))  # one core is for this process
        self._workers = LocalWorkers(count, None)
        for _ in range(count):  # what draws takes half a second to start
            self._workers.submit(_silently, pictures, _NOTHING, ("svg",))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._workers.shutdown(cancel_futures=True)

    def begin(self, spec: str) -> Callable[[], dict[str, bytes]]:
        """Have a chart drawn in all formats; what is returned waits for the pictures and gives them.

        It raises DropstudyError where the process that drew died, and so did another one.
        """
        return _twice(self._workers, pictures, spec)


def _twice(workers: LocalWorkers, call: Callable[..., T], *arguments: Any) -> Callable[[], T]:
    """Begin a call in another process; what is returned gives its answer, from a new process if that one died."""
    future: Future[T] = workers.submit(_silently, call, *arguments)

    def answer() -> T:
        try:
            return future.result()
        except BrokenExecutor:
            pass
        again: Future[T] = workers.submit(_silently, call, *arguments)
        try:
            return again.result()
        except BrokenExecutor:
            raise DropstudyError(
                "figures",
                expected="a drawing library (vl-convert) that works here",
                received="one that ended its process, twice",
                next_step="What was trained is kept. Lift the limit on memory or address space (ulimit -v), "
                "if there is one, and run the same command again.",
            ) from None

    return answer


def _silently(call: Callable[..., T], *arguments: Any) -> T:
    """Call, in a process that may die of it and would fill the screen with its last words."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
    return call(*arguments)
