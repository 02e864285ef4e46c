"""Files opened and unpacked within bounds, for all readers."""

from __future__ import annotations

import difflib
import gzip
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from dropstudy.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "StoredArray",
    "nearest",
    "open_file",
    "open_unpacked",
    "read_at_most",
    "reporting_damage",
    "unpack_limit",
]

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20
_DEFLATE_RATIO = 1032  # no deflate stream unpacks to more than this times its size: zlib.net/zlib_tech.html
_UNPACKED_CAP = 4 << 30  # 4 GiB: beyond any data that suits this package, below what stops a machine


@dataclass(frozen=True)
class StoredArray:
    """An array in a file.

    Args:
        shape: from its header.
        dtype: from its header.
        read: reads the values, or raises a DataError.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], NDArray[Any]]


def open_file(path: Path, kind: str) -> BinaryIO:
    """Open a file for reading; the caller closes it.

    Args:
        path: the file.
        kind: expected kind, for the error: `"an IDX file"`.

    Raises:
        DataError: there is no such file, it is a folder or a device, or it may not be read.
    """
    next_step = "Check the path and who may read it."
    try:
        if path.is_file():
            return path.open("rb")
        next_step = nearest(path)
        received = "something else, for instance a folder" if path.exists() else "no such file"
        if path.is_symlink() and not path.exists():
            received = f"a link to {path.readlink()}, where there is no such file"
    except OSError as error:
        received = f"a path that cannot be opened ({error.strerror or error})"
    raise DataError(str(path), expected=kind, received=received, next_step=next_step)


def nearest(path: Path) -> str:
    """Advice on a path that leads to no file: the name beside it that is most alike."""
    with suppress(OSError):
        beside = (each.name for each in path.parent.iterdir() if each != path)
        if alike := difflib.get_close_matches(path.name, beside, n=1):
            return f"Did you mean {str(path.with_name(alike[0]))!r}?"
    return "Check the path."


@contextmanager
def open_unpacked(path: Path, kind: str) -> Iterator[tuple[BinaryIO, int]]:
    """Open the unpacked content of a file, packed with gzip or not, with the most bytes that it can hold.

    Args:
        path: the file. Its first bytes say whether it is packed, not its name.
        kind: as of `open_file`.
    """
    with open_file(path, kind) as file:
        size = os.fstat(file.fileno()).st_size
        packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        file.seek(0)
        if not packed:
            yield file, size
            return
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield cast("BinaryIO", unpacked), unpack_limit(size)


@contextmanager
def reporting_damage(subject: str, kind: str) -> Iterator[None]:
    """Turn any exception that a library raises at a damaged file into an error that names the file.

    Numpy, zipfile, zlib and Pillow raise a dozen kinds of exception at damaged bytes. Wrap little more than their
    calls: a bug of ours must not be reported as a damaged file.

    Raises:
        DataError: in place of any exception but a DataError, which passes unchanged.
    """
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            subject,
            expected=kind,
            received=f"a damaged file or one of another kind ({reason})",
            next_step="Get or write the file again.",
        ) from error


def unpack_limit(packed: int) -> int:
    """Return the most bytes that `packed` deflated bytes may claim to unpack to."""
    return min(packed * _DEFLATE_RATIO, _UNPACKED_CAP)


def read_at_most(stream: BinaryIO, limit: int) -> bytearray:
    """Read up to `limit` bytes in pieces, so that memory grows with the content, not with what a header claims."""
    content = bytearray()
    while len(content) < limit:
        chunk = stream.read(min(_CHUNK, limit - len(content)))
        if not chunk:
            break
        content += chunk
    return content
