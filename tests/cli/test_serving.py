"""The page of `view` and `teach` ends with a sentence, whenever Ctrl-C comes."""

import asyncio
import re
import signal

import pytest

from dropstudy.cli.serving import serve
from dropstudy.report.server import Addresses, listen, make_server


async def _nothing(scope, receive, send):
    """An application that is never asked."""


@pytest.mark.parametrize("moment", ["the browser opens", "the event loop is made", "it serves"])
def test_an_interrupt_ends_the_page_from_its_address_on(moment, monkeypatch, capfd):
    server = make_server(_nothing)

    def interrupt(*_args):
        signal.raise_signal(signal.SIGINT)

    def interrupted_loop():
        loop = asyncio.new_event_loop()
        if moment == "the event loop is made":
            interrupt()
        else:
            loop.call_later(0.2, interrupt)
        return loop

    monkeypatch.setattr(server.config, "get_loop_factory", lambda: interrupted_loop)
    monkeypatch.setattr("webbrowser.open", interrupt if moment == "the browser opens" else print)
    with listen(0) as channel:
        serve(server, channel, Addresses(), "All can use it.", no_browser=moment == "it serves")
    said, complaints = capfd.readouterr()
    address, words, *_, blank, last = said.splitlines()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{20,}/", address)
    assert words == "All can use it. Ctrl-C ends it."
    assert (blank, last) == ("", "Stopped. The page is no longer served.")
    assert complaints == ""
