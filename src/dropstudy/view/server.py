"""What the server answers: the page and how far the study is, to this machine alone. Nothing else, and no writing.

No file is served by its path, so none can be climbed to. A request that names another host is refused: else a page from
elsewhere could have its own name point at this machine and read the study ("DNS rebinding").
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.routing import Route

from dropstudy.errors import DropstudyError, InvalidArgument

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from dropstudy.view.live import LivePage

HOST = "127.0.0.1"
PORTS = 2**16
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


def server_of(live: LivePage) -> uvicorn.Server:
    """A server that answers for one study; its `run` takes the sockets of `listen`."""
    config = uvicorn.Config(
        app_of(live), log_level="warning", access_log=False, server_header=False, lifespan="off"
    )
    return uvicorn.Server(config)


def app_of(live: LivePage) -> Starlette:
    """What is answered: `/` with the page, which says how far the study is, `/state` with its version."""

    def page(_: Request) -> Response:
        return HTMLResponse(live.page(), headers=_HEADERS)

    def state(_: Request) -> Response:
        return JSONResponse({"version": live.version}, headers=_HEADERS)

    def refused(_: Request, error: Exception) -> Response:
        return PlainTextResponse(f"Error: {error}", status_code=503, headers=_HEADERS)

    return Starlette(
        routes=[Route("/", page, methods=["GET"]), Route("/state", state, methods=["GET"])],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=NAMES, www_redirect=False)],
        exception_handlers={DropstudyError: refused},
    )
