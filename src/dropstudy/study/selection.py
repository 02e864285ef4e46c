"""Which run of a study is used: the one that is asked for, else one of the arm that the study chose."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dropstudy.core.text import counted
from dropstudy.errors import InvalidArgument
from dropstudy.study.function import refuse_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.types import Arm, Run
    from dropstudy.report.snapshot import Snapshot

    Network = str | Sequence[int]


class Selection(NamedTuple):
    """Runs to use.

    Args:
        runs: one; or all of an arm at one condition, whose weights are stored.
        why: why this arm, in a clause; empty where it was asked for.
    """

    runs: tuple[Run, ...]
    why: str

    def __str__(self) -> str:
        run = self.runs[0]
        seeds = f"seed {run.seed}" if len(self.runs) == 1 else f"mean of {counted(len(self.runs), 'seed')}"
        return f"Network: {run.arm.name!r}, {seeds}{f' ({self.why})' if self.why else ''}."


def select(
    snapshot: Snapshot,
    *,
    arm: str | float | None = None,
    seed: int | None = None,
    hidden: Network | None = None,
    train_size: int | None = None,
    ensemble: bool = False,
    network: bool = True,
) -> Selection:
    """Select a run, or with `ensemble` all of an arm.

    Args:
        snapshot: the study.
        arm: its name, or its rate where only one arm has it; the arm to use by default (`arm_to_use`).
        seed: by default the first whose weights are stored, else the first.
        hidden: layers of the network, the study's first by default.
        train_size: likewise.
        ensemble: select every seed whose weights are stored.
        network: whether their network is used.

    Raises:
        InvalidArgument: the study has no such arm, network, size or seed; or an ensemble would be of one network.
    """
    if network:
        refuse_network(snapshot.runs[0])
    if hidden is not None:
        hidden = hidden.replace(",", "-") if isinstance(hidden, str) else "-".join(map(str, hidden))
    runs = _having(list(snapshot.runs), "hidden", hidden)
    runs = _having(runs, "train_size", train_size)
    condition = (runs[0].condition.layers, runs[0].condition.train_size)
    name, why = arm_to_use(snapshot, condition) if arm is None else (_named(snapshot.arms, arm), "")
    runs = _having(runs, "arm", name)
    stored = [run for run in runs if snapshot.files.exists("weights", run.key)]
    if ensemble:
        _check_ensemble(stored, seed, name)
        return Selection(tuple(stored), why)
    return Selection((_having(stored if seed is None and stored else runs, "seed", seed)[0],), why)


def arm_to_use(snapshot: Snapshot, condition: tuple[str, int]) -> tuple[str, str]:
    """The arm to use at a condition, and why: the chosen one, else the only other if it helps, else the baseline."""
    verdict, baseline = snapshot.condition_verdict(condition), snapshot.arms[0].name
    if verdict.chosen is not None:
        return verdict.chosen, "validation data chose this arm"
    if verdict.decision == "helps" and len(verdict.comparisons) == 1:
        return verdict.comparisons[0].arm, "the only other arm, and it helps"
    if len(snapshot.arms) == 1:
        return baseline, "the only arm"
    why = (
        "the test set was watched in training"
        if snapshot.spec.watches_test
        else "validation data chose no arm"
    )
    return baseline, f"the baseline, since {why}"


def coordinates(run: Run) -> dict[str, str | int]:
    """Values that select a run, in the order in which a study has them."""
    return {
        "arm": run.arm.name,
        "hidden": run.condition.layers,
        "train_size": run.condition.train_size,
        "seed": run.seed,
    }


def _named(arms: Sequence[Arm], wanted: str | float) -> str:
    """Name of the arm that has this name, or alone has this rate."""
    names = [arm.name for arm in arms]
    if wanted in names:
        return str(wanted)
    try:
        with_rate = [arm.name for arm in arms if arm.rate == float(wanted)]
    except (TypeError, ValueError):
        with_rate = []
    if len(with_rate) == 1:
        return with_rate[0]
    several = with_rate or names
    raise InvalidArgument(
        "arm",
        expected=f"one of {', '.join(map(repr, several))}",
        received=repr(wanted) + (f", the rate of {len(with_rate)} arms" if with_rate else ""),
    )


def _having(runs: list[Run], field: str, value: str | int | None) -> list[Run]:
    """The runs with a value of a field; with that of the first run for None."""
    present = list(dict.fromkeys(coordinates(run)[field] for run in runs))
    chosen = present[0] if value is None else value
    if chosen not in present:
        raise InvalidArgument(field, expected=f"one of {', '.join(map(str, present))}", received=str(chosen))
    return [run for run in runs if coordinates(run)[field] == chosen]


def _check_ensemble(stored: Sequence[Run], seed: int | None, arm: str) -> None:
    if seed is not None:
        raise InvalidArgument(
            "seed",
            expected="no seed with ensemble, which uses all seeds",
            received=str(seed),
            next_step="Leave one of them out.",
        )
    if len(stored) < 2:  # noqa: PLR2004 - of one there is no mean
        raise InvalidArgument(
            "ensemble",
            expected=f"two seeds or more of {arm!r} whose weights are stored",
            received=f"{len(stored)}",
            next_step="Train more seeds, in a study that keeps all weights.",
        )
