"""Labels of examples to classify, where they are known, as numbers of the classes of a study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dropstudy.data.labels import class_name
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["MISSING", "UNKNOWN", "class_numbers"]

MISSING, UNKNOWN = -1, -2
"""Numbers of a label that is missing, and of one that is no class of the study."""


def class_numbers(labels: Any, classes: Sequence[str], count: int) -> NDArray[np.int64]:
    """Number of each label's class, `MISSING` or `UNKNOWN`.

    Args:
        labels: text, numbers, booleans or one-hot rows, as in training; the names of the classes, or their numbers.
        classes: names of the study's classes.
        count: examples that the labels belong to.

    Raises:
        DataError: there are more or fewer labels than examples, or they have a shape that labels do not have.
    """
    array, columns = np.asarray(labels), getattr(labels, "columns", range(len(classes)))
    if array.ndim == 2 and array.shape[1] == len(classes) > 1:  # noqa: PLR2004 - one-hot rows
        array = np.asarray(list(columns), object)[array.argmax(axis=1)]
    if array.size != count or len(array) != count:
        raise DataError(
            "labels",
            expected=f"{count:,}, one for each example",
            received=f"an array of shape {array.shape}",
            next_step="Check that examples and labels belong together.",
        )
    # Python's own numbers, which have plain names.
    plain = np.array([*array.ravel().tolist(), None], object)[:-1]
    codes, values = pd.factorize(plain)
    numbers = {name: number for number, name in enumerate(classes)}
    found = [_number(value, numbers) for value in values]
    if (
        found
        and set(found) == {UNKNOWN}
        and all(class_name(value) in _positions(classes) for value in values)
    ):
        found = [int(class_name(value)) for value in values]
    return np.array([*found, MISSING], np.int64)[codes]


def _positions(classes: Sequence[str]) -> set[str]:
    return {str(number) for number in range(len(classes))}


def _number(value: Any, numbers: dict[str, int]) -> int:
    """Number of the class with the name of a label; blanks around it do not count."""
    name = value.decode(errors="replace") if isinstance(value, bytes) else class_name(value)
    if not name.strip():
        return MISSING
    return numbers.get(name, numbers.get(name.strip(), UNKNOWN))
