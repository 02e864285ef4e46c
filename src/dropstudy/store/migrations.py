"""Schema of a study's database, and the upgrade of a database with an older schema.

`user_version` holds a database's schema version. A migration is a tuple of SQL statements: the first makes version 1.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from dropstudy.core.atomic import sync_folder, temporary_path
from dropstudy.store import ledger

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION_ID = 0x64726F70
"""'drop' in ASCII: distinguishes a study's database from other SQLite files."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL, sha256 TEXT) STRICT",
        """
        CREATE TABLE run (
            key TEXT PRIMARY KEY,
            position INTEGER NOT NULL,
            arm TEXT NOT NULL,
            seed INTEGER NOT NULL,
            specification TEXT NOT NULL,
            status TEXT NOT NULL DEFAULT 'planned',
            epochs_done INTEGER NOT NULL DEFAULT 0,
            steps_done INTEGER NOT NULL DEFAULT 0,
            checkpoint TEXT,
            checkpoint_sha256 TEXT,
            weights_sha256 TEXT,
            predictions_sha256 TEXT,
            epoch INTEGER,
            clean_loss REAL,
            clean_accuracy REAL,
            noisy_loss REAL,
            noisy_accuracy REAL,
            test_loss REAL,
            test_accuracy REAL,
            test_balanced_accuracy REAL,
            test_auc REAL,
            brier REAL,
            val_balanced_accuracy REAL,
            val_auc REAL,
            device TEXT,
            error TEXT,
            history_sha256 TEXT,
            sha256 TEXT
        ) STRICT
        """,
        """
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
        ) STRICT, WITHOUT ROWID
        """,
    ),
)


def number(connection: sqlite3.Connection, pragma: str) -> int:
    """Value of a pragma that is a number."""
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def tables(connection: sqlite3.Connection) -> list[tuple[str, str, str | None]]:
    """Type, name and SQL of all that a database defines."""
    return connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()


def tables_of_version(version: int) -> list[tuple[str, str, str | None]]:
    """Result of `tables` for a new database of that schema version."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        _execute(connection, MIGRATIONS[:version])
        return tables(connection)


def migrate(connection: sqlite3.Connection, path: Path | None = None) -> None:
    """Bring a database to the newest schema in one transaction, after a backup beside `path` if it is given."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again under the lock: another process may have migrated it.
        version = number(connection, "user_version")
        if path is not None and 0 < version < len(MIGRATIONS):
            _back_up(path, path.with_suffix(f".v{version}.backup.db"))
        _execute(connection, MIGRATIONS[version:])
        if version < len(MIGRATIONS):
            ledger.seal_all(connection)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _execute(connection: sqlite3.Connection, migrations: tuple[tuple[str, ...], ...]) -> None:
    for statements in migrations:
        for statement in statements:
            connection.execute(statement)


def _back_up(path: Path, target: Path) -> None:
    """Copy a database through a second connection: SQLite copies nothing from the one that is in a transaction."""
    draft = temporary_path(target.parent)
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(draft)) as backup:
            source.backup(backup)
        draft.replace(target)
        sync_folder(target.parent)
    finally:
        remove_draft(draft)


def remove_draft(draft: Path) -> None:
    """Remove an unfinished database and its journal, where a failure left them."""
    for leftover in (draft, draft.with_name(f"{draft.name}-journal")):
        with suppress(OSError):
            leftover.unlink(missing_ok=True)
