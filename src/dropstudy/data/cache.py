"""Folders of the cache, and the code in it.

    <cache>/downloads/<name>/          files of named datasets, as mirrors pack them
    <cache>/arrays/<sha256>/*.npy      arrays of a dataset, by the digest of its content
    <cache>/datasets/<sha256>/         datasets that were given as arrays or data frames, by the digest of their content
    <cache>/kernels, programs, scripts code: compiled libraries, compiled programs, the script of pages

Everything in it can be made again, datasets by whoever gave them. Downloads and datasets are compared with their
digests when they are read, and arrays with the dataset before workers map them. Code is loaded only from folders and
files that only this user can write.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from platformdirs import user_cache_dir

from dropstudy.core.atomic import expand_home, sync_files, sync_folder, write_files
from dropstudy.data.private import make_private, other_writers, other_writers_inside
from dropstudy.errors import DataError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "cache_folder",
    "cache_folders",
    "code_folder",
    "digest_file",
    "download_folders",
    "is_intact",
    "is_kept",
    "no_space",
    "ownership_fault",
    "store_code",
    "worker_environment",
    "write_folder",
]

_SHARED = "DROPSTUDY_SHARED_CACHE"  # in workers: the cache folder of their parent process
_TIMEOUT = 120.0  # seconds for another process to write a folder


def cache_folder() -> Path:
    """Return the folder to write to: `$DROPSTUDY_CACHE`, else the user's cache folder for dropstudy.

    If that cannot be written (a read-only container, a full quota), or others can write to it: a temporary folder,
    removed when this process ends.
    """
    preferred = _preferred_folder()
    return preferred if _writable(preferred) and not other_writers(preferred) else _temporary_folder()


def cache_folders() -> tuple[Path, ...]:
    """List the folders to read from, best first. A read-only cache can still hold good files."""
    return tuple(dict.fromkeys((_preferred_folder(), cache_folder())))


def worker_environment() -> dict[str, str]:
    """Environment variables by which workers find the cache of this process, also in a temporary folder."""
    return {_SHARED: str(cache_folder())}


def code_folder(name: str) -> Path | None:
    """Return a folder of the cache for code, which only this user can write; created if it does not exist.

    If others can write to it, a temporary folder is used instead; None if others can write to that too.
    """
    for parent in (cache_folder, _temporary_folder):
        with suppress(OSError):
            folder = parent() / name
            make_private(folder)
            if not other_writers_inside(folder):
                return folder
    return None


def ownership_fault(*names: str) -> str:
    """Explain why the cache folder, or one of these folders for code in it, is not used; empty if all are."""
    preferred = _preferred_folder()
    found = ""
    with suppress(OSError):  # a folder does not exist yet
        found = other_writers(preferred)
    for name in names:
        with suppress(OSError):
            found = found or other_writers_inside(preferred / name)
    if not found:
        return ""
    return (
        f"The cache is not used: {found}, and code is run from it. A temporary folder is used instead. Remove "
        "files of other users and allow only yourself to write (chmod 700), or set DROPSTUDY_CACHE to another folder."
    )


def store_code(path: Path, content: bytes) -> None:
    """Write a file of code, with its digest in another file beside it; raises OSError on failure."""
    try:
        write_files({path: content, digest_file(path): hashlib.sha256(content).hexdigest().encode()})
    except StoreError as error:
        raise OSError(str(error)) from error


def is_intact(path: Path) -> bool:
    """Compare a file of code with its digest; False if either is missing."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest().encode() == digest_file(path).read_bytes()
    except OSError:
        return False


def is_kept(path: Path) -> bool:
    """True for a path in the cache, False for one in the temporary folder that replaces it."""
    return _preferred_folder() in path.parents


def digest_file(path: Path) -> Path:
    """Path of the file with the digest of a file of code."""
    return path.with_name(f"{path.name}.sha256")


def download_folders(name: str) -> list[Path]:
    """List the folders of a named dataset in the cache, best first; the last one can be written."""
    return [folder / "downloads" / name for folder in cache_folders()]


def write_folder(
    target: Path, write: Callable[[Path], None], *, is_whole: Callable[[], bool], size: int
) -> None:
    """Write a folder of the cache, so that it is always whole: under another name, synced, then renamed.

    Several processes may call this at once.

    Args:
        target: the folder; what is in it is replaced.
        write: writes the files into the folder that it is given.
        is_whole: true where the target needs no writing, because another process has done it.
        size: bytes that are needed, about, for the error.

    Raises:
        DataError: no room, no right to write, or another process that never finishes writing.
    """
    lock = target.parent / ".lock"
    new, old = target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")
    try:
        make_private(target.parent)
        with FileLock(lock, timeout=_TIMEOUT):
            if is_whole():
                return
            for leftover in (new, old):  # of a process that was killed here
                shutil.rmtree(leftover, ignore_errors=True)
            new.mkdir()
            try:
                write(new)
                sync_files(new.iterdir())
                if target.exists():  # damaged; processes that have mapped it keep their view
                    target.rename(old)
                new.rename(target)
                sync_folder(target.parent)
            finally:
                for leftover in (new, old):
                    shutil.rmtree(leftover, ignore_errors=True)
    except Timeout as error:
        raise DataError(
            str(lock),
            expected="a lock that is held for some seconds",
            received=f"one that another process has held for {_TIMEOUT:.0f} s",
            next_step="If that process was paused, let it continue or end it; then try again.",
        ) from error
    except OSError as error:
        raise no_space(target, size, error) from error


def _preferred_folder() -> Path:
    named = os.environ.get("DROPSTUDY_CACHE")
    try:
        folder = expand_home(named or user_cache_dir("dropstudy"))
    except RuntimeError:  # a user without a home
        return _temporary_folder()
    return folder.resolve()  # without links


def _writable(folder: Path) -> bool:
    """Try to write a temporary file: permission bits are no test of read-only file systems or of the superuser."""
    try:
        make_private(folder)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@cache
def _temporary_folder() -> Path:
    if shared := os.environ.get(_SHARED):
        return Path(shared)
    # A random name, which no other user can create first.
    folder = Path(tempfile.mkdtemp(prefix="dropstudy-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def no_space(path: Path, size: int, error: OSError) -> DataError:
    """Error for a path in the cache to which `size` bytes cannot be written."""
    return DataError(
        str(path),
        expected=f"write permission and space for {size:,} bytes",
        received=error.strerror or str(error),
        next_step="Free some space, or set DROPSTUDY_CACHE to another folder.",
    )
