"""Build of the native kernels: compiled on the user's machine at first use, and stored in the cache.

They replace XLA's kernels on processors with AVX-512 and its bfloat16 instructions; `kernels.cc` says how they are
faster. Without a C++ compiler, or with `DROPSTUDY_KERNELS=off`, XLA's kernels do all the work. The results are the
same up to the order of sums.
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

from dropstudy.core.hardware import machine_key
from dropstudy.data.cache import code_folder, is_intact, store_code

VARIABLE = "DROPSTUDY_KERNELS"
"""Environment variable: `off`, or in a worker the library's path."""

FOLDER = "kernels"
"""Folder of the cache, for libraries."""

SOURCES = tuple(Path(__file__).parent / name for name in ("kernels.cc", "packing.h"))

_COMPILERS = ("c++", "g++", "clang++")
_FLAGS = ("-O3", "-std=c++17", "-shared", "-fPIC", "-w")
_TIMEOUT = 120.0  # seconds; compiling takes about five


class Kernels(NamedTuple):
    """Result of building the kernels.

    Args:
        path: path of the library, None if there is none.
        obstacle: the reason why there is none, as a phrase; empty if there is one.
    """

    path: Path | None
    obstacle: str = ""


def kernels() -> Kernels:
    """Library for this machine's kind of processor, compiled if need be."""
    if os.environ.get(VARIABLE, "") == "off":
        return Kernels(None, f"switched off by {VARIABLE}")
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return Kernels(
            None, f"written for Linux on x86_64, this is {platform.system()} on {platform.machine()}"
        )
    folder = code_folder(FOLDER)
    if folder is None:
        return Kernels(None, "no folder for them that only this user can write to")
    path = folder / f"{_digest()}.so"
    if is_intact(path):
        return Kernels(path)
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        return Kernels(None, "no C++ compiler (c++, g++ or clang++) to compile them")
    obstacle = _build(compiler, path)
    return Kernels(None, obstacle) if obstacle else Kernels(path)


_failures: dict[tuple[str, Path], str] = {}
"""Builds that failed, by compiler and path: a second attempt would take as long and fail too."""


def _build(compiler: str, path: Path) -> str:
    """Compile the library, unless another process just has; return what prevented it, or nothing."""
    if obstacle := _failures.get((compiler, path)):
        return obstacle
    try:
        # Studies that start at the same time compile it once.
        with FileLock(path.with_suffix(".lock"), timeout=_TIMEOUT):
            if not is_intact(path):
                _compile(compiler, path)
    except (OSError, subprocess.SubprocessError) as error:
        lines = str(getattr(error, "stderr", "") or error).strip().splitlines()
        obstacle = f"{compiler} could not compile them: {lines[0] if lines else 'it gives no reason'}"
        return _failures.setdefault((compiler, path), obstacle)
    return ""


def _compile(compiler: str, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, path.name)
        command = (compiler, *_FLAGS, f"-I{_headers()}", "-o", str(library), str(SOURCES[0]))
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TIMEOUT)  # noqa: S603 - ours
        store_code(path, library.read_bytes())


def _digest() -> str:
    """Digest of all that the library depends on: sources, jaxlib's headers and the machine's instructions."""
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in SOURCES))
    digest.update("\0".join((*_FLAGS, version("jaxlib"), machine_key())).encode())
    return digest.hexdigest()[:16]


def _headers() -> Path:
    """Folder of XLA's headers, as `jax.ffi.include_dir()` but without importing jax."""
    jaxlib = find_spec("jaxlib")
    places = jaxlib.submodule_search_locations if jaxlib else None
    return Path(next(iter(places or ())), "include")
