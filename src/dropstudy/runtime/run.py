"""Train the missing runs of a study: load its data, open its store, start its workers."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dropstudy.core.hardware import bfloat16_is_faster, choose_device, physical_cores, why_precision
from dropstudy.data.load import dataset_of
from dropstudy.engine.trainer import groups
from dropstudy.engine.user_code import ready
from dropstudy.errors import RunsFailed
from dropstudy.runtime.cluster import is_remote, pool_of
from dropstudy.runtime.events import CallbackList
from dropstudy.runtime.executor import RemotePool
from dropstudy.runtime.inputs import RunInputs
from dropstudy.runtime.machines import RecordLeftOut
from dropstudy.runtime.messages import announcement
from dropstudy.runtime.process import cache_fault, check_semaphores
from dropstudy.runtime.retention import KeepBest, drop_weights
from dropstudy.runtime.scheduler import train_runs
from dropstudy.runtime.workers import lanes_per_worker, open_pool
from dropstudy.spec import merge
from dropstudy.store.directory import check_data, merged_with_stored, recorded_spec
from dropstudy.store.locking import lock
from dropstudy.store.models import stored_model
from dropstudy.store.paths import command
from dropstudy.store.record import environment, environment_changes, record_study, resolve
from dropstudy.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from dropstudy.core.hardware import Device
    from dropstudy.core.model import ModelSource
    from dropstudy.core.types import StudySpec
    from dropstudy.runtime.events import Callback
    from dropstudy.store.reader import RunProgress


def device_here(executor: Executor | None, asked: str) -> Device:
    """Device of this machine for a study; workers of other machines choose their own, so here it is the CPU."""
    return choose_device("cpu" if is_remote(executor) else asked)


def train_missing(
    folder: Path,
    spec: StudySpec,
    *,
    data_dir: Path | None,
    workers: int | None,
    device: str,
    executor: Executor | None,
    callback: Callback,
    model: ModelSource | None = None,
    search: Mapping[str, Any] | None = None,
    announced: bool = False,
) -> StudySpec:
    """Train the missing runs of the study in a folder; arguments and errors as for `Study.run`.

    `model` is what workers build a Keras model from, where it is known beside the study's own record. `search` is as
    for `record_study`. `announced` says that the command has described this study before, in an earlier round.

    Returns:
        The complete specification.
    """
    with lock(folder), ExitStack() as stack:
        if executor is None:
            check_semaphores()  # before anything is written
        spec = merged_with_stored(folder, spec)  # another process may have started one meanwhile
        dataset = dataset_of(spec, data_dir=data_dir)
        check_data(folder, dataset)
        model = ready(stored_model(folder, spec, model))
        here = device_here(executor, device)
        if executor is not None:
            resolve(spec, dataset, here)  # refuses before a worker of another machine is asked
        pool = stack.enter_context(
            pool_of(executor, workers or physical_cores(), device=device, notify=callback.on_notice)
        )
        place = environment(here)
        if isinstance(pool, RemotePool):  # what trains is there
            here, place = pool.identity.device, pool.identity.environment
            if spec.precision == "auto":
                spec = replace(spec, precision=pool.identity.precision)
        changes = environment_changes(folder, place)
        before = recorded_spec(folder)
        spec = record_study(folder, spec, dataset, here, model, place=place, search=search)
        with Store(folder, write=True) as store:
            store.restart(store.lost())
            runs = store.runs("planned", "running", "failed")
            drop_weights(store, spec.keep_weights)
            if runs:  # else another process has finished them
                fallback = store.meta["fallback"]
                added = [] if before is None else merge.additions(before, spec)
                lines = announcement(spec, dataset, runs, folder, fallback=fallback, added=added)
                for line in [] if announced else (*lines, *changes):
                    callback.on_notice(line)
                if executor is None and spec.precision == "bfloat16" and not bfloat16_is_faster(here):
                    callback.on_notice(f"float32 is faster here: {why_precision(here)}.")
                if executor is None and (why := cache_fault()):
                    callback.on_notice(why)
                callback = CallbackList([RecordLeftOut(store), callback])
                if spec.keep_weights == "best":
                    callback = CallbackList([KeepBest(store), callback])
                with (
                    RunInputs(spec, dataset, model) as inputs,
                    open_pool(
                        pool, workers=workers, device=here, runs=len(runs), notify=callback.on_notice
                    ) as opened,
                ):
                    lanes = lanes_per_worker(opened, runs, dataset, here, callback.on_notice)
                    grouped = groups(runs, lanes, inputs.shared)
                    at_once = opened.count * max(map(len, grouped))
                    with training(callback, store.progress(), at_once):
                        train_runs(
                            store,
                            grouped,
                            inputs,
                            pool=opened,
                            callback=callback,
                            keep_weights=spec.keep_weights != "none",
                        )
                _refuse_if_all_failed(folder, store, spec)
    return spec


def _refuse_if_all_failed(folder: Path, store: Store, spec: StudySpec) -> None:
    statuses, failures = list(store.status().values()), store.failures()
    again = f"train them again with: {command('run', folder)}"
    if spec.model is not None and (spec.of_function or not spec.model.can_be_continued):
        again = "call it again: a function that has changed needs a new folder (--out)."
    if "failed" in statuses and len(failures) == len(statuses):
        raise RunsFailed(
            str(folder),
            expected="a run that finishes",
            received=f"none: all {len(statuses)} failed or diverged, the first one: {failures[0]}",
            next_step=f"The full errors are in {folder / 'tracebacks'}; once the cause is removed, {again}",
        )


@contextmanager
def training(callback: Callback, progress: Sequence[RunProgress], at_once: int) -> Iterator[None]:
    """Call `on_train_begin` and `on_train_end` of a callback, the latter after errors too."""
    try:
        callback.on_train_begin(progress, at_once)
        yield
    finally:
        callback.on_train_end()
