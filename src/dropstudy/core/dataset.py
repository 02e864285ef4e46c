"""Datasets: examples with labels, and the columns of those that come from a table."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dropstudy.core.profile import DataProfile


@dataclass(frozen=True)
class Column:
    """A column of a table, and the inputs that a network has for it.

    The inputs are the same for every run, so that runs have one shape. Their values depend on the run's training rows
    (`data.preprocessing`): an input that these rows do not need is always 0.

    Args:
        name: its name.
        kind: `number` or `category`.
        categories: names of a category column's values in all training rows, sorted.
        inputs: the categories that have an input of their own: those that are not rare in all training rows.
        missing: true where a training row has no value: there is an input that says so.
    """

    name: str
    kind: Literal["number", "category"]
    categories: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    missing: bool = False

    @property
    def features(self) -> int:
        """Number of inputs: the number or one for each category and one for the rare ones; one if cells are missing."""
        return (1 if self.kind == "number" else len(self.inputs) + 1) + self.missing


@dataclass(frozen=True)
class Table:
    """Columns of a table that a network sees, in the order of the file.

    Args:
        columns: the columns.
        target: name of the column with the labels.
    """

    columns: tuple[Column, ...]
    target: str

    @property
    def features(self) -> int:
        """Number of inputs of a network."""
        return sum(column.features for column in self.columns)


def table_from(value: object) -> Table | None:
    """Table of the form that `asdict` and JSON give it; None where the value is no such table."""
    try:
        return msgspec.convert(value, Table)
    except msgspec.ValidationError:
        return None


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Training and test examples with integer labels, as a study uses them.

    Args:
        name: `mnist`, `digits`, or the name of the file it was read from.
        x_train: training examples, `(n, *input_shape)`, uint8 or float32; of a table (n, columns), float64: numbers
            as they are, the position of a category among its column's, NaN for a missing cell.
        y_train: training labels, (n,), int64, from 0 to c - 1.
        x_test: test examples, `(n, *input_shape)`, of the type of x_train.
        y_test: test labels, (n,), int64.
        classes: one name per class.
        scale: the network sees `x / scale`, float32.
        sha256: digest of the content, independent of the file.
        source: origin for readers: a folder, an address, a library.
        profile: profile of x_train.
        table: columns of x_train and x_test where they are those of a table, else None.
        groups: group of each training example, (n,), int64, whose members stay on one side of a split; else None.
        notes: sentences on what was found or converted when the data were checked.
        warnings: sentences on what makes test accuracy look better than it is (`data.leaks`).
        fallback: true where this dataset replaces MNIST, which was not available.
    """

    name: str
    x_train: NDArray[np.generic]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.generic]
    y_test: NDArray[np.int64]
    classes: tuple[str, ...]
    scale: float
    sha256: str
    source: str
    profile: DataProfile
    notes: tuple[str, ...] = ()
    fallback: bool = False
    table: Table | None = None
    groups: NDArray[np.int64] | None = None
    warnings: tuple[str, ...] = ()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example as the network receives it, for instance (28, 28)."""
        return (self.table.features,) if self.table else tuple(self.x_train.shape[1:])

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.input_shape))
        return (
            f"Dataset({self.name!r}: {len(self.y_train):,} training and {len(self.y_test):,} test examples of {shape}, "
            f"{len(self.classes)} classes, from {self.source})"
        )

    @property
    def features(self) -> int:
        """Numbers in one example once flattened, for instance 784."""
        return prod(self.input_shape)
