"""NumPy's own files: `.npy`, one array, and `.npz`, a zip archive of them.

`numpy.load` allocates what a header claims, whatever the file holds, and raises many kinds of exception at a damaged
file. Here sizes are compared first, only plain numbers and text are read, nothing is unpickled, and every error
names the file and the array.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import io
import os
import warnings
import zipfile
from contextlib import contextmanager
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

import numpy as np
from numpy.lib import format as npy_format

from dropstudy.data.formats.files import StoredArray, open_file, read_at_most, reporting_damage, unpack_limit
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["NUMERIC_KINDS", "npz_names", "open_npy", "open_npz"]

T = TypeVar("T")
NUMERIC_KINDS = "buif"
"""NumPy's letters for boolean, unsigned, signed and floating."""

_TEXT_KINDS = "US"
_LAST_CODE_POINT = 0x10FFFF
_MAX_RANK = 32
_LONGEST_HEADER = 10_000  # as NumPy has it
_ARRAY = "an array in NumPy's format"
_ARCHIVE = "an .npz file, a zip archive of arrays"
_WRITE_AGAIN = "The file is damaged or cut: get or write it again."


def open_npy(path: Path) -> StoredArray:
    """Open an `.npy` file. Its values are read in native byte order and C order.

    Raises:
        DataError: here or by `read`: the file is missing, damaged, shorter or longer than its header says, or holds
            anything but booleans, integers, floats or text.
    """

    def read(decode: Callable[[BinaryIO, int, str], T]) -> T:
        with open_file(path, "an .npy file") as file:
            return decode(file, os.fstat(file.fileno()).st_size, str(path))

    shape, dtype, _ = read(_read_header)
    return StoredArray(shape, dtype, partial(read, _read_array))


def open_npz(path: Path, names: Sequence[str]) -> dict[str, StoredArray]:
    """Open the arrays of an `.npz` file that are stored under `names`.

    Raises:
        DataError: as `open_npy` for each array; a name is not there; the archive or a checksum is damaged.
    """
    with _opened(path) as (_, members):
        missing = [name for name in names if name not in members]
    if missing:
        raise DataError(
            str(path),
            expected=f"arrays named {', '.join(names)}",
            received=f"no {', '.join(missing)}; the file holds {', '.join(sorted(members)) or 'no array'}",
            next_step=f"Write it with numpy.savez(file, {', '.join(f'{name}=...' for name in names)}).",
        )

    def open_member(name: str) -> StoredArray:
        def read(decode: Callable[[BinaryIO, int, str], T]) -> T:
            with _opened(path) as (archive, members):
                return _read_member(archive, members[name], f"{path}, array {name!r}", decode)

        shape, dtype, _ = read(_read_header)
        return StoredArray(shape, dtype, partial(read, _read_array))

    return {name: open_member(name) for name in names}


def npz_names(path: Path) -> tuple[str, ...]:
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
        with reporting_damage(str(path), _ARCHIVE):
            archive = zipfile.ZipFile(file)
        members = {
            info.filename.removesuffix(".npy"): info
            for info in archive.infolist()
            if info.filename.endswith(".npy")
        }
        with archive:
            yield archive, members


def _read_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, subject: str, decode: Callable[[BinaryIO, int, str], T]
) -> T:
    """Read an entry of an archive, refusing one that claims too much."""
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        # zipfile unpacks other methods without a bound.
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
    with reporting_damage(subject, _ARRAY), archive.open(info) as stream:
        return decode(cast("BinaryIO", stream), info.file_size, subject)


def _read_header(stream: BinaryIO, size: int, subject: str) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Read shape, type and order of the array that fills a stream of `size` bytes."""
    shape, fortran_order, dtype = _parse_header(stream, subject)
    if dtype.kind not in NUMERIC_KINDS + _TEXT_KINDS or not dtype.itemsize:
        pickled = dtype.hasobject
        raise DataError(
            subject,
            expected="an array of integers or floats, or labels as text",
            received=f"values of type {dtype}" + (", which are never unpickled" if pickled else ""),
            next_step="Store plain numbers, all examples of one shape, and labels of text with .astype(str).",
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
    shape, dtype, fortran_order = _read_header(stream, size, subject)
    claimed = prod(shape) * dtype.itemsize
    with reporting_damage(subject, _ARRAY):
        # One byte more than expected makes zipfile reach the end and compare its checksum.
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
    native = np.asarray(ordered, dtype=dtype.newbyteorder("="), order="C")
    if dtype.kind == "U" and native.reshape(-1).view(np.uint32).max() > _LAST_CODE_POINT:
        raise DataError(
            subject,
            expected="text in Unicode",
            received=f"a character beyond U+{_LAST_CODE_POINT:X}",
            next_step=_WRITE_AGAIN,
        )
    return native


def _parse_header(stream: BinaryIO, subject: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    with reporting_damage(subject, _ARRAY), warnings.catch_warnings():
        # NumPy reads files of Python 2 and warns of them; our users cannot change who wrote the file.
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
