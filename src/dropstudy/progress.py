"""What a user sees while runs train: one line an epoch, in Keras' form."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from dropstudy.coordinator import describe

if TYPE_CHECKING:
    from dropstudy.records import EpochMetrics, Run


def epoch_lines(run: Run, row: EpochMetrics) -> str:
    """An epoch as Keras prints it with verbose=2, headed by the arm that it belongs to."""
    steps = run.shape.steps
    return (
        f"Epoch {row.epoch}/{run.epochs} [{run.arm.name}, seed {run.seed}]\n"
        f"{steps}/{steps} - {row.seconds:.0f}s - loss: {row.loss:.4f} - accuracy: {row.accuracy:.4f}"
        f" - val_loss: {row.val_loss:.4f} - val_accuracy: {row.val_accuracy:.4f}"
    )


class EpochLines:
    """Prints epochs as they come. Plain text, so that it reads the same in a terminal, a notebook and a log."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def epoch(self, run: Run, row: EpochMetrics) -> None:
        """Print the epoch."""
        self._print(epoch_lines(run, row))

    def ended(self, run: Run, status: str, cause: str) -> None:
        """Print what became of a run that did not finish."""
        if status != "done":
            self._print(f"{describe(run)} {status}: {cause}. Its history is kept; the other runs go on.")

    def notice(self, text: str) -> None:
        """Print it."""
        self._print(text)

    def _print(self, text: str) -> None:
        # Looked up at each call: notebooks and tests replace sys.stdout.
        print(text, file=self._stream or sys.stdout, flush=True)  # noqa: T201 - printing is this room's purpose


class Silent:
    """Prints nothing."""

    def epoch(self, run: Run, row: EpochMetrics) -> None:
        """Nothing."""

    def ended(self, run: Run, status: str, cause: str) -> None:
        """Nothing."""

    def notice(self, text: str) -> None:
        """Nothing."""
