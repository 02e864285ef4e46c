"""HTTP server of the page. It keeps nothing of a browser, so that those of a class do not disturb each other."""

from __future__ import annotations

import asyncio
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from dropstudy.core.bounds import MAX_COUNT
from dropstudy.core.hardware import physical_cores
from dropstudy.core.text import counted
from dropstudy.errors import InvalidArgument
from dropstudy.report.server import make_server
from dropstudy.report.server.server import HEADERS, private_app
from dropstudy.teach.answer import answer
from dropstudy.teach.page import page
from dropstudy.teach.trap import row, shown, words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from dropstudy.core.types import EpochMetrics
    from dropstudy.report.server import Addresses
    from dropstudy.teach.lesson import Lesson

TOP_RATE = 0.95
"""Highest rate that may be asked for."""


class Trainings:
    """Places for live trainings, one for each core: more at once would only make all slower.

    Args:
        places: how many.
        patience: seconds for which a browser waits for a place.
    """

    def __init__(self, places: int, patience: float = 20.0) -> None:
        self._places, self._patience = places, patience
        self._free = asyncio.BoundedSemaphore(places)

    async def enter(self) -> bool:
        """Take a place once one is free; false where that takes too long."""
        try:
            async with asyncio.timeout(self._patience):
                return await self._free.acquire()
        except TimeoutError:
            return False

    def leave(self) -> None:
        """Give the place back."""
        self._free.release()

    @property
    def busy(self) -> str:
        """What a browser is told that finds no place."""
        others = counted(self._places, "other browser")
        return f"This machine trains for {others} now. Try again in some seconds."


def teach_server(lesson: Lesson, addresses: Addresses) -> uvicorn.Server:
    """Server of the page; its `run` takes the sockets of `listen`."""
    server: uvicorn.Server
    trainings = Trainings(max(1, physical_cores()))
    server = make_server(make_app(lesson, addresses, trainings, lambda: server.should_exit))
    return server


def make_app(
    lesson: Lesson, addresses: Addresses, trainings: Trainings, stopped: Callable[[], bool] = lambda: False
) -> Starlette:
    """Application with the page at `/TOKEN/`, and below it what the page asks for.

    Args:
        lesson: the networks.
        addresses: of the page.
        trainings: places for live trainings.
        stopped: true once the server ends; trainings then end after their epoch.
    """
    html = page(lesson)

    def show(_: Request) -> Response:
        return HTMLResponse(html, headers=HEADERS)

    def example(_: Request) -> Response:
        number = int(np.random.default_rng().integers(len(lesson.dataset.x_test)))
        return JSONResponse(lesson.example(number), headers=HEADERS)

    async def read(request: Request) -> Response:
        rate = _rate(request)
        size = lesson.form.side**2
        if request.headers.get("content-length") != str(size):  # nothing larger is taken into memory
            raise InvalidArgument("drawing", expected=f"{size} bytes", received="another number")
        drawn = lesson.form.example(await request.body())
        if drawn is None:
            return JSONResponse(None, headers=HEADERS)
        found = await run_in_threadpool(answer, lesson.reader, drawn, scale=lesson.dataset.scale, rate=rate)
        return JSONResponse(found, headers=HEADERS)

    def train(request: Request) -> Response:
        rate, seed = _rate(request), _seed(request)
        stream = _stream(lesson, rate, seed, trainings, stopped)
        return StreamingResponse(stream, media_type="text/event-stream", headers=HEADERS)

    def refused(_: Request, error: Exception) -> Response:
        return PlainTextResponse(f"Error: {error}", status_code=400, headers=HEADERS)

    routes = [
        Route("/", show, methods=["GET"]),
        Route("/example", example, methods=["GET"]),
        Route("/answer", read, methods=["POST"]),
        Route("/train", train, methods=["GET"]),
    ]
    app = private_app(routes, addresses)
    app.add_exception_handler(InvalidArgument, refused)
    return app


async def _stream(
    lesson: Lesson, rate: float, seed: int, trainings: Trainings, stopped: Callable[[], bool]
) -> AsyncIterator[str]:
    """Events of a training; the browser's leaving ends it, and so does the server's end."""
    if not await trainings.enter():
        yield _event("busy", trainings.busy)
        return
    try:
        async for event in iterate_in_threadpool(_events(lesson, rate, seed)):
            yield event
            if stopped():
                return
    finally:
        trainings.leave()


def _events(lesson: Lesson, rate: float, seed: int) -> Iterator[str]:
    pair = None
    for pair in lesson.train(rate, seed):
        yield _event("epoch", [_percentages(epoch) for epoch in pair])
    if pair is not None:
        yield _event("end", {"words": words(*pair, rate), "row": row(*pair, rate, seed)})


def _percentages(epoch: EpochMetrics) -> dict[str, float]:
    shares = {"running": epoch.accuracy, "clean": epoch.clean_accuracy, "test": epoch.val_accuracy}
    return {"epoch": epoch.epoch} | {name: shown(share) for name, share in shares.items()}


def _event(name: str, data: Any) -> str:
    """A server-sent event (WHATWG HTML, section 9.2)."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def _rate(request: Request) -> float:
    text = request.query_params.get("rate", "")
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 <= rate <= TOP_RATE:
        raise InvalidArgument("rate", expected=f"a share from 0 to {TOP_RATE}", received=repr(text))
    return rate


def _seed(request: Request) -> int:
    text = request.query_params.get("seed", "")
    if not (
        text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_COUNT)) and int(text) <= MAX_COUNT
    ):
        raise InvalidArgument("seed", expected=f"a whole number from 0 to {MAX_COUNT}", received=repr(text))
    return int(text)
