"""Epoch lines in Keras' form, one for each epoch."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, TextIO

from dropstudy.core.streams import say
from dropstudy.runtime.events import Display
from dropstudy.runtime.messages import run_ended
from dropstudy.runtime.progress.eta import Eta, about

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.types import EpochMetrics, Run
    from dropstudy.store.reader import RunProgress

_MIN_INTERVAL = 10.0  # seconds between lines within an epoch
_FEW_RUNS = 2  # up to which the number of finished runs is not printed


class EpochLines(Display):
    """Print each epoch as Keras does with verbose=2; plain text for terminals, notebooks and logs.

    Args:
        stream: text stream to print to; `sys.stdout` at the time of each line if None.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._eta = Eta((), 1)
        self._runs = self._ended = 0
        self._printed_at = -math.inf
        self._several_conditions = False

    def on_train_begin(self, progress: Sequence[RunProgress], workers: int) -> None:
        """Count the runs."""
        self._eta = Eta(progress, workers)
        self._runs = len(progress)
        self._ended = sum(each.status in {"done", "diverged"} for each in progress)
        self._several_conditions = len({each.run.condition for each in progress}) > 1

    def on_epoch_end(self, run: Run, metrics: EpochMetrics) -> None:
        """Print the epoch."""
        self._eta.on_epoch_end(run, metrics)
        condition = f"{run.condition.layers} on {run.condition.train_size:,}, "
        steps = run.condition.steps
        self._print(
            f"Epoch {metrics.epoch}/{run.epochs} "
            f"[{run.arm.name}, {condition if self._several_conditions else ''}seed {run.seed}]\n"
            f"{steps}/{steps} - {metrics.seconds:.0f}s - loss: {metrics.loss:.4f} - accuracy: {metrics.accuracy:.4f}"
            f" - val_loss: {metrics.val_loss:.4f} - val_accuracy: {metrics.val_accuracy:.4f}"
        )

    def on_segment_end(self, run: Run, steps_done: int) -> None:
        """Print the progress within a long epoch."""
        if time.monotonic() - self._printed_at >= _MIN_INTERVAL:
            epochs, steps = divmod(steps_done, run.condition.steps)
            self._print(
                f"Epoch {epochs + 1}/{run.epochs} [{run.arm.name}, seed {run.seed}]: "
                f"{steps:,} of {run.condition.steps:,} steps"
            )

    def on_run_end(self, run: Run, status: str, cause: str) -> None:
        """Print the outcome of a run that did not finish, and the number of finished runs of a grid."""
        if status != "done":
            self._print(run_ended(run, status, cause))
        self._eta.on_run_end(run)
        self._ended += 1
        left = self._eta.seconds_left()
        if self._ended < self._runs and left is not None and self._runs > _FEW_RUNS:
            self._print(f"{self._ended} of {self._runs} runs are over, {about(left)} left.")

    def on_notice(self, text: str) -> None:
        """Print it."""
        self._print(text)

    def _print(self, text: str) -> None:
        self._printed_at = time.monotonic()
        say(text, self._stream)
