"""Epoch lines in Keras' form, and lines on the progress of a study, for pipes and logs."""

from __future__ import annotations

import math
import time
from math import isnan
from typing import TYPE_CHECKING, TextIO

from dropstudy.core.streams import say
from dropstudy.core.text import counted
from dropstudy.core.types import ENDED
from dropstudy.runtime.events import Display
from dropstudy.runtime.messages import run_ended
from dropstudy.runtime.progress.eta import Eta, about, duration, training_ended
from dropstudy.runtime.progress.machines import machine_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.types import EpochMetrics, Run
    from dropstudy.runtime.machines import Machine
    from dropstudy.store.reader import RunProgress

MAX_EPOCH_LINES = 100
"""Epochs to train up to which a pipe gets a line for each."""

_PRINTED = ("loss", "accuracy", "val_loss", "val_accuracy")

_MOST_MACHINES = 8  # that have a line of their own
_INTERVAL = 60.0  # seconds between lines on the progress
_FIRST = 10.0  # seconds to the first one, where epochs have no lines


class EpochLines(Display):
    """Print each epoch as Keras does with verbose=2, and a line on the progress of the study each minute.

    Plain text for terminals, notebooks and logs.

    Args:
        stream: text stream to print to; `sys.stdout` at the time of each line if None.
        limit: with more epochs to train in all, only the progress is printed: after ten seconds, each minute and at
            the end.
    """

    def __init__(self, stream: TextIO | None = None, limit: float = math.inf) -> None:
        self._stream = stream
        self._limit = limit
        self._eta = Eta((), 1)
        self._each_epoch = True
        self._runs = self._ended = self._done = self._epochs = self._asked = 0
        self._due_at = math.inf
        self._started_at = 0.0
        self._training = False
        self._several_conditions = False
        self._machines: Sequence[Machine] = ()

    def on_train_begin(self, progress: Sequence[RunProgress], at_once: int) -> None:
        """Count runs and epochs."""
        self._eta = Eta(progress, at_once)
        self._runs = len(progress)
        self._ended = sum(each.status in ENDED for each in progress)
        self._done = sum(each.status == "done" for each in progress)
        self._epochs = sum(each.epochs_done for each in progress)
        self._several_conditions = len({each.run.condition for each in progress}) > 1
        # Seeds added round by round, and sources drawn anew, count together.
        self._asked += self._eta.epochs_left
        self._each_epoch = self._asked <= self._limit
        self._started_at = time.monotonic()
        self._due_at = self._started_at + (_INTERVAL if self._each_epoch else _FIRST)
        self._training = True

    def on_train_end(self) -> None:
        """Print how many runs are done, and the time that it took."""
        if self._training:
            self._training = False
            self._print_machines()
            self._print(training_ended(self._done, self._runs, time.monotonic() - self._started_at))

    def on_epoch_end(self, run: Run, metrics: EpochMetrics) -> None:
        """Print the epoch."""
        self._eta.on_epoch_end(run, metrics)
        self._epochs += 1
        if self._each_epoch:
            condition = f"{run.condition.layers} on {run.condition.train_size:,}, "
            steps = "" if run.of_function else f"{run.condition.steps}/{run.condition.steps} - "
            measured = [(name, getattr(metrics, name)) for name in _PRINTED]
            # A training function may leave some out.
            shown = [
                f"{name}: {value:.4f}" for name, value in measured if not (run.of_function and isnan(value))
            ]
            if shown:
                self._print(
                    f"Epoch {metrics.epoch}{run.of_epochs} "
                    f"[{run.arm.name}, {condition if self._several_conditions else ''}seed {run.seed}]\n"
                    f"{steps}{' - '.join([f'{metrics.seconds:.0f}s', *shown])}"
                )
            # How many epochs a training function has is not known before.
            self._each_epoch = self._epochs < self._limit or not run.of_function
        self._print_if_due()

    def on_segment_end(self, run: Run, steps_done: int) -> None:
        """Print the progress within a long epoch."""
        self._eta.on_segment_end(run, steps_done)
        self._print_if_due()

    def on_run_end(self, run: Run, status: str, cause: str) -> None:
        """Print the outcome of a run that did not finish."""
        if status != "done":
            self._print(run_ended(run, status, cause))
        self._eta.on_run_end(run)
        self._ended += 1
        self._done += status == "done"

    def on_machines(self, machines: Sequence[Machine]) -> None:
        """Keep it for the next line on the progress."""
        self._machines = machines
        if workers := sum(each.workers or 0 for each in machines):
            self._eta.on_workers(workers)

    def on_notice(self, text: str) -> None:
        """Print it."""
        self._print(text)

    def _print_if_due(self) -> None:
        now = time.monotonic()
        if now < self._due_at:
            return
        self._due_at = now + _INTERVAL
        self._print_progress(now)
        self._print_machines()

    def _print_progress(self, now: float) -> None:
        total = self._epochs + self._eta.epochs_left
        share = (self._epochs + self._eta.all_epochs_begun()) / total
        left = self._eta.seconds_left()
        if self._eta.open_ended:
            self._print(
                f"{self._epochs:,} epochs so far, {self._ended:,} of {counted(self._runs, 'run')} ended; "
                f"{duration(now - self._started_at)} so far."
            )
            return
        self._print(
            f"{100 * share:.0f}% done ({self._epochs:,} of {counted(total, 'epoch')}, {self._ended:,} of "
            f"{counted(self._runs, 'run')}); {duration(now - self._started_at)} so far, "
            f"{'time left not known yet' if left is None else f'{about(left)} left'}."
        )

    def _print_machines(self) -> None:
        for line in machine_lines(self._machines, _MOST_MACHINES):
            self._print(line)

    def _print(self, text: str) -> None:
        say(text, self._stream)
