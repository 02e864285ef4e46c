"""The cache on disk: its folders, and who can write to them.

    <cache>/downloads/<name>/          files of named datasets, as mirrors pack them
    <cache>/arrays/<sha256>/*.npy      the arrays of a dataset, known by its content, and two made of them
    <cache>/kernels, programs, scripts code: compiled libraries, compiled programs, the script of pages

Nothing in it is precious. Data that are read from it are compared with what they should be, and made again where
they differ. Code is taken only from folders and files that nobody but this user can have written.
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

from platformdirs import user_cache_dir

from dropstudy.core.atomic import at_home, write_files
from dropstudy.data.private import make_private, who_else, who_else_inside
from dropstudy.errors import StoreError

__all__ = [
    "cache_folder",
    "cache_folders",
    "code_folder",
    "distrust",
    "download_folders",
    "is_intact",
    "keep",
    "worker_environment",
]

_SHARED = "DROPSTUDY_SHARED_CACHE"  # in workers: the folder that the process which started them writes to


def cache_folder() -> Path:
    """The folder to write to: `$DROPSTUDY_CACHE`, else the user's cache folder for dropstudy.

    Where that cannot be written (a read-only container, a full quota), or others can write to it, a temporary folder
    that goes when this process ends. Nothing is lost but time: the next process fetches or writes again.
    """
    wished = _wished_folder()
    return wished if _writable(wished) and not who_else(wished) else _temporary_folder()


def cache_folders() -> tuple[Path, ...]:
    """The folders to read from, best first. A read-only cache can still hold good files."""
    return tuple(dict.fromkeys((_wished_folder(), cache_folder())))


def worker_environment() -> dict[str, str]:
    """Environment variables with which worker processes find what this one writes, in a temporary folder too."""
    return {_SHARED: str(cache_folder())}


def code_folder(name: str) -> Path | None:
    """A folder of the cache for code, made if need be, in which nobody but this user can have written anything.

    Where others can, one in the temporary folder of this process takes its place; None where they can there, too.
    """
    for parent in (cache_folder, _temporary_folder):
        with suppress(OSError):
            folder = parent() / name
            make_private(folder)
            if not who_else_inside(folder):
                return folder
    return None


def distrust(*names: str) -> str:
    """Say why the cache folder, or a folder for code in it, is not used; empty where they are.

    Args:
        names: of folders for code, as `code_folder` takes them.
    """
    wished = _wished_folder()
    found = ""
    with suppress(OSError):
        found = who_else(wished)
    for name in names:
        with suppress(OSError):
            found = found or who_else_inside(wished / name)
    if not found:
        return ""
    return (
        f"The cache is not used: {found}, and code is run from it. A temporary folder takes its place. Remove "
        "what is not yours, have only yourself write there (chmod 700), or name another folder with DROPSTUDY_CACHE."
    )


def keep(path: Path, content: bytes) -> None:
    """Write a file of code, and beside it, in another file, its digest.

    Raises:
        OSError: no room, or no right to write.
    """
    try:
        write_files({path: content, _digest_file(path): hashlib.sha256(content).hexdigest().encode()})
    except StoreError as error:
        raise OSError(str(error)) from error


def is_intact(path: Path) -> bool:
    """Whether a file of code is there and has the content that `keep` was given."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest().encode() == _digest_file(path).read_bytes()
    except OSError:
        return False


def _digest_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def download_folders(name: str) -> list[Path]:
    """Folders of a named dataset in the cache, best first; the last one can be written."""
    return [folder / "downloads" / name for folder in cache_folders()]


def _wished_folder() -> Path:
    named = os.environ.get("DROPSTUDY_CACHE")
    try:
        folder = at_home(named or user_cache_dir("dropstudy"))
    except RuntimeError:  # a user without a home
        return _temporary_folder()
    return folder.resolve()  # from here on no link leads elsewhere


def _writable(folder: Path) -> bool:
    """Try it: permission bits say nothing about read-only file systems, nor about the superuser."""
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
    folder = Path(tempfile.mkdtemp(prefix="dropstudy-"))  # a new one: whoever can guess a name could fill it
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
