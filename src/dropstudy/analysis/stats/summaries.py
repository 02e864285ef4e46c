"""Summaries of a study's runs: means over seeds, gaps, paired differences.

Two tables come in. `history` is tidy, one row per arm, condition, seed and epoch, with the columns of `EpochMetrics`.
`finals` has one row per finished run: arm, rate, condition, seed, test_loss, test_accuracy, brier. The condition is the
columns hidden ("512-512") and train_size; tables without them are of one condition. A run that diverged
or failed has no row in `finals`, or one that is not a number; it enters no mean here and is counted in
`ArmSummary.unfinished`.

Accuracies and gaps between them are shares in [0, 1] unless a name says points: a point is 0.01.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dropstudy.core.types import CONDITION, METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from dropstudy.core.types import Arm


@dataclass(frozen=True)
class Mean:
    """A mean over seeds.

    Args:
        value: the mean, not a number where n is 0.
        sd: standard deviation over the seeds, with n - 1 below; None below two seeds.
        n: seeds behind it.
    """

    value: float
    sd: float | None
    n: int

    @property
    def known(self) -> bool:
        """True where there is a value."""
        return self.n > 0


@dataclass(frozen=True)
class ArmSummary:
    """Summary of the finished runs of one arm. Each mean is over seeds.

    Args:
        arm: the arm's name.
        rate: share of hidden units that it drops.
        hidden: the network's hidden layers, such as "512-512"; empty where the tables do not say.
        train_size: examples trained on; 0 where the tables do not say.
        unfinished: runs that diverged, failed or are not through yet, and enter no mean.
        test_accuracy: of the one look at the test set, at the end.
        keras_accuracy: training accuracy as Keras prints it, last epoch: running mean, dropout on, weights
            moving.
        val_accuracy: validation data, last epoch.
        clean_accuracy: all training examples, last epoch, dropout off.
        keras_gap: keras_accuracy - val_accuracy, the gap as the notebook read it.
        artefact: keras_accuracy - clean_accuracy, what the way of measuring adds to that gap.
        true_gap: clean_accuracy - test_accuracy. Where the validation data are the test set,
            keras_gap = artefact + true_gap.
        best_epochs: for each seed the first epoch of lowest validation loss.
        best_val_loss: that loss, in nats.
        last_epoch: the last epoch trained, 0 where no run finished.
        last_val_loss: the validation loss there, in nats.
    """

    arm: str
    rate: float
    hidden: str
    train_size: int
    unfinished: int
    test_accuracy: Mean
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


@dataclass(frozen=True)
class Comparison:
    """Test accuracy of an arm minus that of the baseline, paired by seed, in percentage points.

    Args:
        arm: the arm's name.
        baseline: the baseline's name.
        n: seeds that finished in both.
        mean: mean difference, not a number where n is 0.
        minimum: the smallest difference of a seed.
        maximum: the largest.
        positive: seeds in which the arm's accuracy is the higher one.
        negative: seeds in which it is the lower one; the others are ties.
    """

    arm: str
    baseline: str
    n: int
    mean: float
    minimum: float
    maximum: float
    positive: int
    negative: int


def mean_over_seeds(values: ArrayLike) -> Mean:
    """Mean and standard deviation (n - 1 below) of one number per seed, (n,), without those not finite."""
    array = np.asarray(values, dtype=np.float64)
    finite = array[np.isfinite(array)]
    n = int(finite.size)
    return Mean(
        value=float(finite.mean()) if n else nan,
        sd=float(finite.std(ddof=1)) if n > 1 else None,
        n=n,
    )


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
    return tuple(
        _summarise_arm(rows, done, arm, condition)
        for condition, rows, done in by_condition(history, finals, planned)
        for arm in arms
    )


def by_condition(
    history: pd.DataFrame, finals: pd.DataFrame, planned: pd.DataFrame | None = None
) -> list[tuple[tuple[str, int], pd.DataFrame, pd.DataFrame]]:
    """Both tables cut into conditions: (hidden, train_size), history, finals.

    Tables that do not tell conditions apart, or are empty with nothing planned, are one condition, ("", 0).

    Args:
        history: one row per arm, condition, seed and epoch.
        finals: one row per finished run.
        planned: a table with hidden and train_size of every run planned. Its conditions are then those returned, in its
            order, those that nothing is recorded of among them; else they are the history's, in the order of its rows.
    """
    columns = list(CONDITION)
    told = history if planned is None else planned
    if told.empty or not set(columns) <= set(history.columns):
        return [(("", 0), history, finals)]
    conditions = told[columns].drop_duplicates().itertuples(index=False, name=None)
    return [
        (
            (hidden, train_size),
            _of_condition(history, hidden, train_size),
            _of_condition(finals, hidden, train_size),
        )
        for hidden, train_size in conditions
    ]


def _of_condition(frame: pd.DataFrame, hidden: str, train_size: int) -> pd.DataFrame:
    rows: pd.DataFrame = frame[(frame["hidden"] == hidden) & (frame["train_size"] == train_size)]
    return rows


def compare(finals: pd.DataFrame, arms: Sequence[Arm]) -> tuple[Comparison, ...]:
    """Each arm after the first against the first, in their order.

    Args:
        finals: one row per finished run, as for `summarise`.
        arms: the study's arms, baseline first.
    """
    return tuple(compare_pair(finals, arm.name, arms[0].name) for arm in arms[1:])


def compare_pair(finals: pd.DataFrame, arm: str, baseline: str) -> Comparison:
    """Test accuracy of `arm` minus that of `baseline`, in points, over the seeds that both finished."""
    points = paired_differences(finals, arm, baseline).to_numpy()
    return Comparison(
        arm=arm,
        baseline=baseline,
        n=int(points.size),
        mean=float(points.mean()) if points.size else nan,
        minimum=float(points.min()) if points.size else nan,
        maximum=float(points.max()) if points.size else nan,
        positive=int((points > 0).sum()),
        negative=int((points < 0).sum()),
    )


def paired_differences(finals: pd.DataFrame, arm: str, baseline: str) -> pd.Series[float]:
    """Test accuracy of `arm` minus that of `baseline`, seed by seed, in percentage points.

    A seed gives both arms the same split, initial weights and batch order, so what it moves in both cancels.

    Args:
        finals: one row per finished run, as for `summarise`.
        arm: name of an arm.
        baseline: name of the arm it is held against.

    Returns:
        Differences indexed by seed, ascending; only seeds that finished in both arms.
    """
    scores = {name: _finished(finals, name).set_index("seed")["test_accuracy"] for name in (arm, baseline)}
    both = scores[arm].index.intersection(scores[baseline].index).sort_values()
    points: pd.Series[float] = 100 * (scores[arm].loc[both] - scores[baseline].loc[both])
    return points.rename("points")


def finished_history(history: pd.DataFrame, finals: pd.DataFrame, arms: Sequence[Arm]) -> pd.DataFrame:
    """The rows of `history` that a chart may average: of each arm the finished runs.

    An arm of which no run finished keeps the rows it has: its curves, as far as they go, show why.
    """
    parts = []
    for arm in arms:
        rows = history[history["arm"] == arm.name]
        done = rows["seed"].isin(_finished(finals, arm.name)["seed"])
        parts.append(rows[done] if done.any() else rows)
    return pd.concat(parts, ignore_index=True) if parts else history.iloc[:0]


def learning_curves(history: pd.DataFrame, metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """Mean and range over seeds of each metric at each epoch.

    Args:
        history: one row per arm, seed and epoch.
        metrics: the columns wanted.

    Returns:
        Tidy: arm, metric, epoch, mean, low and high (the lowest and highest seed), n (seeds). Values that are
        not finite are left out, and with them epochs that have no other.
    """
    tidy = history.melt(id_vars=["arm", "seed", "epoch"], value_vars=list(metrics), var_name="metric")
    finite = tidy[np.isfinite(tidy["value"].to_numpy(dtype=np.float64))]
    curves: pd.DataFrame = (
        finite.groupby(["arm", "metric", "epoch"], sort=False)["value"]
        .agg(mean="mean", low="min", high="max", n="count")
        .reset_index()
        .sort_values(["arm", "metric", "epoch"], ignore_index=True)
    )
    return curves


def _finished(finals: pd.DataFrame, arm: str) -> pd.DataFrame:
    """The rows of an arm's finished runs; a diverged one shows as a loss that is not a finite number."""
    finite = np.isfinite(finals[["test_loss", "test_accuracy"]].to_numpy(dtype=np.float64)).all(axis=1)
    rows: pd.DataFrame = finals[finite & (finals["arm"] == arm).to_numpy(dtype=bool)]
    return rows


