"""A tiny dataset, and HTTP servers on this machine that serve its files well or badly."""

import gzip
import hashlib
import socket
import struct
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from dropstudy.data.catalogue import CATALOGUE, NamedFile


def idx_bytes(array):
    """An IDX file of unsigned bytes, built from the format's definition."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def tiny_contents(seed=0):
    """The unpacked files of a dataset by MNIST's names: 30 training and 10 test examples of 4 x 4 pixels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(30, dtype=np.uint8) % 10
    return {
        "train-images-idx3-ubyte": idx_bytes(rng.integers(0, 256, (30, 4, 4), dtype=np.uint8)),
        "train-labels-idx1-ubyte": idx_bytes(labels),
        "t10k-images-idx3-ubyte": idx_bytes(rng.integers(0, 256, (10, 4, 4), dtype=np.uint8)),
        "t10k-labels-idx1-ubyte": idx_bytes(labels[:10]),
    }


def tiny_files(contents):
    """Catalogue entries for such files."""
    arrays = ("x_train", "y_train", "x_test", "y_test")
    return tuple(
        NamedFile(array, name, hashlib.sha256(content).hexdigest(), len(content))
        for array, (name, content) in zip(arrays, contents.items(), strict=True)
    )


def put_in_catalogue(monkeypatch, name, contents, mirrors=()):
    """Replace a catalogue entry by a tiny dataset that only these mirrors serve."""
    entry = replace(CATALOGUE[name], files=tiny_files(contents), mirrors=tuple(mirrors))
    monkeypatch.setitem(CATALOGUE, name, entry)
    return entry


def write_files(folder, contents, *, packed=True):
    """Write the files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(content) if packed else content)


def closed_port():
    """Address of a port on which no server listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


class Mirror:
    """HTTP server: `answer(handler, name, server)` writes a response; `asked` lists the names of requested files."""

    def __init__(self, answer):
        self.asked = []
        self.released = threading.Event()
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self):
                self.send_response(200)
                self.end_headers()

            def do_GET(self):
                name = self.path.rsplit("/", 1)[-1]
                mirror.asked.append(name)
                answer(self, name, mirror)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def start(self):
        self._thread.start()

    def stop(self):
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def mirror(answer):
    """A mirror that runs within a `with` block."""
    server = Mirror(answer)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def send(handler, body, *, length=None):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


def serves(contents, *, level=9, seconds=0.0):
    """Serve the files, compressed at `level`, after `seconds`."""

    def answer(handler, name, server):
        server.released.wait(seconds)
        send(handler, gzip.compress(contents[name.removesuffix(".gz")], level))

    return answer


def says(status):
    """Answer every request with an HTTP status."""

    def answer(handler, *_):
        handler.send_error(status)

    return answer


def sends(body, *, length=None):
    """Answer every request with the same bytes and status 200."""

    def answer(handler, *_):
        send(handler, body, length=length)

    return answer


def stalls(handler, _name, server):
    """Announce a thousand bytes, send three, then stop."""
    send(handler, b"\x1f\x8b\x08", length=1000)
    handler.wfile.flush()
    server.released.wait(10)
