"""Data that a training function is called with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The examples of one run, `fn(rate, seed, data)`: all arms of a seed get the same ones.

    Attributes:
        x_train: training examples, (n, ...), float32, divided by the data's scale; a table's columns as inputs.
        y_train: number of the class of each, (n,), int64.
        x_val: the examples held out for validation; the test examples where the study watches these.
        y_val: their classes.
        x_test: test examples. Return the predictions for all of them, in their order.
        y_test: their classes.
    """

    x_train: NDArray[np.float32]
    y_train: NDArray[np.int64]
    x_val: NDArray[np.float32]
    y_val: NDArray[np.int64]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int64]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return 1 + int(max(self.y_train.max(), self.y_test.max()))
