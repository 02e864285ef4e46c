"""The database of a study: opened, checked, brought up to date.

A database says its version in `user_version`. An older one is backed up beside itself and migrated in one
transaction; a newer one is refused. Whoever only reads gets a copy in memory.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from dropstudy.core.atomic import make_folder, sync_folder, temporary_path
from dropstudy.core.text import plain_name
from dropstudy.errors import DamagedFile, StoreError
from dropstudy.store import contents, ledger, migrations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_sound: dict[str, bytes] = {}
"""The digest of the last database that was read and found to be as it was written: one is read many times over."""

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_SURROUNDINGS = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOMEM,
}
"""Errors that say nothing of what a database holds."""

_SAID = 200  # characters of what SQLite says, or a row: it may hold anything
_LONGEST = 480  # bytes; SQLite opens paths of 504, and a new database has a longer name until it is complete
_SMALLEST = 512  # bytes; of a page of SQLite's
_ROOM = 2**20  # bytes; what a transaction of a segment needs at most, with its journal
_ONE_WAIT = 1.0  # seconds in which SQLite itself waits for another process; Ctrl-C waits with it
_PATIENCE = 600.0  # seconds; nothing of ours holds the database for longer than some milliseconds


def connect(path: Path, *, create: bool = False) -> sqlite3.Connection:
    """Open a study's database to write to it, bringing an older one up to date.

    Args:
        path: the file.
        create: make it if it does not exist.

    Raises:
        StoreError: it does not exist, is not a study's, or was written by a newer version.
        DamagedFile: it is not what was written.
    """
    _refuse_long(path)
    if create and not path.is_file():
        _make(path)
    _look(path)
    with errors_named(path):
        connection = _connect(path)
        try:
            with _damage_named(path):
                _prepare(connection)
            _check(connection, path)
            if migrations.number(connection, "user_version") < len(migrations.MIGRATIONS):
                migrations.migrate(connection, path)
            _check_contents(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def snapshot(path: Path) -> sqlite3.Connection:
    """A study's database as it stands after its last commit: a copy in memory, brought up to date.

    Whoever writes waits for the copy, which takes milliseconds, and not for what its reader then does with it.
    The file is not written to.

    Raises:
        As `connect` does.
    """
    _look(path)
    until = time.monotonic() + _PATIENCE

    def still_patient(*_: int) -> None:
        if time.monotonic() > until:
            raise StoreError(
                str(path),
                expected="a database that can be read",
                received=f"one that another process has locked for {_PATIENCE:.0f} s",
                next_step="See whether that process was stopped half way, let it go on or end it, and try again.",
            )

    with errors_named(path):
        memory = sqlite3.connect(":memory:", isolation_level=None)
        try:
            with closing(_connect(path)) as source:
                source.backup(memory, progress=still_patient, sleep=0.02)
            _check_once(memory, path)
            memory.execute("PRAGMA query_only = ON")
        except BaseException:
            memory.close()
            raise
        return memory


def patiently(connection: sqlite3.Connection, statement: str) -> None:
    """Execute BEGIN or COMMIT, waiting for whoever reads: a stopped reader delays a study and does not end it."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        else:
            return


@contextmanager
def errors_named(path: Path) -> Iterator[None]:
    """Say what SQLite's errors mean for the database at `path`, and what to do."""
    try:
        yield
    except UnicodeDecodeError as error:  # of a text in it, or of SQLite's own message about that
        raise _damaged(path, str(error)) from error
    except sqlite3.DatabaseError as error:
        code = _code(error)
        if code in _DAMAGE:
            raise _damaged(path, str(error)) from error
        if code == sqlite3.SQLITE_FULL:
            raise StoreError(
                str(path),
                expected=f"room for {_ROOM:,} bytes",
                received=plain_name(str(error), _SAID),
                next_step="Free some space and run the same command again.",
            ) from error
        if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:  # wrong SQL is a bug
            raise StoreError(
                str(path),
                expected="a database that can be read and written",
                received=plain_name(str(error), _SAID),
                next_step="Check the folder and its permissions, and run the same command again.",
            ) from error
        raise


