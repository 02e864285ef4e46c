"""Estimate the cost of a study: runs, parameters, disk space, and time from a short measurement.

A first estimate of the time, without a measurement, comes at once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dropstudy.core.text import counted
from dropstudy.core.types import ENDED, Segment
from dropstudy.data.load import dataset_of
from dropstudy.engine import trainer
from dropstudy.engine.user_code import ready
from dropstudy.runtime import local
from dropstudy.runtime.cluster import pool_of
from dropstudy.runtime.first_estimate import first_estimate
from dropstudy.runtime.inputs import RunInputs
from dropstudy.runtime.messages import only_arm
from dropstudy.runtime.progress.eta import about, nearest
from dropstudy.runtime.retention import format_bytes
from dropstudy.runtime.scheduling import makespan, max_started
from dropstudy.runtime.workers import lanes_per_worker, open_pool, workers_for
from dropstudy.spec import splits
from dropstudy.store.directory import (
    check_data,
    has_database,
    merged_with_stored,
    read_metadata,
    refuse_foreign,
)
from dropstudy.store.models import stored_model
from dropstudy.store.record import kept_search, resolve, searched
from dropstudy.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from dropstudy.core.dataset import Dataset
    from dropstudy.core.hardware import Device
    from dropstudy.core.model import ModelSource
    from dropstudy.core.types import Condition, Run, StudySpec
    from dropstudy.runtime.inputs import Inputs
    from dropstudy.runtime.workers import WorkerPool

MAX_MEASURED = 3
"""Conditions to measure, the costliest first; others are estimated from the nearest of them."""

_MEASURE_SECONDS = 0.7  # of steps
_REPEATS = 3  # of short measurements
_FEW_STEPS = 8
_MIN_SHOWN = 0.0001  # seconds
_ALMOST_ONE = 0.9995  # seconds; what is more is rounded to a second
_EPOCH_BYTES, _RUN_BYTES, _STUDY_BYTES = 120, 2_000, 20_000  # in the database, about
_PREDICTION_BYTES = 8  # per test example at most: label, confidence, likelihood, misranked


@dataclass(frozen=True)
class Cost:
    """Time that a group of runs of one condition takes, in seconds.

    Args:
        step: one training step.
        epoch_end: evaluation after each epoch.
        run_end: evaluation after the last epoch, on the test set too.
    """

    step: float
    epoch_end: float
    run_end: float

    def total(self, run: Run) -> float:
        """Seconds of a whole run, and of its group."""
        return run.steps * self.step + (run.epochs - 1) * self.epoch_end + self.run_end

    def scaled(self, factor: float) -> Cost:
        """Cost of a condition that takes `factor` times as long."""
        return Cost(self.step * factor, self.epoch_end * factor, self.run_end * factor)


@dataclass(frozen=True)
class DryRun:
    """Estimated cost of a study; `str()` gives it in lines.

    Args:
        spec: complete specification of the study.
        dataset: its data.
        runs: all runs.
        missing: runs to train.
        groups: missing runs that train side by side.
        workers: groups that train at once.
        device: device to train on.
        measured: cost of a group, by condition; empty in a first estimate.
        seconds: time to train all, with the start of the workers; None if it is not known before a measurement.
        basis: what the time rests on where it was not measured.
    """

    spec: StudySpec
    dataset: Dataset
    runs: tuple[Run, ...]
    missing: tuple[Run, ...]
    groups: tuple[tuple[Run, ...], ...]
    workers: int
    device: Device
    measured: dict[Condition, Cost]
    seconds: float | None
    basis: str = ""

    @property
    def disk(self) -> int:
        """Bytes of the finished study, about."""
        keeps = {"all": self.runs, "none": ()}
        best = {(run.arm.name, run.condition): run for run in self.runs}.values()
        weights = sum(
            trainer.trainer_of(run.condition).weights_bytes(run.condition)
            for run in keeps.get(self.spec.keep_weights, best)
        )
        n_test = len(self.dataset.y_test)
        runs = sum(_PREDICTION_BYTES * n_test + _RUN_BYTES + _EPOCH_BYTES * run.epochs for run in self.runs)
        return weights + runs + _STUDY_BYTES

    @property
    def checkpoint_disk(self) -> int:
        """Bytes of checkpoints while it runs, about."""
        checkpoints = sorted(
            (
                sum(trainer.trainer_of(run.condition).checkpoint_bytes(run) for run in group)
                for group in self.groups
            ),
            reverse=True,
        )
        return sum(checkpoints[: max_started(self.workers)])

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Describe the cost in lines."""
        spec = self.spec
        conditions = list(dict.fromkeys(run.condition for run in self.runs))
        networks = list(dict.fromkeys(condition.network for condition in conditions))
        sizes = list(dict.fromkeys(condition.train_size for condition in conditions))
        crossed = (
            f"{counted(len(spec.arms), 'arm')} x {counted(len(networks), 'network')} x "
            f"{counted(len(sizes), 'training size')} x {counted(len(spec.seeds), 'seed')}"
        )
        done = len(self.runs) - len(self.missing)
        lines = [f"arms: {', '.join(arm.name for arm in spec.arms)}", *only_arm(spec)]
        lines += [f"network: {network}" for network in networks]
        lines += [f"training examples: {', '.join(f'{size:,}' for size in sizes)} of {self.dataset.name}"]
        lines += [f"grid: {crossed} = {counted(len(self.runs), 'run')} of {counted(spec.epochs, 'epoch')}"]
        lines += splits.missing_classes(spec, self.dataset.y_train, self.dataset.classes)
        if done:
            lines.append(f"already done: {counted(done, 'run')}")
        if not self.missing:
            return [*lines, "to train: nothing"]
        lanes = max(map(len, self.groups))
        epochs = sum(run.epochs for run in self.missing)
        grouped = f"in {counted(len(self.groups), 'group')} of {'one' if lanes == 1 else f'up to {lanes}'}, "
        lines += [
            (
                f"to train: {counted(len(self.missing), 'run')}, {counted(epochs, 'run-epoch')}, "
                f"{grouped if self.measured else ''}{self.workers} at a time, on {self.device} in {spec.precision}"
            ),
            f"disk: about {format_bytes(self.disk)}, and {format_bytes(self.checkpoint_disk)} more while it runs",
            *(f"measured: {_describe_cost(condition, cost)}" for condition, cost in self.measured.items()),
        ]
        if not self.measured:
            known = "" if self.seconds is None else f"{about(self.seconds)}, {self.basis}. "
            return [*lines, f"time: {known}Some seconds of training are being measured."]
        lines += [
            f"time: {about(self.seconds or 0.0)}, if the machine does nothing else",
            "plus: some seconds for the start and the report",
        ]
        return lines


