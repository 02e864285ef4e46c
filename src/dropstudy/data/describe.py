"""Say in words what a dataset looks like, and where one is looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dropstudy.core.atomic import at_home
from dropstudy.data import cache
from dropstudy.data.catalogue import CATALOGUE, found_in, places, read_named, stored_as
from dropstudy.data.load import NAMES, unknown_data
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from dropstudy.core.types import Dataset
    from dropstudy.data.catalogue import NamedDataset

__all__ = ["shapes", "where"]

_MOST_CLASSES_LISTED = 20


def shapes(dataset: Dataset) -> list[str]:
    """Lines with the shapes before and after flattening and one-hot coding, and the count of each class.

    Between them stands what was found out, above all what inputs are divided by. Labels are not really coded one-hot:
    cross-entropy on whole-number labels is the same number. The shape is shown because Keras users know it.
    """
    return [
        _flattening("x_train", dataset.x_train, dataset),
        _flattening("x_test", dataset.x_test, dataset),
        f"Shape before one-hot encoding: {dataset.y_train.shape}",
        f"Shape after one-hot encoding: {(len(dataset.y_train), len(dataset.classes))}",
        *dataset.notes,
        *_class_counts(dataset),
    ]


def where(name: str | None = None, data_dir: Path | None = None) -> list[str]:
    """Lines that say where data are looked for, in which order, what is there, and whether it is intact.

    Args:
        name: as `load_dataset` takes it: a dataset's name, a path, or None for MNIST with the fallback.
        data_dir: as `load_dataset` takes it.

    Raises:
        InvalidArgument: there is no dataset of this name.
    """
    if name is not None and name.lower().endswith(".npz"):
        path = at_home(name)
        return [f"{path}: {'there' if path.is_file() else 'no such file'}"]
    if name == "digits":
        return ["digits: inside scikit-learn, always there"]
    if name not in {None, *NAMES}:
        raise unknown_data(str(name))

    dataset = CATALOGUE[name or "mnist"]
    lines = [*_user_folders(dataset, data_dir), *_cache_folders(dataset)]
    lines.append(f"mirrors: {', '.join(dataset.mirrors)}")
    if name is None:
        lines.append("digits: inside scikit-learn, used where MNIST cannot be had and no data were asked for")
    numbered = [f"  {number}. {line}" for number, line in enumerate(lines, 1)]
    return [f"{dataset.name} is looked for in this order:", *numbered, *_prepared()]


def _flattening(name: str, x: NDArray[np.generic], dataset: Dataset) -> str:
    low, high = (float(extreme) / dataset.scale for extreme in (x.min(), x.max()))
    before, after = " x ".join(map(str, x.shape)), f"{len(x)} x {dataset.features}"
    return f"{name}: {before} {x.dtype} -> {after} float32 in [{low:g}, {high:g}]"


def _class_counts(dataset: Dataset) -> list[str]:
    train, test = (
        np.bincount(labels, minlength=len(dataset.classes)) for labels in (dataset.y_train, dataset.y_test)
    )
    if len(dataset.classes) > _MOST_CLASSES_LISTED:
        counts = f"{train.min()} to {train.max()} training and {test.min()} to {test.max()} test examples"
        return [f"{len(dataset.classes)} classes, each with {counts}"]
    width = max(len("class"), *map(len, dataset.classes))
    rows = zip(dataset.classes, train, test, strict=True)
    return [f"{'class':{width}}  train   test", *(f"{c:{width}} {a:>6} {b:>6}" for c, a, b in rows)]


def _user_folders(dataset: NamedDataset, data_dir: Path | None) -> list[str]:
    """A line for each place that a user can name, named or not."""
    named = dict(places(data_dir))
    lines = []
    for who in ("data_dir", "DROPSTUDY_DATA"):
        folder = named.get(who)
        if folder is None:
            lines.append(f"{who}: not given")
        elif not folder.is_dir():
            lines.append(f"{who}: {folder}: no such folder")
        else:
            lines.append(f"{who}: {_state(dataset, found_in(dataset, folder) or folder)}")
    return lines


def _cache_folders(dataset: NamedDataset) -> list[str]:
    return [f"cache: {_state(dataset, folder)}" for folder in cache.download_folders(dataset.name)]


def _state(dataset: NamedDataset, folder: Path) -> str:
    """Say how many of a dataset's files a folder holds, and what is wrong with which."""
    wrong, intact = [], 0
    for file in dataset.files:
        stored = stored_as(file, folder)
        if not stored:
            wrong.append(f"no {file.name}")
            continue
        try:
            read_named(file, stored[0])
        except DataError as error:
            wrong.append(f"{stored[0].name} is damaged or another file: {error.received}")
        else:
            intact += 1
    if intact == len(dataset.files):
        return f"{folder}: all {intact} files, intact"
    if not any(stored_as(file, folder) for file in dataset.files):
        return f"{folder}: nothing there"
    return f"{folder}: {intact} of {len(dataset.files)} files intact; {'; '.join(wrong)}"


def _prepared() -> list[str]:
    """The datasets that lie in the cache as arrays for worker processes, and what room they take."""
    lines = []
    for folder in cache.cache_folders():
        stored = list((folder / "arrays").glob("*/*.npy"))
        size = sum(path.stat().st_size for path in stored)
        count = len({path.parent for path in stored})
        held = f"{count} dataset{'' if count == 1 else 's'}, {size / 1e6:.1f} MB"
        lines.append(f"prepared for workers in {folder / 'arrays'}: {held}")
    return lines
