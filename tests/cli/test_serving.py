"""The page of `view` and `teach` ends with a sentence, whenever Ctrl-C comes."""

import re
import subprocess
import sys

import pytest

SERVED = """
import asyncio, signal, sys, webbrowser
from dropstudy.cli.serving import serve
from dropstudy.report.server import Addresses, listen, make_server

moment = sys.argv[1]
signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background of a shell it is ignored

async def nothing(scope, receive, send): pass

def interrupt(*_):
    signal.raise_signal(signal.SIGINT)

def interrupted_loop():
    loop = asyncio.new_event_loop()
    if moment == "the event loop is made":
        interrupt()
    else:
        loop.call_later(0.2, interrupt)
    return loop

server = make_server(nothing)
server.config.get_loop_factory = lambda: interrupted_loop
webbrowser.open = interrupt if moment == "the browser opens" else lambda _: None
with listen(0) as channel:
    serve(server, channel, Addresses(), "All can use it.", no_browser=False)
"""


@pytest.mark.parametrize("moment", ["the browser opens", "the event loop is made", "it serves"])
def test_an_interrupt_ends_the_page_from_its_address_on(moment):
    done = subprocess.run([sys.executable, "-c", SERVED, moment], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert done.stderr == ""
    assert re.fullmatch(
        r"http://127\.0\.0\.1:\d+/[\w-]{20,}/\n"
        r"All can use it\. Ctrl-C ends it\.\n"
        r"\nStopped\. The page is no longer served\.\n",
        done.stdout,
    )
    assert done.returncode == 0
