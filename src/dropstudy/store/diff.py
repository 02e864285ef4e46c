"""Compare the runs of two studies to the bit: after a kill, on another machine, with another version."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dropstudy.core.types import METRICS
from dropstudy.errors import StoreError
from dropstudy.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from dropstudy.core.types import EpochMetrics, Run, Status

Sameness = Literal["equal", "unequal", "in one alone", "in neither"]

_NOT_COMPARED = {"key", "device"}


@dataclass(frozen=True)
class RunSameness:
    """Comparison of a run in two studies, to the bit. Times and devices are not compared.

    Args:
        run: which.
        statuses: of it in either study; None where the study has no such run.
        history: every metric of every epoch.
        test: what the look at the test set measured.
        predictions: the stored answer for each test example.
        weights: every tensor of the trained network.
    """

    run: Run
    statuses: tuple[Status | None, Status | None]
    history: Sameness
    test: Sameness
    predictions: Sameness
    weights: Sameness

    @property
    def same(self) -> bool:
        """True where both studies have the run, and nothing of it differs."""
        parts = (self.history, self.test, self.predictions, self.weights)
        return self.statuses[0] == self.statuses[1] and {"equal", "in neither"}.issuperset(parts)


def compare(one: Path, other: Path) -> list[RunSameness]:
    """Every run of two studies, those of the first in its order, then those that the second alone has.

    Raises:
        StoreError: a folder holds no study.
        DamagedFile: a file is not what was written.
    """
    with Store(one) as first, Store(other) as second:
        stores = (first, second)
        runs = {run.key: run for store in stores for run in store.runs()}
        statuses = [store.status() for store in stores]
        histories = [store.histories() for store in stores]
        finals = [{row["key"]: row for row in store.finals()} for store in stores]
        return [
            RunSameness(
                run,
                (statuses[0].get(key), statuses[1].get(key)),
                _same(*(_numbers(each.get(key, ())) for each in histories)),
                _same(*(_measured(each.get(key)) for each in finals)),
                _same(*(_tensors(store, "predictions", key) for store in stores)),
                _same(*(_tensors(store, "weights", key) for store in stores)),
            )
            for key, run in runs.items()
        ]


def _same(one: object, other: object) -> Sameness:
    if one is None or other is None:
        return "in neither" if one is other else "in one alone"
    return "equal" if one == other else "unequal"


def _numbers(history: Iterable[EpochMetrics]) -> list[bytes] | None:
    """Each epoch's metrics as bytes, so that NaN equals NaN; None where there is none."""
    rows = [
        struct.pack(f"<i{len(METRICS)}d", row.epoch, *(getattr(row, name) for name in METRICS))
        for row in history
    ]
    return rows or None


def _measured(row: Mapping[str, Any] | None) -> list[tuple[str, str]] | None:
    return None if row is None else [(name, repr(row[name])) for name in row if name not in _NOT_COMPARED]


def _tensors(store: Store, what: str, key: str) -> dict[str, tuple[object, ...]] | None:
    """Type, condition and bytes of each tensor; None where the run has left none."""
    arrays: dict[str, NDArray[Any]]
    try:
        arrays = store.weights(key) if what == "weights" else store.predictions(key)
    except StoreError:
        if store.path(what, key).exists():  # then it is damaged, or cannot be read
            raise
        return None
    return {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in arrays.items()}
