"""Read a study's database and files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from dropstudy.core.tensors import read_tensors
from dropstudy.core.text import plain_name
from dropstudy.core.types import ENDED, EpochMetrics
from dropstudy.errors import DamagedFile, StoreError
from dropstudy.store import ledger
from dropstudy.store.contents import run_of
from dropstudy.store.database import errors_named
from dropstudy.store.paths import RESULTS, StudyPaths, command

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from dropstudy.core.types import Run, Status

HISTORY = tuple(field.name for field in fields(EpochMetrics))
"""Columns of a history in the database, after the run's key."""

MEASURED = {
    "epoch": "epoch",
    "clean_loss": "clean_loss",
    "clean_accuracy": "clean_accuracy",
    "noisy_loss": "noisy_loss",
    "noisy_accuracy": "noisy_accuracy",
    "test_loss": "loss",
    "test_accuracy": "accuracy",
    "test_balanced_accuracy": "balanced_accuracy",
    "test_auc": "auc",
    "brier": "brier",
    "val_balanced_accuracy": "val_balanced_accuracy",
    "val_auc": "val_auc",
}
"""Columns of a finished run's measurements, and the fields of `FinalMetrics` that they hold."""

_MAX_CAUSE = 1000  # characters shown of the cause of a failure

_COLUMNS = ", ".join(f"history.{name}" for name in HISTORY)
_TESTED = ", ".join(f"tested.{name}" for name in HISTORY)


@dataclass(frozen=True)
class RunProgress:
    """Progress of a run.

    Args:
        run: of the plan.
        status: of the run.
        epochs_done: epochs committed.
        last: metrics of the last committed epoch, None before the first.
        test_accuracy: of a finished run, in [0, 1]; else None.
        tested: metrics of the epoch whose weights a finished run has, the last or the best; else None.
    """

    run: Run
    status: Status
    epochs_done: int
    last: EpochMetrics | None
    test_accuracy: float | None
    tested: EpochMetrics | None = None

    @property
    def epochs(self) -> int:
        """Epochs of the run in all: those that it took if it has ended, else those that it may take."""
        return self.epochs_done if self.status in ENDED else self.run.epochs


@dataclass(frozen=True)
class ResultFiles:
    """Result files of finished runs, as named by one state of the database.

    Args:
        paths: of the files.
        rows: status of each run by key, and the digests of its files by kind; None for a file that is not stored.
    """

    paths: StudyPaths
    rows: Mapping[str, tuple[Status, Mapping[str, str | None]]]

    def has(self, what: str, key: str) -> bool:
        """True where a run is done and the study stores its `weights` or `predictions`."""
        status, digests = self.rows[key]
        return status == "done" and digests[what] is not None

    def exists(self, what: str, key: str) -> bool:
        """True where the study stores them and their file exists."""
        return self.has(what, key) and self.paths.result(what, key).is_file()

    def read(self, what: str, key: str) -> dict[str, NDArray[Any]]:
        """The tensors of a run's `weights` or `predictions`, by name.

        Raises:
            DamagedFile: the content of the file is not what was written.
            StoreError: the run has none, or its file is missing.
        """
        status, digests = self.rows.get(key, ("planned", dict.fromkeys(RESULTS)))
        digest, path = digests[what], self.paths.result(what, key)
        if status == "done" and digest is not None and path.is_file():
            return read_tensors(path, sha256=digest)[0]
        received, next_step = "no such file", f"To train missing runs: {command('run', self.paths.folder)}"
        if status == "diverged":
            received = "none: this run diverged and has no results"
            next_step = "Choose a finished run with --arm and --seed."
        elif status == "done" and digest is None:
            received = "none: this study does not store them"
            next_step = "Train the run in a new study with --out that keeps weights."
        raise StoreError(
            str(path), expected=f"the {what} of a finished run", received=received, next_step=next_step
        )


