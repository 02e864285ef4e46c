"""A file system small enough to fill, and a folder in memory."""

import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it


@contextmanager
def quick_folder():
    """A folder in memory if the system has one: syncs cost nothing there, and tests make thousands."""
    in_memory = MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
    with tempfile.TemporaryDirectory(prefix="dropstudy-", dir=MEMORY if in_memory else None) as folder:
        yield Path(folder)


@contextmanager
def small_disk(folder, kibibytes):
    """Mount a file system of that size on `folder`; skip the test if that is not allowed."""
    folder.mkdir()
    options = f"size={kibibytes}k"
    mounted = subprocess.run(  # noqa: S603 - our own arguments
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],  # noqa: S607 - where mount is differs
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S603, S607 - as above
