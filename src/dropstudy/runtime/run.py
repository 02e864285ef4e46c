"""Train the missing runs of a study: prepare its data, start its workers, open its store."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING

from dropstudy.core.hardware import native_bfloat16, physical_cores, why_precision
from dropstudy.core.streams import usable_streams
from dropstudy.data.arrays import store_arrays
from dropstudy.data.load import load_dataset
from dropstudy.engine.trainer import groups, trainer_of
from dropstudy.errors import InvalidArgument, RunsFailed
from dropstudy.runtime.events import CallbackList
from dropstudy.runtime.local import LocalWorkers, check_semaphores, distrust, lanes_that_fit
from dropstudy.runtime.progress.lines import announcement
from dropstudy.runtime.retention import KeepBest, drop_weights
from dropstudy.runtime.scheduler import train_runs
from dropstudy.runtime.watchdog import answer
from dropstudy.spec import merge, splits
from dropstudy.store import directory
from dropstudy.store.locking import lock
from dropstudy.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from dropstudy.core.hardware import Device
    from dropstudy.core.types import Dataset, Run, StudySpec
    from dropstudy.runtime.events import Callback
    from dropstudy.runtime.scheduler import Split
    from dropstudy.store.reader import RunProgress


def train_missing(
    where: Path,
    spec: StudySpec,
    *,
    data_dir: Path | None,
    workers: int | None,
    device: Device,
    executor: Executor | None,
    callback: Callback,
) -> StudySpec:
    """Train every run that the study in a folder is missing, and keep it; arguments and errors as for `Study.run`.

    Returns:
        The specification with nothing left open.
    """
    with lock(where):
        if executor is None:
            check_semaphores()  # before anything is begun
        spec = directory.agreed(where, spec)  # another process may have begun one meanwhile
        dataset = load_dataset(spec.data, data_dir=data_dir, scale=spec.scale)
        directory.check_data(where, dataset)
        changes = directory.changes(where, device)
        before = directory.recorded(where)
        spec = directory.begin(where, spec, dataset, device)
        with Store(where, write=True) as store:
            store.restart(store.lost())
            runs = store.runs("planned", "running", "failed")
            drop_weights(store, spec.keep_weights)
            if runs:  # or else another process has finished them
                fallback = store.meta["fallback"]
                added = [] if before is None else merge.additions(before, spec)
                lines = announcement(spec, dataset, runs, where, fallback=fallback, added=added)
                for line in (*lines, *changes):
                    callback.on_notice(line)
                if spec.precision == "bfloat16" and not native_bfloat16(device):
                    callback.on_notice(f"float32 is faster here: {why_precision(device)}.")
                if executor is None and (why := distrust()):
                    callback.on_notice(why)
                if spec.keep_weights == "best":
                    callback = CallbackList([KeepBest(store), callback])
                count = 1 if device == "gpu" else min(workers or physical_cores(), len(runs))
                with (
                    training(callback, store.progress(), count),
                    worker_pool(count, device) if executor is None else nullcontext(executor) as pool,
                ):
                    train_runs(
                        store,
                        groups(runs, lanes(runs, dataset, pool, device, callback.on_notice)),
                        store_arrays(dataset),
                        rows_of(spec, dataset),
                        executor=pool,
                        callback=callback,
                        worker_count=count,
                        keep_weights=spec.keep_weights != "none",
                    )
                _refuse_if_all_failed(where, store)
    return spec


def _refuse_if_all_failed(where: Path, store: Store) -> None:
    statuses, failures = list(store.status().values()), store.failures()
    if "failed" in statuses and len(failures) == len(statuses):
        raise RunsFailed(
            str(where),
            expected="a run that finishes",
            received=f"none: all {len(statuses)} failed or diverged, the first as follows: {failures[0]}",
            next_step=f"The whole errors are in {where / 'tracebacks'}; "
            f"once the cause is mended, this trains them again: {directory.command('run', where)}",
        )


def rows_of(spec: StudySpec, dataset: Dataset) -> Split:
    """The rows that each run trains on and those held out."""
    labels = dataset.y_train
    held_out = splits.validation_count(spec, len(labels))

    @lru_cache(maxsize=64)
    def parted(seed: int) -> tuple[NDArray[np.int32], NDArray[np.int32] | None]:
        return splits.split(labels, held_out, splits.FIXED_SEED if spec.fixed_validation else seed)

    def rows(run: Run) -> tuple[NDArray[np.int32], NDArray[np.int32] | None]:
        train, held = parted(run.seed)
        return splits.subset(labels, train, run.condition.train_size, run.seed), held

    return rows


@contextmanager
def training(callback: Callback, progress: Sequence[RunProgress], workers: int) -> Iterator[None]:
    """Call `on_train_begin` and `on_train_end` of a callback, the latter after errors too."""
    try:
        callback.on_train_begin(progress, workers)
        yield
    finally:
        callback.on_train_end()


@contextmanager
def worker_pool(count: int, device: Device) -> Iterator[Executor]:
    """Worker processes, killed at once where something goes wrong here, and at the end too.

    They have nothing left to do then. To end of their own accord takes half a second, and nobody would give up one that
    hangs in it.
    """
    with usable_streams():  # they are flushed whenever a process is started
        workers = LocalWorkers(count, device)
        try:
            yield workers
        except BaseException:
            workers.shutdown(wait=False, cancel_futures=True)
            raise
        workers.shutdown(cancel_futures=True)


def lanes(
    runs: tuple[Run, ...],
    dataset: Dataset,
    pool: Executor,
    device: Device,
    notify: Callable[[str], None] = lambda _: None,
) -> int:
    """Number of runs that train side by side: as many as fit on a GPU; one on each core of a CPU.

    Args:
        runs: to be trained.
        dataset: what on.
        pool: has the worker that is asked.
        device: what it trains on.
        notify: called with of a worker that does not answer.

    Raises:
        InvalidArgument: it died, or never answered.
    """
    if device == "cpu":
        return 1
    largest = max(runs, key=lambda run: trainer_of(run.condition).operations(run.condition))
    asked = pool.submit(lanes_that_fit, largest, dataset.x_train.nbytes + dataset.x_test.nbytes)
    count = answer(pool, asked, notify)
    if count is None:
        raise InvalidArgument(
            "device",
            expected="a GPU that a worker can use",
            received="one whose worker died, or never answered and was ended",
            next_step="See whether another process has the GPU (nvidia-smi), or use --device cpu.",
        )
    return count
