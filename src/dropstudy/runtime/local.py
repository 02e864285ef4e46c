"""Local worker processes: one thread and one run each.

Each worker is a pool of one process, so that a worker that dies loses its own segment and no other.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings
import zlib
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import resource_tracker as python_tracker
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import loky
from loky.backend import resource_tracker as loky_tracker
from loky.backend.context import LokyContext
from loky.backend.utils import kill_process_tree

from dropstudy.core.hardware import machine_key
from dropstudy.core.safe_path import VARIABLE as SAFE_PATH
from dropstudy.core.safe_path import safe_path
from dropstudy.data import cache
from dropstudy.engine.native.build import FOLDER, VARIABLE, kernels
from dropstudy.engine.trainer import BUILT_IN, trainer_of
from dropstudy.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from dropstudy.core.hardware import Device
    from dropstudy.core.types import Run, Segment, SegmentResult

_CHECK_COORDINATOR = 1.0  # seconds between checks
_SEMAPHORES = "/dev/shm" if sys.platform == "linux" else "semaphores"  # noqa: S108 - where Linux keeps them
_ZSTD = b"\x28\xb5\x2f\xfd"  # first bytes of a file that is compressed by zstd: RFC 8878
_FEEDER_TIMEOUT = 5.0  # seconds for a thread that has been asked to end

P = ParamSpec("P")
T = TypeVar("T")


def train(segment: Segment) -> SegmentResult:
    """Train a segment in the calling process, which then imports the array framework."""
    return trainer_of(segment.run.condition).train((segment,))[0]


def train_group(segments: tuple[Segment, ...]) -> tuple[SegmentResult, ...]:
    """Train segments of several runs side by side in the calling process.

    Raises:
        MemoryError: the device has no memory for them.
    """
    if len(segments) == 1:
        return (train(segments[0]),)
    return trainer_of(segments[0].run.condition).train(segments)


@dataclass(frozen=True)
class WorkerInfo:
    """Hardware and code that a worker trains with.

    Args:
        device: readable name of its device.
        kernel_precisions: precisions in which it uses kernels of our own.
    """

    device: str
    kernel_precisions: tuple[str, ...]


def worker_info() -> WorkerInfo:
    """Describe the calling process."""
    return WorkerInfo(BUILT_IN.device_name(), tuple(BUILT_IN.native_precisions()))


def lanes_that_fit(run: Run, data_bytes: int) -> int:
    """Number of runs like this one that fit on the calling process's device side by side."""
    return trainer_of(run.condition).lanes_that_fit(run, data_bytes)


class LocalWorkers(Executor):
    """Worker processes on this machine.

    A worker that dies fails its call with BrokenExecutor; the next call starts a new one. Workers end with
    the process that started them, however that ends.

    Args:
        count: number of processes.
        device: what they train on; a GPU is for one process. None where they do other work.
    """

    lost_worker_errors: tuple[type[Exception], ...] = (BrokenExecutor,)
    can_kill = True

    def __init__(self, count: int, device: Device | None = "cpu") -> None:
        self.count = count
        self._device = device
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._pools: set[loky.ProcessPoolExecutor] = set()
        self._pools_of: WeakKeyDictionary[Future[Any], list[loky.ProcessPoolExecutor]] = WeakKeyDictionary()
        self._closed = False
        self._threads = ThreadPoolExecutor(
            count, thread_name_prefix="dropstudy-worker", initializer=_hold_back_interrupts
        )

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call `fn` in a worker that is free, in the order of submission."""
        call_pools: list[loky.ProcessPoolExecutor] = []
        future = self._threads.submit(self._call, partial(fn, *args, **kwargs), call_pools)
        self._pools_of[future] = call_pools
        return future

    def kill(self, future: Future[Any]) -> None:
        """Kill the worker of a call, which then fails with BrokenExecutor."""
        for pool in tuple(self._pools_of.get(future, ())):
            # As loky ends workers itself. Its public method, shutdown, would fail the call with another error.
            for process in list(pool._processes.values()):  # noqa: SLF001 - loky has no public list of its workers
                kill_process_tree(process)

    def probe(self) -> Future[WorkerInfo]:
        """Ask a worker for its device and precisions."""
        return self.submit(worker_info)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Kill the workers: an orderly end takes half a second, or for ever where one hangs."""
        self.shutdown(wait=kind is None, cancel_futures=True)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers. With `cancel_futures` they are killed at once, whatever they do."""
        self._threads.shutdown(wait=wait and not cancel_futures, cancel_futures=cancel_futures)
        if cancel_futures or wait:
            with self._lock:  # from here on no thread starts or ends a worker
                self._closed = True
                pools, self._pools = self._pools, set()
            for pool in pools:
                _end(pool, kill=cancel_futures)
            self._threads.shutdown(wait=wait)

    def _call(self, call: Callable[[], T], call_pools: list[loky.ProcessPoolExecutor]) -> T:
        pool = self._pool()
        call_pools.append(pool)
        try:
            try:
                answer = pool.submit(call)
            except OSError as error:  # no room for another process, or it died while it was started
                message = f"a worker could not be started: {error}"
                raise BrokenExecutor(message) from error
            result: T = answer.result()
        except BrokenExecutor:
            self._discard(pool)
            raise
        finally:
            call_pools.clear()
        return result

    def _discard(self, pool: loky.ProcessPoolExecutor) -> None:
        del self._mine.pool
        with self._lock:
            mine = pool in self._pools
            self._pools.discard(pool)
        if mine:
            _end(pool, kill=True)

    def _pool(self) -> loky.ProcessPoolExecutor:
        """The worker of the thread that calls this."""
        if not hasattr(self._mine, "pool"):
            with self._lock:
                if self._closed:
                    raise CancelledError
                check_semaphores()
                self._mine.pool = loky.ProcessPoolExecutor(
                    max_workers=1,
                    timeout=None,
                    # Asked for by name, it would be the one of whoever came last: joblib brings a loky of its own.
                    context=LokyContext(),
                    env=_environment(self._device),
                    # loky hands this process's path on, so that is put right before anything is imported by it.
                    initializer=exec,
                    initargs=(_START.format(path=safe_path(), coordinator=os.getpid()), {}),
                )
                self._pools.add(self._mine.pool)
        return self._mine.pool


_START = """
import sys
sys.path[:] = {path!r}
from dropstudy.runtime.local import _prepare
_prepare({coordinator})
"""

_environment_lock = threading.Lock()


def _start_trackers() -> None:
    """Start the processes that look after semaphores, loky's and Python's, without the current folder in their path.

    Else loky starts them with the environment of this process, which belongs to whoever runs it.
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
    """See whether worker processes can be started here: what they share is kept in semaphores.

    Raises:
        StoreError: none can be made.
    """
    _start_trackers()  # or else the first semaphore would
    try:
        LokyContext().Lock()
    except (OSError, ImportError) as error:
        raise StoreError(
            _SEMAPHORES,
            expected="room and the right to write, for the semaphores of worker processes",
            received=getattr(error, "strerror", None) or str(error),
            next_step="Mount it, so that it can be written (mount -t tmpfs tmpfs /dev/shm; docker run --shm-size=64m), "
            "or remove what fills it.",
        ) from error