class Records:
    """Reads a study's database and files.

    Args:
        db: its database.
        paths: of its files.
    """

    def __init__(self, db: sqlite3.Connection, paths: StudyPaths) -> None:
        self._db = db
        self._paths = paths

    # The study

    @property
    def meta(self) -> dict[str, Any]:
        """Metadata of the study by name."""
        return {name: json.loads(value) for name, value in self._ask("SELECT name, value FROM meta")}

    @property
    def digest(self) -> str:
        """Digest of the rows of all runs; it changes with every commit."""
        rows = self._ask("SELECT key, sha256 FROM run ORDER BY key")
        return hashlib.sha256(repr(rows).encode()).hexdigest()

    # Its runs

    def runs(self, *statuses: Status) -> tuple[Run, ...]:
        """Runs in the order of the plan: all, or those with one of the given statuses."""
        rows = self._ask("SELECT specification, status FROM run ORDER BY position, key")
        return tuple(run_of(text) for text, status in rows if not statuses or status in statuses)

    def status(self) -> dict[str, Status]:
        """Status by key."""
        return dict(self._ask("SELECT key, status FROM run"))

    def progress(self) -> list[RunProgress]:
        """Progress of every run, in the order of the plan."""
        rows = self._ask(
            f"SELECT specification, status, epochs_done, test_accuracy, {_COLUMNS}, {_TESTED} FROM run"  # noqa: S608 - our own column names
            " LEFT JOIN history ON history.key = run.key AND history.epoch = run.epochs_done"
            " LEFT JOIN history AS tested ON tested.key = run.key AND tested.epoch = run.epoch"
            " ORDER BY position, run.key"
        )
        return [
            RunProgress(
                run_of(text),
                status,
                epochs,
                _epoch(metrics[: len(HISTORY)]),
                test_accuracy,
                _epoch(metrics[len(HISTORY) :]),
            )
            for text, status, epochs, test_accuracy, *metrics in rows
        ]

    def tested_epoch(self, key: str) -> EpochMetrics | None:
        """Row of a finished run's history for the epoch whose weights were tested; else None."""
        rows = self._ask(
            f"SELECT {_TESTED} FROM run JOIN history AS tested"  # noqa: S608 - our own column names
            " ON tested.key = run.key AND tested.epoch = run.epoch WHERE run.key = ?",
            key,
        )
        return _epoch(rows[0]) if rows else None

    def finals(self) -> list[dict[str, Any]]:
        """Key, arm, seed and measurements of every finished run, in the order of the plan; None for a missing value."""
        names = ("key", "arm", "seed", *MEASURED, "device")
        rows = self._ask(
            f"SELECT {', '.join(names)} FROM run WHERE status = 'done' ORDER BY position, key"  # noqa: S608 - our own column names
        )
        return [dict(zip(names, row, strict=True)) for row in rows]

    def failures(self) -> list[str]:
        """Runs that failed or diverged, one sentence each, with the cause."""
        rows = self._ask(
            "SELECT arm, seed, status, error FROM run WHERE status IN ('failed', 'diverged')"
            " ORDER BY position, key"
        )
        return [
            f"'{plain_name(arm)}', seed {seed} {status}: {plain_name(cause or 'unknown', _MAX_CAUSE)}"
            for arm, seed, status, cause in rows
        ]

    def histories(self) -> dict[str, tuple[EpochMetrics, ...]]:
        """Histories of all runs that have one, by key.

        Raises:
            DamagedFile: the rows of a run are not what was written.
        """
        return {key: tuple(EpochMetrics(*row) for row in rows) for key, rows in self.history_rows().items()}

    def history_rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Histories as in `histories`, each row a tuple in the order of the fields of `EpochMetrics`.

        SQLite has no NaN: the database has NULL for it.
        """
        answer = self._ask(
            f"SELECT run.key, arm, run.seed, history_sha256, {_COLUMNS} FROM run"  # noqa: S608 - our own column names
            " LEFT JOIN history ON history.key = run.key ORDER BY run.key, history.epoch"
        )
        found: dict[str, list[tuple[Any, ...]]] = {}
        for (key, arm, seed, digest), group in groupby(answer, itemgetter(0, 1, 2, 3)):
            rows = [row[4:] for row in group if row[4] is not None]
            if ledger.history_digest(rows) != digest:
                raise DamagedFile(
                    str(self._paths.database),
                    expected=f"the history of '{plain_name(arm)}', seed {seed} that was written",
                    received="other numbers",
                    next_step="Restore it from a copy, or start a new study with --out.",
                )
            if rows:
                found[key] = [_with_nan(row) if None in row else row for row in rows]
        return found

    def checkpoint(self, key: str) -> tuple[int, dict[str, NDArray[Any]] | None]:
        """Steps done and the state after them, None before the first.

        Raises:
            DamagedFile: the checkpoint is missing, or its content is not what was written.
        """
        ((steps, name, digest),) = self._ask(
            "SELECT steps_done, checkpoint, checkpoint_sha256 FROM run WHERE key = ?", key
        )
        if name is None:
            return 0, None
        path = self._paths.checkpoint(name)
        if not path.exists():
            raise DamagedFile(str(path), expected="the checkpoint that was written", received="no such file")
        return steps, read_tensors(path, sha256=digest)[0]

    def result_files(self) -> ResultFiles:
        """Result files of all runs in the present state of the database, which may be closed afterwards."""
        columns = ", ".join(f"{what}_sha256" for what in RESULTS)
        rows = self._ask(f"SELECT key, status, {columns} FROM run")  # noqa: S608 - our own column names
        return ResultFiles(
            self._paths,
            {key: (status, dict(zip(RESULTS, digests, strict=True))) for key, status, *digests in rows},
        )

    def path(self, what: str, key: str) -> Path:
        """Path of a run's `weights`, `predictions` or `traceback`, which need not exist."""
        return self._paths.traceback(key) if what == "traceback" else self._paths.result(what, key)

    def lost(self) -> tuple[Run, ...]:
        """Finished runs whose predictions or stored weights are missing."""
        present = {what: self._paths.present(what) for what in RESULTS}
        rows = self._ask(
            "SELECT key, specification, weights_sha256, predictions_sha256 FROM run WHERE status = 'done'"
            " ORDER BY position, key"
        )
        return tuple(
            run_of(text)
            for key, text, *digests in rows
            if any(digest and key not in present[what] for what, digest in zip(RESULTS, digests, strict=True))
        )

    # Inside

    def _ask(self, question: str, *values: object) -> list[Any]:
        with errors_named(self._paths.database):
            return self._db.execute(question, values).fetchall()


def _with_nan(row: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(np.nan if value is None else value for value in row)


def _epoch(metrics: Sequence[Any]) -> EpochMetrics | None:
    """Metrics of an epoch from a row without its key; None for an outer join without a match."""
    return None if metrics[0] is None else EpochMetrics(*_with_nan(metrics))
