"""The database of a study: its schema, version by version.

A database says its version in `user_version`. An older one is backed up beside itself and migrated in one
transaction; a newer one is refused.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from dropstudy.errors import DamagedFile, StoreError
from dropstudy.files import make_folder, sync_folder, unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APPLICATION_ID = 0x64726F70
"""'drop' in ASCII: tells a study's database from any other SQLite file."""

MIGRATIONS: tuple[str, ...] = (
    # 1: the first version.
    """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE run (
        key TEXT PRIMARY KEY,
        position INTEGER NOT NULL,
        arm TEXT NOT NULL,
        seed INTEGER NOT NULL,
        specification TEXT NOT NULL,
        status TEXT NOT NULL DEFAULT 'planned',
        epochs_done INTEGER NOT NULL DEFAULT 0,
        checkpoint TEXT,
        checkpoint_sha256 TEXT,
        weights_sha256 TEXT,
        predictions_sha256 TEXT,
        test_loss REAL,
        test_accuracy REAL,
        brier REAL,
        device TEXT,
        error TEXT
    ) STRICT;
    CREATE TABLE history (
        key TEXT NOT NULL REFERENCES run (key),
        epoch INTEGER NOT NULL,
        loss REAL,
        accuracy REAL,
        val_loss REAL,
        val_accuracy REAL,
        clean_loss REAL,
        clean_accuracy REAL,
        seconds REAL NOT NULL,
        PRIMARY KEY (key, epoch)
    ) STRICT, WITHOUT ROWID;
    """,
)
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_SMALLEST = 512  # bytes; of a page of SQLite's
_ROOM = 2**20  # bytes; what a transaction of a segment needs at most, with its journal


def connect(path: Path, *, create: bool = False) -> sqlite3.Connection:
    """Open a study's database, bringing an older one up to date.

    Args:
        path: the file.
        create: make it if it does not exist.

    Raises:
        StoreError: it does not exist, is not a study's, or was written by a newer version.
        DamagedFile: SQLite finds it damaged.
    """
    if not path.is_file():
        if not create:
            raise StoreError(
                str(path),
                expected="the database of a study",
                received="no such file",
                next_step="`dropstudy run` makes a study.",
            )
        _make(path)
    size = path.stat().st_size
    if size < _SMALLEST:
        # SQLite would take it for a new database, and what was lost would go unnoticed.
        raise _damaged(path, f"a file of {size} bytes")
    return _open(path)


@contextmanager
def errors_named(path: Path) -> Iterator[None]:
    """Say what SQLite's errors mean for the database at `path`, and what to do."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # the rest of it is detail
        if code in _DAMAGE:
            raise _damaged(path, str(error)) from error
        if code == sqlite3.SQLITE_FULL:
            raise StoreError(
                str(path),
                expected=f"room for {_ROOM:,} bytes",
                received=str(error),
                next_step="Free some space and run the same command again.",
            ) from error
        if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:  # wrong SQL is a bug
            raise StoreError(
                str(path),
                expected="a database that can be read and written",
                received=str(error),
                next_step="Check the folder and its permissions, and run the same command again.",
            ) from error
        raise


def _make(path: Path) -> None:
    """Make a new database under another name, so that one that bears `path` is always whole."""
    draft = unfinished(path.parent)
    try:
        make_folder(path.parent)
        with errors_named(path), closing(_connect(draft)) as connection:
            _prepare(connection)
            _migrate(connection, path)
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(
            str(path),
            expected="a place that can be written",
            received=error.strerror or str(error),
            next_step="Choose another folder with --out.",
        ) from error
    finally:
        for leftover in (draft, draft.with_name(f"{draft.name}-journal")):
            with suppress(OSError):
                leftover.unlink(missing_ok=True)


def _open(path: Path) -> sqlite3.Connection:
    with errors_named(path):
        connection = _connect(path)
        try:
            _prepare(connection)
            _check(connection, path)
            if _number(connection, "user_version") < len(MIGRATIONS):
                _migrate(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def _connect(path: Path) -> sqlite3.Connection:
    # Autocommit: every transaction in this room is begun and ended in so many words.
    return sqlite3.connect(path, isolation_level=None)


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    # Rollback journal with full syncing, the folder's included: a commit is on disk before the files that it
    # replaces are removed. Writes are few, so safety is cheap.
    connection.execute("PRAGMA synchronous = EXTRA")


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if _number(connection, "application_id") != APPLICATION_ID:
        raise StoreError(
            str(path),
            expected="the database of a study",
            received="another SQLite database",
            next_step="Choose another folder with --out.",
        )
    version = _number(connection, "user_version")
    if version > len(MIGRATIONS):
        raise StoreError(
            str(path),
            expected=f"schema version {len(MIGRATIONS)} or older",
            received=f"version {version}, written by a newer dropstudy",
            next_step="Update dropstudy.",
        )
    damage = connection.execute("PRAGMA quick_check").fetchone()[0]
    if damage != "ok":
        raise _damaged(path, damage.replace("\n", " "))


def _damaged(path: Path, received: str) -> DamagedFile:
    return DamagedFile(
        str(path),
        expected="an intact SQLite database",
        received=received,
        next_step="Nothing was written to it. Restore it from a copy, or start a new study with --out.",
    )


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Asked again now that nobody else can write: another process may have been first.
        version = _number(connection, "user_version")
        if 0 < version < len(MIGRATIONS):
            _back_up(path, path.with_suffix(f".v{version}.backup.db"))
        for script in MIGRATIONS[version:]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _back_up(path: Path, target: Path) -> None:
    """Copy a database through SQLite: to open and close the file itself would release its locks."""
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target)) as backup:
        source.backup(backup)


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one, since `executescript` would end the transaction."""
    statement = ""
    for part in script.rstrip().rstrip(";").split(";"):
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
