"""Results of single test examples: confusion between classes, and examples on which two arms differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def confusion(labels: ArrayLike, truth: ArrayLike, classes: int) -> NDArray[np.float64]:
    """Confusion matrix, a mean over seeds, (true classes, predicted classes).

    Args:
        labels: predicted classes, (seeds, n).
        truth: true classes, (n,).
        classes: their number.
    """
    predicted = np.atleast_2d(np.asarray(labels, dtype=np.int64))
    pairs = np.asarray(truth, dtype=np.int64) * classes + predicted
    count = np.bincount(pairs.ravel(), minlength=classes * classes)
    return count.reshape(classes, classes) / len(predicted)


@dataclass(frozen=True)
class Flip:
    """A test example that one arm gets right in most seeds and the other wrong in most.

    Args:
        example: its row in the test set.
        truth: its class.
        before: the first arm's prediction: the true class where most seeds are right, else the most frequent mistake.
        after: the second arm's, likewise.
    """

    example: int
    truth: int
    before: int
    after: int


def flips(before: ArrayLike, after: ArrayLike, truth: ArrayLike) -> tuple[list[Flip], list[Flip]]:
    """Examples that one arm classifies correctly in most seeds and the other does not.

    Args:
        before: classes predicted by the first arm, (seeds, n).
        after: by the second, (seeds, n); the number of seeds may differ.
        truth: true classes, (n,).

    Returns:
        Those that the second arm gains (wrong in more than half of the first arm's seeds, right in more than half of
        the second's) and those that it loses, each by size of the change.
    """
    first, second = (np.atleast_2d(np.asarray(labels, dtype=np.int64)) for labels in (before, after))
    true = np.asarray(truth, dtype=np.int64)
    right_first, right_second = (first == true).mean(axis=0), (second == true).mean(axis=0)
    change = right_second - right_first
    half = 0.5
    gained = np.flatnonzero((right_first < half) & (right_second > half))
    lost = np.flatnonzero((right_first > half) & (right_second < half))

    def as_flips(rows: NDArray[np.int64]) -> list[Flip]:
        order = rows[np.argsort(-np.abs(change[rows]), kind="stable")]
        places = ((int(row), int(true[row])) for row in order)
        return [Flip(row, y, _answer(first[:, row], y), _answer(second[:, row], y)) for row, y in places]

    return as_flips(gained), as_flips(lost)


def _answer(labels: NDArray[np.int64], truth: int) -> int:
    """The true class where most labels are right, else the most frequent wrong one; of several the smallest.

    The most frequent label may be right although most are wrong: 2, 2, 7, 3, 1 for a 2.
    """
    wrong = labels[labels != truth]
    return truth if 2 * len(wrong) < len(labels) else int(np.bincount(wrong).argmax())
