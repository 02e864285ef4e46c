"""What a user sees of a study while it runs: what begins, then one line an epoch in Keras' form."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from dropstudy.coordinator import describe
from dropstudy.data.describe import shapes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dropstudy.records import Dataset, EpochMetrics, Run, StudySpec

LARGE_RATE = 0.5
FALLBACK = (
    "MNIST was not found and could not be fetched when this study began: it uses the 8x8 digits that ship "
    "with scikit-learn instead. `dropstudy data mnist` says where MNIST is looked for; once it is there, "
    "`dropstudy run --data mnist --out FOLDER` makes the study with it."
)
STAND_IN = "MNIST was not found; the 8x8 digits of scikit-learn stand in"


def announcement(
    spec: StudySpec, dataset: Dataset, runs: Sequence[Run], folder: Path, *, fallback: bool
) -> list[str]:
    """What is about to be trained, and what to beware of.

    Args:
        spec: the study.
        dataset: its data.
        runs: those that are still to be trained, one or more.
        folder: the study's.
        fallback: whether the data stand in for MNIST.
    """
    lines = [FALLBACK] if fallback else []
    lines += shapes(dataset)
    lines += [large_rate(arm.rate) for arm in spec.arms if arm.rate > LARGE_RATE]
    if spec.watches_test:
        lines.append(
            "This study watches the test set every epoch (val_* is test data), as the notebook does: "
            "nothing may be selected on it."
        )
    shape = runs[0].shape
    lines.append(
        f"Network {'-'.join(map(str, shape.widths))}, {shape.parameters:,} parameters; {_counted(len(runs), 'run')} of "
        f"{_counted(spec.epochs, 'epoch')}, precision {spec.precision}; study in {folder}"
    )
    lines.append("Starting. The first epoch takes longer: it is compiled first.")
    return lines


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def large_rate(rate: float) -> str:
    """A warning that a rate is the share dropped, not kept."""
    dropped, kept = f"{100 * rate:.10g}%", f"{100 * (1 - rate):.10g}%"
    return (
        f"Large dropout rate: {rate} (drops {dropped}, keeps {kept}). `rate` is the share dropped, not kept: "
        f"if {dropped} was to be kept, the rate is {1 - rate:.10g}."
    )


def epoch_lines(run: Run, row: EpochMetrics) -> str:
    """An epoch as Keras prints it with verbose=2, headed by the arm that it belongs to."""
    steps = run.shape.steps
    return (
        f"Epoch {row.epoch}/{run.epochs} [{run.arm.name}, seed {run.seed}]\n"
        f"{steps}/{steps} - {row.seconds:.0f}s - loss: {row.loss:.4f} - accuracy: {row.accuracy:.4f}"
        f" - val_loss: {row.val_loss:.4f} - val_accuracy: {row.val_accuracy:.4f}"
    )


class EpochLines:
    """Prints epochs as they come. Plain text: it reads the same in a terminal, a notebook and a log."""

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
        print(text, file=self._stream or sys.stdout, flush=True)


class Silent:
    """Prints nothing."""

    def epoch(self, run: Run, row: EpochMetrics) -> None:
        """Nothing."""

    def ended(self, run: Run, status: str, cause: str) -> None:
        """Nothing."""

    def notice(self, text: str) -> None:
        """Nothing."""
