"""The cache on disk: downloads, and datasets as arrays that all worker processes map.

    <cache>/downloads/<name>/          files of named datasets, as mirrors pack them
    <cache>/arrays/<sha256>/*.npy      the arrays of a dataset, known by its content, and two made of them
    <cache>/kernels, programs, scripts code: compiled libraries, compiled programs, the script of pages

Nothing in it is precious. Data that are read from it are compared with what they should be, and made again where
they differ. Code is taken only from folders and files that nobody but this user can have written.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from filelock import FileLock, Timeout
from platformdirs import user_cache_dir

from dropstudy.core.atomic import at_home, write_files
from dropstudy.core.types import ArrayFiles
from dropstudy.data.dataset import damage_named
from dropstudy.data.private import make_private, who_else, who_else_inside
from dropstudy.errors import DataError, StoreError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dropstudy.core.types import Dataset

__all__ = [
    "Arrays",
    "arrays_on_disk",
    "cache_folder",
    "cache_folders",
    "code_folder",
    "distrust",
    "download_folders",
    "is_intact",
    "keep",
    "map_arrays",
]

_PATIENCE = 120.0  # seconds in which another process should have written its arrays
_VECTOR = 16  # float32 in a vector register of 64 bytes, a cache line


class Arrays(NamedTuple):
    """The arrays of a dataset, of the types and shapes that `Dataset` says, and its training examples once more.

    Args:
        x_train: training examples.
        y_train: their labels.
        x_test: test examples.
        y_test: their labels.
        used: features that are trained, (u,), int32, rising: those that are not 0 in all training examples, and some
            that are, to fill a vector; 720 of MNIST's 784.
        x_used: training examples flat, those features alone, (n, u); (0, u) where that is all of them.
    """

    x_train: NDArray[Any]
    y_train: NDArray[np.int64]
    x_test: NDArray[Any]
    y_test: NDArray[np.int64]
    used: NDArray[np.int32]
    x_used: NDArray[Any]


def cache_folder() -> Path:
    """The folder to write to: `$DROPSTUDY_CACHE`, else the user's cache folder for dropstudy.

    Where that cannot be written (a read-only container, a full quota), or others can write to it, a temporary folder
    that goes when this process ends. Nothing is lost but time: the next process fetches or writes again.
    """
    wished = _wished_folder()
    return wished if _writable(wished) and not who_else(wished) else _temporary_folder()


def cache_folders() -> tuple[Path, ...]:
    """The folders to read from, best first. A read-only cache can still hold good files."""
    return tuple(dict.fromkeys((_wished_folder(), cache_folder())))


def code_folder(name: str) -> Path | None:
    """A folder of the cache for code, made if need be, in which nobody but this user can have written anything.

    Where others can, one in the temporary folder of this process takes its place; None where they can there, too.
    """
    for parent in (cache_folder, _temporary_folder):
        with suppress(OSError):
            folder = parent() / name
            make_private(folder)
            if not who_else_inside(folder):
                return folder
    return None


def distrust(*names: str) -> str:
    """Say why the cache folder, or a folder for code in it, is not used; empty where they are.

    Args:
        names: of folders for code, as `code_folder` takes them.
    """
    wished = _wished_folder()
    found = ""
    with suppress(OSError):
        found = who_else(wished)
    for name in names:
        with suppress(OSError):
            found = found or who_else_inside(wished / name)
    if not found:
        return ""
    return (
        f"The cache is not used: {found}, and code is run from it. A temporary folder takes its place. Remove "
        "what is not yours, have only yourself write there (chmod 700), or name another folder with DROPSTUDY_CACHE."
    )


def keep(path: Path, content: bytes) -> None:
    """Write a file of code, and beside it, in another file, its digest.

    Raises:
        OSError: no room, or no right to write.
    """
    try:
        write_files({path: content, _digest_file(path): hashlib.sha256(content).hexdigest().encode()})
    except StoreError as error:
        raise OSError(str(error)) from error


def is_intact(path: Path) -> bool:
    """Whether a file of code is there and has the content that `keep` was given."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest().encode() == _digest_file(path).read_bytes()
    except OSError:
        return False


def _digest_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def download_folders(name: str) -> list[Path]:
    """Folders of a named dataset in the cache, best first; the last one can be written."""
    return [folder / "downloads" / name for folder in cache_folders()]


