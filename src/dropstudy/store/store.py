"""Store of a study: runs, histories, predictions and weights. The scheduler is the only writer.

The order of writes is the same everywhere: the files first, complete and synced under their own names; then one
transaction that names them; then the files that they replace are removed. A kill at any point leaves the last
committed segment. A reader has a copy of the database in memory, as it was after a commit.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager, suppress
from dataclasses import asdict
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Self

from dropstudy.core.atomic import write_files, write_text
from dropstudy.core.tensors import to_bytes
from dropstudy.core.text import joined_parts
from dropstudy.errors import StoreError
from dropstudy.store import database, ledger
from dropstudy.store.paths import DATABASE, RESULTS, StudyPaths, refuse_too_long
from dropstudy.store.reader import HISTORY, MEASURED, Records

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from dropstudy.core.types import Run, SegmentResult

__all__ = ["DATABASE", "Store"]

_columns = attrgetter(*HISTORY)

WEIGHTS = "weights/"
"""Prefix of the names of the weights in a state; the moments have others."""

_FILES_DUE = "files_due"
"""Name in the metadata: files of removed runs, which a kill may have left behind."""

_NOT_DONE = {
    "status": "planned",
    "epochs_done": 0,
    "steps_done": 0,
    "checkpoint": None,
    "checkpoint_sha256": None,
    "weights_sha256": None,
    "predictions_sha256": None,
    **dict.fromkeys(MEASURED),
    "error": None,
    "device": None,
}


class Store(Records):
    """A study directory's database and files.

    Args:
        folder: the study directory.
        write: open for writing, as only the scheduler may. Otherwise the store is a copy of the present state: open
            it again to read later results.
        create: create the database if there is none; for a writer.

    Raises:
        StoreError: there is no study, its database cannot be used, or one of its own files or folders is a link.
    """

    def __init__(self, folder: Path, *, write: bool = False, create: bool = False) -> None:
        refuse_too_long(folder)
        self.folder = folder
        paths = StudyPaths(folder)
        path = paths.database
        if write or create:
            paths.refuse_links()
        db = database.connect(path, create=create) if write or create else database.snapshot(path)
        super().__init__(db, paths)
        self._file = _identity(path)
        self._version = self._data_version()

    def close(self) -> None:
        """Release the database."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # The study

    def begin(self, meta: Mapping[str, Any], runs: Iterable[Run]) -> None:
        """Record the study's metadata and its runs in one transaction, and remove files that a kill left behind.

        Existing runs stay as they are and move to their new position; metadata of an existing name are replaced.
        """
        places = dict(self._ask("SELECT key, position FROM run"))
        moved, new = [], []
        for position, run in enumerate(runs):
            if run.key not in places:
                new.append((run.key, position, run.arm.name, run.seed, json.dumps(asdict(run))))
            elif places[run.key] != position:
                moved.append((position, run.key))
        with self._transaction() as db:
            self._put(db, meta)
            db.executemany("UPDATE run SET position = ? WHERE key = ?", moved)
            db.executemany(
                "INSERT INTO run (key, position, arm, seed, specification) VALUES (?, ?, ?, ?, ?)", new
            )
            for key, *_ in new:
                ledger.seal_run(db, key)
        self._remove_due()
        named = {name for (name,) in self._ask("SELECT checkpoint FROM run WHERE checkpoint IS NOT NULL")}
        for path in list(self._paths.strays(named)):
            _remove(path)

    def record(self, meta: Mapping[str, Any]) -> None:
        """Record metadata; an existing name is replaced."""
        with self._transaction() as db:
            self._put(db, meta)

    # Its runs

    def commit(
        self,
        results: Iterable[tuple[Run, SegmentResult]],
        *,
        keep_weights: bool = True,
        preprocessing: Callable[[Run], Mapping[str, NDArray[Any]]] = lambda _: {},
    ) -> None:
        """Commit one segment of each run: the files first, then the rows, in one transaction.

        The state of a finished run is reduced to its weights, or to nothing.

        Args:
            results: runs, each with the result of one segment.
            keep_weights: keep the weights of finished runs.
            preprocessing: arrays to keep beside the weights of a run: what its network needs for other rows.

        Raises:
            StoreError: the disk is full, or the study's folder is gone; what was committed before is intact.
        """
        self._check_still_there()
        contents: dict[Path, bytes] = {}
        columns: dict[str, dict[str, Any]] = {}
        rows: list[tuple[Any, ...]] = []
        for run, result in results:
            columns[run.key] = self._outcome(run, result, contents, preprocessing if keep_weights else None)
            rows += [(run.key, *_columns(row)) for row in result.history]
        write_files(contents)
        with self._transaction() as db:
            db.executemany(f"INSERT INTO history VALUES ({', '.join('?' * (len(HISTORY) + 1))})", rows)  # noqa: S608 - placeholders
            replaced = [path for key in columns for path in self._replaced(key)]
            for key, values in columns.items():
                self._update(key, values)
        for path in replaced:
            if path not in contents:
                _remove(path)

    def fail(self, run: Run, cause: str, traceback: str) -> None:
        """Record that a run failed, with its cause and traceback."""
        self._check_still_there()
        write_text(self._paths.traceback(run.key), traceback)
        with self._transaction():
            self._update(run.key, {"status": "failed", "error": cause})

    def keep_log(self, run: Run, printed: str) -> None:
        """Keep what the training function of a run printed."""
        self._check_still_there()
        write_text(self._paths.log(run.key), printed)

    def restart(self, runs: Iterable[Run]) -> None:
        """Reset runs to planned: for a damaged checkpoint or missing results."""
        self._check_still_there()
        files: list[Path] = []
        with self._transaction() as db:
            for run in runs:
                files += self._replaced(run.key)
                files += [self._paths.result(what, run.key) for what in RESULTS]
                db.execute("DELETE FROM history WHERE key = ?", (run.key,))
                self._update(run.key, _NOT_DONE)
        for path in files:
            _remove(path)

    def remove(self, runs: Iterable[Run], meta: Mapping[str, Any]) -> None:
        """Remove runs, their histories and files, and record metadata in the same transaction."""
        self._check_still_there()
        keys = [run.key for run in runs]
        with self._transaction() as db:
            files = [path.relative_to(self.folder).as_posix() for key in keys for path in self._files(key)]
            db.executemany("DELETE FROM history WHERE key = ?", [(key,) for key in keys])
            db.executemany("DELETE FROM run WHERE key = ?", [(key,) for key in keys])
            self._put(db, {**meta, _FILES_DUE: files})
        self._remove_due()

    def _files(self, key: str) -> list[Path]:
        results = [self._paths.result(what, key) for what in RESULTS]
        return [*self._replaced(key), *results, self._paths.traceback(key), self._paths.log(key)]

    def _remove_due(self) -> None:
        """Remove files of removed runs that a kill left behind."""
        if due := self.meta.get(_FILES_DUE):
            for name in due:
                _remove(self.folder / name)
            self.record({_FILES_DUE: []})

    def drop_weights(self, keys: Iterable[str]) -> None:
        """Remove the weights of finished runs. Histories, predictions and metrics stay."""
        self._check_still_there()
        keys = tuple(keys)
        with self._transaction():
            for key in keys:
                self._update(key, {"weights_sha256": None})
        for key in keys:
            _remove(self._paths.result("weights", key))

    # Inside

    def _put(self, db: sqlite3.Connection, meta: Mapping[str, Any]) -> None:
        metadata = [(name, json.dumps(value)) for name, value in meta.items()]
        db.executemany("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", metadata)
        ledger.seal_meta(db)

    def _outcome(
        self,
        run: Run,
        result: SegmentResult,
        contents: dict[Path, bytes],
        preprocessing: Callable[[Run], Mapping[str, NDArray[Any]]] | None,
    ) -> dict[str, Any]:
        """A run's columns after a segment; the files that they name are added to `contents`."""
        done = result.done // run.condition.steps
        before = next((row[0] for row in self._ask("SELECT device FROM run WHERE key = ?", run.key)), None)
        columns = {
            "epochs_done": done,
            "steps_done": result.done,
            "device": joined_parts(before, result.device),
            "error": None,
            "checkpoint": None,
            "checkpoint_sha256": None,
        }
        if result.diverged:
            return columns | {
                "status": "diverged",
                "error": f"the loss was no longer finite in epoch {done}",
            }
        if result.final is None:
            content = to_bytes(result.state, {"key": run.key, "step": str(result.done)})
            digest = hashlib.sha256(content).hexdigest()
            name = f"{run.key}-{digest[:16]}.safetensors"
            contents[self._paths.checkpoint(name)] = content
            return columns | {"status": "running", "checkpoint": name, "checkpoint_sha256": digest}
        arrays: dict[str, dict[str, NDArray[Any]]] = {}
        if predictions := result.final.predictions:  # a training function may know its scores alone
            arrays["predictions"] = predictions
        if preprocessing is not None and result.state:  # weights are kept, and known
            arrays["weights"] = {
                name.removeprefix(WEIGHTS): array
                for name, array in result.state.items()
                if name.startswith(WEIGHTS)
            } | dict(preprocessing(run))
        about = {"key": run.key, "arm": run.arm.name, "seed": str(run.seed)}
        for what, tensors in arrays.items():
            content = to_bytes(tensors, about)
            contents[self._paths.result(what, run.key)] = content
            columns[f"{what}_sha256"] = hashlib.sha256(content).hexdigest()
        measured = {name: getattr(result.final, field) for name, field in MEASURED.items()}
        return columns | {"status": "done", **measured}

    def _replaced(self, key: str) -> list[Path]:
        """Files of a run that its next commit replaces."""
        rows = self._ask("SELECT checkpoint, status FROM run WHERE key = ?", key)
        checkpoint, status = rows[0] if rows else (None, None)
        paths = [self._paths.traceback(key)] if status == "failed" else []
        return paths if checkpoint is None else [*paths, self._paths.checkpoint(checkpoint)]

    def _update(self, key: str, columns: Mapping[str, Any]) -> None:
        settings = ", ".join(f"{name} = ?" for name in columns)
        self._db.execute(f"UPDATE run SET {settings} WHERE key = ?", (*columns.values(), key))  # noqa: S608 - our own column names
        ledger.seal_run(self._db, key)

    def _check_still_there(self) -> None:
        """Refuse to write if the database was moved or deleted: the folder would be created again, without it."""
        now = _identity(self._paths.database)
        if now is None:
            raise StoreError(
                str(self._paths.database),
                expected="the database of the study that is running",
                received="no such file: it was moved or deleted while the study ran",
                next_step="Put the folder back and run the same command again.",
            )
        if now != self._file:
            raise self._replaced_meanwhile()

    def _check_unchanged(self) -> None:
        if self._data_version() != self._version:
            raise self._replaced_meanwhile()

    def _replaced_meanwhile(self) -> StoreError:
        return StoreError(
            str(self._paths.database),
            expected="the database as this process wrote it last",
            received="another one: it was replaced or changed while the study ran",
            next_step="Run the same command again: it continues from the present state of the database.",
        )

    def _data_version(self) -> int:
        """A number that changes when another connection changes the database."""
        return int(self._ask("PRAGMA data_version")[0][0])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with database.errors_named(self._paths.database):
            try:
                database.execute_waiting(self._db, "BEGIN IMMEDIATE")
                self._check_unchanged()
                yield self._db
                database.execute_waiting(self._db, "COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk ends it by itself
                    self._db.execute("ROLLBACK")
                raise


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file, which identify it even if its name is reused; None if there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _remove(path: Path) -> None:
    if not path.parent.is_symlink():  # behind a link lie foreign files
        with suppress(OSError):  # a leftover does no harm: nothing reads it
            path.unlink()
