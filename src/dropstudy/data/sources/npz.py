"""NumPy's own files: `.npy`, one array, and `.npz`, a zip archive of them.

`numpy.load` would do, but for two things: it allocates what a header claims before it looks whether the
file holds it, and for a damaged file it raises whatever was at hand. Here sizes are compared first, only
plain numbers are read, nothing is ever unpickled, and every error names the file and the array.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import io
import os
import warnings
import zipfile
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

import numpy as np
from numpy.lib import format as npy_format

from dropstudy.data.dataset import NUMERIC_KINDS, damage_named, open_file, read_at_most, unpack_limit
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["npz_keys", "read_npy", "read_npz"]

T = TypeVar("T")
_MAX_RANK = 32
_LONGEST_HEADER = 10_000  # as NumPy has it
_ARRAY = "an array in NumPy's format"
_ARCHIVE = "an .npz file, a zip archive of arrays"
_WRITE_AGAIN = "The file is damaged or cut: get or write it again."


Header = tuple[tuple[int, ...], np.dtype[Any]]
"""Shape and type of an array, known before its values are read or unpacked."""


def read_npy(
    path: Path, accept: Callable[[tuple[int, ...], np.dtype[Any]], None] | None = None
) -> NDArray[Any]:
    """Read the array of an `.npy` file.

    Args:
        path: the file.
        accept: given shape and type, before any value is read; raises to refuse them.

    Returns:
        The array, native byte order, C order.

    Raises:
        DataError: the file is missing, damaged, shorter or longer than its header says, or holds anything
            but booleans, integers or floats.
    """
    with open_file(path, "an .npy file") as file:
        size = os.fstat(file.fileno()).st_size
        if accept is not None:
            accept(*_checked_header(file, size, str(path))[:2])
            file.seek(0)
        return _read_array(file, size, str(path))


def read_npz(
    path: Path, keys: Sequence[str], accept: Callable[[dict[str, Header]], None] | None = None
) -> dict[str, NDArray[Any]]:
    """Read the arrays of an `.npz` file that are stored under `keys`.

    Args:
        path: the file.
        keys: names of arrays.
        accept: given shape and type of each, before any value is unpacked; raises to refuse them.

    Raises:
        DataError: as `read_npy` for each array; a key is not there; the archive or a checksum is damaged.
    """
    with _opened(path) as (archive, members):
        missing = [key for key in keys if key not in members]
        if missing:
            raise DataError(
                str(path),
                expected=f"arrays named {_listed(keys)}",
                received=f"no {_listed(missing)}; the file holds {_listed(sorted(members)) or 'no array'}",
                next_step=f"Write it with numpy.savez(file, {', '.join(f'{key}=...' for key in keys)}).",
            )
        subjects = {key: f"{path}, array {key!r}" for key in keys}
        headers = {key: _member(archive, members[key], subjects[key], _checked_header)[:2] for key in keys}
        if accept is not None:
            accept(headers)
        return {key: _member(archive, members[key], subjects[key], _read_array) for key in keys}


def npz_keys(path: Path) -> tuple[str, ...]:
    """Return the names of the arrays in an `.npz` file, in the order of the file.

    Raises:
        DataError: the file is missing or not a zip archive.
    """
    with _opened(path) as (_, members):
        return tuple(members)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    """Open an archive and list its arrays by name, without the `.npy` that numpy adds to it."""
    with open_file(path, _ARCHIVE) as file:
        with damage_named(str(path), _ARCHIVE):
            archive = zipfile.ZipFile(file)
        members = {
            info.filename.removesuffix(".npy"): info
            for info in archive.infolist()
            if info.filename.endswith(".npy")
        }
        with archive:
            yield archive, members


def _member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, subject: str, read: Callable[[BinaryIO, int, str], T]
) -> T:
    """Read an entry of an archive with `read`."""
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        # Besides, zipfile unpacks the others without a bound.
        raise DataError(
            subject,
            expected="an array stored or deflated, as NumPy does it",
            received=f"zip compression method {info.compress_type}",
            next_step="Write it with numpy.savez or numpy.savez_compressed.",
        )
    deflated = info.compress_type == zipfile.ZIP_DEFLATED
    most = unpack_limit(info.compress_size) if deflated else info.compress_size
    if info.file_size > most:
        raise DataError(
            subject,
            expected=f"at most {most:,} bytes once unpacked",
            received=f"an entry that claims {info.file_size:,}",
            next_step="If that is right, write it unpacked, with numpy.savez.",
        )
    with damage_named(subject, _ARRAY), archive.open(info) as stream:
        return read(cast("BinaryIO", stream), info.file_size, subject)


def _checked_header(stream: BinaryIO, size: int, subject: str) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Shape, type and order of the array in a stream of `size` bytes, which has room for just such an array."""
    shape, fortran_order, dtype = _read_header(stream, subject)
    if dtype.kind not in NUMERIC_KINDS:
        pickled = dtype.hasobject
        raise DataError(
            subject,
            expected="an array of integers or floats",
            received=f"values of type {dtype}" + (", which are never unpickled" if pickled else ""),
            next_step="Store plain numbers, all examples of one shape.",
        )
    if len(shape) > _MAX_RANK or any(length < 0 for length in shape):
        raise DataError(
            subject,
            expected=f"at most {_MAX_RANK} dimensions, none of them negative",
            received=f"the shape {shape}",
            next_step=_WRITE_AGAIN,
        )
    if 0 in shape:
        raise DataError(
            subject,
            expected="at least one example, and one number in it",
            received=f"none: the shape {shape}",
            next_step="Check what was stored under this name.",
        )
    claimed, held = prod(shape) * dtype.itemsize, size - stream.tell()
    if claimed != held:
        raise DataError(
            subject,
            expected=f"{claimed:,} bytes of values, {dtype} of shape {shape}, as its header says",
            received=f"{held:,}",
            next_step=_WRITE_AGAIN,
        )
    return shape, dtype, fortran_order


