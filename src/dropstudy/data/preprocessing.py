"""Inputs of a network from the rows of a table: fitted on the training rows of a run, repeated on all other rows.

Numbers are imputed by their median and standardised, by scikit-learn's `SimpleImputer` and `StandardScaler`. A category
becomes a 1 among zeros, as `OneHotEncoder` with `min_frequency` makes it; that encoder itself would give each run its
own number of inputs. The fitted numbers are kept as arrays: a study needs no pickle, its networks no scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from dropstudy.core.tensors import PREPROCESSING
from dropstudy.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from dropstudy.core.dataset import Column, Table

__all__ = ["FARTHEST", "RECIPE", "UNSEEN", "Preprocessing", "fit", "from_tensors", "is_rare", "transform"]

RECIPE = 2
"""Version of these rules: raised when the same table gives other inputs than before."""

FARTHEST = 1e6
"""Most standard deviations from the training mean: no training row is farther, other rows count as no farther.

A column that hardly varies among the training rows would give a network infinite inputs in other rows.
"""

UNSEEN = -1
"""Code of a category that no training row of the file has."""

_OWN, _RARE = 1, 2
"""States of a category in the training rows of a run; 0 where none of them has it."""

_RARE_SHARE, _LEAST, _MOST = 0.01, 2, 10
"""A category is rare below this share of the training rows, but never with as many rows as the most."""


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """Fitted numbers of a run.

    Args:
        median: of each number column, (k,), float64.
        mean: likewise, after imputation.
        deviation: standard deviation, likewise; 1 for a column without any.
        states: of the categories of all category columns, in this order, uint8: 1 for an own input, 2 for the input of
            rare categories, 0 for none.
    """

    median: NDArray[np.float64]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    states: NDArray[np.uint8]

    def tensors(self) -> dict[str, NDArray[Any]]:
        """The numbers as named arrays, for a file of weights."""
        return {PREPROCESSING + field.name: getattr(self, field.name) for field in fields(self)}


def from_tensors(tensors: Mapping[str, NDArray[Any]], table: Table) -> Preprocessing:
    """Preprocessing that was kept in a file of weights.

    Args:
        tensors: arrays by name, as `Preprocessing.tensors` has them; others are ignored.
        table: columns of the study.

    Raises:
        ModelError: an array is missing, or does not fit the columns.
    """
    numbers = sum(column.kind == "number" for column in table.columns)
    categories = sum(len(column.categories) for column in table.columns)
    found = []
    for field, length in zip(fields(Preprocessing), (numbers, numbers, numbers, categories), strict=True):
        array = tensors.get(PREPROCESSING + field.name)
        if array is None or array.shape != (length,) or not np.isfinite(array).all():
            raise ModelError(
                f"tensor {PREPROCESSING}{field.name}",
                expected=f"{length} finite numbers, for the columns of the study",
                received="no such tensor" if array is None else f"shape {array.shape}",
                next_step="The file is damaged or belongs to another network: train this run again.",
            )
        found.append(array)
    return Preprocessing(*found)


def is_rare(counts: NDArray[Any], rows: int) -> NDArray[np.bool_]:
    """Mask of the categories that share one input, by their counts among the training rows."""
    least = int(np.clip(np.ceil(_RARE_SHARE * rows), _LEAST, _MOST))
    return counts < least


def fit(table: Table, x: NDArray[Any]) -> Preprocessing:
    """Fit on training rows.

    Args:
        table: its columns.
        x: training rows, (n, columns), as in `Dataset`.
    """
    # Imported here: scikit-learn is slow to import, and few studies have a table.
    from sklearn.impute import SimpleImputer  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    numbers = [place for place, column in enumerate(table.columns) if column.kind == "number"]
    medians, means, deviations = np.zeros((3, len(numbers)))
    # A column at a time: the rows of a wide table are copied once, not three times.
    for k, place in enumerate(numbers):
        values = x[:, [place]]
        imputer = SimpleImputer(strategy="median", keep_empty_features=True).fit(values)
        scaler = StandardScaler().fit(imputer.transform(values))
        medians[k], means[k], deviations[k] = imputer.statistics_[0], scaler.mean_[0], scaler.scale_[0]
    states = [_states(column, x[:, place]) for place, column in _categories(table)]
    return Preprocessing(medians, means, deviations, np.concatenate([np.zeros(0, np.uint8), *states]))


def transform(table: Table, fitted: Preprocessing, x: NDArray[Any]) -> NDArray[np.float32]:
    """Return the inputs of a network, (n, features).

    The columns follow one another: a number is one input; a category column has one for each frequent category and
    one for rare ones; then comes one for missing cells, where the column has them.

    Args:
        table: its columns.
        fitted: numbers of the run.
        x: rows, (n, columns), as in `Dataset`.
    """
    inputs = np.zeros((len(x), table.features), np.float32)
    first = number = category = 0
    for place, column in enumerate(table.columns):
        values = x[:, place]
        absent = np.isnan(values)
        if column.kind == "number":
            filled = np.where(absent, fitted.median[number], values)
            deviations = (filled - fitted.mean[number]) / fitted.deviation[number]
            inputs[:, first] = deviations.clip(-FARTHEST, FARTHEST)
            number += 1
        else:
            states = fitted.states[category : category + len(column.categories)]
            category += len(column.categories)
            # Position of each category's input among those of the column; the last one is that of rare ones.
            own = np.searchsorted(np.asarray(column.inputs), np.asarray(column.categories))
            target = np.where(states == _RARE, len(column.inputs), own)
            known = np.flatnonzero(~absent & (values != UNSEEN))
            codes = values[known].astype(np.int64)
            seen = states[codes] > 0
            inputs[known[seen], first + target[codes[seen]]] = 1
        if column.missing:
            inputs[:, first + column.features - 1] = absent
        first += column.features
    return inputs


def _categories(table: Table) -> list[tuple[int, Column]]:
    return [(place, column) for place, column in enumerate(table.columns) if column.kind == "category"]


def _states(column: Column, codes: NDArray[np.float64]) -> NDArray[np.uint8]:
    """State of each category of a column in training rows."""
    counts = np.bincount(codes[~np.isnan(codes)].astype(np.int64), minlength=len(column.categories))
    own = np.isin(column.categories, column.inputs) & ~is_rare(counts, len(codes))
    return np.where(counts == 0, 0, np.where(own, _OWN, _RARE)).astype(np.uint8)
