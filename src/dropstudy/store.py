"""The store of a study: which runs there are, what they did, and their weights. One writer, the coordinator.

The order of writes is the same everywhere: the file first, complete and synced under its own name; then one
transaction that names it; then the file that it replaces goes. A kill at any point leaves the last committed
segment.
"""

from __future__ import annotations

import json
import shlex
import shutil
from contextlib import contextmanager, suppress
from dataclasses import asdict, astuple, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from dropstudy import schema
from dropstudy.errors import DamagedFile, StoreError
from dropstudy.files import UNFINISHED, write_text
from dropstudy.records import Arm, EpochMetrics, FinalMetrics, Optimizer, Run, Shape
from dropstudy.tensors import read_tensors, write_tensors

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from dropstudy.records import SegmentResult, Status

DATABASE = "study.db"
RESULTS = ("weights", "predictions")
"""The files that a finished run leaves, without their suffix."""

WEIGHTS = "weights/"
"""What the names of the weights begin with in a state; the moments' begin otherwise."""
CHECKPOINT = "checkpoint-"
TRACEBACK = "traceback.txt"
_HISTORY = tuple(field.name for field in fields(EpochMetrics))


class Store:
    """A study directory's database and run folders.

    Args:
        folder: the study directory.
        create: make the database if there is none.

    Raises:
        StoreError: there is no study, or its database cannot be used.
    """

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        self.folder = folder
        self._path = folder / DATABASE
        self._db = schema.connect(self._path, create=create)

    def close(self) -> None:
        """Release the database."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What the study is

    @property
    def meta(self) -> dict[str, Any]:
        """Facts recorded when the study began, by name."""
        return {name: json.loads(value) for name, value in self._db.execute("SELECT name, value FROM meta")}

    def begin(self, meta: Mapping[str, Any], runs: Iterable[Run]) -> None:
        """Record the study's facts and its runs, in one transaction, and remove what kills have left behind.

        Runs that are there already keep all but their place in the order.
        """
        with self._transaction() as db:
            db.executemany(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)",
                [(name, json.dumps(value)) for name, value in meta.items()],
            )
            db.executemany(
                "INSERT INTO run (key, position, arm, seed, specification) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET position = excluded.position",
                [
                    (run.key, position, run.arm.name, run.seed, json.dumps(asdict(run)))
                    for position, run in enumerate(runs)
                ],
            )
        named = dict(self._db.execute("SELECT key, checkpoint FROM run").fetchall())
        for path in self.folder.glob("runs/*/*"):
            if _outdated(path.name, named.get(path.parent.name)):
                _remove(path)

    # Its runs

    def runs(self, *statuses: Status) -> tuple[Run, ...]:
        """Runs in the order of the plan, all of them or those of some statuses."""
        rows = self._db.execute("SELECT specification, status FROM run ORDER BY position, key")
        return tuple(
            _run(json.loads(text)) for text, status in rows.fetchall() if not statuses or status in statuses
        )

    def status(self) -> dict[str, Status]:
        """Status by key."""
        return dict(self._db.execute("SELECT key, status FROM run").fetchall())

    def finals(self) -> list[dict[str, Any]]:
        """Key, arm, seed and test metrics of every finished run, in the order of the plan."""
        cursor = self._db.execute(
            "SELECT key, arm, seed, test_loss, test_accuracy, brier, device FROM run"
            " WHERE status = 'done' ORDER BY position, key"
        )
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def failures(self) -> list[str]:
        """Runs that failed or diverged, in words, with the cause."""
        rows = self._db.execute(
            "SELECT arm, seed, status, error FROM run WHERE status IN ('failed', 'diverged')"
            " ORDER BY position, key"
        )
        return [f"'{arm}', seed {seed} {status}: {cause}" for arm, seed, status, cause in rows]

    def history(self, key: str) -> tuple[EpochMetrics, ...]:
        """Rows of a run, by epoch. SQLite knows no NaN: its NULL reads as one."""
        rows = self._db.execute(
            f"SELECT {', '.join(_HISTORY)} FROM history WHERE key = ? ORDER BY epoch",  # noqa: S608 - our own column names
            (key,),
        )
        return tuple(
            EpochMetrics(epoch, *(np.nan if value is None else value for value in metrics))
            for epoch, *metrics in rows
        )

    def progress(self, key: str) -> tuple[int, dict[str, NDArray[Any]] | None]:
        """Epochs done and the state after them, None before the first.

        Raises:
            DamagedFile: the checkpoint is gone or not what was written.
        """
        epochs, name, digest = self._db.execute(
            "SELECT epochs_done, checkpoint, checkpoint_sha256 FROM run WHERE key = ?", (key,)
        ).fetchone()
        if name is None:
            return 0, None
        path = self.run_folder(key) / name
        if not path.exists():
            raise DamagedFile(str(path), expected="the checkpoint that was written", received="no such file")
        return epochs, read_tensors(path, sha256=digest)[0]

    def weights(self, key: str) -> dict[str, NDArray[Any]]:
        """The trained weights of a finished run, by tensor name.

        Raises:
            DamagedFile: the file is not what was written.
            StoreError: the run is not finished, or its file is gone.
        """
        return self._result_file(key, "weights")

    def predictions(self, key: str) -> dict[str, NDArray[Any]]:
        """`labels`, `confidence` and `likelihood` of a finished run per test example.

        Raises:
            As `weights` does.
        """
        return self._result_file(key, "predictions")

    # What happens to them

    def commit(self, run: Run, result: SegmentResult) -> None:
        """Keep a segment: its files, then its rows. The state of a finished run is reduced to its weights.

        Raises:
            StoreError: the disk is full, or the study's folder is gone; what was committed before is intact.
        """
        self._check_still_there()
        folder = self.run_folder(run.key)
        done = result.history[-1].epoch
        columns: dict[str, Any] = {"epochs_done": done, "device": result.device, "error": None}
        if result.diverged:
            columns |= {"status": "diverged", "error": f"the loss was no longer finite in epoch {done}"}
        elif result.final is not None:
            columns |= self._write_results(run, result.final, result.state)
        else:
            name = f"{CHECKPOINT}{done}.safetensors"
            digest = write_tensors(folder / name, result.state, {"key": run.key, "epoch": str(done)})
            columns |= {"status": "running", "checkpoint": name, "checkpoint_sha256": digest}
        if "checkpoint" not in columns:
            columns |= {"checkpoint": None, "checkpoint_sha256": None}

        with self._transaction() as db:
            db.executemany(
                f"INSERT INTO history VALUES ({', '.join('?' * (len(_HISTORY) + 1))})",  # noqa: S608 - placeholders
                [(run.key, *astuple(row)) for row in result.history],
            )
            self._update(run.key, columns)
        for path in folder.glob("*"):
            if path.name == TRACEBACK or _outdated(path.name, columns["checkpoint"]):
                _remove(path)

    def fail(self, run: Run, cause: str, traceback: str) -> None:
        """Record that a run ended without a result, and why. The traceback lies in the run's folder."""
        self._check_still_there()
        write_text(self.run_folder(run.key) / TRACEBACK, traceback)
        with self._transaction():
            self._update(run.key, {"status": "failed", "error": cause})

    def lost(self) -> tuple[Run, ...]:
        """Finished runs whose weights or predictions are no longer there."""
        return tuple(
            run
            for run in self.runs("done")
            if not all((self.run_folder(run.key) / f"{what}.safetensors").is_file() for what in RESULTS)
        )

    def restart(self, run: Run) -> None:
        """Forget what a run has done, for one whose checkpoint is damaged or whose results are gone."""
        self._check_still_there()
        with self._transaction() as db:
            db.execute("DELETE FROM history WHERE key = ?", (run.key,))
            self._update(
                run.key,
                {
                    "status": "planned",
                    "epochs_done": 0,
                    "checkpoint": None,
                    "checkpoint_sha256": None,
                    "weights_sha256": None,
                    "predictions_sha256": None,
                    "test_loss": None,
                    "test_accuracy": None,
                    "brier": None,
                    "error": None,
                },
            )
        shutil.rmtree(self.run_folder(run.key), ignore_errors=True)

    def run_folder(self, key: str) -> Path:
        """Where a run's files are."""
        return self.folder / "runs" / key

    def _write_results(
        self, run: Run, final: FinalMetrics, state: Mapping[str, NDArray[Any]]
    ) -> dict[str, Any]:
        weights = {
            name.removeprefix(WEIGHTS): array for name, array in state.items() if name.startswith(WEIGHTS)
        }
        folder = self.run_folder(run.key)
        about = {"key": run.key, "arm": run.arm.name, "seed": str(run.seed)}
        predictions = {
            "labels": final.labels,
            "confidence": final.confidence,
            "likelihood": final.likelihood,
        }
        return {
            "status": "done",
            "weights_sha256": write_tensors(folder / "weights.safetensors", weights, about),
            "predictions_sha256": write_tensors(folder / "predictions.safetensors", predictions, about),
            "test_loss": final.loss,
            "test_accuracy": final.accuracy,
            "brier": final.brier,
        }

    def _result_file(self, key: str, what: str) -> dict[str, NDArray[Any]]:
        digest = self._db.execute(f"SELECT {what}_sha256 FROM run WHERE key = ?", (key,)).fetchone()  # noqa: S608 - our own column names
        path = self.run_folder(key) / f"{what}.safetensors"
        if digest is None or digest[0] is None or not path.is_file():
            raise StoreError(
                str(path),
                expected=f"the {what} of a finished run",
                received="no such file",
                next_step=f"`dropstudy run {shlex.quote(str(self.folder))}` trains what is missing.",
            )
        return read_tensors(path, sha256=digest[0])[0]

    def _update(self, key: str, columns: Mapping[str, Any]) -> None:
        settings = ", ".join(f"{name} = ?" for name in columns)
        self._db.execute(f"UPDATE run SET {settings} WHERE key = ?", (*columns.values(), key))  # noqa: S608 - our own column names

    def _check_still_there(self) -> None:
        """Or else the folder of a study that was moved or deleted would be made again, around nothing."""
        if not self._path.is_file():
            raise StoreError(
                str(self._path),
                expected="the database of the study that is running",
                received="no such file: it was moved or deleted meanwhile",
                next_step="Put the folder back and run the same command again.",
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with schema.errors_named(self._path):
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk ends it by itself
                    self._db.execute("ROLLBACK")
                raise


def _outdated(name: str, checkpoint: str | None) -> bool:
    """Whether a file in a run's folder is no longer, or never was, what the run goes on from."""
    return (name.startswith(CHECKPOINT) and name != checkpoint) or name.endswith(UNFINISHED)


def _remove(path: Path) -> None:
    with suppress(OSError):  # it is in nobody's way: nothing reads it
        path.unlink()


def _run(table: dict[str, Any]) -> Run:
    shape = {**table["shape"], "hidden": tuple(table["shape"]["hidden"])}
    return Run(
        **{
            **table,
            "arm": Arm(**table["arm"]),
            "shape": Shape(**shape),
            "optimizer": Optimizer(**table["optimizer"]),
        }
    )
