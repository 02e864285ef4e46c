"""Digests of a study's database rows, so that a changed number is detected.

SQLite keeps no checksums: its `integrity_check` finds a malformed page, not an accuracy in which a bit flipped. So each
row of `meta` has a SHA-256 of its content, and each run one of all its columns but its position. It covers the digest
of the run's history, which is checked when the history is read.
"""

from __future__ import annotations

import hashlib
import math
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

_NOT_COVERED = {"position", "sha256"}


def history_digest(rows: Iterable[Sequence[float | None]]) -> str:
    """Digest of a run's history.

    Args:
        rows: its rows by epoch, as in the database, without the key. SQLite has no NaN: NULL represents it.

    Returns:
        SHA-256 in hexadecimal, of the numbers as little-endian doubles.
    """
    digest = hashlib.sha256()
    for row in rows:
        numbers = [math.nan if number is None else number for number in row]
        digest.update(struct.pack(f"<{len(numbers)}d", *numbers))
    return digest.hexdigest()


def seal_meta(db: sqlite3.Connection) -> None:
    """Update the digests of all metadata."""
    rows = db.execute("SELECT name, value FROM meta").fetchall()
    db.executemany(
        "UPDATE meta SET sha256 = ? WHERE name = ?", [(_digest(name, value), name) for name, value in rows]
    )


def seal_run(db: sqlite3.Connection, key: str) -> None:
    """Update a run's digests, after its history or its row has changed."""
    rows = history_rows(db, key)
    db.execute("UPDATE run SET history_sha256 = ? WHERE key = ?", (history_digest(rows), key))
    cursor = db.execute("SELECT * FROM run WHERE key = ?", (key,))
    names = [column[0] for column in cursor.description]
    for row in cursor.fetchall():
        db.execute("UPDATE run SET sha256 = ? WHERE key = ?", (_run_digest(names, row), key))


def seal_all(db: sqlite3.Connection) -> None:
    """Update all digests, after a migration."""
    seal_meta(db)
    for (key,) in db.execute("SELECT key FROM run").fetchall():
        seal_run(db, key)


def first_wrong(db: sqlite3.Connection) -> str | None:
    """The first metadata or run that is not as written, or None; histories are checked when read."""
    for name, value, sha256 in db.execute("SELECT name, value, sha256 FROM meta"):
        if _digest(name, value) != sha256:
            return f"another value of '{name}'"
    cursor = db.execute("SELECT * FROM run ORDER BY position")
    names = [column[0] for column in cursor.description]
    digest_at, arm_at, seed_at = (names.index(name) for name in ("sha256", "arm", "seed"))
    for row in cursor:
        if _run_digest(names, row) != row[digest_at]:
            return f"other values in the row of '{row[arm_at]}', seed {row[seed_at]}"
    return None


def history_rows(db: sqlite3.Connection, key: str) -> list[tuple[Any, ...]]:
    """A run's history by epoch, the key left out."""
    rows = db.execute("SELECT * FROM history WHERE key = ? ORDER BY epoch", (key,))
    return [row[1:] for row in rows]


def _run_digest(names: Sequence[str], row: Sequence[Any]) -> str:
    covered = [(name, value) for name, value in zip(names, row, strict=True) if name not in _NOT_COVERED]
    return _digest(*sorted(covered))


def _digest(*values: object) -> str:
    # repr of text, integers, floats and None is exact.
    return hashlib.sha256(repr(values).encode("utf-8", "surrogatepass")).hexdigest()
