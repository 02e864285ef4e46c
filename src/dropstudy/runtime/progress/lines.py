"""Progress lines of a study: an announcement, then one line an epoch in Keras' form."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, TextIO

from dropstudy.core.streams import say
from dropstudy.runtime.events import Display
from dropstudy.runtime.messages import run_ended
from dropstudy.runtime.progress.eta import Pace, about

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.types import Condition, EpochMetrics, Run
    from dropstudy.store.reader import RunProgress

_BETWEEN_LINES = 10.0  # seconds after which a long epoch gives a sign of life
_FEW = 2  # runs, up to which nobody needs to be told how far it is


def inside_epoch(run: Run, done: int) -> str:
    """Progress within a run's epoch, `done` steps from the run's start."""
    epochs, steps = divmod(done, run.condition.steps)
    return (
        f"Epoch {epochs + 1}/{run.epochs} [{run.arm.name}, seed {run.seed}]: "
        f"{steps:,} of {run.condition.steps:,} steps"
    )


def epoch_lines(run: Run, row: EpochMetrics, condition: str = "") -> str:
    """An epoch as Keras prints it with verbose=2, headed by the run that it belongs to."""
    steps = run.condition.steps
    return (
        f"Epoch {row.epoch}/{run.epochs} [{run.arm.name}, {condition}seed {run.seed}]\n"
        f"{steps}/{steps} - {row.seconds:.0f}s - loss: {row.loss:.4f} - accuracy: {row.accuracy:.4f}"
        f" - val_loss: {row.val_loss:.4f} - val_accuracy: {row.val_accuracy:.4f}"
    )


class EpochLines(Display):
    """Prints epochs as they come. Plain text: it reads the same in a terminal, a notebook and a log."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._pace: Pace | None = None
        self._runs = self._over = 0
        self._printed = -math.inf
        self._conditions: set[Condition] = set()

    def on_train_begin(self, progress: Sequence[RunProgress], workers: int) -> None:
        """Know how many runs there are, so as to say how far it is."""
        self._pace = Pace(progress, workers)
        self._runs = len(progress)
        self._over = sum(each.status in {"done", "diverged"} for each in progress)
        self._conditions = {each.run.condition for each in progress}

    def on_epoch_end(self, run: Run, metrics: EpochMetrics) -> None:
        """Print the epoch."""
        if self._pace is not None:
            self._pace.epoch(run, metrics)
        several = len(self._conditions) > 1
        self._print(
            epoch_lines(
                run, metrics, f"{run.condition.layers} on {run.condition.train_size:,}, " if several else ""
            )
        )

    def on_segment_end(self, run: Run, steps_done: int) -> None:
        """Print how far a long epoch is."""
        if time.monotonic() - self._printed >= _BETWEEN_LINES:
            self._print(inside_epoch(run, steps_done))

    def on_run_end(self, run: Run, status: str, cause: str) -> None:
        """Print what became of a run that did not finish; in a grid, how far it is."""
        if status != "done":
            self._print(run_ended(run, status, cause))
        if self._pace is not None:
            self._pace.ended(run)
            self._over += 1
            left = self._pace.seconds_left()
            if self._over < self._runs and left is not None and self._runs > _FEW:
                self._print(f"{self._over} of {self._runs} runs are over, {about(left)} left.")

    def on_notice(self, text: str) -> None:
        """Print it."""
        self._print(text)

    def _print(self, text: str) -> None:
        self._printed = time.monotonic()
        say(text, self._stream)
