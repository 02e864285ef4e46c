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
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from dropstudy.data.cache import cache_folder

VARIABLE = "DROPSTUDY_KERNELS"
"""Environment variable: `off`, or in a worker the library's path."""

SOURCES = tuple(Path(__file__).parent / name for name in ("kernels.cc", "packing.h"))

_COMPILERS = ("c++", "g++", "clang++")
_FLAGS = ("-O3", "-std=c++17", "-shared", "-fPIC", "-w")
_PATIENCE = 120.0  # seconds; it takes about five


class Kernels(NamedTuple):
    """What became of the kernels.

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
    path = cache_folder() / "kernels" / f"{_digest()}.so"
    if path.is_file():
        return Kernels(path)
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        return Kernels(None, "no C++ compiler (c++, g++ or clang++) to make them with")
    return _made(compiler, path)


@cache
def _made(compiler: str, path: Path) -> Kernels:
    """Compile; asked for again, the same answer, because what failed once takes as long to fail again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Studies that start at once make it once.
        with FileLock(path.with_suffix(".lock"), timeout=_PATIENCE):
            if not path.is_file():
                _compile(compiler, path)
    except (OSError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", "") or error).strip().splitlines()
        return Kernels(None, f"{compiler} could not make them: {said[0] if said else 'it does not say why'}")
    return Kernels(path)


def _compile(compiler: str, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        library = Path(folder, path.name)
        command = (compiler, *_FLAGS, f"-I{_headers()}", "-o", str(library), str(SOURCES[0]))
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_PATIENCE)  # noqa: S603 - ours
        library.replace(path)


def _digest() -> str:
    """What the library depends on; jaxlib's headers say how XLA calls it."""
    told = hashlib.sha256(b"".join(source.read_bytes() for source in SOURCES))
    told.update("\0".join((*_FLAGS, version("jaxlib"))).encode())
    return told.hexdigest()[:16]


def _headers() -> Path:
    # As `jax.ffi.include_dir()`, without bringing in jax.
    found = find_spec("jaxlib")
    places = found.submodule_search_locations if found else None
    return Path(next(iter(places or ())), "include")
