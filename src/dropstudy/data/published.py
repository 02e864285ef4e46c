"""Files of named datasets: found under the names that other sites give them, and compared with the published ones."""

from __future__ import annotations

import hashlib
import re
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from dropstudy.data.catalogue import CATALOGUE, CIFAR_RECORD
from dropstudy.data.formats.idx import idx_digest, open_idx
from dropstudy.data.formats.records import read_records
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from dropstudy.data.catalogue import Archive, NamedFile

__all__ = ["algorithm", "check_archive", "entries", "is_pinned", "named", "read_named", "stored_as"]

_REPLACE = "Replace it by the published file, or remove it and let dropstudy fetch that."


def algorithm(digest: str) -> str:
    """Name of the algorithm that gives digests of this length."""
    return "MD5" if len(digest) == 32 else "SHA-256"  # noqa: PLR2004 - hexadecimal digits of 128 bits


def named(digest: str) -> str:
    """A digest with the name of its algorithm, for users."""
    return f"{algorithm(digest)} {digest}"


def entries(folder: Path) -> list[Path]:
    """List a folder's content, sorted; nothing where it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:  # not there, no folder, or closed
        return []


def stored_as(file: NamedFile, folder: Path) -> list[Path]:
    """List the paths of a file in a folder, unpacked or packed, its published name first; dead links count.

    Names vary: `train-images.idx3-ubyte`, capital letters, `.IDX` at the end.
    """
    stem, _, kind = file.name.partition("-idx")
    of_type = rf"([-._]idx\d?)?([-._]{kind.partition('-')[2]})?([-._]idx)?" if kind else ""
    form = re.compile(rf"{re.escape(stem)}{of_type}(\.gz)?", re.IGNORECASE)
    found = [
        path
        for path in entries(folder)
        if form.fullmatch(path.name) and (path.is_file() or (path.is_symlink() and not path.exists()))
    ]
    return sorted(found, key=lambda path: (path.name != file.name, path.name != f"{file.name}.gz", path.name))


def read_named(file: NamedFile, path: Path, *, pinned: bool = False) -> NDArray[Any]:
    """Read a file of a named dataset, packed or not, and check that it is that file.

    Where no digest of the content is published, a file of the right size and shape is taken.

    Args:
        file: the file.
        path: where it is.
        pinned: refuse what differs from the file as it was published and packed, where only a digest of that is known.

    Raises:
        DataError: it is damaged, or another file.
    """
    if file.name.endswith(".bin"):
        array = read_records(path, file.size // CIFAR_RECORD, CIFAR_RECORD)
        found = hashlib.new(_library_name(file.digest), array.data, usedforsecurity=False).hexdigest()
    else:
        array = _read_idx(file, path)
        found = idx_digest(array, _library_name(file.digest))
    if found != file.digest and (file.digest or _known_as(found)):
        raise DataError(
            str(path),
            expected=f"content with {named(file.digest)} once unpacked" if file.digest else file.name,
            received=f"content with {named(found)}{_known_as(found)}",
            next_step=_REPLACE,
        )
    if pinned and file.packed and not is_pinned(file, path):
        raise DataError(
            str(path),
            expected=f"the published file, packed, with {named(file.packed)}",
            received=f"a file with {named(_file_digest(path, file.packed))}",
            next_step=_REPLACE,
        )
    return array


def is_pinned(file: NamedFile, path: Path) -> bool:
    """True where a published digest says that a file which was read is the published one."""
    return bool(file.digest) or (bool(file.packed) and _file_digest(path, file.packed) == file.packed)


def check_archive(archive: Archive, path: Path) -> None:
    """Compare an archive with the published one.

    Raises:
        DataError: it differs.
    """
    found = _file_digest(path, archive.digest)
    if found != archive.digest:
        raise DataError(
            str(path),
            expected=f"{archive.name} with {named(archive.digest)}",
            received=f"a file with {named(found)}",
            next_step=_REPLACE,
        )


def _read_idx(file: NamedFile, path: Path) -> NDArray[Any]:
    stored = open_idx(path, np.dtype(np.int32 if file.name.endswith("-int") else np.uint8))
    size = 4 + 4 * len(stored.shape) + prod(stored.shape) * stored.dtype.itemsize
    if size != file.size:
        raise DataError(
            str(path),
            expected=f"{file.name}, of {file.size:,} bytes once unpacked",
            received=f"a file of {size:,}, as its header says",
            next_step=_REPLACE,
        )
    return stored.read()


def _library_name(digest: str) -> str:
    return algorithm(digest).replace("-", "").lower()


def _file_digest(path: Path, like: str) -> str:
    with path.open("rb") as file:
        start = partial(hashlib.new, _library_name(like), usedforsecurity=False)
        return hashlib.file_digest(file, start).hexdigest()


def _known_as(digest: str) -> str:
    """Name the file and dataset with this digest, if any: named datasets share their file names."""
    owners = (
        f", which is {file.name} of {dataset.name}"
        for dataset in CATALOGUE.values()
        for file in dataset.files
        if file.digest == digest
    )
    return next(owners, "")
