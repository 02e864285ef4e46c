"""Lock of a study's folder: one process writes at a time."""

from __future__ import annotations

import errno
import os
import re
import shlex
import socket
from contextlib import contextmanager, suppress
from stat import S_ISREG
from typing import TYPE_CHECKING

import filelock
import psutil

from dropstudy.core.atomic import temporary_path
from dropstudy.core.text import plain_name
from dropstudy.errors import StoreError, StudyLocked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLDER = "study.holder"
LOCK = "study.lock"

_WAIT = 0.3  # seconds; another process may just be letting go of it
_TRIES = 20
_CLOCKS = 2.0  # seconds by which the clocks of a file system and of processes may differ
_MOST = 300  # bytes of a holder's name that are read


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Make the folder if need be, and keep other processes from running its study.

    Afterwards the lock is gone, and so is a folder that was made here and is empty.

    Raises:
        StoreError: it cannot be written.
        StudyLocked: another process runs the study.
    """
    made: list[Path] = []
    try:
        held = _acquired(folder, made)
        left = [LOCK]
        try:
            _claim(folder)
            left.insert(0, HOLDER)
            yield
        finally:
            # Whoever has opened the lock meanwhile sees that it lost its name, and tries again.
            for name in left:
                with suppress(OSError):
                    (folder / name).unlink()
            held.release()
    finally:
        for path in made:
            with suppress(OSError):  # there is something in it
                path.rmdir()


def holder(folder: Path) -> str:
    """Owner of the lock on a study's folder, in words such as "process 4711 on host"; empty where nobody does."""
    said, written = _read(folder / HOLDER)
    match = re.fullmatch(r"process (\d{1,9}) on (.+)", said)
    if match is None or match[2] != socket.gethostname():
        return said
    return said if _lived(int(match[1]), written) else ""  # killed: the file stayed


def _acquired(folder: Path, made: list[Path]) -> filelock.BaseFileLock:
    """The lock, held; the folders that were made for it are added to `made`, the innermost first."""
    with _writable(folder):
        for left in reversed(range(_TRIES)):
            missing = [path for path in (folder, *folder.parents) if not path.exists()]
            made += [path for path in missing if path not in made]
            held = filelock.FileLock(folder / LOCK)
            try:
                folder.mkdir(parents=True, exist_ok=True)
                held.acquire(timeout=_WAIT, poll_interval=_WAIT / 10)
            except filelock.Timeout as error:
                raise _locked(folder, _read(folder / HOLDER)[0]) from error
            except (FileNotFoundError, FileExistsError):  # whoever made the folder has just removed it again
                if not left:
                    raise
            else:
                break
    return held


def _claim(folder: Path) -> None:
    """Say who runs the study, unless somebody does whose lock was deleted."""
    text = holder(folder)
    if text.endswith(f" on {socket.gethostname()}"):
        raise _locked(folder, text)
    with _writable(folder):
        draft = temporary_path(folder)
        try:
            with draft.open("x", encoding="utf-8") as file:
                file.write(f"process {os.getpid()} on {socket.gethostname()}")
            draft.replace(folder / HOLDER)
        finally:
            draft.unlink(missing_ok=True)


def _locked(folder: Path, who: str) -> StudyLocked:
    return StudyLocked(
        str(folder),
        expected="a study that nobody else runs",
        received=f"one that {who or 'another process'} runs",
        next_step=f"Wait for it. To look on: dropstudy show {shlex.quote(str(folder))}",
    )


def _read(path: Path) -> tuple[str, float]:
    """Read a holder's file: its line and its time; empty for anything but a regular file."""
    try:
        # Without waiting for whoever would write to a pipe, and never through a link.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
        try:
            found = os.fstat(descriptor)
            text = os.read(descriptor, _MOST) if S_ISREG(found.st_mode) else b""
        finally:
            os.close(descriptor)
    except OSError:  # it goes before the lock does
        return "", 0.0
    return plain_name(text.decode("utf-8", "replace"), _MOST) if text else "", found.st_mtime


def _lived(process: int, when: float) -> bool:
    """Whether a process lives, and lived then: else another one has its number now."""
    try:
        return psutil.Process(process).create_time() <= when + _CLOCKS
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:  # it lives, and more is not to be known
        return True


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        lost = isinstance(error, (FileNotFoundError, FileExistsError)) and folder.is_symlink()
        lost = lost and not folder.exists()
        raise StoreError(
            str(folder),
            expected="a folder that can be written",
            received="a link that leads nowhere" if lost else error.strerror or str(error),
            next_step="Free some space, or choose another folder with --out."
            if error.errno in {errno.ENOSPC, errno.EDQUOT}
            else "Choose another folder with --out.",
        ) from error
