"""Datasets as arrays in the cache, which worker processes find by digest and map read-only."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import psutil

from dropstudy.core.types import DataReference
from dropstudy.data.cache import cache_folder, cache_folders, write_folder
from dropstudy.data.dataset import content_sha256
from dropstudy.data.formats.files import reporting_damage
from dropstudy.data.private import other_writers
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from dropstudy.core.dataset import Dataset

__all__ = [
    "Arrays",
    "arrays_folder",
    "complete",
    "map_arrays",
    "save_arrays",
    "store_arrays",
    "store_briefly",
    "stored_test_set",
]

_VECTOR = 16  # float32 in a vector register of 64 bytes, a cache line


class Arrays(NamedTuple):
    """The arrays of a `Dataset`, and two made of its training examples.

    Args:
        x_train: as in `Dataset`; likewise y_train, x_test and y_test.
        used: numbers of the features to train, (u,), int32, rising: those that are not 0 in all training examples, and
            some others that fill a vector; 720 of MNIST's 784.
        x_used: flat training examples with only those features, (n, u); empty where these are all.
    """

    x_train: NDArray[Any]
    y_train: NDArray[np.int64]
    x_test: NDArray[Any]
    y_test: NDArray[np.int64]
    used: NDArray[np.int32]
    x_used: NDArray[Any]


def store_arrays(dataset: Dataset) -> DataReference:
    """Write a dataset's arrays into the cache, for `map_arrays` in other processes, unless it holds them.

    Files in the cache are compared with the dataset, number by number: damaged ones are written again. Several
    processes may call this at once.

    Raises:
        DataError: no room, no right to write, or another process that never finishes writing.
    """
    reference = DataReference(dataset.sha256, dataset.scale)
    wanted = complete(dataset.x_train, dataset.y_train, dataset.x_test, dataset.y_test)
    for folder in cache_folders():
        if _holds(stored := folder / "arrays" / dataset.sha256, wanted) and not other_writers(stored):
            return reference
    target = cache_folder() / "arrays" / dataset.sha256
    write_folder(
        target,
        lambda folder: save_arrays(folder, wanted._asdict()),
        is_whole=lambda: _holds(target, wanted),
        size=sum(array.nbytes for array in wanted),
    )
    return reference


def store_briefly(dataset: Dataset) -> tuple[DataReference, Callable[[], None]]:
    """Write arrays that only this process and its workers need; also return a function that removes them.

    Arrays that killed processes left on this machine are removed first. Errors as of `store_arrays`.
    """
    machine = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
    for folder in (cache_folder() / "arrays").glob(f"*-{machine}-*"):
        # Another process may just be writing its own: `write_folder` adds a suffix until they are complete.
        owner = folder.name.rpartition("-")[2].partition(".")[0]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
    own = f"{dataset.sha256}-{machine}-{os.getpid()}"
    reference = store_arrays(replace(dataset, sha256=own))
    return reference, partial(shutil.rmtree, arrays_folder(reference), ignore_errors=True)


def map_arrays(data: DataReference) -> Arrays:
    """Map a dataset's arrays read-only, without a copy: processes share the memory.

    Raises:
        DataError: the cache does not have them, or a file is missing or damaged.
    """
    return _map(arrays_folder(data))


def stored_test_set(
    sha256: str, scale: float, classes: Sequence[str]
) -> tuple[NDArray[Any], NDArray[np.int64]] | None:
    """Test examples and their labels out of the arrays that the cache holds of a dataset, compared with its digest.

    This takes a fraction of a second where reading a folder of images again takes many.

    Args:
        sha256: digest of the dataset.
        scale: its divisor.
        classes: names of its classes.

    Returns:
        None where the cache holds no such arrays, or others than the digest says.
    """
    for folder in cache_folders():
        try:
            arrays = _map(folder / "arrays" / sha256)
        except DataError:
            continue
        if any(content_sha256(arrays[:4], scale, names) == sha256 for names in ((), tuple(classes))):
            return np.array(arrays.x_test), np.array(arrays.y_test)
    return None


def arrays_folder(data: DataReference) -> Path:
    """Return the folder of the cache that holds a dataset's arrays.

    Raises:
        DataError: there is none.
    """
    # The writable folder first: arrays in a read-only one may be damaged, and written again here.
    folders = [folder / "arrays" for folder in reversed(cache_folders())]
    found = next((folder / data.sha256 for folder in folders if (folder / data.sha256).is_dir()), None)
    if found is None:
        raise DataError(
            f"dataset {data.sha256}",
            expected=f"its arrays in {' or '.join(map(str, folders))}",
            received="no such folder",
            next_step="Set DROPSTUDY_CACHE to one folder that this process and all workers can read and write.",
        )
    return found


def save_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name, a file each, without pickles."""
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def complete(
    x_train: NDArray[Any], y_train: NDArray[np.int64], x_test: NDArray[Any], y_test: NDArray[np.int64]
) -> Arrays:
    """The arrays of a dataset with those that are made of them."""
    flat = x_train.reshape(len(x_train), -1)
    used = _fill_vectors(np.asarray(flat.any(axis=0)))
    # Indexing columns gives an array in column order; training reads rows.
    x_used = np.ascontiguousarray(flat[:, used]) if len(used) < flat.shape[1] else flat[:0]
    return Arrays(x_train, y_train, x_test, y_test, used, x_used)


def _fill_vectors(wanted: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Number the wanted columns, with enough others that each row starts at a vector's boundary."""
    used, others = np.flatnonzero(wanted), np.flatnonzero(~wanted)
    missing = -len(used) % _VECTOR
    fill = others[:missing] if missing < len(others) else others[:0]
    return np.sort(np.concatenate([used, fill])).astype(np.int32)


def _map(folder: Path) -> Arrays:
    arrays = []
    for name in Arrays._fields:
        path = folder / f"{name}.npy"
        with reporting_damage(str(path), "an array that dropstudy wrote"):
            arrays.append(np.load(path, mmap_mode="r", allow_pickle=False))
    return Arrays(*arrays)


def _holds(folder: Path, wanted: Arrays) -> bool:
    try:
        stored = _map(folder)
    except DataError:
        return False
    pairs = [(getattr(stored, name), getattr(wanted, name)) for name in Arrays._fields]
    return all(stored.dtype == given.dtype and np.array_equal(stored, given) for stored, given in pairs)
