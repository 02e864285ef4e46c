"""A run's history in the form that Keras users know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from dropstudy.core.types import CONDITION, METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dropstudy.core.types import Run


class History:
    """History as `keras.Model.fit` returns it, plus the clean metrics.

    Attributes:
        epoch: epochs from 0, as Keras counts them here.
        history: lists of floats by name: `loss`, `accuracy`, `val_loss` and `val_accuracy` mean what they do
            in Keras; `clean_loss` and `clean_accuracy` are measured on training data with dropout off.
        params: what Keras puts there: `epochs`, `steps`.

    Args:
        run: that was trained.
        rows: of the run, as `tidy` makes them.
    """

    def __init__(self, run: Run, rows: pd.DataFrame) -> None:
        self.epoch = [epoch - 1 for epoch in rows["epoch"].tolist()]
        self.history: dict[str, list[float]] = {name: rows[name].astype(float).tolist() for name in METRICS}
        self.params = {"epochs": run.epochs, "steps": run.condition.steps}

    def __repr__(self) -> str:
        return f"History(epochs={len(self.epoch)}, metrics={list(self.history)})"


def tidy(runs: Iterable[tuple[Run, Iterable[tuple[Any, ...]]]]) -> pd.DataFrame:
    """One row per run and epoch: arm, hidden, train_size, seed, epoch, then the metrics and seconds.

    `hidden` is text such as "512-512"; `train_size` counts the examples trained on.

    Args:
        runs: each with the rows of its history, tuples in the order of the fields of `EpochMetrics`.
    """
    rows = []
    for run, history in runs:
        about = (run.arm.name, run.condition.layers, run.condition.train_size, run.seed)
        rows += [about + row for row in history]
    return pd.DataFrame(rows, columns=["arm", *CONDITION, "seed", "epoch", *METRICS, "seconds"])