def _make(path: Path) -> None:
    """Make a new database under another name, so that one that bears `path` is always whole."""
    draft = temporary_path(path.parent)
    try:
        make_folder(path.parent)
        with errors_named(path), closing(_connect(draft, "rwc")) as connection:
            _prepare(connection)
            migrations.migrate(connection)
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
        migrations.remove_draft(draft)


def _refuse_long(path: Path) -> None:
    length = len(os.fsencode(os.path.realpath(path)))
    if length > _LONGEST:
        raise StoreError(
            str(path),
            expected=f"a path of at most {_LONGEST} bytes, which is as much as SQLite opens",
            received=f"one of {length}",
            next_step="Choose a folder with a shorter path.",
        )


def _look(path: Path) -> None:
    """Refuse what cannot be a database, before SQLite makes one of it."""
    _refuse_long(path)
    if not path.is_file():
        raise StoreError(
            str(path),
            expected="the database of a study",
            received="no such file",
            next_step=f"To make one there: dropstudy run --out {shlex.quote(str(path.parent))}",
        )
    size = path.stat().st_size
    if size < _SMALLEST:
        # SQLite would take it for a new database, and what was lost would go unnoticed.
        raise _damaged(path, f"a file of {size} bytes")


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF  # the rest of it is detail


def _connect(path: Path, mode: str = "rw") -> sqlite3.Connection:
    # Autocommit: every transaction is begun and ended in so many words. A file that has gone is not made again.
    address = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(address, uri=True, isolation_level=None, timeout=_ONE_WAIT)


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    # Rollback journal with full syncing, the folder's included: a commit is on disk before the files that it
    # replaces are removed. Writes are few, so safety is cheap.
    connection.execute("PRAGMA synchronous = EXTRA")


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that is no study's, was written by a newer version, or is not what was written."""
    with _damage_named(path):
        if migrations.number(connection, "application_id") != migrations.APPLICATION_ID:
            raise StoreError(
                str(path),
                expected="the database of a study",
                received="another SQLite database",
                next_step="Choose another folder with --out.",
            )
        version = migrations.number(connection, "user_version")
        if version > len(migrations.MIGRATIONS):
            raise StoreError(
                str(path),
                expected=f"schema version {len(migrations.MIGRATIONS)} or older",
                received=f"version {version}, written by a newer dropstudy",
                next_step="Update dropstudy.",
            )
        wrong = _first_wrong(connection, version)
    if wrong is not None:
        raise _damaged(path, wrong)


def _check_contents(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a database whose rows hold what a study's do not."""
    with _damage_named(path):
        wrong = contents.first_wrong(connection)
    if wrong is not None:
        raise _damaged(path, wrong)


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """While a database is checked, whatever it makes SQLite stumble over is damage."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter: text that is no text
        if isinstance(error, sqlite3.Error) and _code(error) in _SURROUNDINGS:
            raise
        raise _damaged(path, str(error)) from error


def _check_once(memory: sqlite3.Connection, path: Path) -> None:
    """Check a copy and bring it up to date, unless the last one that was found sound has the same content."""
    try:
        content = hashlib.sha256(memory.serialize()).digest()
    except sqlite3.OperationalError:  # too damaged for that
        content = b""
    if not content or content != _sound.get("content"):
        _check(memory, path)
        if migrations.number(memory, "user_version") < len(migrations.MIGRATIONS):
            migrations.migrate(memory)
            content = b""  # the next copy is as old
        _check_contents(memory, path)
        _sound["content"] = content


def _first_wrong(connection: sqlite3.Connection, version: int) -> str | None:
    """First entry that is not as it was written, in words, or None."""
    damage = str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    if damage != "ok":
        return damage
    if not version or migrations.tables(connection) != migrations.tables_of_version(version):
        return f"other tables than those of schema version {version}"
    return ledger.first_wrong(connection)


def _damaged(path: Path, received: str) -> DamagedFile:
    return DamagedFile(
        str(path),
        expected="the database that was written",
        received=plain_name(received, _SAID),
        next_step="Nothing was written to it. Restore it from a copy, or start a new study with --out.",
    )