def _summarise_arm(
    history: pd.DataFrame, finals: pd.DataFrame, arm: Arm, condition: tuple[str, int]
) -> ArmSummary:
    finished = _finished(finals, arm.name).set_index("seed").sort_index()
    rows = history[history["arm"] == arm.name].sort_values(["seed", "epoch"], ignore_index=True)
    started = set(rows["seed"]) | set(finals.loc[finals["arm"] == arm.name, "seed"])
    rows = rows[rows["seed"].isin(finished.index)]
    last = rows.groupby("seed").tail(1).set_index("seed")
    measured = rows[np.isfinite(rows["val_loss"].to_numpy(dtype=np.float64))]
    best = measured.loc[measured.groupby("seed")["val_loss"].idxmin()]
    return ArmSummary(
        arm=arm.name,
        rate=arm.rate,
        hidden=condition[0],
        train_size=condition[1],
        unfinished=len(started) - len(finished),
        test_accuracy=mean_over_seeds(finished["test_accuracy"]),
        keras_accuracy=mean_over_seeds(last["accuracy"]),
        val_accuracy=mean_over_seeds(last["val_accuracy"]),
        clean_accuracy=mean_over_seeds(last["clean_accuracy"]),
        keras_gap=mean_over_seeds(last["accuracy"] - last["val_accuracy"]),
        artefact=mean_over_seeds(last["accuracy"] - last["clean_accuracy"]),
        true_gap=mean_over_seeds(last["clean_accuracy"] - finished["test_accuracy"]),
        best_epochs=tuple(int(epoch) for epoch in best["epoch"]),
        best_val_loss=mean_over_seeds(best["val_loss"]),
        last_epoch=int(last["epoch"].max()) if len(last) else 0,
        last_val_loss=mean_over_seeds(last["val_loss"]),
    )
