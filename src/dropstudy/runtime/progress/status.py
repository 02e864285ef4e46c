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
    from dropstudy.store.reader import Standing


@dataclass(frozen=True)
class ArmStanding:
    """Progress of the runs of one arm and shape.

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
    begun: tuple[Standing, ...]
    accuracies: tuple[float, ...]

    @property
    def to_come(self) -> int:
        """Runs that have not begun."""
        return self.runs - self.done - self.failed - len(self.begun)


def by_arm(standings: Iterable[Standing]) -> tuple[ArmStanding, ...]:
    """Standings of runs, arm by arm and shape by shape, in the order of the plan."""
    parts: dict[tuple[str, int, str], list[Standing]] = {}
    for standing in standings:
        run = standing.run
        parts.setdefault((run.shape.layers, run.shape.train_size, run.arm.name), []).append(standing)
    shapes = dict.fromkeys(part[:2] for part in parts)
    return tuple(
        _arm_standing(arm, hidden, size, parts[hidden, size, arm])
        for hidden, size in shapes
        for (*shape, arm) in parts
        if tuple(shape) == (hidden, size)
    )


def begun(standing: Standing) -> bool:
    """True for a run that has begun and not ended."""
    return standing.status == "running" or (standing.status == "planned" and standing.epochs_done > 0)


def summary(standings: Sequence[Standing]) -> str:
    """One sentence, such as "12 of 24 runs are done, 2 begun, 10 to come."."""
    counts = Counter(
        "begun" if begun(standing) else "to come" if standing.status == "planned" else standing.status
        for standing in standings
    )
    done, total = counts.pop("done", 0), len(standings)
    others = [f"{counts[what]} {what}" for what in ("begun", "to come", "failed", "diverged") if counts[what]]
    head = (
        f"{done} of {total} runs {'is' if done == 1 else 'are'} done"
        if total > 1
        else f"{done} of 1 run is done"
    )
    return ", ".join([head, *others]) + "."


def columns(arms: Sequence[ArmStanding], heading: str) -> dict[str, list[str]]:
    """A table of arms as text, column by column; the shape is said where there are several.

    Args:
        arms: its rows.
        heading: of the column of accuracies, see `accuracy_heading`.
    """
    several = len({(arm.hidden, arm.train_size) for arm in arms}) > 1
    shapes = {"network": [arm.hidden for arm in arms], "examples": [f"{arm.train_size:,}" for arm in arms]}
    return {
        **(shapes if several else {}),
        "arm": [plain_name(arm.arm) for arm in arms],
        "done": [f"{arm.done}/{arm.runs}" for arm in arms],
        "begun": [str(len(arm.begun)) for arm in arms],
        "failed": [str(arm.failed) for arm in arms],
        "to come": [str(arm.to_come) for arm in arms],
        heading: [accuracy_words(arm.accuracies) for arm in arms],
        "stands at": ["; ".join(map(run_words, arm.begun)) for arm in arms],
    }


def accuracy_heading(standings: Iterable[Standing]) -> str:
    """Column heading that names the data of `ArmStanding.accuracies`."""
    watches_test = any(standing.run.validation == "test" for standing in standings)
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


def run_words(standing: Standing) -> str:
    """Progress of one run in words: "seed 3: epoch 4/5, 97.90%"."""
    run: Run = standing.run
    if standing.last is None:
        return f"seed {run.seed}: first epoch"
    return (
        f"seed {run.seed}: epoch {standing.epochs_done}/{run.epochs}, {percent(standing.last.val_accuracy)}"
    )


def _arm_standing(arm: str, hidden: str, train_size: int, standings: list[Standing]) -> ArmStanding:
    done = [standing for standing in standings if standing.status == "done"]
    return ArmStanding(
        arm=arm,
        hidden=hidden,
        train_size=train_size,
        runs=len(standings),
        done=len(done),
        failed=sum(standing.status in {"failed", "diverged"} for standing in standings),
        begun=tuple(filter(begun, standings)),
        accuracies=tuple(standing.last.val_accuracy for standing in done if standing.last is not None),
    )