def _read_array(stream: BinaryIO, size: int, subject: str) -> NDArray[Any]:
    """Read an array from a stream of `size` bytes, header included."""
    shape, dtype, fortran_order = _checked_header(stream, size, subject)
    claimed = prod(shape) * dtype.itemsize
    with damage_named(subject, _ARRAY):
        # One byte more than there should be makes zipfile see the end and compare its checksum.
        values = read_at_most(stream, claimed + 1)
    if len(values) != claimed:
        raise DataError(
            subject,
            expected=f"{claimed:,} bytes of values",
            received=f"{len(values):,}",
            next_step=_WRITE_AGAIN,
        )
    array = np.frombuffer(values, dtype).reshape(shape[::-1] if fortran_order else shape)
    ordered = array.T if fortran_order else array
    return np.asarray(ordered, dtype=dtype.newbyteorder("="), order="C")


def _read_header(stream: BinaryIO, subject: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    with damage_named(subject, _ARRAY), warnings.catch_warnings():
        # Files written by Python 2 are read all the same; the advice to write them again is none of ours.
        warnings.simplefilter("ignore", UserWarning)
        version = npy_format.read_magic(stream)
        if version == (1, 0):
            return npy_format.read_array_header_1_0(stream)
        if version not in {(2, 0), (3, 0)}:
            raise DataError(
                subject,
                expected="format version 1.0, 2.0 or 3.0",
                received=f"version {version[0]}.{version[1]}",
                next_step="Store it again with numpy.save.",
            )
        # Their headers differ from the first one's in length, of four bytes, and in what names of fields may hold.
        length = stream.read(4)
        if int.from_bytes(length, "little") > _LONGEST_HEADER:
            raise DataError(
                subject,
                expected=f"a header of at most {_LONGEST_HEADER:,} bytes, plenty for numbers",
                received=f"one of {int.from_bytes(length, 'little'):,}",
                next_step=_WRITE_AGAIN,
            )
        header = length + stream.read(int.from_bytes(length, "little"))
        return npy_format.read_array_header_2_0(io.BytesIO(header))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
