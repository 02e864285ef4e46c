"""Atomic writing of files: a kill or a power cut leaves the old file or the new one, whole."""

from __future__ import annotations

import errno
import os
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dropstudy.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TEMPORARY_NAME = re.compile(r"\.dropstudy-[0-9a-f]{16}\.tmp(-journal)?")
"""Full name of a temporary file. Only a kill leaves one behind; it is never read."""

_SYNCS_AT_ONCE = 16

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_NOT_FOR_FOLDERS = {errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENOTSUP}


def expand_home(path: str | Path) -> Path:
    """A path with `~` expanded; unchanged where that user or home folder is unknown, as in shells."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - pathlib's own raises RuntimeError there


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically, synced to disk.

    Args:
        path: the file; its folder is made if need be.
        content: its content.

    Raises:
        StoreError: the disk is full, or the folder cannot be written; nothing is left behind.
    """
    write_files({path: content})


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write several files atomically, each for itself, with their syncs in parallel.

    Args:
        contents: content by path; folders are made if need be.

    Raises:
        StoreError: the disk is full, or a folder cannot be written. Files that were already renamed stay.
    """
    drafts: dict[Path, Path] = {}
    path = Path()
    try:
        try:
            for path, content in contents.items():
                make_folder(path.parent)
                drafts[path] = temporary_path(path.parent)
                _write(drafts[path], content)
            sync_files(drafts.values())
            for path, draft in drafts.items():
                draft.replace(path)
        except BaseException:
            for draft in drafts.values():
                with suppress(OSError):
                    draft.unlink(missing_ok=True)
            raise
        for folder in dict.fromkeys(path.parent for path in contents):
            sync_folder(folder)
    except OSError as error:
        full = error.errno in _NO_ROOM
        needed = sum(map(len, contents.values()))
        raise StoreError(
            str(path),
            expected=f"room for {needed:,} bytes" if full else "a folder that can be written",
            received=error.strerror or str(error),
            next_step="Free some space and run the same command again."
            if full
            else "Check the path and its permissions, or choose another place.",
        ) from error


def _write(path: Path, content: bytes) -> None:
    # Unbuffered, so that an error shows here and not when a buffer is flushed later.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)


def sync_files(files: Iterable[Path]) -> None:
    """Sync files in parallel: a journalling file system commits them together.

    Raises:
        OSError: a file cannot be synced.
    """
    paths = list(files)
    if len(paths) == 1:
        _sync(paths[0])
    elif paths:
        with ThreadPoolExecutor(min(len(paths), _SYNCS_AT_ONCE)) as pool:
            for _ in pool.map(_sync, paths):
                pass


def _sync(path: Path, flags: int = os.O_RDWR) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` for UTF-8 text."""
    write_bytes(path, text.encode("utf-8"))


def temporary_path(folder: Path) -> Path:
    """A new path in `folder`, for a file that is renamed when it is complete."""
    # Independent of the final name, which may already have the maximum length.
    return folder / f".dropstudy-{secrets.token_hex(8)}.tmp"


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, synced to disk.

    Raises:
        OSError: the folder cannot be made.
    """
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that renames in it survive a power cut, where the system supports it."""
    try:
        _sync(folder, os.O_RDONLY)
    except OSError as error:
        # Windows opens no folders, and some network file systems do not sync them.
        if error.errno not in _NOT_FOR_FOLDERS:
            raise
