"""Local worker processes: one thread and one run each, as many as physical cores.

Any concurrent.futures.Executor can train a study; this one is the default. Each worker is its own single-process pool,
so that a worker that dies takes its own segment with it and no other.
"""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import loky

from dropstudy.data.cache import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from dropstudy.records import Segment, SegmentResult

P = ParamSpec("P")
T = TypeVar("T")


def physical_cores() -> int:
    """Cores that this process may use, hyper-threads counted once; containers and affinity respected."""
    return int(loky.cpu_count(only_physical_cores=True))


def train(segment: Segment) -> SegmentResult:
    """Train a segment in the process that calls this. Only then is the array framework imported."""
    from dropstudy.engine.train import train_segment  # noqa: PLC0415 - the coordinator must not import jax

    return train_segment(segment)


class LocalWorkers(Executor):
    """Worker processes on this machine.

    A worker that dies fails its call with BrokenExecutor; the next call to the same worker starts a new process.

    Args:
        count: number of processes.
    """

    def __init__(self, count: int) -> None:
        self._mine = threading.local()
        self._pools: list[loky.ProcessPoolExecutor] = []
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="dropstudy-worker")

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call `fn` in a worker that is free, in the order of submission."""
        return self._threads.submit(self._call, fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers. With `cancel_futures` they are killed at once, whatever they do."""
        if cancel_futures:
            for pool in self._pools:
                pool.shutdown(wait=True, kill_workers=True)
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        for pool in self._pools:
            pool.shutdown(wait=wait)

    def _call(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        pool = getattr(self._mine, "pool", None)
        if pool is None:
            pool = self._mine.pool = loky.ProcessPoolExecutor(
                max_workers=1, timeout=None, env=_environment(), initializer=_prepare
            )
            self._pools.append(pool)
        try:
            result: T = pool.submit(fn, *args, **kwargs).result()
        except BrokenExecutor:
            del self._mine.pool
            pool.shutdown(wait=False, kill_workers=True)
            raise
        return result


def _environment() -> dict[str, str]:
    """What a worker's environment adds: one thread, and a compilation cache on disk shared by all."""
    one_thread = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return {
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {one_thread}".strip(),
        "OMP_NUM_THREADS": "1",
        "JAX_PLATFORMS": os.environ.get("JAX_PLATFORMS", "cpu"),
        "JAX_COMPILATION_CACHE_DIR": str(cache_folder() / "programs"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def _prepare() -> None:
    # Ctrl-C reaches every process of the terminal; the coordinator alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
