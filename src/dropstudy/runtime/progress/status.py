"""Status of a study: progress of each arm's runs, while they train and afterwards."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from math import floor, isfinite
from statistics import mean, stdev
from typing import TYPE_CHECKING

from dropstudy.core.text import counted, percent, plain_name, rounded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dropstudy.store.reader import RunProgress

KERAS, CLEAN = "running training accuracy", "clean training accuracy"
"""Headings of the two training accuracies: as Keras measures it, and with dropout off at the end of the epoch."""


@dataclass(frozen=True)
class ArmProgress:
    """Progress of the runs of one arm and condition.

    Args:
        arm: the arm's name.
        hidden: the network's hidden layers, "512-512".
        train_size: training examples.
        each: progress of every run, in the order of the plan.
    """

    arm: str
    hidden: str
    train_size: int
    each: tuple[RunProgress, ...]

    @property
    def runs(self) -> int:
        """Number of runs."""
        return len(self.each)

    @cached_property
    def done(self) -> int:
        """Number of finished runs."""
        return sum(each.status == "done" for each in self.each)

    @cached_property
    def failed(self) -> int:
        """Number of failed or diverged runs."""
        return sum(each.status in {"failed", "diverged"} for each in self.each)

    @cached_property
    def running(self) -> tuple[RunProgress, ...]:
        """Runs that are started and unfinished. Fewer may train at the moment, and none after an interrupt."""
        return tuple(filter(is_running, self.each))

    @property
    def queued(self) -> int:
        """Number of runs that are not started."""
        return self.runs - self.done - self.failed - len(self.running)

    @property
    def accuracies(self) -> tuple[float, ...]:
        """Last validation accuracy of the finished runs, in [0, 1]."""
        return tuple(each.last.val_accuracy for each in self.each if each.status == "done" and each.last)


def by_arm(progress: Iterable[RunProgress]) -> tuple[ArmProgress, ...]:
    """Group runs by condition and arm, in the order of the plan."""
    groups: dict[tuple[str, int], dict[str, list[RunProgress]]] = {}
    for each in progress:
        condition = each.run.condition
        arms = groups.setdefault((condition.layers, condition.train_size), {})
        arms.setdefault(each.run.arm.name, []).append(each)
    return tuple(
        ArmProgress(arm, hidden, train_size, tuple(runs))
        for (hidden, train_size), arms in groups.items()
        for arm, runs in arms.items()
    )


def is_running(each: RunProgress) -> bool:
    """True for a run that is started and unfinished."""
    return each.status == "running" or (each.status == "planned" and each.epochs_done > 0)


def summary(progress: Sequence[RunProgress], begun: str = "running") -> str:
    """How many runs and epochs are done: "0 of 4 runs are done, 2 running, 2 queued. 5 of 80 epochs are done.".

    Args:
        progress: of every run.
        begun: names unfinished runs.
    """
    counts = Counter(
        begun if is_running(each) else "queued" if each.status == "planned" else each.status
        for each in progress
    )
    done, total = counts["done"], len(progress)
    parts = [
        f"{done} of {total} {'run' if total == 1 else 'runs'} {'is' if done == 1 or total == 1 else 'are'} done"
    ]
    parts += [f"{counts[name]} {name}" for name in (begun, "queued", "failed", "diverged") if counts[name]]
    if done == total or any(
        each.run.of_function for each in progress
    ):  # which has as many epochs as it likes
        return f"{', '.join(parts)}."
    epochs, of = sum(each.epochs_done for each in progress), sum(each.epochs for each in progress)
    return f"{', '.join(parts)}. {epochs:,} of {counted(of, 'epoch')} {'is' if epochs == 1 else 'are'} done."


def columns(arms: Sequence[ArmProgress], heading: str) -> dict[str, list[str]]:
    """A table of arms as text, by column; with the condition if there are several.

    Args:
        arms: its rows.
        heading: of the column of accuracies, see `accuracy_heading`.
    """
    return {
        **_names(arms),
        "done": [f"{arm.done}/{arm.runs}" for arm in arms],
        "running": [str(len(arm.running)) for arm in arms],
        **({"failed": [str(arm.failed) for arm in arms]} if any(arm.failed for arm in arms) else {}),
        "queued": [str(arm.queued) for arm in arms],
        heading: [mean_accuracy(arm.accuracies) for arm in arms],
        "current": ["; ".join(map(current, arm.running)) for arm in arms],
    }


def epoch_columns(
    arms: Sequence[ArmProgress], heading: str, epochs: Callable[[RunProgress], float]
) -> dict[str, list[str]]:
    """A table of arms that have one run each: its epochs, and the accuracies of its last epoch.

    Args:
        arms: its rows.
        heading: of the column of evaluation accuracies, see `accuracy_heading`.
        epochs: gives the epochs that a run has done, with a fraction.
    """
    last = [arm.each[0].last for arm in arms]
    return {
        **_names(arms),
        "epochs": [_epochs(arm.each[0], epochs) for arm in arms],
        KERAS: ["-" if each is None else _finite_percent(each.accuracy) for each in last],
        CLEAN: ["-" if each is None else _finite_percent(each.clean_accuracy) for each in last],
        heading: ["-" if each is None else _finite_percent(each.val_accuracy) for each in last],
    }


def _names(arms: Sequence[ArmProgress]) -> dict[str, list[str]]:
    several = len({(arm.hidden, arm.train_size) for arm in arms}) > 1
    conditions = {
        "network": [arm.hidden for arm in arms],
        "examples": [f"{arm.train_size:,}" for arm in arms],
    }
    return {**(conditions if several else {}), "arm": [plain_name(arm.arm) for arm in arms]}


def _epochs(each: RunProgress, epochs: Callable[[RunProgress], float]) -> str:
    """Epochs of a run: "12.4/20", "20/20" at its end, or the status of a run that has none."""
    if each.status in {"failed", "diverged"}:
        return each.status
    if each.status == "done":
        return f"{each.epochs_done}{each.run.of_epochs}"
    return f"{floor(10 * epochs(each)) / 10:.1f}{each.run.of_epochs}" if is_running(each) else "queued"


def _finite_percent(share: float) -> str:
    return percent(share) if isfinite(share) else "-"


def accuracy_heading(progress: Iterable[RunProgress]) -> str:
    """Column heading that names the data of `ArmProgress.accuracies`."""
    watches_test = any(each.run.validation_split == "test" for each in progress)
    return "test accuracy (watched)" if watches_test else "validation accuracy"


def mean_accuracy(accuracies: Sequence[float]) -> str:
    """Mean and standard deviation over seeds, in percent: "98.12% (SD 0.08)"; a dash without any."""
    finite = [accuracy for accuracy in accuracies if isfinite(accuracy)]
    if not finite:
        return "-"
    sd = f" (SD {rounded(100 * stdev(finite))})" if len(finite) > 1 else ""
    return percent(mean(finite)) + sd


def current(each: RunProgress) -> str:
    """Current progress of one run: "seed 3: epoch 4/5, 97.90%"."""
    run = each.run
    if each.last is None:
        return f"seed {run.seed}: first epoch"
    return f"seed {run.seed}: epoch {each.epochs_done}{run.of_epochs}, {percent(each.last.val_accuracy)}"
