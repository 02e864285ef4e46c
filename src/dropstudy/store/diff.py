"""Compare the runs of two studies to the bit: after a kill, on another machine, with another version."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dropstudy.core.text import UNLIKE
from dropstudy.core.types import METRICS
from dropstudy.errors import StoreError
from dropstudy.store.directory import holds_study, no_study
from dropstudy.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from dropstudy.core.types import EpochMetrics, Run, Status
    from dropstudy.store.reader import ResultFiles

Outcome = Literal["equal", "unequal", "in one alone", "in neither"]

_NOT_COMPARED = {"key", "device"}


@dataclass(frozen=True)
class RunDiff:
    """Comparison of a run in two studies, to the bit. Times and devices are not compared.

    Args:
        run: in either study.
        statuses: of the run in each study; None where the study has no such run.
        history: comparison of every metric of every epoch.
        test: of the metrics on the test set.
        predictions: of the stored predictions for each test example.
        weights: of every tensor of the trained network.
        unlike: machines that trained the run in each study, and that would give other numbers than the rest of it.
    """

    run: Run
    statuses: tuple[Status | None, Status | None]
    history: Outcome
    test: Outcome
    predictions: Outcome
    weights: Outcome
    unlike: tuple[tuple[str, ...], tuple[str, ...]]

    @property
    def same(self) -> bool:
        """True where both studies have the run and all its parts are equal."""
        parts = (self.history, self.test, self.predictions, self.weights)
        return self.statuses[0] == self.statuses[1] and {"equal", "in neither"}.issuperset(parts)


def compare(one: Path, other: Path) -> list[RunDiff]:
    """Compare every run of two studies: those of the first in its order, then those of the second alone.

    Raises:
        StoreError: a folder holds no study.
        DamagedFile: the content of a file is not what was written.
    """
    for folder in (one, other):
        if not holds_study(folder):
            raise no_study(folder)
    with Store(one) as first, Store(other) as second:
        stores = (first, second)
        runs = {run.key: run for store in stores for run in store.runs()}
        statuses = [store.status() for store in stores]
        histories = [store.histories() for store in stores]
        finals = [{row["key"]: row for row in store.finals()} for store in stores]
        files = [store.result_files() for store in stores]
        return [
            RunDiff(
                run,
                (statuses[0].get(key), statuses[1].get(key)),
                _compare(*(_history(each.get(key, ())) for each in histories)),
                _compare(*(_metrics(each.get(key)) for each in finals)),
                _compare(*(_tensors(each, "predictions", key) for each in files)),
                _compare(*(_tensors(each, "weights", key) for each in files)),
                (_unlike(finals[0].get(key)), _unlike(finals[1].get(key))),
            )
            for key, run in runs.items()
        ]


def _compare(one: object, other: object) -> Outcome:
    if one is None or other is None:
        return "in neither" if one is other else "in one alone"
    return "equal" if one == other else "unequal"


def _history(history: Iterable[EpochMetrics]) -> list[bytes] | None:
    """Each epoch's metrics as bytes, so that NaN equals NaN; None for no epoch."""
    rows = [
        struct.pack(f"<i{len(METRICS)}d", row.epoch, *(getattr(row, name) for name in METRICS))
        for row in history
    ]
    return rows or None


def _metrics(row: Mapping[str, Any] | None) -> list[tuple[str, str]] | None:
    return None if row is None else [(name, repr(row[name])) for name in row if name not in _NOT_COMPARED]


def _unlike(row: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Devices of a run on which something was other than where the study's first part was trained."""
    return () if row is None else tuple(part for part in (row["device"] or "").split("; ") if UNLIKE in part)


def _tensors(files: ResultFiles, what: str, key: str) -> dict[str, tuple[object, ...]] | None:
    """Type, shape and bytes of each tensor; None where the run has none."""
    try:
        arrays = files.read(what, key)
    except StoreError:
        if files.paths.result(what, key).exists():  # it is damaged, or cannot be read
            raise
        return None
    return {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in arrays.items()}
