"""A shape's runs set side by side: one row a seed, one column an arm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dropstudy.records import Arm


@dataclass(frozen=True, eq=False)
class ShapeTables:
    """What is known of one shape's runs.

    Args:
        arms: baseline first.
        runs: one row per run that finished with finite numbers: arm, seed, test_accuracy, test_loss, brier, and of the
            epoch whose weights were tested accuracy, val_accuracy, val_loss, clean_accuracy; of the run epochs,
            seconds, still_falling; where measured, noisy_accuracy.
        unfinished: status ("diverged", "failed" or another) of every other run, by (arm, seed).
    """

    arms: tuple[Arm, ...]
    runs: pd.DataFrame
    unfinished: dict[tuple[str, int], str]

    def of(self, arm: str) -> pd.DataFrame:
        """An arm's finished runs, indexed by seed, ascending."""
        return self.runs[self.runs["arm"] == arm].set_index("seed").sort_index()

    def pairs(self, arm: str) -> list[int]:
        """Seeds that finished in an arm and in the baseline, ascending."""
        return sorted(set(self.of(arm).index) & set(self.of(self.arms[0].name).index))

    def differences(self, column: str, arms: Sequence[Arm]) -> tuple[list[int], NDArray[np.float64]]:
        """Of each arm minus the baseline: seeds, ascending, and (seeds, arms), NaN where an arm has no pair."""
        table = self.runs.pivot_table(index="seed", columns="arm", values=column, sort=False, dropna=False)
        table = table.reindex(columns=[self.arms[0].name, *(arm.name for arm in arms)]).sort_index()
        values = table.to_numpy(dtype=np.float64)
        paired = values[:, 1:] - values[:, :1]
        kept = ~np.isnan(paired).all(axis=1)
        return [int(seed) for seed in table.index[kept]], paired[kept]


def shape_tables(
    history: pd.DataFrame, finals: pd.DataFrame, arms: Sequence[Arm], outcomes: pd.DataFrame | None = None
) -> ShapeTables:
    """Join what the histories and the looks at the test set say of each run.

    Args:
        history: of one shape, one row per arm, seed and epoch, columns of `EpochMetrics`.
        finals: of that shape, one row per finished run: arm, seed, test_loss, test_accuracy, brier; `epoch` where the
            weights tested need not be the last epoch's.
        arms: baseline first.
        outcomes: arm, seed and status of every run planned; without it, a run that has a history and no final counts
            as unfinished.
    """
    finite = np.isfinite(finals[["test_loss", "test_accuracy"]].to_numpy(dtype=np.float64)).all(axis=1)
    done = finals[finite].drop(columns=["rate", "hidden", "train_size"], errors="ignore")
    rows = history.sort_values("epoch")
    runs = done.merge(_endings(rows), on=["arm", "seed"], how="left")
    if "epoch" not in runs:
        runs["epoch"] = runs["epochs"]
    runs["epoch"] = runs["epoch"].fillna(runs["epochs"])
    measured = ["accuracy", "val_accuracy", "val_loss", "clean_accuracy"]
    runs = runs.merge(rows[["arm", "seed", "epoch", *measured]], on=["arm", "seed", "epoch"], how="left")

    ended = set(zip(done["arm"], done["seed"], strict=True))
    if outcomes is None:
        started = history[["arm", "seed"]].drop_duplicates()
        outcomes = pd.concat([started, finals[["arm", "seed"]]]).drop_duplicates().assign(status="unfinished")
    unfinished = {
        (str(arm), int(seed)): str(status)
        for arm, seed, status in outcomes[["arm", "seed", "status"]].itertuples(index=False, name=None)
        if (arm, seed) not in ended
    }
    return ShapeTables(tuple(arms), runs, unfinished)


def _endings(rows: pd.DataFrame) -> pd.DataFrame:
    """Per run: epochs trained, seconds they took, and whether validation loss was still falling at their end.

    It was where its lowest value lies in the last tenth of the run's epochs, at least in the last; said of runs of
    three epochs or more.
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
    endings["still_falling"] = (endings["epochs"] >= 3) & (endings["best_epoch"] > endings["epochs"] - tail)  # noqa: PLR2004
    return endings
