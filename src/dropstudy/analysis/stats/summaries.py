"""Summary of each arm at each condition: means over its finished runs, no comparison."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from dropstudy.analysis.stats.estimate import mean_over_seeds
from dropstudy.analysis.stats.runs import by_condition, finished_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from dropstudy.analysis.stats.estimate import Mean
    from dropstudy.core.types import Arm


@dataclass(frozen=True)
class ArmSummary:
    """Summary of the finished runs of one arm; means over seeds, of the epoch whose weights were tested.

    Args:
        arm: the arm's name.
        rate: share of hidden units that it drops.
        hidden: the network's hidden layers, such as "512-512"; empty where the tables have no conditions.
        train_size: examples trained on; 0 likewise.
        unfinished: runs that started and diverged, failed or continue; no mean includes them.
        test_accuracy: test data, measured once at the end.
        test_balanced_accuracy: likewise, the mean recall of the classes.
        test_loss: likewise, the log loss in nats.
        test_auc: likewise, the area under the ROC curve.
        keras_accuracy: training accuracy as Keras measures it: running mean, dropout on, weights moving.
        val_accuracy: validation data.
        clean_accuracy: all training examples, dropout off.
        keras_gap: keras_accuracy - val_accuracy, the gap as the notebook read it.
        artefact: keras_accuracy - clean_accuracy, the part of that gap that comes from how it is measured.
        true_gap: clean_accuracy - test_accuracy. Where the validation data are the test set, keras_gap is the sum of
            artefact and true_gap.
        best_epochs: for each seed the first epoch of lowest validation loss.
        best_val_loss: that loss, in nats.
        last_epoch: the last epoch trained, 0 where no run finished, or nothing is known of epochs.
        last_val_loss: the validation loss there, in nats.
    """

    arm: str
    rate: float
    hidden: str
    train_size: int
    unfinished: int
    test_accuracy: Mean
    test_balanced_accuracy: Mean
    test_loss: Mean
    test_auc: Mean
    keras_accuracy: Mean
    val_accuracy: Mean
    clean_accuracy: Mean
    keras_gap: Mean
    artefact: Mean
    true_gap: Mean
    best_epochs: tuple[int, ...]
    best_val_loss: Mean
    last_epoch: int
    last_val_loss: Mean

    @property
    def n(self) -> int:
        """Seeds that finished."""
        return self.test_accuracy.n

    @property
    def best_epoch(self) -> float:
        """Median over seeds of the epoch of lowest validation loss, not a number where no run finished."""
        return float(np.median(self.best_epochs)) if self.best_epochs else nan


def summarise(
    history: pd.DataFrame, finals: pd.DataFrame, arms: Sequence[Arm], planned: pd.DataFrame | None = None
) -> tuple[ArmSummary, ...]:
    """One summary per condition and arm: conditions as `by_condition` gives them, arms in the order of `arms`.

    Args:
        history: one row per arm, condition, seed and epoch, columns of `EpochMetrics`.
        finals: one row per finished run: arm, rate, condition, seed, test_loss, test_accuracy, brier.
        arms: the study's arms, baseline first.
        planned: as for `by_condition`.
    """
    found = []
    for condition, rows, done in by_condition(history, finals, planned):
        runs = finished_runs(rows, done)
        for arm in arms:
            started = {seed for table in (rows, done) for seed in table.loc[table["arm"] == arm.name, "seed"]}
            found.append(_summary(runs[runs["arm"] == arm.name], arm, condition, len(started)))
    return tuple(found)


def _summary(runs: pd.DataFrame, arm: Arm, condition: tuple[str, int], started: int) -> ArmSummary:
    return ArmSummary(
        arm=arm.name,
        rate=arm.common_rate,
        hidden=condition[0],
        train_size=condition[1],
        unfinished=started - len(runs),
        test_accuracy=mean_over_seeds(runs["test_accuracy"]),
        test_balanced_accuracy=mean_over_seeds(runs["test_balanced_accuracy"]),
        test_loss=mean_over_seeds(runs["test_loss"]),
        test_auc=mean_over_seeds(runs["test_auc"]),
        keras_accuracy=mean_over_seeds(runs["accuracy"]),
        val_accuracy=mean_over_seeds(runs["val_accuracy"]),
        clean_accuracy=mean_over_seeds(runs["clean_accuracy"]),
        keras_gap=mean_over_seeds(runs["accuracy"] - runs["val_accuracy"]),
        artefact=mean_over_seeds(runs["artefact"]),
        true_gap=mean_over_seeds(runs["true_gap"]),
        best_epochs=tuple(int(epoch) for epoch in runs["best_epoch"].dropna()),
        best_val_loss=mean_over_seeds(runs["best_val_loss"]),
        last_epoch=int((runs["epochs"] * runs["told"]).max()) if len(runs) else 0,
        last_val_loss=mean_over_seeds(runs["last_val_loss"]),
    )
