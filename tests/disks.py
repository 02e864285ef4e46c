"""A disk small enough to fill."""

import subprocess
from contextlib import contextmanager

import pytest


@contextmanager
def small_disk(folder, kibibytes):
    """Mount a file system of that size on `folder`; skips the test where that is not allowed."""
    folder.mkdir()
    options = f"size={kibibytes}k"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
