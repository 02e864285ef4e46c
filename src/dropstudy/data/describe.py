"""Descriptions of datasets: shapes, classes, and the places that are searched for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dropstudy.core.text import counted, plain_name
from dropstudy.data import cache
from dropstudy.data.load import ABOUT, source_of
from dropstudy.data.sources import kept

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from dropstudy.core.dataset import Dataset

__all__ = ["array_shapes", "names", "shapes", "where"]


def shapes(dataset: Dataset, *, flat: bool = True) -> list[str]:
    """List the shapes of a dataset, its notes, its classes in a line, and warnings, as told before training.

    Args:
        dataset: the data.
        flat: its examples are flattened for a network of dense layers.
    """
    told = (*dataset.notes, _classes(dataset), *dataset.warnings)
    if dataset.table is not None:
        many = f"{len(dataset.y_train):,} training rows, {len(dataset.y_test):,} test rows"
        return [f"{many}; labels are column {dataset.table.target!r}", *told]
    if not flat:
        each = " x ".join(map(str, dataset.input_shape))
        many = f"{len(dataset.y_train):,} training examples, {len(dataset.y_test):,} test examples of {each}"
        return [many, *told]
    return [*array_shapes(dataset), *told]


def array_shapes(dataset: Dataset) -> list[str]:
    """List the shapes of arrays before and after flattening and, of MNIST, one-hot encoding.

    Labels are not encoded one-hot: cross-entropy of integer labels is the same number. The shape is shown because
    readers of Keras' notebook know it.
    """
    flattened = [
        _flattening("x_train", dataset.x_train, dataset),
        _flattening("x_test", dataset.x_test, dataset),
    ]
    if dataset.name != "mnist":
        return flattened
    return [
        *flattened,
        f"Shape before one-hot encoding: {dataset.y_train.shape}",
        f"Shape after one-hot encoding: {(len(dataset.y_train), len(dataset.classes))}",
    ]


def names() -> list[str]:
    """List the datasets that have a name, with what each one holds."""
    width = max(map(len, ABOUT))
    return [
        "Datasets by name (training + test examples):",
        *(f"  {name:{width}}  {about}" for name, about in ABOUT.items()),
    ]


def where(name: str | None = None, data_dir: Path | None = None) -> list[str]:
    """List the places that are searched for data, in order, and the state of the data in each.

    Args:
        name: as for `load_dataset`: a dataset's name, a path, or None for MNIST with the fallback.
        data_dir: as for `load_dataset`.

    Raises:
        InvalidArgument: there is no dataset of this name.
    """
    source = source_of(name, data_dir)
    lines = source.describe()
    if len(lines) == 1:
        return lines
    numbered = [f"  {number}. {line}" for number, line in enumerate(lines, 1)]
    return [f"Search order for {source.name}:", *numbered, *_cached_arrays()]


def _flattening(name: str, x: NDArray[np.generic], dataset: Dataset) -> str:
    low, high = (float(extreme) / dataset.scale for extreme in (x.min(), x.max()))
    before, after = " x ".join(map(str, x.shape)), f"{len(x)} x {dataset.features}"
    return f"{name}: {before} {x.dtype} -> {after} float32 in [{low:g}, {high:g}]"


def _classes(dataset: Dataset) -> str:
    """The smallest and the largest class, so that classes of unequal size are seen."""
    many = len(dataset.classes)
    train, test = (np.bincount(y, minlength=many) for y in (dataset.y_train, dataset.y_test))
    few, most = int(train.argmin()), int(train.argmax())
    each = f"{train[few]:,}"
    if train[few] < train[most]:
        each += f" ({_class(dataset, few)}) to {train[most]:,} ({_class(dataset, most)})"
    tested = counted(int(test.max()), "test example")
    if test.min() < test.max():
        tested = f"{test.min():,} to {tested}"
    return f"{many} classes: {each} training examples each, {tested}"


def _class(dataset: Dataset, number: int) -> str:
    return f"class {plain_name(dataset.classes[number])}"


def _cached_arrays() -> list[str]:
    """Number and size of the datasets in the cache: those that workers read, and those that studies were given."""
    lines = []
    for folder in cache.cache_folders():
        lines.append(_stored("arrays in the cache", folder / "arrays"))
        if (folder / kept.FOLDER).is_dir():
            lines.append(_stored("data from Python", folder / kept.FOLDER))
    return lines


def _stored(what: str, folder: Path) -> str:
    stored = list(folder.glob("*/*.npy"))
    size = sum(path.stat().st_size for path in stored)
    datasets = counted(len({path.parent for path in stored}), "dataset")
    return f"{what}, {folder}: {datasets}, {size / 1e6:.1f} MB"
