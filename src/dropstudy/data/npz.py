"""NumPy's own files: `.npy`, one array, and `.npz`, a zip archive of them.

`numpy.load` would do, but for two things: it allocates what a header claims before it looks whether the
file holds it, and for a damaged file it raises whatever was at hand. Here sizes are compared first, only
plain numbers are read, nothing is ever unpickled, and every error names the file and the array.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import os
import warnings
import zipfile
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.lib import format as npy_format

from dropstudy.data.checks import NUMERIC_KINDS, damage_named, open_file, read_at_most, unpack_limit
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["npz_keys", "read_npy", "read_npz"]

_MAX_RANK = 32
_ARRAY = "an array in NumPy's format"
_ARCHIVE = "an .npz file, a zip archive of arrays"
_WRITE_AGAIN = "The file is damaged or cut: get or write it again."


def read_npy(path: Path) -> NDArray[Any]:
    """Read the array of an `.npy` file.

    Returns:
        The array, native byte order, C order.

    Raises:
        DataError: the file is missing, damaged, shorter or longer than its header says, or holds anything
            but booleans, integers or floats.
    """
    with open_file(path, "an .npy file") as file:
        return _read_array(file, os.fstat(file.fileno()).st_size, str(path))


def read_npz(path: Path, keys: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Read the arrays of an `.npz` file that are stored under `keys`.

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
        return {key: _read_member(archive, members[key], f"{path}, array {key!r}") for key in keys}


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


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, subject: str) -> NDArray[Any]:
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
        return _read_array(cast("BinaryIO", stream), info.file_size, subject)


def _read_array(stream: BinaryIO, size: int, subject: str) -> NDArray[Any]:
    """Read an array from a stream of `size` bytes, header included."""
    shape, fortran_order, dtype = _read_header(stream, subject)
    if dtype.kind not in NUMERIC_KINDS:
        pickled = dtype.hasobject
        raise DataError(
            subject,
            expected="an array of integers or floats",
            received=f"values of type {dtype}" + (", which are never unpickled" if pickled else ""),
            next_step="Store plain numbers, all examples of one shape.",
        )
    if len(shape) > _MAX_RANK or any(length < 1 for length in shape):
        raise DataError(
            subject,
            expected=f"at most {_MAX_RANK} dimensions, each of at least 1",
            received=f"the shape {shape}",
            next_step=_WRITE_AGAIN,
        )
    claimed, held = prod(shape) * dtype.itemsize, size - stream.tell()
    if claimed != held:
        raise DataError(
            subject,
            expected=f"{claimed:,} bytes of values, {dtype} of shape {shape}, as its header says",
            received=f"{held:,}",
            next_step=_WRITE_AGAIN,
        )
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
        if version != (1, 0):
            # Numbers always fit version 1.0; later ones have longer headers, for records of many fields.
            raise DataError(
                subject,
                expected="format version 1.0, in which NumPy writes numbers",
                received=f"version {version[0]}.{version[1]}",
                next_step="Store plain numbers, all examples of one shape.",
            )
        return npy_format.read_array_header_1_0(stream)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
