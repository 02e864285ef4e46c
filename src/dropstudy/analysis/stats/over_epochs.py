"""Differences between arms after each epoch: what a study of fewer epochs would have measured."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dropstudy.analysis.stats.simultaneous import simultaneous

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COLUMNS = ("arm", "epoch", "n", "mean", "low", "high")


def differences_over_epochs(
    history: pd.DataFrame, arms: Sequence[str], column: str, epochs: Iterable[int], *, best: bool, fewest: int
) -> pd.DataFrame:
    """Mean difference of each arm to the first one after some numbers of epochs, paired by seed.

    A run whose best weights are tested has, after each number of epochs, the value of its epoch of lowest validation
    loss until then: of one run what Dodge et al. 2019 ("Show your work", EMNLP) expect of many, the best validation
    score over the budget. A run that ended early keeps its last value.

    Args:
        history: of one condition, one row per arm, seed and epoch.
        arms: names, the baseline first.
        column: of the history; differences are in its unit.
        epochs: numbers of epochs.
        best: whether runs are tested with their best weights.
        fewest: seeds below which there is no interval.

    Returns:
        arm, epoch, n (pairs), mean, low and high: the interval holds for all arms at this number of epochs.
    """
    measured = history.sort_values(["arm", "seed", "epoch"], ignore_index=True)
    measured = measured.assign(value=_best_so_far(measured, column) if best else measured[column])
    rows = []
    for epoch in epochs:
        last = measured[measured["epoch"] <= epoch].groupby(["arm", "seed"])["value"].last()
        values = last.unstack("arm").reindex(columns=list(arms))  # noqa: PD010 - of a series
        differences = values[list(arms[1:])].sub(values[arms[0]], axis=0).dropna(how="all")
        if differences.empty:
            continue
        estimates = simultaneous(differences.to_numpy(dtype=np.float64))
        rows += [
            (arm, epoch, e.n, e.value, *((e.low, e.high) if e.n >= fewest else (nan, nan)))
            for arm, e in zip(arms[1:], estimates, strict=True)
        ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _best_so_far(rows: pd.DataFrame, column: str) -> pd.Series[float]:
    """Value at the first epoch of lowest validation loss until then; rows are in the order of epochs."""
    runs = [rows["arm"], rows["seed"]]
    lowest = rows["val_loss"].groupby(runs).cummin()
    improved = lowest.groupby(runs).diff().fillna(-1) < 0
    values: pd.Series[float] = rows[column].where(improved).groupby(runs).ffill()
    return values


def settled(rows: pd.DataFrame) -> int | None:
    """First number of epochs from which on an arm's intervals lie on the side of 0 where the last one does.

    None where the last one contains 0, or there is none.

    Args:
        rows: of one arm, ascending by epoch: epoch, low, high.
    """
    side = np.where(rows["low"] > 0, 1, np.where(rows["high"] < 0, -1, 0))
    if not len(side) or side[-1] == 0:
        return None
    same = np.logical_and.accumulate(side[::-1] == side[-1])[::-1]
    return int(rows["epoch"].to_numpy()[int(same.argmax())])
