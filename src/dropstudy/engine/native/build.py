"""Kernels of our own, compiled on the user's machine the first time they are wanted, and kept in the cache.

They take the place of XLA's on processors with AVX-512 and its bfloat16 instructions (`kernels.cc` says what they do
better). Where there is no C++ compiler, or `DROPSTUDY_KERNELS=off`, XLA's own do all the work: the same results up to
the order of sums, later.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from dropstudy.core.hardware import kind_of_machine
from dropstudy.data.cache import code_folder, is_intact, store_code

VARIABLE = "DROPSTUDY_KERNELS"
"""Environment variable: `off`, or in a worker the library's path."""

SOURCES = tuple(Path(__file__).parent / name for name in ("kernels.cc", "packing.h"))

_COMPILERS = ("c++", "g++", "clang++")
_FLAGS = ("-O3", "-std=c++17", "-shared", "-fPIC", "-w")
FOLDER = "kernels"
"""Folder of the cache, for libraries."""

_PATIENCE = 120.0  # seconds; it takes about five


class Kernels(NamedTuple):
    """Outcome of building the kernels.

    Args:
        path: of the library, None where there is none.
        obstacle: why there is none, for people; empty where there is one.
    """

    path: Path | None
    obstacle: str = ""


def kernels() -> Kernels:
    """The library for this machine's kind of processor, compiled if need be."""
    if os.environ.get(VARIABLE, "") == "off":
        return Kernels(None, f"switched off by {VARIABLE}")
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return Kernels(
            None, f"written for Linux on x86_64, this is {platform.system()} on {platform.machine()}"
        )
    folder = code_folder(FOLDER)
    if folder is None:
        return Kernels(None, "no folder to keep them in that this user alone can write to")
    path = folder / f"{_digest()}.so"
    if is_intact(path):
        return Kernels(path)
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        return Kernels(None, "no C++ compiler (c++, g++ or clang++) to make them with")
    obstacle = _obstacle_to_making(compiler, path)
    return Kernels(None, obstacle) if obstacle else Kernels(path)


_failed: dict[tuple[str, Path], str] = {}
"""Remembers a failed build, since a second attempt would take as long and fail too."""


def _obstacle_to_making(compiler: str, path: Path) -> str:
    """Compile the library, unless another process just has; say what was in the way, if anything was."""
    if said := _failed.get((compiler, path)):
        return said
    try:
        # Studies that start at once make it once.
        with FileLock(path.with_suffix(".lock"), timeout=_PATIENCE):
            if not is_intact(path):
                _compile(compiler, path)
    except (OSError, subprocess.SubprocessError) as error:
        lines = str(getattr(error, "stderr", "") or error).strip().splitlines()
        said = f"{compiler} could not make them: {lines[0] if lines else 'it does not say why'}"
        return _failed.setdefault((compiler, path), said)
    return ""


def _compile(compiler: str, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, path.name)
        command = (compiler, *_FLAGS, f"-I{_headers()}", "-o", str(library), str(SOURCES[0]))
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_PATIENCE)  # noqa: S603 - ours
        store_code(path, library.read_bytes())


def _digest() -> str:
    """Digest of all that the library depends on: sources, jaxlib's headers and the machine's instructions."""
    told = hashlib.sha256(b"".join(source.read_bytes() for source in SOURCES))
    told.update("\0".join((*_FLAGS, version("jaxlib"), kind_of_machine())).encode())
    return told.hexdigest()[:16]


def _headers() -> Path:
    # As `jax.ffi.include_dir()`, without bringing in jax.
    found = find_spec("jaxlib")
    places = found.submodule_search_locations if found else None
    return Path(next(iter(places or ())), "include")