def dry_run(
    folder: Path,
    spec: StudySpec,
    *,
    data_dir: Path | None,
    worker_count: int | None,
    device: Device,
    executor: Executor | None = None,
    model: ModelSource | None = None,
    on_first: Callable[[DryRun], None] = lambda _: None,
) -> DryRun:
    """Plan the missing runs of the study in a folder, and measure some steps. Nothing is written to the folder.

    Args:
        folder: of the study.
        spec: of the study.
        data_dir: as for `Study`.
        worker_count: as for `Study.run`, likewise the device and the executor.
        device: to train on.
        executor: trains the steps.
        model: as for `train_missing`.
        on_first: called with a first estimate before the measurement.

    Raises:
        DropstudyError: `Study.run` would refuse the study before it trains.
    """
    spec = merged_with_stored(folder, spec)
    dataset = dataset_of(spec, data_dir=data_dir, warn=False)
    check_data(folder, dataset)
    refuse_foreign(folder)
    spec, runs = resolve(spec, dataset, device)
    if has_database(folder):
        runs = searched(runs, spec, kept_search(read_metadata(folder), spec))
    finished = _finished_keys(folder)
    missing = tuple(run for run in runs if run.key not in finished)
    if not missing:
        return DryRun(spec, dataset, runs, (), (), 0, device, {}, 0.0)
    count = workers_for(worker_count, device, len(missing))
    seconds, basis = first_estimate(folder, missing, count, device) or (None, "")
    alone = tuple((run,) for run in missing)
    on_first(DryRun(spec, dataset, runs, missing, alone, count, device, {}, seconds, basis))
    with (
        RunInputs(spec, dataset, ready(stored_model(folder, spec, model))) as inputs,
        pool_of(executor, count, device=device) as given,
        open_pool(given, workers=worker_count, device=device, runs=len(missing)) as pool,
    ):
        started = time.perf_counter()
        groups = trainer.groups(missing, lanes_per_worker(pool, missing, dataset, device), inputs.shared)
        _results([pool.probe() for _ in range(pool.count)])
        start = time.perf_counter() - started
        measured = _measure(groups, inputs, pool)
    costs = [_group_seconds(group, measured) for group in groups]
    return DryRun(
        spec,
        dataset,
        runs,
        missing,
        tuple(groups),
        pool.count,
        device,
        measured,
        start + makespan(costs, pool.count),
    )