def _end(pool: loky.ProcessPoolExecutor, *, kill: bool) -> None:
    """End a worker, and the threads that served it.

    loky waits for all but the one that feeds the worker. It drops the last hold on a semaphore, and an interpreter that
    ends meanwhile leaves the semaphore removed but registered, of which loky warns on the user's screen.
    """
    feeder = pool._call_queue._thread  # noqa: SLF001 - loky forgets it when it shuts down
    pool.shutdown(wait=True, kill_workers=kill)
    if feeder is not None:
        feeder.join(_FEEDER_TIMEOUT)


def distrust() -> str:
    """Say why workers take no code from the cache; empty where they do."""
    return cache.distrust(FOLDER, _programs())


def _programs() -> str:
    """The folder of the cache for compiled programs: of this kind of machine, since XLA does not tell all apart."""
    return f"programs-{machine_key()}"


def _intact_programs() -> Path | None:
    """The folder of compiled programs, rid of damaged ones: jax compiles those again, but never in their place.

    It packs them with zlib, which adds a checksum. What it packs with zstd has none, and stays.
    """
    folder = cache.code_folder(_programs())
    for program in folder.glob("*-cache") if folder else ():
        with suppress(OSError):  # another process was quicker
            content = program.read_bytes()
            try:
                if not content.startswith(_ZSTD):
                    zlib.decompress(content)
            except zlib.error:
                program.unlink()
    return folder


def _environment(device: Device | None) -> dict[str, str]:
    """Environment variables of a worker: one thread on a CPU; for training a compilation cache that all share."""
    always = {
        SAFE_PATH: "1",
        **cache.worker_environment(),
        # loky takes a worker that grows for one that leaks, and starts another. Ours grow by what they train.
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
        return {**always, **programs, "JAX_PLATFORMS": "cuda"}
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return {
        **always,
        **programs,
        **one_thread,
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip(),
        # The size of XLA's own thread pools. The flags above do not reach those of its matrix kernels.
        "NPROC": "1",
        "JAX_PLATFORMS": "cpu",
        VARIABLE: str(kernels().path or "off"),
    }


def _hold_back_interrupts() -> None:
    """Let processes that this thread starts begin without Ctrl-C, or it would end them half imported, with a traceback.

    A blocked signal is inherited; `_prepare` unblocks it once it is ignored.
    """
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _prepare(coordinator: int) -> None:
    # Ctrl-C reaches every process of the terminal; the coordinator alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    # Two workers may write one entry of the compilation cache at once; who reads half of it compiles for himself.
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")
    threading.Thread(target=_end_with, args=(coordinator,), daemon=True).start()


def _end_with(coordinator: int) -> None:
    """End this process once the one that started it has ended, and nobody is left to take its results.

    The kernel's own way, PR_SET_PDEATHSIG, waits for the thread that started it, not for the process.
    """
    while os.getppid() == coordinator:
        time.sleep(_CHECK_COORDINATOR)
    os._exit(1)
