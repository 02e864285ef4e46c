"""Estimate the cost of a study: runs, parameters, disk space, and time from a short measurement."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dropstudy.core.text import counted
from dropstudy.core.types import Segment
from dropstudy.data.arrays import store_arrays
from dropstudy.data.load import load_dataset
from dropstudy.engine import trainer
from dropstudy.runtime import local
from dropstudy.runtime.progress.eta import about, nearest
from dropstudy.runtime.retention import format_bytes
from dropstudy.runtime.run import rows_of
from dropstudy.runtime.scheduling import makespan, max_started
from dropstudy.runtime.workers import lanes_per_worker, open_pool
from dropstudy.spec import splits
from dropstudy.store.directory import check_data, has_database, merged_with_stored, refuse_foreign
from dropstudy.store.record import resolve
from dropstudy.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from dropstudy.core.hardware import Device
    from dropstudy.core.types import Condition, DataReference, Dataset, Run, StudySpec
    from dropstudy.runtime.scheduler import Split
    from dropstudy.runtime.workers import WorkerPool

MOST_MEASURED = 3
"""Shapes that are measured, the costliest first; others are judged by the nearest of them."""

_LONG_ENOUGH = 0.7  # seconds of steps
_REPEATS = 3  # of what takes next to no time
_FEW_STEPS = 8
_SHORTEST_TOLD = 0.0005  # seconds, of what is measured
_ROW, _RUN = 120, 2_500  # bytes that an epoch and a run take in the database, about
_PREDICTION = 6  # bytes a test example at most: label, confidence, likelihood


@dataclass(frozen=True)
class Cost:
    """Cost of a group of runs of one condition, in seconds.

    Args:
        step: a step of training.
        epoch_end: what is measured after each epoch.
        run_end: what is measured after the last one, the look at the test set among it.
    """

    step: float
    epoch_end: float
    run_end: float

    def of(self, run: Run) -> float:
        """Seconds of a whole run, or of a group that trains side by side with it."""
        return run.steps * self.step + (run.epochs - 1) * self.epoch_end + self.run_end

    def scaled(self, factor: float) -> Cost:
        """The cost of a condition that takes so many times as long."""
        return Cost(self.step * factor, self.epoch_end * factor, self.run_end * factor)


@dataclass(frozen=True)
class DryRun:
    """Estimated cost of a study; `str()` gives it in lines.

    Args:
        spec: the study, settled.
        dataset: its data.
        runs: all of them.
        missing: those that are not done.
        groups: the missing ones as they train side by side.
        workers: groups that train at once.
        device: what they train on.
        measured: cost of a group of each condition.
        seconds: until all are trained, the start of the workers among it.
    """

    spec: StudySpec
    dataset: Dataset
    runs: tuple[Run, ...]
    missing: tuple[Run, ...]
    groups: tuple[tuple[Run, ...], ...]
    workers: int
    device: Device
    measured: dict[Condition, Cost]
    seconds: float

    @property
    def disk(self) -> int:
        """Bytes that the study takes once it is done, about."""
        keeps = {"all": self.runs, "none": ()}
        best = {(run.arm.name, run.condition): run for run in self.runs}.values()
        weights = sum(
            trainer.trainer_of(run.condition).weights_bytes(run.condition)
            for run in keeps.get(self.spec.keep_weights, best)
        )
        n_test = len(self.dataset.y_test)
        return weights + sum(_PREDICTION * n_test + _RUN + _ROW * run.epochs for run in self.runs)

    @property
    def disk_meanwhile(self) -> int:
        """Bytes of checkpoints that it takes besides while it runs, about."""
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
        lines = [f"arms: {', '.join(arm.name for arm in spec.arms)}"]
        lines += [f"network: {network}" for network in networks]
        lines += [f"training examples: {', '.join(f'{size:,}' for size in sizes)} of {self.dataset.name}"]
        lines += [f"grid: {crossed} = {counted(len(self.runs), 'run')} of {counted(spec.epochs, 'epoch')}"]
        lines += splits.missing_classes(spec, self.dataset.y_train, self.dataset.classes)
        if done:
            lines.append(f"done already: {counted(done, 'run')}")
        if not self.missing:
            return [*lines, "to train: nothing"]
        lanes = max(map(len, self.groups))
        epochs = sum(run.epochs for run in self.missing)
        lines += [
            (
                f"to train: {counted(len(self.missing), 'run')}, {counted(epochs, 'run-epoch')}, in "
                f"{counted(len(self.groups), 'group')} of {'one' if lanes == 1 else f'up to {lanes}'}, "
                f"{self.workers} at a time, on {self.device} in {spec.precision}"
            ),
            f"disk: about {format_bytes(self.disk)}, and {format_bytes(self.disk_meanwhile)} more while it runs",
            *(f"measured: {_cost_words(condition, cost)}" for condition, cost in self.measured.items()),
            f"time: {about(self.seconds)}, if the machine does nothing else",
            "besides: compiling, some seconds for each network and kind of arm, and the report",
        ]
        return lines


def dry_run(
    where: Path,
    spec: StudySpec,
    *,
    data_dir: Path | None,
    worker_count: int | None,
    device: Device,
    executor: Executor | None = None,
) -> DryRun:
    """Plan what the study in a folder is missing, and measure a little of it. Nothing is written to the folder.

    Raises:
        DropstudyError: whatever `Study.run` would refuse before it trains.
    """
    spec = merged_with_stored(where, spec)
    dataset = load_dataset(spec.data, data_dir=data_dir, scale=spec.scale)
    check_data(where, dataset)
    refuse_foreign(where)
    spec, runs = resolve(spec, dataset, device)
    missing = tuple(run for run in runs if run.key not in _over(where))
    if not missing:
        return DryRun(spec, dataset, runs, (), (), 0, device, {}, 0.0)
    with open_pool(executor, workers=worker_count, device=device, runs=len(missing)) as pool:
        began = time.perf_counter()
        groups = trainer.groups(missing, lanes_per_worker(pool, missing, dataset, device))
        _all([pool.probe() for _ in range(pool.count)])
        start = time.perf_counter() - began
        measured = _measure(groups, store_arrays(dataset), rows_of(spec, dataset), pool)
    costs = [_judge(group, measured) for group in groups]
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


def _over(where: Path) -> set[str]:
    """Keys of the runs that need no more training."""
    if not has_database(where):
        return set()
    with Store(where) as store:
        lost = {run.key for run in store.lost()}
        return {key for key, status in store.status().items() if status in {"done", "diverged"}} - lost


def _measure(
    groups: Sequence[tuple[Run, ...]], data: DataReference, rows: Split, pool: WorkerPool
) -> dict[Condition, Cost]:
    """The cost of the first groups that differ in condition, all workers at work on them at once as in a study."""
    largest: dict[Condition, tuple[Run, ...]] = {}
    for group in groups:  # the longest come first
        largest.setdefault(group[0].condition, group)
    costs = {}
    for condition, group in list(largest.items())[:MOST_MEASURED]:
        # Two epochs or more, so that there is an end of an epoch that is not the end of the run.
        lead = tuple(
            Segment(replace(run, epochs=max(2, run.epochs)), data, *rows(run), state=None, done=0, steps=1)
            for run in group
        )

        def timed(done: int, steps: int, lead: tuple[Segment, ...] = lead) -> float:
            """Seconds that a worker takes to be given so many steps and to hand back what came of them."""
            part = tuple(replace(segment, done=done, steps=steps) for segment in lead)
            taken: list[float] = []
            while len(taken) < _REPEATS and sum(taken) < _LONG_ENOUGH:
                began = time.perf_counter()
                _all([pool.submit(local.train_group, part) for _ in range(pool.count)])
                taken.append(time.perf_counter() - began)
            return min(taken)

        ends = (condition.steps - 1, lead[0].run.steps - 1)
        for done in (0, *ends):
            timed(done, 1)  # compiled here
        one, most = timed(0, 1), max(1, condition.steps - 1)
        few = min(_FEW_STEPS, most)
        steps = min(max(few, int(few * _LONG_ENOUGH / max(timed(0, few) - one, 1e-3))), most)
        step = max(0.0, timed(0, steps) - one) / max(1, steps - 1) or one
        epoch_end, run_end = (max(0.0, timed(done, 1) - one) for done in ends)
        costs[condition] = Cost(step, epoch_end, run_end)
    return costs


def _judge(group: Sequence[Run], measured: dict[Condition, Cost]) -> float:
    """Seconds that a group takes, by the nearest condition that was measured."""
    seen, factor = nearest(group[0].condition, measured)
    return measured[seen].scaled(factor).of(replace(group[0], condition=seen))


def _all(futures: list) -> list:  # type: ignore[type-arg]
    return [future.result() for future in futures]


def _cost_words(condition: Condition, cost: Cost) -> str:
    epoch = condition.steps * cost.step + cost.epoch_end
    return (
        f"{condition.layers} on {condition.train_size:,}: {_seconds(epoch)} an epoch ({1000 * cost.step:.3g} ms "
        f"a step, {_seconds(cost.epoch_end)} at its end), {_seconds(cost.run_end)} at a run's end"
    )


def _seconds(seconds: float) -> str:
    """A time that was measured: "12 ms", "1.23 s"; what is too short to be told from none is said to be so."""
    if seconds < _SHORTEST_TOLD:
        return "less than 1 ms"
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.3g} s"
