"""Rules of training that the compiled program and XLA's programs share. Imports no array framework."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from dropstudy.core.final_metrics import FinalMetrics
from dropstudy.engine.class_scores import auc_and_misranked, balanced_accuracy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from dropstudy.core.types import EpochMetrics, Segment

EVALUATION_ROWS = 1000
"""Examples per evaluation batch: large enough for the matrix products, small enough for a core's cache. The noise of an
evaluation is drawn batch by batch."""

AFTER_TRAINING = 2**31
"""First step number that training, which counts in int32, never reaches: evaluation with noise draws from there."""

CURRICULUM_SPEED = 10.0
"""Gamma times the number of steps in curriculum dropout, as its authors recommend."""


class Purpose(IntEnum):
    """Purpose of a draw. The numbers are part of a run's semantics and never change."""

    SPLIT = 0
    INIT = 1
    SHUFFLE = 2
    MASK = 3
    INPUT_MASK = 4
    SAMPLE = 5


class ArraysInMemory(NamedTuple):
    """Examples of a run outside a study.

    Args:
        x: examples as the network sees them, (n, features), float32, contiguous.
        y: labels, (n,), int32.
        weight: of each example's loss, (n,), float32, above 0; None for 1. A batch's loss is the sum of weighted
            losses, divided by the number of examples, as in Keras.
        test: a test set, of the types of x and y; None where nobody looks at one: the first example stands in.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int32]
    weight: NDArray[np.float32] | None = None
    test: tuple[NDArray[np.float32], NDArray[np.int32]] | None = None

    @property
    def tested(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Examples and labels of the test set."""
        return self.test or (self.x[:1], self.y[:1])


class Training(Protocol):
    """One run, or runs side by side, in training."""

    @property
    def over(self) -> bool:
        """True once every run has ended."""

    def train_steps(self, epoch: int, first: int, count: int) -> None:
        """Take `count` steps of an epoch, after its `first` ones."""

    def end_epoch(self, epoch: int) -> None:
        """Evaluate, and end runs that end here."""


def take_steps(training: Training, segment: Segment) -> int:
    """Take the steps of a segment, epoch by epoch; returns the steps done since the start of the run."""
    steps, done, until = segment.run.condition.steps, segment.done, segment.done + segment.steps
    while done < until and not training.over:
        epoch, first = divmod(done, steps)
        count = min(until - done, steps - first)
        training.train_steps(epoch, first, count)
        done += count
        if first + count == steps:
            training.end_epoch(epoch)
    return done


def diverged(history: Sequence[EpochMetrics]) -> bool:
    """True if a loss of the last epoch is not finite."""
    return bool(history) and not (math.isfinite(history[-1].loss) and math.isfinite(history[-1].clean_loss))


def final_metrics(
    epoch: int,
    training: Sequence[Sequence[float]],
    test: tuple[Any, NDArray[np.int32]],
    validation: tuple[Any, NDArray[np.int32]] | None,
    classes: int,
) -> FinalMetrics:
    """Metrics of a run at its end.

    Args:
        epoch: whose weights these are, from 1.
        training: mean loss and accuracy on all training examples, noise off and noise on.
        test: predictions and scores of each test example, (n,) each: `loss`, `label`, `confidence`, `likelihood`,
            `brier`; `probabilities`, (n, c); and the labels, (n,).
        validation: the same of each validation example; None where the test set is watched.
        classes: their number.
    """
    clean, noisy = training
    scores, y = test
    balanced, area, misranked = _class_scores(scores, y)
    val_balanced, val_area, _ = (
        (balanced, area, misranked) if validation is None else _class_scores(*validation)
    )
    return FinalMetrics(
        epoch=epoch,
        clean_loss=clean[0],
        clean_accuracy=clean[1],
        noisy_loss=noisy[0],
        noisy_accuracy=noisy[1],
        loss=float(np.asarray(scores.loss, np.float64).mean()),
        accuracy=float((scores.label == y).mean()),
        balanced_accuracy=balanced,
        auc=area,
        brier=float(np.asarray(scores.brier, np.float64).mean()),
        val_balanced_accuracy=val_balanced,
        val_auc=val_area,
        labels=scores.label.astype(np.uint8 if classes <= 2**8 else np.uint16),
        confidence=scores.confidence.astype(np.float16),
        likelihood=scores.likelihood.astype(np.float16),
        misranked=misranked if classes > 2 else None,  # noqa: PLR2004 - of two it follows from the likelihood
    )


def _class_scores(scores: Any, y: NDArray[np.int32]) -> tuple[float, float, NDArray[np.float16] | None]:
    return balanced_accuracy(scores.label, y), *auc_and_misranked(scores.probabilities, y)


def glorot_limit(units_in: int, units_out: int) -> float:
    """Half-width of the uniform distribution of initial kernels: sqrt(6 / (in + out)) (Glorot and Bengio 2010)."""
    return float((6.0 / (units_in + units_out)) ** 0.5)