def _finished_keys(folder: Path) -> set[str]:
    """Keys of the runs that need no more training."""
    if not has_database(folder):
        return set()
    with Store(folder) as store:
        lost = {run.key for run in store.lost()}
        return {key for key, status in store.status().items() if status in ENDED} - lost


def _measure(groups: Sequence[tuple[Run, ...]], inputs: Inputs, pool: WorkerPool) -> dict[Condition, Cost]:
    """Measure the costliest conditions, with all workers busy at once as in a study."""
    largest: dict[Condition, tuple[Run, ...]] = {}
    for group in groups:  # the longest first
        largest.setdefault(group[0].condition, group)
    costs = {}
    for condition, group in list(largest.items())[:MAX_MEASURED]:
        # Two epochs or more, so that there is an end of an epoch that is not the end of the run.
        lead = tuple(
            Segment(
                replace(run, epochs=max(2, run.epochs)),
                inputs.data(run),
                *inputs.rows(run),
                state=None,
                done=0,
                steps=1,
                model=inputs.model,
            )
            for run in group
        )

        def timed(done: int, steps: int, lead: tuple[Segment, ...] = lead) -> float:
            """Seconds from the dispatch of a segment to its result."""
            part = tuple(replace(segment, done=done, steps=steps) for segment in lead)
            times: list[float] = []
            while len(times) < _REPEATS and sum(times) < _MEASURE_SECONDS:
                started = time.perf_counter()
                _results([pool.submit(local.train_group, part) for _ in range(pool.count)])
                times.append(time.perf_counter() - started)
            return min(times)

        ends = (condition.steps - 1, lead[0].run.steps - 1)
        for done in (0, *ends):
            timed(done, 1)  # compiled here
        one, most = timed(0, 1), max(1, condition.steps - 1)
        few = min(_FEW_STEPS, most)
        steps = min(max(few, int(few * _MEASURE_SECONDS / max(timed(0, few) - one, 1e-3))), most)
        step = max(0.0, timed(0, steps) - one) / max(1, steps - 1) or one
        epoch_end, run_end = (max(0.0, timed(done, 1) - one) for done in ends)
        costs[condition] = Cost(step, epoch_end, run_end)
    return costs


def _group_seconds(group: Sequence[Run], measured: dict[Condition, Cost]) -> float:
    """Seconds of a group, from the nearest measured condition."""
    condition, factor = nearest(group[0].condition, measured)
    return measured[condition].scaled(factor).total(replace(group[0], condition=condition))


def _results(futures: list) -> list:  # type: ignore[type-arg]
    return [future.result() for future in futures]


def _describe_cost(condition: Condition, cost: Cost) -> str:
    epoch = condition.steps * cost.step + cost.epoch_end
    return (
        f"{condition.layers} on {condition.train_size:,}: {_seconds(epoch)} an epoch ({_seconds(cost.step)} "
        f"a step, {_seconds(cost.epoch_end)} at its end), {_seconds(cost.run_end)} at a run's end"
    )


def _seconds(seconds: float) -> str:
    """A measured time: "less than 0.1 ms", "2.33 ms", "120 ms", "1.23 s"."""
    if seconds < _MIN_SHOWN:
        return "less than 0.1 ms"
    return f"{1000 * seconds:.3g} ms" if seconds < _ALMOST_ONE else f"{seconds:.3g} s"
