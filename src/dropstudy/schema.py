"""The database of a study: its schema, version by version.

A database says its version in `user_version`. An older one is backed up beside itself and migrated, each step in one
transaction; a newer one is refused.
"""

from __future__ import annotations

import shutil
import sqlite3
from typing import TYPE_CHECKING

from dropstudy.errors import DamagedFile, StoreError

if TYPE_CHECKING:
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
VERSION = len(MIGRATIONS)


def connect(path: Path, *, create: bool = False) -> sqlite3.Connection:
    """Open a study's database, bringing an older one up to date.

    Args:
        path: the file.
        create: make it if it does not exist.

    Raises:
        StoreError: it does not exist, is not a study's, or was written by a newer version.
        DamagedFile: SQLite finds it damaged.
    """
    if not create and not path.is_file():
        raise StoreError(
            str(path),
            expected="the database of a study",
            received="no such file",
            next_step="`dropstudy run` makes a study.",
        )
    try:
        # Autocommit: every transaction in this room is begun and ended in so many words.
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA foreign_keys = ON")
        # Rollback journal with full syncing: writes are few, so safety is cheap.
        connection.execute("PRAGMA synchronous = FULL")
        _check(connection, path)
        _migrate(connection, path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise StoreError(
                str(path), expected="a database that can be opened", received=str(error)
            ) from error
        raise DamagedFile(
            str(path),
            expected="an intact SQLite database",
            received=str(error),
            next_step="Nothing was written to it. Restore it from a copy, or start a new study with --out.",
        ) from error
    return connection


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def _check(connection: sqlite3.Connection, path: Path) -> None:
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and _number(connection, "application_id") != APPLICATION_ID:
        raise StoreError(
            str(path),
            expected="the database of a study",
            received="another SQLite database",
            next_step="Choose another folder with --out.",
        )
    version = _number(connection, "user_version")
    if version > VERSION:
        raise StoreError(
            str(path),
            expected=f"schema version {VERSION} or older",
            received=f"version {version}, written by a newer dropstudy",
            next_step="Update dropstudy.",
        )
    damage = connection.execute("PRAGMA quick_check").fetchone()[0]
    if damage != "ok":
        raise DamagedFile(
            str(path),
            expected="an intact SQLite database",
            received=damage.replace("\n", " "),
            next_step="Nothing was written to it. Restore it from a copy, or start a new study with --out.",
        )


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = _number(connection, "user_version")
    if 0 < version < VERSION:
        shutil.copy2(path, path.with_suffix(f".v{version}.backup.db"))
    for number in range(version + 1, VERSION + 1):
        script = MIGRATIONS[number - 1]
        connection.executescript(
            f"BEGIN IMMEDIATE; {script} PRAGMA application_id = {APPLICATION_ID};"
            f" PRAGMA user_version = {number}; COMMIT;"
        )
