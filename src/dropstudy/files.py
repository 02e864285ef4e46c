"""Files that are either wholly there or not there at all."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from dropstudy.errors import StoreError


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a kill at any point leaves the old one or the new one, whole and on disk.

    Args:
        path: where; its folder is made if need be.
        content: what.

    Raises:
        StoreError: the disk is full, or the folder cannot be written; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        raise StoreError(
            str(path),
            expected=f"room for {len(content):,} bytes" if full else "a place that can be written",
            received=error.strerror or str(error),
            next_step="Free some space and run the same command again." if full else "",
        ) from error


def write_text(path: Path, text: str) -> None:
    """`write_bytes` for UTF-8 text."""
    write_bytes(path, text.encode("utf-8"))


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
