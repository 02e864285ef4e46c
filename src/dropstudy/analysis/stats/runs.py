"""Tables of a study's runs: cut into conditions, one row per finished run, learning curves.

Two tables come in. `history` is tidy, one row per arm, condition, seed and epoch, with the columns of `EpochMetrics`.
`finals` has one row per finished run: arm, rate, condition, seed, test_loss, test_accuracy, brier. The condition is the
columns hidden ("512-512") and train_size; tables without them are of one condition. A run that diverged or failed has
no row in `finals`, or one that is not finite. Accuracies are shares in [0, 1].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dropstudy.analysis.stats.estimate import ROUNDING
from dropstudy.core.metrics import METRICS
from dropstudy.core.types import CONDITION
from dropstudy.core.types import METRICS as EPOCH_METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.types import Arm


def by_condition(
    history: pd.DataFrame, finals: pd.DataFrame, planned: pd.DataFrame | None = None
) -> list[tuple[tuple[str, int], pd.DataFrame, pd.DataFrame]]:
    """Both tables cut into conditions: (hidden, train_size), history, finals.

    Tables without these columns, or empty with nothing planned, are one condition, ("", 0).

    Args:
        history: one row per arm, condition, seed and epoch.
        finals: one row per finished run.
        planned: hidden and train_size of every planned run. It then gives the conditions and their order, those without
            any record among them; else the history does.
    """
    source = history if planned is None else planned
    if source.empty or not set(CONDITION) <= set(history.columns):
        return [(("", 0), history, finals)]
    conditions = source[list(CONDITION)].drop_duplicates().itertuples(index=False, name=None)
    return [
        ((hidden, size), at_condition(history, hidden, size), at_condition(finals, hidden, size))
        for hidden, size in conditions
    ]


def at_condition(table: pd.DataFrame, hidden: str, train_size: int) -> pd.DataFrame:
    """The rows of a table that belong to a condition."""
    rows: pd.DataFrame = table[(table["hidden"] == hidden) & (table["train_size"] == train_size)]
    return rows


def is_finite(finals: pd.DataFrame) -> pd.Series[bool]:
    """Mask of the runs that finished with finite numbers where these were measured; a diverged run's loss is not.

    A training function may measure one of them alone: the column of the other one is empty.
    """
    columns = finals.columns.intersection(["test_loss", "test_accuracy"])
    finite = np.isfinite(finals[columns].to_numpy(dtype=np.float64))
    measured = finite.any(axis=0)
    if measured.any():
        finite = finite[:, measured]
    return pd.Series(finite.all(axis=1), index=finals.index)


def finished_runs(history: pd.DataFrame, finals: pd.DataFrame) -> pd.DataFrame:
    """One row per finished run of a condition, by seed: its final numbers and the epoch whose weights were tested.

    Args:
        history: of one condition.
        finals: of that condition. `epoch` is that of the tested weights, the last where the column is missing;
            clean_accuracy of those weights replaces the history's, which may be of a sample.

    Returns:
        The columns of `finals`, and those of every metric, NaN where they were not measured; accuracy, val_accuracy,
        val_loss and clean_accuracy of that epoch; error, true_gap (clean_accuracy - test_accuracy) and artefact
        (accuracy - clean_accuracy); of the run epochs, seconds, best_epoch, best_val_loss, last_val_loss and
        still_falling; told, whether any metric of its epochs is known.
    """
    rows = history.sort_values("epoch", ignore_index=True)
    runs = finals[is_finite(finals)].drop(columns=["rate", *CONDITION], errors="ignore").sort_values("seed")
    runs = runs.merge(_endings(rows), on=["arm", "seed"], how="left")
    runs["epoch"] = runs["epoch"].fillna(runs["epochs"]) if "epoch" in runs else runs["epochs"]
    measured = rows[["arm", "seed", "epoch", "accuracy", "val_accuracy", "val_loss", "clean_accuracy"]]
    runs = runs.merge(measured, on=["arm", "seed", "epoch"], how="left", suffixes=("", "_sampled"))
    if "clean_accuracy_sampled" in runs:
        runs["clean_accuracy"] = runs["clean_accuracy"].fillna(runs.pop("clean_accuracy_sampled"))
    for column in (name for metric in METRICS.values() for name in (metric.column, metric.validation)):
        if column not in runs:
            runs[column] = np.nan
    runs["error"] = 1 - runs["test_accuracy"]
    runs["true_gap"] = runs["clean_accuracy"] - runs["test_accuracy"]
    runs["artefact"] = runs["accuracy"] - runs["clean_accuracy"]
    return runs


def _endings(rows: pd.DataFrame) -> pd.DataFrame:
    """Per run: epochs, seconds, first epoch of lowest validation loss, that loss, the last one, whether it was falling.

    `told` is false of a training function's run that told nothing about its epochs: it counts as one epoch then.
    It was still falling where the lowest value lies in the last tenth of the epochs; a single epoch is no evidence.
    """
    run = ["arm", "seed"]
    per_run = rows.groupby(run, sort=False)
    endings = per_run.agg(epochs=("epoch", "max"), seconds=("seconds", "sum")).reset_index()
    last = rows.loc[per_run["epoch"].idxmax(), [*run, "val_loss"]].rename(
        columns={"val_loss": "last_val_loss"}
    )
    measured = rows[np.isfinite(rows["val_loss"].to_numpy(dtype=np.float64))]
    best = measured.loc[measured.groupby(run, sort=False)["val_loss"].idxmin(), [*run, "epoch", "val_loss"]]
    best = best.rename(columns={"epoch": "best_epoch", "val_loss": "best_val_loss"})
    endings = endings.merge(last, on=run, how="left").merge(best, on=run, how="left")
    told = rows.reindex(columns=EPOCH_METRICS).notna().any(axis=1).groupby([rows[name] for name in run]).any()
    endings = endings.merge(told.rename("told").reset_index(), on=run, how="left")
    tail = np.ceil(endings["epochs"] / 10)
    endings["still_falling"] = (endings["epochs"] > 1) & (endings["best_epoch"] > endings["epochs"] - tail)
    return endings


def finished_history(history: pd.DataFrame, finals: pd.DataFrame, arms: Sequence[Arm]) -> pd.DataFrame:
    """Rows of `history` that a chart averages: of each arm the finished runs, or all where none finished."""
    finished, parts = finals[is_finite(finals)], []
    for arm in arms:
        rows = history[history["arm"] == arm.name]
        done = rows["seed"].isin(finished.loc[finished["arm"] == arm.name, "seed"])
        parts.append(rows[done] if done.any() else rows)
    return pd.concat(parts, ignore_index=True) if parts else history.iloc[:0]


def learning_curves(history: pd.DataFrame, metrics: Sequence[str] = EPOCH_METRICS) -> pd.DataFrame:
    """Mean and range over seeds of each metric at each epoch.

    Args:
        history: one row per arm, seed and epoch.
        metrics: columns of it.

    Returns:
        Tidy: arm, metric, epoch, mean, low and high (the lowest and highest seed), n (seeds), of finite values alone.
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


def mean_curves(history: pd.DataFrame, metric: str, *, fewest: int) -> pd.DataFrame:
    """Mean over seeds of a metric at each epoch, with Student's 95% interval of the mean at that epoch alone.

    Args:
        history: one row per arm, seed and epoch.
        metric: a column of it.
        fewest: seeds below which there is no interval.

    Returns:
        Tidy: arm, epoch, mean, low, high, n, of finite values alone. Ends are NaN below `fewest` seeds and where all
        seeds agree.
    """
    from scipy.stats import t  # noqa: PLC0415 - scipy is slow to import, and only the page needs it here

    finite = history[np.isfinite(history[metric].to_numpy(dtype=np.float64))]
    groups = finite.groupby(["arm", "epoch"], sort=False)[metric]
    curves: pd.DataFrame = groups.agg(mean="mean", deviation="std", n="count").reset_index()
    known = (curves["n"] >= max(2, fewest)) & (curves["deviation"] > ROUNDING)
    spread = curves.pop("deviation").where(known) / np.sqrt(curves["n"])
    reach = t.ppf(0.975, np.maximum(1, curves["n"] - 1)) * spread
    return curves.assign(low=curves["mean"] - reach, high=curves["mean"] + reach)
