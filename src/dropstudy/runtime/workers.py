"""Worker pools: the interface through which the scheduler trains segments."""

from __future__ import annotations

import os
from concurrent.futures import wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar, runtime_checkable

from dropstudy.core.hardware import physical_cores
from dropstudy.core.streams import usable_streams
from dropstudy.engine.native.build import kernels
from dropstudy.engine.native.library import VARIABLE, why_xla
from dropstudy.engine.trainer import trainer_of
from dropstudy.errors import InvalidArgument
from dropstudy.runtime import watchdog
from dropstudy.runtime.local import LocalWorkers, WorkerInfo, lanes_that_fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from typing import Any

    from dropstudy.core.dataset import Dataset
    from dropstudy.core.hardware import Device
    from dropstudy.core.types import Run
    from dropstudy.runtime.machines import Machine

P = ParamSpec("P")
T = TypeVar("T")


@runtime_checkable
class WorkerPool(Protocol):
    """Workers that train segments; `LocalWorkers` are processes of this machine.

    Attributes:
        count: number of workers.
        lost_worker_errors: errors of a call whose worker died; the call is then repeated.
        can_kill: true if `kill` ends the worker of a call.
        link_users: workers that share the way to this process; 1 on one machine, where it is its memory.
    """

    @property
    def count(self) -> int: ...  # noqa: D102 - see above

    @property
    def lost_worker_errors(self) -> tuple[type[Exception], ...]: ...  # noqa: D102 - see above

    @property
    def can_kill(self) -> bool: ...  # noqa: D102 - see above

    @property
    def link_users(self) -> int: ...  # noqa: D102 - see above

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call a function in a free worker, in the order of submission."""

    def kill(self, future: Future[Any]) -> None:
        """Kill the worker of a call, which then fails with one of `lost_worker_errors`."""

    def probe(self) -> Future[WorkerInfo]:
        """Ask a worker for its device and program; see `WorkerInfo`."""

    def machines(self) -> tuple[Machine, ...]:
        """Machines of the workers, for displays; none where this one alone trains."""


def workers_for(asked: int | None, device: Device, runs: int) -> int:
    """Number of workers for some runs: those asked for or the physical cores, but one for a GPU."""
    return 1 if device == "gpu" else min(asked or physical_cores(), runs)


@contextmanager
def open_pool(
    executor: WorkerPool | None,
    *,
    workers: int | None,
    device: Device,
    runs: int,
    notify: Callable[[str], None] = lambda _: None,
) -> Iterator[WorkerPool]:
    """Worker pool for some runs: new local processes, or the caller's.

    Args:
        executor: the caller's pool, or None for local processes.
        workers: their number; the physical cores if None.
        device: device to train on; a GPU has one worker.
        runs: runs to train; more workers than runs are not started.
        notify: called before the training program is compiled, and where there is none.
    """
    count = workers_for(workers, device, runs)
    if executor is None:
        if device == "cpu":
            built = kernels(notify)  # else the first worker's start compiles it, unannounced
            if built.obstacle and os.environ.get(VARIABLE) != "off":
                notify(why_xla(built.obstacle))
        with usable_streams(), LocalWorkers(count, device) as pool:  # starting a process flushes the streams
            yield pool
    else:
        yield executor


def lanes_per_worker(
    pool: WorkerPool,
    runs: tuple[Run, ...],
    dataset: Dataset,
    device: Device,
    notify: Callable[[str], None] = lambda _: None,
) -> int:
    """Number of runs that train side by side: as many as fit on a GPU; one on each core of a CPU.

    Args:
        pool: asked on a GPU.
        runs: to be trained.
        dataset: data to train on.
        device: device to train on.
        notify: called if the worker does not answer for long.

    Raises:
        InvalidArgument: the worker died, never answered or cannot use the GPU.
    """
    if device == "cpu":
        return 1
    largest = max(runs, key=lambda run: trainer_of(run.condition).operations(run.condition))
    answer = pool.submit(lanes_that_fit, largest, dataset.x_train.nbytes + dataset.x_test.nbytes)
    cause, obstacle = None, "one whose worker died, or never answered and was killed"
    try:
        count = first_answer(pool, answer, notify)
    except Exception as error:  # noqa: BLE001 - jax has no type of its own for a GPU that it cannot use
        count, cause, obstacle = None, error, " ".join(f"{type(error).__name__} {error}".split())
    if count is None:
        raise InvalidArgument(
            "device",
            expected="a GPU that a worker can use",
            received=obstacle,
            next_step="See whether another process has the GPU (nvidia-smi), or use --device=cpu.",
        ) from cause
    return count


def first_answer(pool: WorkerPool, future: Future[T], notify: Callable[[str], None]) -> T | None:
    """Wait for the first answer of a new worker; None if the worker died or was killed for its silence.

    Args:
        pool: pool of the worker.
        future: the call.
        notify: called after half a minute of silence, then at doubling intervals.
    """
    silent, report_at = 0.0, watchdog.REPORT_AFTER
    while not wait([future], timeout=watchdog.CHECK_INTERVAL).done:
        silent += watchdog.CHECK_INTERVAL
        if silent >= report_at:
            notify(f"The first worker has not answered for {silent:.0f} s.")
            report_at *= 2
        if silent >= watchdog.START_TIMEOUT:
            pool.kill(future)
    try:
        return future.result()
    except pool.lost_worker_errors:
        return None


def checked_workers(workers: int | None) -> int | None:
    """Check a number of workers that was given."""
    if workers is not None and workers < 1:
        raise InvalidArgument("workers", expected="a whole number of 1 or more", received=str(workers))
    return workers
