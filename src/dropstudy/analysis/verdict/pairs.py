"""Paired tables of a condition's runs: one row a seed, one column an arm."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dropstudy.analysis.stats.calibration import expected_calibration_error
from dropstudy.analysis.stats.mcnemar import right_answers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from dropstudy.core.types import Arm

    Answers = Callable[[str, int], Mapping[str, NDArray[Any]] | None]


_DIGITS = 12  # of a difference of shares; one example of a million million


@dataclass(frozen=True, eq=False)
class ShapeTables:
    """Tables of one condition's runs.

    Args:
        arms: baseline first.
        runs: one row per run that finished with finite numbers: arm, seed, test_accuracy, test_loss, brier, error,
            ece, true_gap, artefact; of the epoch whose weights were tested accuracy, val_accuracy, val_loss,
            clean_accuracy; of the run epochs, seconds, still_falling; where measured, noisy_accuracy.
        unfinished: status ("diverged", "failed" or another) of every other run, by (arm, seed).
        right: which test examples each finished run got right, (examples,), by (arm, seed); empty where that is not
            known.
        one_class: (arm, seed) of runs whose answers are all one class, although some of them are wrong.
        examples: in the test set; None where that is not known.
    """

    arms: tuple[Arm, ...]
    runs: pd.DataFrame
    unfinished: dict[tuple[str, int], str]
    right: dict[tuple[str, int], NDArray[np.bool_]]
    one_class: frozenset[tuple[str, int]] = frozenset()
    examples: int | None = None

    def of(self, arm: str) -> pd.DataFrame:
        """An arm's finished runs, indexed by seed, ascending; not to be changed."""
        return self._by_arm[arm]

    @cached_property
    def _by_arm(self) -> dict[str, pd.DataFrame]:
        """The same of every arm, made once: it is asked for again and again."""
        runs = self.runs.sort_values("seed").set_index("seed")
        return {arm.name: runs[runs["arm"] == arm.name] for arm in self.arms}

    def pairs(self, arm: str) -> list[int]:
        """Seeds that finished in an arm and in the baseline, ascending."""
        return sorted(set(self.of(arm).index) & set(self.of(self.arms[0].name).index))

    def answers(self, arm: str, seeds: Sequence[int]) -> NDArray[np.int8] | None:
        """Per seed and test example 1 where only the arm was right, -1 where only the baseline was, else 0.

        None where the answers of one of the runs are not known, or there are no seeds.
        """
        baseline = self.arms[0].name
        if not seeds or not all((name, seed) in self.right for name in (arm, baseline) for seed in seeds):
            return None
        ours, theirs = (
            np.stack([self.right[name, seed] for seed in seeds]).astype(np.int8) for name in (arm, baseline)
        )
        return ours - theirs

    def differences(self, column: str, arms: Sequence[Arm]) -> tuple[list[int], NDArray[np.float64]]:
        """Differences of each arm to the baseline: seeds, ascending, and (seeds, arms), NaN where a pair is missing."""
        table = self.runs.pivot_table(index="seed", columns="arm", values=column, sort=False, dropna=False)
        table = table.reindex(columns=[self.arms[0].name, *(arm.name for arm in arms)]).sort_index()
        values = table.to_numpy(dtype=np.float64)
        # Seeds that differ by as many examples differ by the same number, not by one that was rounded otherwise.
        paired = (values[:, 1:] - values[:, :1]).round(_DIGITS)
        kept = ~np.isnan(paired).all(axis=1)
        return [int(seed) for seed in table.index[kept]], paired[kept]


