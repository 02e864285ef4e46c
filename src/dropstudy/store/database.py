"""Open a study's database: check it, migrate an older schema, refuse a newer one.

Readers get a copy in memory.
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

_checked: dict[str, bytes] = {}
"""Digest of the last database that passed all checks: the same one is often read many times."""

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_TRANSIENT = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOMEM,
}
"""Errors of the environment, not of the database's content."""

_MAX_QUOTED = 200  # characters of a message of SQLite's or of a row: either may hold anything
_MAX_PATH = 480  # bytes; SQLite opens paths of 504, and a new database has a longer name until it is complete
_MIN_SIZE = 512  # bytes; the smallest page of SQLite
_ROOM = 2**20  # bytes; the most that one transaction and its journal need
_BUSY_TIMEOUT = 1.0  # seconds of SQLite's own wait for another process; Ctrl-C waits with it
_TIMEOUT = 600.0  # seconds; dropstudy itself holds the database for milliseconds


def connect(path: Path, *, create: bool = False) -> sqlite3.Connection:
    """Open a study's database for writing, and migrate an older one.

    Args:
        path: the file.
        create: create it if it does not exist.

    Raises:
        StoreError: it does not exist, is not a study's, or was written by a newer version.
        DamagedFile: it is not as written.
    """
    _refuse_long(path)
    if create and not path.is_file():
        _make(path)
    _check_file(path)
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
    """Copy a study's database, as of its last commit, into memory, with the newest schema.

    Writers wait only for the copy, which takes milliseconds. The file is not written to.

    Raises:
        As `connect` does.
    """
    _check_file(path)
    until = time.monotonic() + _TIMEOUT

    def check_timeout(*_: int) -> None:
        if time.monotonic() > until:
            raise StoreError(
                str(path),
                expected="a database that can be read",
                received=f"one that another process has locked for {_TIMEOUT:.0f} s",
                next_step="If that process was paused, let it continue or end it; then try again.",
            )

    with errors_named(path):
        memory = sqlite3.connect(":memory:", isolation_level=None)
        try:
            with closing(_connect(path)) as source:
                source.backup(memory, progress=check_timeout, sleep=0.02)
            _check_once(memory, path)
            memory.execute("PRAGMA query_only = ON")
        except BaseException:
            memory.close()
            raise
        return memory


def execute_waiting(connection: sqlite3.Connection, statement: str) -> None:
    """Execute BEGIN or COMMIT and wait for readers: a suspended reader delays a study, it does not end it."""
    until = time.monotonic() + _TIMEOUT
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
    """Translate SQLite's errors into errors that name the database and the next step."""
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
                received=plain_name(str(error), _MAX_QUOTED),
                next_step="Free some space and run the same command again.",
            ) from error
        if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:  # wrong SQL is a bug
            raise StoreError(
                str(path),
                expected="a database that can be read and written",
                received=plain_name(str(error), _MAX_QUOTED),
                next_step="Check the folder and its permissions, and run the same command again.",
            ) from error
        raise


def _make(path: Path) -> None:
    """Create a database under a temporary name, so that a file at `path` is always complete."""
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
            expected="a folder that can be written",
            received=error.strerror or str(error),
            next_step="Choose another folder with --out.",
        ) from error
    finally:
        migrations.remove_draft(draft)


def _refuse_long(path: Path) -> None:
    length = len(os.fsencode(os.path.realpath(path)))
    if length > _MAX_PATH:
        raise StoreError(
            str(path),
            expected=f"a path of at most {_MAX_PATH} bytes, the limit of SQLite",
            received=f"one of {length}",
            next_step="Choose a folder with a shorter path.",
        )


def _check_file(path: Path) -> None:
    """Refuse a file that cannot be a database, before SQLite creates one in it."""
    _refuse_long(path)
    if not path.is_file():
        raise StoreError(
            str(path),
            expected="the database of a study",
            received="no such file",
            next_step=f"To create one there: dropstudy run --out {shlex.quote(str(path.parent))}",
        )
    size = path.stat().st_size
    if size < _MIN_SIZE:
        # SQLite would create a new database, and the loss would not be noticed.
        raise _damaged(path, f"a file of {size} bytes")


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF  # the rest of it is detail


def _connect(path: Path, mode: str = "rw") -> sqlite3.Connection:
    # Autocommit: each transaction has its own BEGIN and COMMIT. Mode rw does not create a missing file.
    address = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(address, uri=True, isolation_level=None, timeout=_BUSY_TIMEOUT)


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    # EXTRA also syncs the folder: a commit is on disk before the files it replaces are removed.
    connection.execute("PRAGMA synchronous = EXTRA")


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a database that is not a study's, has a newer schema, or is not as written."""
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
    """Refuse a database with rows that dropstudy does not write."""
    with _damage_named(path):
        wrong = contents.first_wrong(connection)
    if wrong is not None:
        raise _damaged(path, wrong)


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Report any error of SQLite's as damage, while a database is checked."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter: text that is no text
        if isinstance(error, sqlite3.Error) and _code(error) in _TRANSIENT:
            raise
        raise _damaged(path, str(error)) from error


def _check_once(memory: sqlite3.Connection, path: Path) -> None:
    """Check and migrate a copy, unless the last one that passed has the same content."""
    try:
        content = hashlib.sha256(memory.serialize()).digest()
    except sqlite3.OperationalError:  # too damaged for that
        content = b""
    if not content or content != _checked.get("content"):
        _check(memory, path)
        if migrations.number(memory, "user_version") < len(migrations.MIGRATIONS):
            migrations.migrate(memory)
            content = b""  # the next copy is as old
        _check_contents(memory, path)
        _checked["content"] = content


def _first_wrong(connection: sqlite3.Connection, version: int) -> str | None:
    """The first entry that is not as written, for an error message, or None."""
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
        received=plain_name(received, _MAX_QUOTED),
        next_step="Nothing was written to it. Restore it from a copy, or start a new study with --out.",
    )
