"""Atomic writing of files: each is complete or absent. All files that dropstudy keeps are written here."""

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
    from collections.abc import Collection, Mapping

TEMPORARY_NAME = re.compile(r"\.dropstudy-[0-9a-f]{16}\.tmp(-journal)?")
"""The whole name of an unfinished file. Only a kill leaves one behind; nothing ever reads it."""

_SYNCS_AT_ONCE = 16

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_NOT_FOR_FOLDERS = {errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENOTSUP}


def expand_home(path: str | Path) -> Path:
    """A path with `~` as the home folder; as it is where there is none, or no such user, as shells have it."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - pathlib's own raises RuntimeError there


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a kill at any point leaves the old one or the new one, whole and on disk.

    Args:
        path: where; its folder is made if need be.
        content: what.

    Raises:
        StoreError: the disk is full, or the folder cannot be written; nothing is left behind.
    """
    write_files({path: content})


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write files as `write_bytes` does, many at the price of few: what the disk has to wait for, it waits for once.

    Each file is the old one or the new one, whole and on disk; of several, a kill may leave some old and some new.

    Args:
        contents: what to write, by path; folders are made if need be.

    Raises:
        StoreError: the disk is full, or a folder cannot be written. The unfinished files are gone; those that had
            got their names stay.
    """
    drafts: dict[Path, Path] = {}
    path = Path()
    try:
        try:
            for path, content in contents.items():
                make_folder(path.parent)
                drafts[path] = temporary_path(path.parent)
                _write(drafts[path], content)
            _sync_all(drafts.values())
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
            expected=f"room for {needed:,} bytes" if full else "a place that can be written",
            received=error.strerror or str(error),
            next_step="Free some space and run the same command again."
            if full
            else "Check the path and its permissions, or choose another place.",
        ) from error


def _write(path: Path, content: bytes) -> None:
    # By the system's own calls, with no buffer between: what was not written is known to be missing.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)


def _sync_all(paths: Collection[Path]) -> None:
    """Have the content of files on disk: several at once, since a journalling file system answers them together."""
    if len(paths) == 1:
        _sync(*paths)
    elif paths:
        with ThreadPoolExecutor(min(len(paths), _SYNCS_AT_ONCE)) as pool:
            for _ in pool.map(_sync, paths):
                pass


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` for UTF-8 text."""
    write_bytes(path, text.encode("utf-8"))


def temporary_path(folder: Path) -> Path:
    """A path in `folder` that no file has, for one that will get its name when it is complete."""
    # Not made of the name to come, which may be as long as a name can be.
    return folder / f".dropstudy-{secrets.token_hex(8)}.tmp"


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
