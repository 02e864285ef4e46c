"""Serve a page to browsers of this machine until Ctrl-C: what `view` and `teach` share."""

from __future__ import annotations

import webbrowser
from typing import TYPE_CHECKING, Annotated

import typer

from dropstudy.cli.options import whole_option
from dropstudy.cli.output import echo

if TYPE_CHECKING:
    import socket

    import uvicorn

    from dropstudy.report.server import Addresses

Port = Annotated[int, whole_option("Port to listen on; 0 for any free port.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Only print the address.")]


def serve(
    server: uvicorn.Server, channel: socket.socket, addresses: Addresses, words: str, *, no_browser: bool
) -> None:
    """Print the address of a page, open it in the browser and serve it until Ctrl-C.

    Args:
        server: of the page.
        channel: socket that it listens on.
        addresses: of the page.
        words: who can use the page, a sentence.
        no_browser: print the address alone.
    """
    host, port = channel.getsockname()
    try:
        # From the address on, Ctrl-C goes to the server: it may come before its event loop is made.
        with server.capture_signals():
            echo(f"http://{host}:{port}/{addresses.token}/")
            echo(f"{words} Ctrl-C ends it.")
            if not no_browser:
                webbrowser.open(f"http://{host}:{port}/{addresses.ticket}")
            server.run(sockets=[channel])
    except KeyboardInterrupt:
        echo("\nStopped. The page is no longer served.")
