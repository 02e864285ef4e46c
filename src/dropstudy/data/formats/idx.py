"""IDX, the format of MNIST and its relatives: a short big-endian header, then the values in C order.

    byte 0-1   zero
    byte 2     type of the values; 0x08, unsigned byte, and 0x0C, integer of 4 bytes, are read here
    byte 3     rank r
    then       r sizes, four bytes each
    then       the values

Format: Y. LeCun, C. Cortes, C. Burges, The MNIST database, http://yann.lecun.com/exdb/mnist.
Files are packed with gzip or not: their first bytes decide, not their names.
"""

from __future__ import annotations

import hashlib
import struct
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from dropstudy.data.formats.files import StoredArray, open_unpacked, read_at_most, reporting_damage
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["idx_digest", "open_idx"]

_KIND = "an IDX file"
_TYPES = {
    0x08: "unsigned bytes",
    0x09: "int8",
    0x0B: "int16",
    0x0C: "int32",
    0x0D: "float32",
    0x0E: "float64",
}
_UBYTE = np.dtype(np.uint8)
_MAX_RANK = 4
_GET_AGAIN = "The file is damaged or cut: get it again."


def open_idx(path: Path, dtype: np.dtype[Any] = _UBYTE) -> StoredArray:
    """Open an IDX file, packed with gzip or not, of rank 1 to 4.

    Args:
        path: the file.
        dtype: type of its values, uint8 or int32.

    Raises:
        DataError: here or by `read`: the file is missing, not IDX, of another type, shorter or longer than its header
            says.
    """
    with open_unpacked(path, _KIND) as (stream, most):
        shape = _read_header(stream, most, str(path), dtype)
    return StoredArray(shape, dtype, partial(_read_values, path, dtype))


def idx_digest(array: NDArray[Any], algorithm: str = "sha256") -> str:
    """Return the digest of the unpacked IDX file that holds this array of uint8 or int32, in hexadecimal.

    Mirrors pack the same content differently; this digest is the same for all of them.
    """
    digest = hashlib.new(algorithm, bytes((0, 0, _code(array.dtype), array.ndim)), usedforsecurity=False)
    digest.update(struct.pack(f">{array.ndim}I", *array.shape))
    digest.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder(">")).data)
    return digest.hexdigest()


def _code(dtype: np.dtype[Any]) -> int:
    return 0x08 if dtype == _UBYTE else 0x0C


def _read_values(path: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    with open_unpacked(path, _KIND) as (stream, most):
        shape = _read_header(stream, most, str(path), dtype)
        size = prod(shape) * dtype.itemsize
        with reporting_damage(str(path), _KIND):
            # One byte more than the header claims shows whether the file ends there, and bounds a gzip bomb.
            # It also makes gzip compare its checksum, at the end of the file.
            values = read_at_most(stream, size + 1)
    if len(values) != size:
        raise DataError(
            str(path),
            expected=_claim(shape, dtype),
            received="more" if len(values) > size else f"{len(values):,}",
            next_step=_GET_AGAIN,
        )
    stored = np.frombuffer(values, dtype=dtype.newbyteorder(">")).reshape(shape)
    return stored.astype(dtype, copy=False)


def _claim(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    size = prod(shape) * dtype.itemsize
    return f"{size:,} bytes of values, {' x '.join(map(str, shape))}, as its header says"


def _read_header(stream: BinaryIO, most: int, name: str, dtype: np.dtype[Any]) -> tuple[int, ...]:
    """Read the shape. `most` bytes are what the stream can hold: a larger claim is refused unread."""
    with reporting_damage(name, _KIND):
        magic = bytes(read_at_most(stream, 4))
        sizes = read_at_most(stream, 4 * magic[3]) if len(magic) == 4 else b""  # noqa: PLR2004 - rank is the last byte
    if len(magic) < 4 or magic[:2] != b"\0\0":  # noqa: PLR2004 - as above
        raise DataError(
            name,
            expected=f"{_KIND}, which starts with two zero bytes, a type and a rank",
            received=f"one that starts with {magic!r}" if magic else "nothing",
            next_step="A download that failed often leaves a web page in place of the file: get it again.",
        )
    kind, rank = magic[2:]
    wanted = _code(dtype)
    if kind != wanted:
        raise DataError(
            name,
            expected=f"values of type 0x{wanted:02X}, {_TYPES[wanted]}",
            received=f"type 0x{kind:02X}, {_TYPES.get(kind, 'which IDX does not have')}",
            next_step="Store features of other types in an .npz file.",
        )
    if not 1 <= rank <= _MAX_RANK:
        raise DataError(
            name, expected=f"an array of rank 1 to {_MAX_RANK}", received=f"rank {rank}", next_step=_GET_AGAIN
        )
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
    room = most - 4 - len(sizes)
    if prod(shape) * dtype.itemsize > room:
        raise DataError(
            name, expected=_claim(shape, dtype), received=f"at most {room:,}", next_step=_GET_AGAIN
        )
    return shape
