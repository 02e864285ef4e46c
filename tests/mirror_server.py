"""A tiny dataset, and HTTP servers on this machine that serve its files well or badly."""

import gzip
import hashlib
import io
import socket
import struct
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from dropstudy.data.catalogue import CATALOGUE, Archive, NamedFile

CATALOGUE_AS_IT_IS = dict(CATALOGUE)


def idx_bytes(array):
    """An IDX file of unsigned bytes or integers of four bytes, built from the format's definition."""
    kind, order = (8, "u1") if array.dtype == np.uint8 else (12, ">i4")
    return (
        struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape) + array.astype(order).tobytes()
    )


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


def tiny_examples(name, seed=0):
    """Images as people see them and labels from 0, of training and test: 5 and 2 examples of each class."""
    entry, rng = CATALOGUE_AS_IT_IS[name], np.random.default_rng(seed)
    shape = (32, 32, 3) if name == "cifar10" else (4, 5)
    every = np.arange(len(entry.classes), dtype=np.uint8)
    train, test = np.tile(every, 5), np.tile(every, 2)
    return (
        rng.integers(0, 256, (len(train), *shape), dtype=np.uint8),
        train,
        rng.integers(0, 256, (len(test), *shape), dtype=np.uint8),
        test,
    )


def published(name, examples):
    """The unpacked files of a named dataset that hold these examples, in the form in which its authors publish them."""
    x_train, y_train, x_test, y_test = examples
    names = [file.name for file in CATALOGUE_AS_IT_IS[name].files]
    if name == "cifar10":
        planes = [x.transpose(0, 3, 1, 2).reshape(len(x), -1) for x in (x_train, x_test)]
        train, test = (np.column_stack(pair) for pair in zip((y_train, y_test), planes, strict=True))
        return {file: part.tobytes() for file, part in zip(names, [*np.split(train, 5), test], strict=True)}
    if name.startswith("emnist/"):
        x_train, x_test = x_train.transpose(0, 2, 1), x_test.transpose(0, 2, 1)
    if name == "emnist/letters":
        y_train, y_test = y_train + 1, y_test + 1
    if name == "qmnist":
        rest = np.full((1, 7), -70_000, np.int32)
        y_train, y_test = (
            np.hstack([y[:, None].astype(np.int32), rest.repeat(len(y), axis=0)]) for y in (y_train, y_test)
        )
    arrays = (x_train, y_train, x_test, y_test)
    return {file: idx_bytes(array) for file, array in zip(names, arrays, strict=True)}


def tiny_entry(monkeypatch, name, contents=None, mirrors=(), **changed):
    """Replace a catalogue entry by one of tiny files, whose digests are of the same kind as those of the real ones."""
    entry, contents = CATALOGUE_AS_IT_IS[name], contents or published(name, tiny_examples(name))
    files = tuple(
        NamedFile(
            file.name,
            len(contents[file.name]),
            digest=file.digest and _digest(contents[file.name], file.digest),
            packed=file.packed and _digest(gzip.compress(contents[file.name], mtime=0), file.packed),
        )
        for file in entry.files
    )
    tiny = replace(entry, files=files, mirrors=tuple(mirrors), **changed)
    monkeypatch.setitem(CATALOGUE, name, tiny)
    return tiny


def _digest(content, like):
    return (hashlib.md5 if len(like) == 32 else hashlib.sha256)(content).hexdigest()


def archive_of(name, contents):
    """The archive that its authors publish, with these unpacked files in it, and its entry in the catalogue."""
    published_as, buffer = CATALOGUE_AS_IT_IS[name].archive.name, io.BytesIO()
    if published_as.endswith(".zip"):
        with zipfile.ZipFile(buffer, "w") as packed:
            packed.writestr("gzip/", "")
            packed.writestr("gzip/emnist-letters-mapping.txt", "1 65 97")
            for file, content in contents.items():
                packed.writestr(f"gzip/{file}.gz", gzip.compress(content))
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
            folder = tarfile.TarInfo("cifar-10-batches-bin")
            folder.type = tarfile.DIRTYPE
            packed.addfile(folder)
            for file, content in {"readme.html": b"x", **contents}.items():
                info = tarfile.TarInfo(f"cifar-10-batches-bin/{file}")
                info.size = len(content)
                packed.addfile(info, io.BytesIO(content))
    content = buffer.getvalue()
    return content, Archive(published_as, len(content), hashlib.sha256(content).hexdigest())


def tiny_files(contents):
    """Catalogue entries for such files."""
    return tuple(
        NamedFile(name, len(content), hashlib.sha256(content).hexdigest())
        for name, content in contents.items()
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
        path.write_bytes(gzip.compress(content, mtime=0) if packed else content)


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
    """Serve the files, compressed at `level` as their authors do, after `seconds`."""

    def answer(handler, name, server):
        server.released.wait(seconds)
        send(handler, gzip.compress(contents[name.removesuffix(".gz")], level, mtime=0))

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
