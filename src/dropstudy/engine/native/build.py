"""Find the compiled training program for this machine: carried by the wheel, else compiled here and kept in the cache.

Without it, or with `DROPSTUDY_KERNELS=off`, XLA's programs do all the work: the same results up to the order of sums,
later.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from filelock import FileLock

from dropstudy.core.hardware import instructions, machine_key
from dropstudy.data.cache import code_folder, is_intact, is_kept, store_code
from dropstudy.engine.native.check import check_fault, command_fault
from dropstudy.engine.native.library import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = Path(__file__).parent / "mlp.cc"
FLAGS = ("-O3", "-std=c++17", "-shared", "-fPIC", "-w", "-fno-math-errno")
FOLDER = "kernels"
"""Folder of the cache, for libraries."""

_COMPILERS = ("c++", "g++", "clang++")
_THIS_PROCESSOR = {"x86_64": "-march=native", "aarch64": "-mcpu=native", "arm64": "-mcpu=native"}
"""Flag for all instructions of this machine's processor, by its architecture."""

_TIMEOUT = 120.0  # seconds; compiling takes about five


class Carried(NamedTuple):
    """Library that a wheel carries beside the source.

    Args:
        name: of the vectors it is for.
        file: its file.
        flag: of the compiler.
        instructions: what a processor must have, as Linux names it.
    """

    name: str
    file: str
    flag: str
    instructions: frozenset[str]


_V3 = frozenset({"abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"})
_V4 = _V3 | {"avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"}
CARRIED = (
    Carried("AVX-512", "mlp-avx512.so", "-march=x86-64-v4", _V4),
    Carried("AVX2", "mlp-avx2.so", "-march=x86-64-v3", _V3),
)
"""The fastest first. hatch_build.py compiles them."""


class Kernels(NamedTuple):
    """Result of looking for the compiled program.

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
    carried = carried_library()
    return Kernels(carried[1]) if carried else _compiled(notify)


def carried_library() -> tuple[Carried, Path] | None:
    """Fastest library of the wheel that this processor can run; None if there is none, as without a wheel."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return None
    paths = ((each, SOURCE.with_name(each.file)) for each in CARRIED if each.instructions <= instructions())
    return next(((each, path) for each, path in paths if is_intact(path)), None)


def _compiled(notify: Callable[[str], None]) -> Kernels:
    """Library in the cache, compiled if it is not there."""
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
        missing = "no C++ compiler (c++, g++ or clang++) to compile it"
        names = " and ".join(each.name for each in CARRIED if SOURCE.with_name(each.file).exists())
        return Kernels(None, f"the wheel's are for {names}, and there is {missing}" if names else missing)
    obstacle = _build(compiler, path, notify)
    return Kernels(None, obstacle) if obstacle else Kernels(path)


_failures: dict[tuple[str, Path], str] = {}
"""Builds that failed, by compiler and path: a second attempt would take as long and fail too."""


def _build(compiler: str, path: Path, notify: Callable[[str], None]) -> str:
    """Compile the library, unless another process just has; return what prevented it, or nothing."""
    if obstacle := _failures.get((compiler, path)):
        return obstacle
    how_often = "once" if is_kept(path) else "in each command, since the cache cannot be written"
    notify(f"Compiling the training program for this processor: some 10 s, {how_often}.")
    try:
        # Studies that start at the same time compile it once.
        with FileLock(path.with_suffix(".lock"), timeout=_TIMEOUT):
            obstacle = "" if is_intact(path) else _compile(compiler, path)
    except OSError as error:
        obstacle = f"it could not be stored: {error}".removesuffix(".")
    if obstacle:
        _failures[compiler, path] = obstacle
    return obstacle


def _compile(compiler: str, path: Path) -> str:
    """Compile the library and keep it if it computes right; return what is wrong, or nothing."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, path.name)
        if fault := command_fault((compiler, *_flags(), "-o", str(library), str(SOURCE)), _TIMEOUT):
            return f"{compiler} could not compile it: {fault}"
        if fault := check_fault(library):
            return f"what {compiler} compiled does not work: {fault}"
        store_code(path, library.read_bytes())
    return ""


def _flags() -> tuple[str, ...]:
    return (*FLAGS, _THIS_PROCESSOR[platform.machine()])


def _digest() -> str:
    """Digest of all that the library depends on: source, flags and the machine's instructions."""
    files = (SOURCE, *sorted(SOURCE.parent.glob("*.h")))
    text = "\0".join((*(file.read_text(encoding="utf-8") for file in files), *_flags(), machine_key()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
