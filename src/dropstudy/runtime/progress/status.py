"""Status of a study: progress of each arm's runs, while they train and afterwards."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import TYPE_CHECKING

from dropstudy.core.text import percent, plain_name, rounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dropstudy.core.types import Run
    from dropstudy.store.reader import RunProgress


@dataclass(frozen=True)
class ArmProgress:
    """Progress of the runs of one arm and condition.

    Args:
        arm: the arm's name.
        hidden: the network's hidden layers, "512-512".
        train_size: examples trained on.
        runs: how many there are.
        done: of these, finished.
        failed: of these, failed or diverged.
        begun: those that have begun and not ended, in the order of the plan; fewer may be trained at the moment, since
            runs take turns, and after an interrupt none is.
        accuracies: last validation accuracy of the finished ones, in [0, 1].
    """

    arm: str
    hidden: str
    train_size: int
    runs: int
    done: int
    failed: int
    begun: tuple[RunProgress, ...]
    accuracies: tuple[float, ...]

    @property
    def to_come(self) -> int:
        """Runs that have not begun."""
        return self.runs - self.done - self.failed - len(self.begun)


def by_arm(progress: Iterable[RunProgress]) -> tuple[ArmProgress, ...]:
    """Standings of runs, arm by arm and condition by condition, in the order of the plan."""
    parts: dict[tuple[str, int, str], list[RunProgress]] = {}
    for each in progress:
        run = each.run
        parts.setdefault((run.condition.layers, run.condition.train_size, run.arm.name), []).append(each)
    conditions = dict.fromkeys(part[:2] for part in parts)
    return tuple(
        _arm_progress(arm, hidden, size, parts[hidden, size, arm])
        for hidden, size in conditions
        for (*condition, arm) in parts
        if tuple(condition) == (hidden, size)
    )


def begun(each: RunProgress) -> bool:
    """True for a run that has begun and not ended."""
    return each.status == "running" or (each.status == "planned" and each.epochs_done > 0)


def summary(progress: Sequence[RunProgress]) -> str:
    """One sentence, such as "12 of 24 runs are done, 2 begun, 10 to come."."""
    counts = Counter(
        "begun" if begun(each) else "to come" if each.status == "planned" else each.status
        for each in progress
    )
    done, total = counts.pop("done", 0), len(progress)
    others = [f"{counts[what]} {what}" for what in ("begun", "to come", "failed", "diverged") if counts[what]]
    head = (
        f"{done} of {total} runs {'is' if done == 1 else 'are'} done"
        if total > 1
        else f"{done} of 1 run is done"
    )
    return ", ".join([head, *others]) + "."


def columns(arms: Sequence[ArmProgress], heading: str) -> dict[str, list[str]]:
    """A table of arms as text, column by column; the condition is said where there are several.

    Args:
        arms: its rows.
        heading: of the column of accuracies, see `accuracy_heading`.
    """
    several = len({(arm.hidden, arm.train_size) for arm in arms}) > 1
    conditions = {
        "network": [arm.hidden for arm in arms],
        "examples": [f"{arm.train_size:,}" for arm in arms],
    }
    return {
        **(conditions if several else {}),
        "arm": [plain_name(arm.arm) for arm in arms],
        "done": [f"{arm.done}/{arm.runs}" for arm in arms],
        "begun": [str(len(arm.begun)) for arm in arms],
        "failed": [str(arm.failed) for arm in arms],
        "to come": [str(arm.to_come) for arm in arms],
        heading: [accuracy_words(arm.accuracies) for arm in arms],
        "stands at": ["; ".join(map(run_words, arm.begun)) for arm in arms],
    }


def accuracy_heading(progress: Iterable[RunProgress]) -> str:
    """Column heading that names the data of `ArmProgress.accuracies`."""
    watches_test = any(each.run.validation_split == "test" for each in progress)
    return "test accuracy (watched)" if watches_test else "validation accuracy"


def accuracy_words(accuracies: Sequence[float]) -> str:
    """Mean and standard deviation over seeds, in percent: "98.12% (SD 0.08)"; a dash where there is none."""
    finite = [accuracy for accuracy in accuracies if isfinite(accuracy)]
    if not finite:
        return "-"
    mean = sum(finite) / len(finite)
    if len(finite) == 1:
        return percent(mean)
    sd = sqrt(sum((accuracy - mean) ** 2 for accuracy in finite) / (len(finite) - 1))
    return f"{percent(mean)} (SD {rounded(100 * sd)})"


def run_words(each: RunProgress) -> str:
    """Progress of one run in words: "seed 3: epoch 4/5, 97.90%"."""
    run: Run = each.run
    if each.last is None:
        return f"seed {run.seed}: first epoch"
    return f"seed {run.seed}: epoch {each.epochs_done}/{run.epochs}, {percent(each.last.val_accuracy)}"


def _arm_progress(arm: str, hidden: str, train_size: int, progress: list[RunProgress]) -> ArmProgress:
    done = [each for each in progress if each.status == "done"]
    return ArmProgress(
        arm=arm,
        hidden=hidden,
        train_size=train_size,
        runs=len(progress),
        done=len(done),
        failed=sum(each.status in {"failed", "diverged"} for each in progress),
        begun=tuple(filter(begun, progress)),
        accuracies=tuple(each.last.val_accuracy for each in done if each.last is not None),
    )
