"""Files that are either wholly there or not there at all: whatever dropstudy keeps goes through here."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from dropstudy.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

UNFINISHED = ".tmp"
"""What the name of an unfinished file ends with. Only a kill leaves one behind; nothing ever reads it."""

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_NOT_FOR_FOLDERS = {errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENOTSUP}


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a kill at any point leaves the old one or the new one, whole and on disk.

    Args:
        path: where; its folder is made if need be.
        content: what.

    Raises:
        StoreError: the disk is full, or the folder cannot be written; nothing is left behind.
    """
    temporary = unfinished(path.parent)
    try:
        make_folder(path.parent)
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        full = error.errno in _NO_ROOM
        raise StoreError(
            str(path),
            expected=f"room for {len(content):,} bytes" if full else "a place that can be written",
            received=error.strerror or str(error),
            next_step="Free some space and run the same command again."
            if full
            else "Check the path and its permissions, or choose another place.",
        ) from error


def write_text(path: Path, text: str) -> None:
    """`write_bytes` for UTF-8 text."""
    write_bytes(path, text.encode("utf-8"))


def unfinished(folder: Path) -> Path:
    """A path in `folder` that no file has, for one that will get its name when it is complete."""
    # Not made of the name to come, which may be as long as a name can be.
    return folder / f".{secrets.token_hex(8)}{UNFINISHED}"


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, so that it survives a power cut.

    Raises:
        OSError: it cannot be made.
    """
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, where the system knows how to."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        # Some systems open no folder as a file (Windows), or do not sync one (network file systems).
        if error.errno not in _NOT_FOR_FOLDERS:
            raise
