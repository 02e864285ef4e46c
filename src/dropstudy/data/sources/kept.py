"""Datasets that a study was given in memory, kept in the cache so that the study can be continued.

    <cache>/datasets/<sha256>/dataset.json    names, scale, profile, columns, and the digest of each array
    <cache>/datasets/<sha256>/<array>.npy     arrays without pickles

A study calls such a dataset `arrays:` and that SHA-256, which covers all that a run depends on.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakValueDictionary

import msgspec
import numpy as np

from dropstudy.core.dataset import Dataset, Table
from dropstudy.core.profile import DataProfile  # noqa: TC001 - as above
from dropstudy.data.arrays import save_arrays
from dropstudy.data.cache import cache_folder, cache_folders, is_kept, write_folder
from dropstudy.data.digest import add_array
from dropstudy.data.formats.files import reporting_damage
from dropstudy.errors import DataError
from dropstudy.spec.data_names import KEPT

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from dropstudy.data.source import Scale

__all__ = ["FOLDER", "KeptDataset", "keep", "name_of"]

FOLDER = "datasets"
_DESCRIPTION = "dataset.json"
_ARRAYS = ("x_train", "y_train", "x_test", "y_test", "groups")
_VERSION = b"dropstudy kept dataset 1\n"

_in_memory: WeakValueDictionary[str, Dataset] = WeakValueDictionary()
"""Datasets of this process, by name: as long as somebody holds one, it is not read again."""


@dataclass(frozen=True)
class _Description:
    """A dataset but for its arrays: fields as in `Dataset`; `arrays` has the digest of each array."""

    name: str
    source: str
    sha256: str
    scale: float
    classes: tuple[str, ...]
    table: Table | None
    arrays: dict[str, str]
    profile: DataProfile
    notes: tuple[str, ...]
    fallback: bool

    @property
    def key(self) -> str:
        """Digest of what runs depend on: the same data under another name are the same data."""
        table = None if self.table is None else asdict(self.table)
        content = [self.sha256, self.scale, self.classes, table, sorted(self.arrays.items())]
        return hashlib.sha256(_VERSION + msgspec.json.encode(content)).hexdigest()


@dataclass(frozen=True)
class KeptDataset:
    """A dataset that was given in memory, by its name `arrays:<sha256>`."""

    name: str
    accepts: ClassVar[frozenset[str]] = frozenset()

    def describe(self) -> list[str]:
        """List the folders of the cache, and the state of the dataset in each."""
        return [f"{folder}: {_fault(folder) or 'intact'}" for folder in self._folders()]

    def load(self, scale: Scale = "auto", *, progress: bool = False) -> Dataset:  # noqa: ARG002 - nothing is downloaded
        """Return the dataset from memory where this process holds it, else from the cache, checked by its digests.

        Raises:
            DataError: it is not there, or damaged.
        """
        dataset = _in_memory.get(self.name) or self._read()
        if scale not in {"auto", dataset.scale}:
            raise DataError(
                f"scale of {self.name[: len(KEPT) + 12]}...",
                expected=f"{dataset.scale:g}, which these data were checked with",
                received=f"{scale}",
                next_step="Leave it out, or give it where the dataset is made.",
            )
        return dataset

    def _read(self) -> Dataset:
        faults = []
        for folder in self._folders():
            try:
                return _read(folder)
            except DataError as error:
                faults.append(error.received)
        raise DataError(
            "data",
            expected=f"the arrays that the study was started with, in {' or '.join(map(str, self._folders()))}",
            received=faults[-1],
            next_step="Call dropstudy.compare again with the same arrays and out= the folder of the study, which keeps "
            "them again; or set DROPSTUDY_CACHE to the cache of the machine where the study was started.",
        )

    def _folders(self) -> list[Path]:
        return [_folder(cache, self.name) for cache in cache_folders()]


def name_of(dataset: Dataset) -> str:
    """Name by which studies call a dataset in memory; `KeptDataset` finds it as long as it is held or kept."""
    name = KEPT + _described(dataset).key
    _in_memory[name] = dataset
    return name


def keep(dataset: Dataset) -> str:
    """Keep a dataset in the cache, unless an undamaged copy is there.

    Returns:
        A warning where the cache cannot be written and the dataset is kept for this process alone; else empty.

    Raises:
        DataError: no room for it; nothing is left behind.
    """
    described = _described(dataset)
    name = KEPT + described.key
    if any(not _fault(_folder(cache, name)) and is_kept(_folder(cache, name)) for cache in cache_folders()):
        return ""
    target = _folder(cache_folder(), name)
    arrays = _arrays_of(dataset)

    def write(folder: Path) -> None:
        save_arrays(folder, arrays)
        (folder / _DESCRIPTION).write_bytes(msgspec.json.encode(described))

    size = sum(array.nbytes for array in arrays.values())
    write_folder(target, write, is_whole=lambda: not _fault(target), size=size)
    if is_kept(target):
        return ""
    return (
        f"The data are kept until this process ends, in {target}: the cache cannot be written. To continue the study "
        "later, call compare again with the same arrays, or set DROPSTUDY_CACHE to a folder that can be written."
    )


def _folder(cache: Path, name: str) -> Path:
    return cache / FOLDER / name.removeprefix(KEPT)


def _arrays_of(dataset: Dataset) -> dict[str, NDArray[Any]]:
    return {name: array for name in _ARRAYS if (array := getattr(dataset, name)) is not None}


def _described(dataset: Dataset) -> _Description:
    return _Description(
        name=dataset.name,
        source=dataset.source,
        sha256=dataset.sha256,
        scale=dataset.scale,
        classes=dataset.classes,
        table=dataset.table,
        arrays={name: _digest(array) for name, array in _arrays_of(dataset).items()},
        profile=dataset.profile,
        notes=dataset.notes,
        fallback=dataset.fallback,
    )


def _digest(array: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    add_array(digest, array)
    return digest.hexdigest()


def _fault(folder: Path) -> str:
    """Explain why a folder holds no dataset that can be used; empty if it does."""
    try:
        _read(folder)
    except DataError as error:
        return error.received
    return ""


def _read(folder: Path) -> Dataset:
    """Read a dataset and compare it with the digests of its arrays and its own, which is the folder's name."""
    if not folder.is_dir():
        raise _damaged(folder, "no such folder")
    with reporting_damage(str(folder), "a dataset that dropstudy kept"):
        known = msgspec.json.decode((folder / _DESCRIPTION).read_bytes(), type=_Description)
        arrays = {
            name: np.load(folder / f"{name}.npy", allow_pickle=False)
            for name in _ARRAYS
            if name in known.arrays
        }
    changed = [name for name, array in arrays.items() if _digest(array) != known.arrays[name]]
    if changed or known.key != folder.name:
        names = ", ".join(f"{name}.npy" for name in changed) or _DESCRIPTION
        raise _damaged(folder, f"a damaged copy: {names} is not as it was written")
    return Dataset(
        **arrays,
        **{field: getattr(known, field) for field in _Description.__dataclass_fields__ if field != "arrays"},
    )


def _damaged(folder: Path, received: str) -> DataError:
    return DataError(str(folder), expected="a dataset that dropstudy kept", received=received)
