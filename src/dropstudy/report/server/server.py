"""HTTP server of the pages of studies, for this machine alone. It writes nothing.

Every user of this machine can reach its ports, so the address holds a random token. No file is served by its path, so
no path leads to another. A request that names another host is refused: a page from elsewhere could point its own name
at this machine and read the study ("DNS rebinding").
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
from starlette.routing import Mount, Route, Router

from dropstudy.errors import DropstudyError, InvalidArgument
from dropstudy.report.server.connections import Connection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from dropstudy.report.server.index import Index
    from dropstudy.report.server.live import LivePage

HOST = "127.0.0.1"
PORTS = 2**16
BACKLOG = 8
"""Connections accepted at once, and held ready by the system: some processes may have only 64 descriptors."""
NAMES = [HOST, "localhost"]
"""Hosts that a request may name."""
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
"""Of every answer."""


def listen(port: int) -> socket.socket:
    """Socket on this machine's own address; port 0 is any that is free.

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
            expected="a port that no other program uses",
            received=f"{port}: {error.strerror}",
            next_step="Choose another, or 0 for any that is free.",
        ) from error


def _secret() -> str:
    return secrets.token_urlsafe(16)


@dataclass(frozen=True)
class Addresses:
    """Paths of the page: a lasting token, and a ticket that leads there once.

    A browser is started with the ticket, since every user of the machine can read the arguments of a process.

    Args:
        token: first part of the page's path.
        ticket: path that redirects to the page, for the first request alone.
    """

    token: str = field(default_factory=_secret)
    ticket: str = field(default_factory=_secret)


def make_server(app: Starlette) -> uvicorn.Server:
    """Server of an application; its `run` takes the sockets of `listen`."""
    config = uvicorn.Config(
        app,
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


def make_app(live: LivePage | Index, addresses: Addresses) -> Starlette:
    """Application that serves a page at `/TOKEN/` and its version at `/TOKEN/state`.

    The pages of several studies are at `/TOKEN/0/`, `/TOKEN/1/` and so on.
    """

    def asked(request: Request) -> LivePage | Index | None:
        return live.part(request.path_params["number"]) if "number" in request.path_params else live

    def page(request: Request) -> Response:
        found = asked(request)
        return missing() if found is None else HTMLResponse(found.page_soon(), headers=HEADERS)

    def state(request: Request) -> Response:
        found = asked(request)
        return missing() if found is None else JSONResponse({"version": found.version}, headers=HEADERS)

    routes = [
        Route("/", page, methods=["GET"]),
        Route("/state", state, methods=["GET"]),
        Route("/{number:int}/", page, methods=["GET"]),
        Route("/{number:int}/state", state, methods=["GET"]),
    ]
    return private_app(routes, addresses)


def private_app(routes: Sequence[Route], addresses: Addresses) -> Starlette:
    """Application whose routes lie below `/TOKEN`, with headers and refusals as this file's first lines say.

    Args:
        routes: of the page, from its own `/` on. Their responses have `HEADERS`.
        addresses: the token, and the ticket that leads to the page once.
    """
    used = threading.Event()

    def enter(_: Request) -> Response:
        if used.is_set():
            return missing()
        used.set()
        return RedirectResponse(f"/{addresses.token}/", status_code=303, headers=HEADERS)

    def refused(_: Request, error: Exception) -> Response:
        return PlainTextResponse(f"Error: {error}", status_code=503, headers=HEADERS)

    app = Starlette(
        routes=[
            Mount(f"/{addresses.token}", Router(routes, redirect_slashes=False)),
            Route(f"/{addresses.ticket}", enter, methods=["GET"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=NAMES, www_redirect=False)],
        exception_handlers={DropstudyError: refused},
    )
    app.router.redirect_slashes = False
    return app


def missing() -> Response:
    """Answer to a request for what is not there."""
    return PlainTextResponse("Not Found", status_code=404, headers=HEADERS)
