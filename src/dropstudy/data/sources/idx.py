"""IDX, the format of MNIST and its relatives: a short big-endian header, then the values in C order.

    byte 0-1   zero
    byte 2     type of the values; 0x08, unsigned byte, is the one read here
    byte 3     rank r
    then       r sizes, four bytes each
    then       the values

Format: Y. LeCun, C. Cortes, C. Burges, The MNIST database, http://yann.lecun.com/exdb/mnist.
Files come packed with gzip or not; their first bytes tell, names do not.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import struct
from math import prod
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

from dropstudy.data.dataset import damage_named, open_file, read_at_most, unpack_limit
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    _Accept = Callable[[tuple[int, ...]], None] | None

__all__ = ["idx_sha256", "read_idx", "read_idx_bytes", "unpacked_sha256"]

_KIND = "an IDX file"
_GZIP_MAGIC = b"\x1f\x8b"
_UBYTE = 0x08
_OTHER_TYPES = {0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
_MAX_RANK = 4
_LONGEST_HEADER = 4 + 4 * _MAX_RANK
_GET_AGAIN = "The file is damaged or cut: get it again."


def read_idx(path: Path, accept: _Accept = None) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, packed with gzip or not.

    Args:
        path: the file.
        accept: given the shape in its header, before the values are read or unpacked; raises to refuse it.

    Returns:
        An array of the shape in the file's header, rank 1 to 4.

    Raises:
        DataError: the file is missing, not IDX, of another type, shorter or longer than its header says.
    """
    with open_file(path, _KIND) as file:
        return _read(file, os.fstat(file.fileno()).st_size, str(path), accept)


def read_idx_bytes(raw: bytes, name: str) -> NDArray[np.uint8]:
    """Read the content of an IDX file, packed or not, as `read_idx` does; errors call it `name`."""
    return _read(io.BytesIO(raw), len(raw), name, None)


def unpacked_sha256(path: Path) -> str:
    """Return the SHA-256 of an IDX file's unpacked content, in hexadecimal.

    Mirrors pack the same content differently; this digest is equal for all of them.

    Raises:
        DataError: as `read_idx`. What is not a whole IDX file is refused, not digested.
    """
    return idx_sha256(read_idx(path))


def idx_sha256(array: NDArray[np.uint8]) -> str:
    """Return the SHA-256 of the unpacked IDX file that holds this array.

    An array has one IDX form, so who has just read a file need not unpack it again to check its digest.
    """
    digest = hashlib.sha256(bytes((0, 0, _UBYTE, array.ndim)))
    digest.update(struct.pack(f">{array.ndim}I", *array.shape))
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _read(file: BinaryIO, file_size: int, name: str, accept: _Accept) -> NDArray[np.uint8]:
    packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    file.seek(0)
    if not packed:
        return _parse(file, file_size, name, accept)
    with gzip.GzipFile(fileobj=file) as unpacked:
        return _parse(cast("BinaryIO", unpacked), unpack_limit(file_size), name, accept)


def _parse(stream: BinaryIO, most: int, name: str, accept: _Accept) -> NDArray[np.uint8]:
    """Read header and values. `most` bytes are what the stream can hold: a larger claim is refused unread."""
    with damage_named(name, _KIND):
        content = read_at_most(stream, _LONGEST_HEADER)
    shape = _shape(bytes(content), name)
    start, size = 4 + 4 * len(shape), prod(shape)
    claim = f"{size:,} bytes of values, {' x '.join(map(str, shape))}, as its header says"
    if size > most - start:
        raise DataError(name, expected=claim, received=f"at most {most - start:,}", next_step=_GET_AGAIN)
    if accept is not None:
        accept(shape)
    with damage_named(name, _KIND):
        # One byte more than the header allows shows whether the file ends there, and bounds a gzip bomb.
        # Asking for it also makes gzip compare its checksum, which stands at the end.
        content += read_at_most(stream, start + size + 1 - len(content))
    held = len(content) - start
    if held != size:
        received = "more" if held > size else f"{held:,}"
        raise DataError(name, expected=claim, received=received, next_step=_GET_AGAIN)
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def _shape(start: bytes, name: str) -> tuple[int, ...]:
    """Read the header from the first bytes of a file."""
    magic = start[:4]
    if len(magic) < 4 or magic[:2] != b"\0\0":  # noqa: PLR2004 - the four bytes just cut
        raise DataError(
            name,
            expected=f"{_KIND}, which starts with two zero bytes, a type and a rank",
            received=f"one that starts with {magic!r}" if magic else "nothing",
            next_step="A download that failed often leaves a web page in place of the file: get it again.",
        )
    kind, rank = magic[2:]
    if kind != _UBYTE:
        raise DataError(
            name,
            expected="values of type 0x08, unsigned bytes",
            received=f"type 0x{kind:02X}, {_OTHER_TYPES.get(kind, 'which IDX does not have')}",
            next_step="Store features of other types in an .npz file.",
        )
    if not 1 <= rank <= _MAX_RANK:
        raise DataError(
            name, expected=f"an array of rank 1 to {_MAX_RANK}", received=f"rank {rank}", next_step=_GET_AGAIN
        )
    sizes = start[4 : 4 + 4 * rank]
    if len(sizes) < 4 * rank:
        raise DataError(
            name,
            expected=f"a header with {rank} sizes",
            received=f"a file that ends after {4 + len(sizes)} bytes",
            next_step=_GET_AGAIN,
        )
    shape: tuple[int, ...] = struct.unpack(f">{rank}I", sizes)
    if 0 in shape:
        raise DataError(
            name, expected="sizes of at least 1", received=f"the shape {shape}", next_step=_GET_AGAIN
        )
    return shape
