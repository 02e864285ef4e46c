"""Columns that give the answer away: copies of the labels, numbers of rows that are sorted by class."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Any

import numpy as np

from dropstudy.core.text import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dropstudy.core.dataset import Dataset

__all__ = ["giveaways", "wrong_by_one_column"]

_ENOUGH = 0.995
"""Share of rows whose class a column tells from which on it is suspect; honest columns rarely reach it."""

_OF_OTHERS = 0.1
"""Most wrong answers of a suspect column, as a share of those that always answering the largest class gives."""

_FEWEST = 20  # rows outside the largest class; with fewer, chance makes columns look like answers
_CELLS = 10_000_000  # looked at: about a second
_LEAST_ROWS, _MOST_ROWS = 1_000, 20_000  # of a column
_NAMED = 5  # columns that are warned of


def giveaways(dataset: Dataset) -> tuple[str, ...]:
    """Warn of columns that tell the class by themselves, and of those that number the rows: a sentence each.

    Only training rows are looked at. Images have no columns.
    """
    x, labels = dataset.x_train, dataset.y_train
    if x.ndim != 2 or (dataset.table is None and dataset.profile.white is not None):  # noqa: PLR2004 - rows and columns
        return ()
    rows = _sample(*x.shape)
    suspect = _most_wrong(labels[rows])
    found = []
    for place in range(x.shape[1]):
        wrong = wrong_by_one_column(x[rows, place], labels[rows])
        if wrong <= suspect:
            right = floor(10_000 * (1 - wrong / len(rows))) / 100  # 100% only where no row is wrong
            found.append(
                _warning(dataset, place, f"alone tells the class of {right:g}% of the training rows")
            )
        elif len(x) >= _FEWEST and _rises(x[rows, place]) and _rises(x[:, place]):
            found.append(_warning(dataset, place, "rises with every row"))
    if len(found) > _NAMED:
        return (*found[:_NAMED], f"The same holds for {counted(len(found) - _NAMED, 'more column')}.")
    return tuple(found)


def _rises(values: NDArray[Any]) -> bool:
    return bool((values[1:] > values[:-1]).all())


def _sample(rows: int, columns: int) -> NDArray[np.int64]:
    """Rows that are looked at: all, or a random part of a large table, always the same one."""
    most = min(_MOST_ROWS, max(_LEAST_ROWS, _CELLS // columns))
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


def _most_wrong(labels: NDArray[np.int64]) -> float:
    """Wrong answers of a column up to which it is suspect; -1 where too few rows are outside the largest class.

    A number that rises with the class is wrong once for each class but the first.
    """
    counts = np.bincount(labels)
    others = len(labels) - int(counts.max())
    if others < _FEWEST:
        return -1
    return min(max((1 - _ENOUGH) * len(labels), int(np.count_nonzero(counts)) - 1), _OF_OTHERS * others)


def wrong_by_one_column(values: NDArray[Any], labels: NDArray[np.int64]) -> int:
    """Count the rows that one column classifies wrongly.

    A row gets the most frequent class of the rows with the same value. A value that no other row has gets the class of
    the next smaller value. So a copy of the labels has 0 wrong, and a number that rises with the class has one for each
    change of the class.

    Args:
        values: of the column, (n,); missing ones are NaN and count as one value.
        labels: from 0 to c - 1, (n,).
    """
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    classes = int(labels.max()) + 1
    counts = np.bincount(group * classes + labels, minlength=len(sizes) * classes).reshape(-1, classes)
    answers = counts.argmax(axis=1)
    unlike = np.concatenate([[False], answers[1:] != answers[:-1]])
    return int((sizes - counts.max(axis=1)).sum() + np.count_nonzero(unlike & (sizes == 1)))


def _warning(dataset: Dataset, place: int, what: str) -> str:
    known = "or is known only with the answer, leave it out"
    if dataset.table is None:
        return f"x_train[:, {place}] {what}. If it is a number of the row, {known}."
    from dropstudy.data.column_names import dropping  # noqa: PLC0415 - pandas is slow to import

    name = dataset.table.columns[place].name
    return f"Column {name!r} {what}. If it numbers the rows, {known}: {dropping([name])}"
