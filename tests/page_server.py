"""Real servers of pages, for tests that ask them over sockets."""

import threading
from contextlib import contextmanager

from dropstudy.report.server import Addresses, listen, make_server

TOKEN, TICKET = "the-token", "the-ticket"
ADDRESSES = Addresses(TOKEN, TICKET)
PAGE = f"/{TOKEN}/"


@contextmanager
def served(app):
    """The port of an application's server, which ends with the block."""
    channel = listen(0)
    server = make_server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [channel]})
    thread.start()
    try:
        yield channel.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(timeout=120)
        channel.close()
        assert not thread.is_alive()
