"""Local worker processes, each with one thread and one run at a time.

Each worker is a pool of one process, so that a worker that dies loses only its own segment.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import loky
from loky.backend.context import LokyContext
from loky.backend.utils import kill_process_tree

from dropstudy.core.safe_path import safe_path
from dropstudy.engine.native.library import load_fault, loaded_library
from dropstudy.engine.trainer import BUILT_IN, trainer_of
from dropstudy.runtime.process import START, block_interrupts, check_semaphores, environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from dropstudy.core.hardware import Device
    from dropstudy.core.types import Run, Segment, SegmentResult
    from dropstudy.runtime.machines import Machine

_FEEDER_TIMEOUT = 5.0  # seconds to wait for a thread that should end

P = ParamSpec("P")
T = TypeVar("T")


def train(segment: Segment) -> SegmentResult:
    """Train a segment in this process, which imports the array framework where XLA trains."""
    return trainer_of(segment.run.condition).train((segment,))[0]


def train_group(segments: tuple[Segment, ...]) -> tuple[SegmentResult, ...]:
    """Train segments of several runs side by side in this process.

    Raises:
        MemoryError: the device has too little memory for them.
    """
    if len(segments) == 1:
        return (train(segments[0]),)
    return trainer_of(segments[0].run.condition).train(segments)


@dataclass(frozen=True)
class WorkerInfo:
    """Hardware and code that a worker trains with.

    Args:
        device: readable name of its device.
        compiled: true if it trains with the compiled program (`engine/native`).
        fault: reason why that cannot be loaded; empty if it is, or if there is none.
    """

    device: str
    compiled: bool
    fault: str


def worker_info() -> WorkerInfo:
    """Describe hardware and code of this process."""
    return WorkerInfo(BUILT_IN.device_name(), loaded_library() is not None, load_fault())


def lanes_that_fit(run: Run, data_bytes: int) -> int:
    """Number of runs like this one that fit side by side on the device of this process."""
    return trainer_of(run.condition).lanes_that_fit(run, data_bytes)


class LocalWorkers(Executor):
    """Worker processes on this machine.

    A worker that dies fails its call with BrokenExecutor; the next call starts a new one. Workers end with their
    parent process, also after a kill.

    Args:
        count: number of processes.
        device: device to train on, a GPU for one process only; None for other work.
    """

    lost_worker_errors: tuple[type[Exception], ...] = (BrokenExecutor,)
    can_kill = True
    link_users = 1

    def __init__(self, count: int, device: Device | None = "cpu") -> None:
        self.count = count
        self._device = device
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._pools: set[loky.ProcessPoolExecutor] = set()
        self._pools_of: WeakKeyDictionary[Future[Any], list[loky.ProcessPoolExecutor]] = WeakKeyDictionary()
        self._closed = False
        self._threads = ThreadPoolExecutor(
            count, thread_name_prefix="dropstudy-worker", initializer=block_interrupts
        )

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call `fn` in a free worker, in the order of submission."""
        call_pools: list[loky.ProcessPoolExecutor] = []
        future = self._threads.submit(self._call, partial(fn, *args, **kwargs), call_pools)
        self._pools_of[future] = call_pools
        return future

    def kill(self, future: Future[Any]) -> None:
        """Kill the worker of a call, which then fails with BrokenExecutor."""
        for pool in tuple(self._pools_of.get(future, ())):
            # As loky itself ends workers. Its public method `shutdown` would fail the call with another error.
            for process in list(pool._processes.values()):  # noqa: SLF001 - loky has no public list of its workers
                kill_process_tree(process)

    def probe(self) -> Future[WorkerInfo]:
        """Ask a worker for its device and program; see `WorkerInfo`."""
        return self.submit(worker_info)

    def machines(self) -> tuple[Machine, ...]:
        """None: this machine alone trains."""
        return ()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Kill the workers: an orderly shutdown takes half a second, or does not return if one hangs."""
        self.shutdown(wait=kind is None, cancel_futures=True)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shut down the workers; with `cancel_futures` kill them at once."""
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
                future = pool.submit(call)
            except OSError as error:  # too little memory for another process, or it died at its start
                message = f"a worker could not be started: {error}"
                raise BrokenExecutor(message) from error
            result: T = future.result()
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
        """Worker of the calling thread."""
        if not hasattr(self._mine, "pool"):
            with self._lock:
                if self._closed:
                    raise CancelledError
                check_semaphores()
                self._mine.pool = loky.ProcessPoolExecutor(
                    max_workers=1,
                    timeout=None,
                    # By its name, the context could be that of joblib, which has its own loky.
                    context=LokyContext(),
                    env=environment(self._device),
                    initializer=exec,
                    initargs=(START.format(path=safe_path(), parent=os.getpid()), {}),
                )
                self._pools.add(self._mine.pool)
        return self._mine.pool


def _end(pool: loky.ProcessPoolExecutor, *, kill: bool) -> None:
    """End a worker and its threads.

    loky does not wait for the thread that feeds the worker and releases its semaphore. An interpreter that ends
    meanwhile leaves the semaphore registered, and loky prints a warning.
    """
    feeder = pool._call_queue._thread  # noqa: SLF001 - loky forgets it when it shuts down
    pool.shutdown(wait=True, kill_workers=kill)
    if feeder is not None:
        feeder.join(_FEEDER_TIMEOUT)
