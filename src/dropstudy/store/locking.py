"""Lock a study's folder: one process writes at a time."""

from __future__ import annotations

import errno
import os
import re
import socket
from contextlib import contextmanager, suppress
from stat import S_ISREG
from typing import TYPE_CHECKING

import filelock
import psutil

from dropstudy.core.atomic import temporary_path
from dropstudy.core.text import plain_name
from dropstudy.errors import StoreError, StudyLocked
from dropstudy.store.paths import command, entries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLDER = "study.holder"
LOCK = "study.lock"

_WAIT = 0.3  # seconds; another process may be about to release it
_TRIES = 20
_CLOCK_SKEW = 2.0  # seconds between the clocks of a file system and of processes
_MAX_BYTES = 300  # of the holder's file that are read


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a study's folder, which is created if it does not exist.

    On exit the lock is removed, and each folder that was created here and is empty.

    Raises:
        StoreError: the folder cannot be written.
        StudyLocked: another process runs the study.
    """
    created: list[Path] = []
    try:
        file_lock = _acquire(folder, created)
        files = [LOCK]
        try:
            _write_holder(folder)
            files.insert(0, HOLDER)
            yield
        finally:
            # A process that has opened the lock meanwhile sees that its file is gone, and tries again.
            _remove(folder, files, created)
            file_lock.release()
    finally:
        _remove_empty(created)


def _remove(folder: Path, files: list[str], created: list[Path]) -> None:
    """Remove the files of a lock, then the folders that were created for it and hold nothing else."""
    place = folder
    if created and set(entries(folder)) <= set(files):
        # Under another name: a process that waits would put its lock into the folder before that is removed, and
        # would leave it, as one that it did not create.
        with suppress(OSError):
            place = folder.rename(temporary_path(folder.parent))
    for name in files:
        with suppress(OSError):
            (place / name).unlink()
    if place != folder:
        try:
            place.rmdir()
        except OSError:  # a file was put there meanwhile
            with suppress(OSError):
                place.rename(folder)
    _remove_empty(created)


def _remove_empty(folders: list[Path]) -> None:
    for path in folders:
        with suppress(OSError):  # it is not empty
            path.rmdir()


def holder(folder: Path) -> str:
    """Process that runs the study in a folder, as text such as "process 4711 on host"; empty if none does."""
    text, written_at = _read(folder / HOLDER)
    match = re.fullmatch(r"process (\d{1,9}) on (.+)", text)
    if match is None or match[2] != socket.gethostname():
        return text
    return text if _is_same_process(int(match[1]), written_at) else ""  # a killed process leaves the file


def _acquire(folder: Path, created: list[Path]) -> filelock.BaseFileLock:
    """Acquire the lock; folders that are created for it are added to `created`, the innermost first."""
    with _writable(folder):
        for tries_left in reversed(range(_TRIES)):
            missing = [path for path in (folder, *folder.parents) if not path.exists()]
            created += [path for path in missing if path not in created]
            file_lock = filelock.FileLock(folder / LOCK)
            try:
                folder.mkdir(parents=True, exist_ok=True)
                file_lock.acquire(timeout=_WAIT, poll_interval=_WAIT / 10)
            except filelock.Timeout as error:
                raise _locked(folder, _read(folder / HOLDER)[0]) from error
            except (FileNotFoundError, FileExistsError):
                # The process that created the folder has just removed it.
                if not tries_left:
                    raise
            else:
                break
    return file_lock


def _write_holder(folder: Path) -> None:
    """Write this process as the holder; refuse if another one runs the study although its lock was deleted."""
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


def _locked(folder: Path, owner: str) -> StudyLocked:
    return StudyLocked(
        str(folder),
        expected="a study that no other process runs",
        received=f"one that {owner or 'another process'} runs",
        next_step=f"Wait until it ends. To see its progress: {command('show', folder)}",
    )


def _read(path: Path) -> tuple[str, float]:
    """Text of a holder's file and the time of its last change; empty if it is not a regular file."""
    try:
        # Without waiting for a writer if it is a pipe, and without following a link.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
        try:
            found = os.fstat(descriptor)
            text = os.read(descriptor, _MAX_BYTES) if S_ISREG(found.st_mode) else b""
        finally:
            os.close(descriptor)
    except OSError:  # it is removed before the lock
        return "", 0.0
    return plain_name(text.decode("utf-8", "replace"), _MAX_BYTES) if text else "", found.st_mtime


def _is_same_process(number: int, time: float) -> bool:
    """True where a process of this number runs and ran at that time: numbers are reused."""
    try:
        return psutil.Process(number).create_time() <= time + _CLOCK_SKEW
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:  # it runs, but its start cannot be read
        return True


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        broken = isinstance(error, (FileNotFoundError, FileExistsError)) and folder.is_symlink()
        broken = broken and not folder.exists()
        raise StoreError(
            str(folder),
            expected="a folder that can be written",
            received="a broken link" if broken else error.strerror or str(error),
            next_step="Free some space, or choose another folder with --out."
            if error.errno in {errno.ENOSPC, errno.EDQUOT}
            else "Choose another folder with --out.",
        ) from error
