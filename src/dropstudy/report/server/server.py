"""HTTP server of the page and the study's progress, for this machine alone. It writes nothing.

Every user of this machine can reach a port of it. So the address holds a random token, and without it nothing is told.
No file is served by its path, so none can be climbed to. A request that names another host is refused: else a page from
elsewhere could have its own name point at this machine and read the study ("DNS rebinding").
"""

from __future__ import annotations

import secrets
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from starlette.routing import Route

from dropstudy.errors import DropstudyError, InvalidArgument
from dropstudy.report.server.connections import Connection

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from dropstudy.report.server.live import LivePage

HOST = "127.0.0.1"
PORTS = 2**16
BACKLOG = 16
"""Connections that the system holds ready, and that are taken in one go: fewer than a process may have descriptors."""
NAMES = [HOST, "localhost"]
"""Names that a request may call this machine by."""
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


def listen(port: int) -> socket.socket:
    """A socket on this machine's own address; 0 takes a port that is free.

    Raises:
        InvalidArgument: the port is taken or may not be used.
    """
    if port not in range(PORTS):
        raise InvalidArgument("--port", expected=f"a port from 0 to {PORTS - 1}", received=str(port))
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise InvalidArgument(
            "--port",
            expected="a port that nobody else listens on",
            received=f"{port}: {error.strerror}",
            next_step="Choose another, or 0 for any that is free.",
        ) from error


def _secret() -> str:
    return secrets.token_urlsafe(16)


@dataclass(frozen=True)
class Doors:
    """Addresses of the page: below a lasting token, and once by a ticket that leads there.

    A browser is started with the ticket: what a process is started with, every user of the machine can read.

    Args:
        token: first part of the page's path.
        ticket: path of the way in that closes behind the first who takes it.
    """

    token: str = field(default_factory=_secret)
    ticket: str = field(default_factory=_secret)


def server_of(live: LivePage, doors: Doors) -> uvicorn.Server:
    """A server that answers for one study; its `run` takes the sockets of `listen`."""
    config = uvicorn.Config(
        app_of(live, doors),
        loop="asyncio",
        http=Connection,
        ws="none",
        backlog=BACKLOG,
        timeout_graceful_shutdown=3,
        log_level="error",
        access_log=False,
        server_header=False,
        lifespan="off",
    )
    return uvicorn.Server(config)


def app_of(live: LivePage, doors: Doors) -> Starlette:
    """Application that answers `/TOKEN/` with the page and the progress in it, `/TOKEN/state` with its version."""
    taken = threading.Event()

    def page(_: Request) -> Response:
        return HTMLResponse(live.page(), headers=_HEADERS)

    def state(_: Request) -> Response:
        return JSONResponse({"version": live.version}, headers=_HEADERS)

    def enter(_: Request) -> Response:
        if taken.is_set():
            return PlainTextResponse("Not Found", status_code=404, headers=_HEADERS)
        taken.set()
        return RedirectResponse(f"/{doors.token}/", status_code=303, headers=_HEADERS)

    def refused(_: Request, error: Exception) -> Response:
        return PlainTextResponse(f"Error: {error}", status_code=503, headers=_HEADERS)

    app = Starlette(
        routes=[
            Route(f"/{doors.token}/", page, methods=["GET"]),
            Route(f"/{doors.token}/state", state, methods=["GET"]),
            Route(f"/{doors.ticket}", enter, methods=["GET"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=NAMES, www_redirect=False)],
        exception_handlers={DropstudyError: refused},
    )
    app.router.redirect_slashes = False
    return app
