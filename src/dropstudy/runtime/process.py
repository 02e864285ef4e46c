"""Start of a worker process: environment, semaphores, and end with the parent process."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings
import zlib
from contextlib import suppress
from multiprocessing import resource_tracker as python_tracker
from typing import TYPE_CHECKING

from loky.backend import resource_tracker as loky_tracker
from loky.backend.context import LokyContext

from dropstudy.core.hardware import machine_key
from dropstudy.core.safe_path import VARIABLE as SAFE_PATH
from dropstudy.data import cache
from dropstudy.engine.native.build import FOLDER, kernels
from dropstudy.engine.native.library import VARIABLE
from dropstudy.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from dropstudy.core.hardware import Device

_PARENT_CHECK_INTERVAL = 1.0  # seconds between checks
_SEMAPHORES = "/dev/shm" if sys.platform == "linux" else "semaphores"  # noqa: S108 - where Linux keeps them
_PREALLOCATE = "XLA_PYTHON_CLIENT_PREALLOCATE"
_ZSTD = b"\x28\xb5\x2f\xfd"  # first bytes of a file that is compressed by zstd: RFC 8878

# loky passes on the module path, so that it is set before any import.
START = """
import sys
sys.path[:] = {path!r}
from dropstudy.runtime.process import prepare
prepare({parent})
"""

_environment_lock = threading.Lock()


def _start_trackers() -> None:
    """Start the resource trackers of loky and Python without the current folder in their path.

    loky would start them with the environment of this process.
    """
    with _environment_lock:
        before = os.environ.get(SAFE_PATH)
        os.environ[SAFE_PATH] = "1"
        try:
            for tracker in (loky_tracker, python_tracker):
                tracker.ensure_running()
        finally:
            if before is None:
                del os.environ[SAFE_PATH]
            else:
                os.environ[SAFE_PATH] = before


def check_semaphores() -> None:
    """Check that semaphores, which worker processes share, can be created.

    Raises:
        StoreError: they cannot.
    """
    _start_trackers()  # before the first semaphore starts them
    try:
        LokyContext().Lock()
    except (OSError, ImportError) as error:
        raise StoreError(
            _SEMAPHORES,
            expected="free space and write permission for the semaphores of worker processes",
            received=getattr(error, "strerror", None) or str(error),
            next_step="Mount it writable (mount -t tmpfs tmpfs /dev/shm; docker run --shm-size=64m), "
            "or remove files from it.",
        ) from error


def cache_fault() -> str:
    """Reason why workers load no code from the cache; empty if they do."""
    return cache.ownership_fault(FOLDER, programs_folder())


def programs_folder() -> str:
    """Cache folder of compiled programs, by kind of machine, since XLA does not distinguish all."""
    return f"programs-{machine_key()}"


def _intact_programs() -> Path | None:
    """Remove damaged programs, which jax does not replace, and return their folder.

    Programs compressed with zlib have a checksum; those compressed with zstd have none, and stay.
    """
    folder = cache.code_folder(programs_folder())
    for program in folder.glob("*-cache") if folder else ():
        with suppress(OSError):  # another process removed it
            content = program.read_bytes()
            try:
                if not content.startswith(_ZSTD):
                    zlib.decompress(content)
            except zlib.error:
                program.unlink()
    return folder


def environment(device: Device | None) -> dict[str, str]:
    """Environment variables of a worker: one thread on a CPU, and a shared compilation cache for training."""
    always = {
        SAFE_PATH: "1",
        **cache.worker_environment(),
        "KERAS_BACKEND": "jax",
        # loky replaces a worker that grows, as if it leaked memory; training workers grow with their runs.
        "LOKY_MAX_MEMORY_LEAK_SIZE": "1e18",
    }
    one_thread = {"OMP_NUM_THREADS": "1"}
    if device is None:
        return {**always, **one_thread}
    folder = _intact_programs()
    programs = {
        "JAX_ENABLE_COMPILATION_CACHE": str(folder is not None),
        "JAX_COMPILATION_CACHE_DIR": str(folder or ""),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    if device == "gpu":
        return {
            **always,
            **programs,
            "JAX_PLATFORMS": "cuda",
            # jax would take three quarters of the GPU's memory at its start, which other programs may need.
            _PREALLOCATE: os.environ.get(_PREALLOCATE, "false"),
            VARIABLE: "off",
        }
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return {
        **always,
        **programs,
        **one_thread,
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip(),
        # Size of XLA's thread pools; the flags above do not affect those of its matrix kernels.
        "NPROC": "1",
        "JAX_PLATFORMS": "cpu",
        VARIABLE: str(kernels().path or "off"),
    }


def block_interrupts() -> None:
    """Block Ctrl-C in processes that this thread starts, which would print a traceback while they import.

    A blocked signal is inherited; `prepare` unblocks it once it is ignored.
    """
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def prepare(parent: int) -> None:
    """Prepare a new worker: ignore Ctrl-C, and end with the parent process."""
    # Ctrl-C reaches every process of the terminal; the process that started the worker handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    # Two workers may write one entry of the compilation cache at once; a reader of half of it compiles.
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when its parent has ended.

    PR_SET_PDEATHSIG of Linux waits for the thread that started it, not for the process.
    """
    while os.getppid() == parent:
        time.sleep(_PARENT_CHECK_INTERVAL)
    os._exit(1)
