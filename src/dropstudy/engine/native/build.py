"""Compile the training program (`mlp.cc`) on the user's machine, the first time it is wanted, and keep it in the cache.

Where there is no C++ compiler, or `DROPSTUDY_KERNELS=off`, XLA's programs do all the work: the same results up to the
order of sums, later.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from filelock import FileLock

from dropstudy.core.hardware import machine_key
from dropstudy.data.cache import code_folder, is_intact, store_code

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE = "DROPSTUDY_KERNELS"
"""Environment variable: `off`, or in a worker the library's path."""

SOURCE = Path(__file__).parent / "mlp.cc"

_COMPILERS = ("c++", "g++", "clang++")
_FLAGS = ("-O3", "-std=c++17", "-shared", "-fPIC", "-w", "-fno-math-errno")
_THIS_PROCESSOR = {"x86_64": "-march=native", "aarch64": "-mcpu=native", "arm64": "-mcpu=native"}
"""Flag for all instructions of this machine's processor, by its architecture."""

FOLDER = "kernels"
"""Folder of the cache, for libraries."""

_TIMEOUT = 120.0  # seconds; compiling takes about five


class Kernels(NamedTuple):
    """Result of building the kernels.

    Args:
        path: path of the library, None if there is none.
        obstacle: the reason why there is none, as a phrase; empty if there is one.
    """

    path: Path | None
    obstacle: str = ""


def kernels(notify: Callable[[str], None] = lambda _: None) -> Kernels:
    """Library for this machine's kind of processor, compiled if need be.

    Args:
        notify: called before it is compiled.
    """
    if os.environ.get(VARIABLE, "") == "off":
        return Kernels(None, f"switched off by {VARIABLE}")
    if platform.system() not in {"Linux", "Darwin"} or platform.machine() not in _THIS_PROCESSOR:
        return Kernels(None, f"not tried on {platform.system()} with {platform.machine()} processors")
    folder = code_folder(FOLDER)
    if folder is None:
        return Kernels(None, "no folder for it that only this user can write to")
    path = folder / f"{_digest()}.so"
    if is_intact(path):
        return Kernels(path)
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        return Kernels(None, "no C++ compiler (c++, g++ or clang++) to compile it")
    obstacle = _build(compiler, path, notify)
    return Kernels(None, obstacle) if obstacle else Kernels(path)


_failures: dict[tuple[str, Path], str] = {}
"""Builds that failed, by compiler and path: a second attempt would take as long and fail too."""


def _build(compiler: str, path: Path, notify: Callable[[str], None]) -> str:
    """Compile the library, unless another process just has; return what prevented it, or nothing."""
    if obstacle := _failures.get((compiler, path)):
        return obstacle
    notify("Compiling the training program for this processor: some 10 s, once.")
    try:
        # Studies that start at the same time compile it once.
        with FileLock(path.with_suffix(".lock"), timeout=_TIMEOUT):
            if not is_intact(path):
                _compile(compiler, path)
    except (OSError, subprocess.SubprocessError) as error:
        lines = str(getattr(error, "stderr", "") or error).strip().splitlines()
        obstacle = f"{compiler} could not compile it: {lines[0] if lines else 'it gives no reason'}"
        return _failures.setdefault((compiler, path), obstacle)
    return ""


def _compile(compiler: str, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, path.name)
        command = (compiler, *_flags(), "-o", str(library), str(SOURCE))
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TIMEOUT)  # noqa: S603 - ours
        store_code(path, library.read_bytes())


def _flags() -> tuple[str, ...]:
    return (*_FLAGS, _THIS_PROCESSOR[platform.machine()])


def _digest() -> str:
    """Digest of all that the library depends on: source, flags and the machine's instructions."""
    text = "\0".join((SOURCE.read_text(encoding="utf-8"), *_flags(), machine_key()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