def arrays_on_disk(dataset: Dataset) -> ArrayFiles:
    """Write a dataset's arrays into the cache, unless they are there, for `map_arrays` in other processes.

    What is there is compared with the dataset, number by number, so that a damaged file is written again.
    Several processes may call this at once.

    Raises:
        DataError: no room, no right to write, or another process that never comes to an end with its own writing.
    """
    wanted = _arrays(dataset)
    for folder in cache_folders():
        if _holds(stored := folder / "arrays" / dataset.sha256, wanted) and not who_else(stored):
            return ArrayFiles(stored, dataset.scale, dataset.sha256)
    arrays = cache_folder() / "arrays"
    target = arrays / dataset.sha256
    try:
        make_private(arrays)
        with FileLock(arrays / ".lock", timeout=_PATIENCE):
            if not _holds(target, wanted):  # another process may have written it while this one waited
                _write(target, wanted)
    except Timeout as error:
        raise DataError(
            str(arrays / ".lock"),
            expected="a lock that whoever writes arrays holds for some seconds",
            received=f"one that another process has held for {_PATIENCE:.0f} s",
            next_step="See whether that process was stopped half way, let it go on or end it, and try again.",
        ) from error
    except OSError as error:
        size = sum(array.nbytes for array in wanted)
        raise DataError(
            str(target),
            expected=f"room for {size:,} bytes and the right to write",
            received=error.strerror or str(error),
            next_step="Make room, or name another folder with DROPSTUDY_CACHE.",
        ) from error
    return ArrayFiles(target, dataset.scale, dataset.sha256)


def map_arrays(files: ArrayFiles) -> Arrays:
    """Map a dataset's arrays read-only: no copy is made, and processes share the memory.

    Raises:
        DataError: a file is missing or damaged.
    """
    return _map(files.folder)


def _wished_folder() -> Path:
    named = os.environ.get("DROPSTUDY_CACHE")
    try:
        folder = at_home(named or user_cache_dir("dropstudy"))
    except RuntimeError:  # a user without a home
        return _temporary_folder()
    return folder.resolve()  # from here on no link leads elsewhere


def _writable(folder: Path) -> bool:
    """Try it: permission bits say nothing about read-only file systems, nor about the superuser."""
    try:
        make_private(folder)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@cache
def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="dropstudy-"))  # a new one: whoever can guess a name could fill it
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _arrays(dataset: Dataset) -> Arrays:
    flat = dataset.x_train.reshape(len(dataset.x_train), -1)
    used = _filled(np.asarray(flat.any(axis=0)))
    # By rows: a column's index picks columns, and would leave them one after the other.
    x_used = np.ascontiguousarray(flat[:, used]) if len(used) < flat.shape[1] else flat[:0]
    return Arrays(dataset.x_train, dataset.y_train, dataset.x_test, dataset.y_test, used, x_used)


def _filled(wanted: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The numbers of what is wanted, and of the first others, so that rows of that many begin where vectors do."""
    used, others = np.flatnonzero(wanted), np.flatnonzero(~wanted)
    missing = -len(used) % _VECTOR
    fill = others[:missing] if missing < len(others) else others[:0]
    return np.sort(np.concatenate([used, fill])).astype(np.int32)


def _map(folder: Path) -> Arrays:
    arrays = []
    for name in Arrays._fields:
        path = folder / f"{name}.npy"
        with damage_named(str(path), "an array that dropstudy wrote"):
            arrays.append(np.load(path, mmap_mode="r", allow_pickle=False))
    return Arrays(*arrays)


def _holds(folder: Path, wanted: Arrays) -> bool:
    try:
        stored = _map(folder)
    except DataError:
        return False
    pairs = [(getattr(stored, name), getattr(wanted, name)) for name in Arrays._fields]
    return all(there.dtype == here.dtype and np.array_equal(there, here) for there, here in pairs)


def _write(target: Path, arrays: Arrays) -> None:
    """Write beside the target, then rename, so that it is whole whenever it is there.

    The caller holds the lock.
    """
    new, old = target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")
    for leftover in (new, old):  # of a process that was killed here
        shutil.rmtree(leftover, ignore_errors=True)
    new.mkdir()
    try:
        for name, array in arrays._asdict().items():
            np.save(new / f"{name}.npy", array, allow_pickle=False)
        if target.exists():  # damaged; whoever maps it keeps what it has mapped
            target.rename(old)
        new.rename(target)
    finally:
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)
