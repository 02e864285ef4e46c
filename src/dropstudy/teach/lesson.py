"""The networks of the page: one that reads drawn digits, and pairs with and without dropout that train live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dropstudy.core.types import Arm, Condition, Optimizer, Run
from dropstudy.data.images import visible
from dropstudy.engine.mlp.in_memory import epochs_in_memory, layers_of, train_in_memory
from dropstudy.engine.mlp.rules import ArraysInMemory
from dropstudy.teach.drawing import form_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dropstudy.core.dataset import Dataset
    from dropstudy.core.types import EpochMetrics, Weights
    from dropstudy.teach.drawing import Form

HIDDEN = 64
"""Hidden units, few enough to show each."""

EXAMPLES = 2000
"""Most training and most test examples of the live training: so few that a network overfits in seconds."""

EPOCHS = 20
BATCH_SIZE = 32
READER_RATE = 0.5
READER_STEPS = 8000
"""Fewest training steps of the network that reads drawings."""

Pair = tuple["EpochMetrics", "EpochMetrics"]
"""An epoch without and with dropout."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """Data and networks of the page. Nothing in it changes, so that several browsers can share it.

    Args:
        dataset: MNIST or the digits.
        form: of its digits.
        arrays: examples of the live training.
        reader: network that reads drawings.
    """

    dataset: Dataset
    form: Form
    arrays: ArraysInMemory
    reader: Weights

    def example(self, number: int) -> dict[str, Any]:
        """A test example as an image, rows of values from 0 to 255, and its label."""
        image = visible(self.dataset.x_test[number], self.dataset.scale)
        return {"ink": image.tolist(), "label": int(self.dataset.y_test[number])}

    def train(self, rate: float, seed: int) -> Iterator[Pair]:
        """Train two networks that differ in their dropout alone, an epoch each for every pair asked for.

        Args:
            rate: share of hidden units dropped in the second one, in [0, 1).
            seed: of both: the same initial weights and order of examples.
        """
        rows = np.arange(len(self.arrays.y), dtype=np.int32)
        both = (
            epochs_in_memory(_run(self.arrays, arm, seed, EPOCHS), self.arrays, rows)
            for arm in (Arm(), Arm(rate=rate))
        )
        for without, with_dropout in zip(*both, strict=True):
            yield without.history[0], with_dropout.history[0]


def prepare(dataset: Dataset) -> Lesson:
    """Choose the examples of the live training, and train the network that reads drawings: a few seconds.

    Raises:
        InvalidArgument: a dataset of other things than digits.
    """
    form = form_of(dataset.name)
    x, y = _inputs(dataset, dataset.x_train), dataset.y_train.astype(np.int32)
    test_x, test_y = _inputs(dataset, dataset.x_test), dataset.y_test.astype(np.int32)
    rng = np.random.default_rng(0)
    some, tested = (rng.permutation(len(labels))[:EXAMPLES] for labels in (y, test_y))
    everything = ArraysInMemory(x, y)
    rows = np.arange(len(y), dtype=np.int32)
    epochs = -(-READER_STEPS * BATCH_SIZE // len(y))
    run = _run(everything, Arm(rate=READER_RATE), 0, epochs)
    reader = layers_of(run, train_in_memory(run, everything, rows, None))
    arrays = ArraysInMemory(x[some], y[some], test=(test_x[tested], test_y[tested]))
    return Lesson(dataset, form, arrays, reader)


def _inputs(dataset: Dataset, x: NDArray[np.generic]) -> NDArray[np.float32]:
    """Examples as the network sees them, (n, features)."""
    inputs: NDArray[np.float32] = x.reshape(len(x), -1).astype(np.float32) / np.float32(dataset.scale)
    return inputs


def _run(arrays: ArraysInMemory, arm: Arm, seed: int, epochs: int) -> Run:
    n, features = arrays.x.shape
    return Run(
        key="",
        arm=arm,
        condition=Condition(features, (HIDDEN,), 10, n, BATCH_SIZE),
        seed=seed,
        activation="relu",
        optimizer=Optimizer(),
        epochs=epochs,
        validation_split="test",
        precision="float32",
    )