def shape_tables(
    history: pd.DataFrame,
    finals: pd.DataFrame,
    arms: Sequence[Arm],
    *,
    outcomes: pd.DataFrame | None = None,
    answers: Answers | None = None,
    examples: int | None = None,
) -> ShapeTables:
    """Join what the histories and the looks at the test set say of each run.

    Args:
        history: of one condition, one row per arm, seed and epoch, columns of `EpochMetrics`.
        finals: of that condition, one row per finished run: arm, seed, test_loss, test_accuracy, brier; `epoch` where
            the weights tested may be another epoch's; clean_accuracy and noisy_accuracy of those weights where they
            were measured.
        arms: baseline first.
        outcomes: arm, seed and status of every run planned; without it, a run that has a history and no final counts
            as unfinished.
        answers: of an arm and seed of this condition, its stored predictions, or None.
        examples: in the test set, where no answers are stored that say so.
    """
    finite = np.isfinite(finals[["test_loss", "test_accuracy"]].to_numpy(dtype=np.float64)).all(axis=1)
    done = finals[finite].drop(columns=["rate", "hidden", "train_size"], errors="ignore")
    runs = _with_tested_epoch(done, history.sort_values("epoch"))
    ended = [(str(arm), int(seed)) for arm, seed in zip(done["arm"], done["seed"], strict=True)]
    found = {} if answers is None else {run: answers(*run) for run in ended}
    stored = {run: answer for run, answer in found.items() if answer is not None}
    right = {run: right_answers(answer["confidence"], answer["likelihood"]) for run, answer in stored.items()}
    runs["ece"] = [
        expected_calibration_error(stored[run]["confidence"], right[run]) if run in right else np.nan
        for run in zip(runs["arm"], runs["seed"], strict=True)
    ]
    if outcomes is None:
        started = history[["arm", "seed"]].drop_duplicates()
        outcomes = pd.concat([started, finals[["arm", "seed"]]]).drop_duplicates().assign(status="unfinished")
    unfinished = {
        (str(arm), int(seed)): str(status)
        for arm, seed, status in outcomes[["arm", "seed", "status"]].itertuples(index=False, name=None)
        if (arm, seed) not in set(ended)
    }
    lost = finals[~finite]
    unfinished |= {
        (str(arm), int(seed)): "diverged" for arm, seed in zip(lost["arm"], lost["seed"], strict=True)
    }
    one_class = frozenset(run for run, answer in stored.items() if _is_one_class(answer, right[run]))
    known = next((len(hits) for hits in right.values()), examples)
    return ShapeTables(tuple(arms), runs, unfinished, right, one_class, known)


def _is_one_class(answer: Mapping[str, NDArray[Any]], right: NDArray[np.bool_]) -> bool:
    """Whether a run names one class for all test examples, and so is wrong about some."""
    labels = answer.get("labels")
    return labels is not None and len(labels) > 1 and bool((labels == labels[0]).all()) and not right.all()


def _with_tested_epoch(done: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Finished runs with the history row of the epoch whose weights were tested, and the gaps that follow.

    Clean accuracy is that on all training examples where the run has it, else the history's.
    """
    runs = done.merge(_endings(rows), on=["arm", "seed"], how="left")
    runs["epoch"] = runs["epoch"].fillna(runs["epochs"]) if "epoch" in runs else runs["epochs"]
    measured = rows[["arm", "seed", "epoch", "accuracy", "val_accuracy", "val_loss", "clean_accuracy"]]
    runs = runs.merge(measured, on=["arm", "seed", "epoch"], how="left", suffixes=("", "_sampled"))
    if "clean_accuracy_sampled" in runs:
        runs["clean_accuracy"] = runs["clean_accuracy"].fillna(runs.pop("clean_accuracy_sampled"))
    runs["error"] = 1 - runs["test_accuracy"]
    runs["true_gap"] = runs["clean_accuracy"] - runs["test_accuracy"]
    runs["artefact"] = runs["accuracy"] - runs["clean_accuracy"]
    return runs


def _endings(rows: pd.DataFrame) -> pd.DataFrame:
    """Per run: epochs, seconds of all and of the quickest, whether validation loss was still falling at their end.

    It was where its lowest value lies in the last tenth of the run's epochs, at least in the last; of a single
    epoch nobody can tell.
    """
    per_run = rows.groupby(["arm", "seed"], sort=False)
    endings = per_run.agg(epochs=("epoch", "max"), seconds=("seconds", "sum")).reset_index()
    measured = rows[np.isfinite(rows["val_loss"].to_numpy(dtype=np.float64))]
    lowest = measured.loc[measured.groupby(["arm", "seed"], sort=False)["val_loss"].idxmin()]
    endings = endings.merge(
        lowest[["arm", "seed", "epoch"]].rename(columns={"epoch": "best_epoch"}),
        on=["arm", "seed"],
        how="left",
    )
    tail = np.ceil(endings["epochs"] / 10)
    endings["still_falling"] = (endings["epochs"] > 1) & (endings["best_epoch"] > endings["epochs"] - tail)
    return endings
