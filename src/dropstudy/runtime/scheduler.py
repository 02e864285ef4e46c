"""Scheduler: dispatch segments to workers, store the results, notify the callbacks.

This process alone writes to the store. A run's next segment is dispatched before its last result is written, so that
no worker waits for the disk. Results that arrive while the disk is busy are committed together.

Few groups are in progress at once, since each holds its weights and moments in memory and in a checkpoint on disk.
"""

from __future__ import annotations

import math
import re
import textwrap
import time
import traceback
from bisect import insort
from collections import deque
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from dropstudy.core.interrupts import obey
from dropstudy.core.types import Segment
from dropstudy.engine.function.raised import FunctionRaised
from dropstudy.engine.native.library import VARIABLE
from dropstudy.errors import DamagedFile, ModelError
from dropstudy.runtime import local, watchdog
from dropstudy.runtime.agreement import Agreement
from dropstudy.runtime.messages import run_name
from dropstudy.runtime.reports import Reports
from dropstudy.runtime.scheduling import first_steps, next_group, next_segments, step_operations
from dropstudy.runtime.watchdog import Silence, Timeouts, Watchdog

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from dropstudy.core.types import Run, SegmentResult
    from dropstudy.runtime.events import Callback
    from dropstudy.runtime.inputs import Inputs
    from dropstudy.runtime.workers import WorkerPool
    from dropstudy.store.store import Store


MAX_ATTEMPTS = 3
"""Attempts at a segment before its run has failed."""

COMMIT_INTERVAL = 5.0
"""Wait before the next commit, in durations of the last one: commits take at most a sixth of wall time."""

MAX_COMMIT_INTERVAL = 0.5
"""Seconds between commits at most: what a kill can lose besides the running segments."""

_MAX_UNCOMMITTED = 2**28  # bytes of results
_CRASHES = {"SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV"}  # as where compiled code is not for this processor
_MAX_CAUSE = 300  # characters of an error's message that fit in a table; the traceback has them all


def train_runs(
    store: Store,
    groups: Iterable[tuple[Run, ...]],
    inputs: Inputs,
    *,
    pool: WorkerPool,
    callback: Callback,
    keep_weights: bool = True,
) -> None:
    """Train unfinished runs from their checkpoints to the end.

    Args:
        store: of the study.
        groups: runs to train, the longest first. The runs of a group train side by side in one program.
        inputs: rows and arrays of each run.
        pool: workers that train the segments.
        callback: called after each epoch, segment and run.
        keep_weights: store the weights of finished runs.
    """
    scheduler = _Scheduler(store, deque(groups), inputs, pool, callback, keep_weights)
    scheduler.dispatch()
    while scheduler.running:
        obey()
        done, _ = wait(scheduler.running, timeout=scheduler.seconds_to_wait(), return_when=FIRST_COMPLETED)
        for future in done:
            scheduler.on_done(future)
        scheduler.check_workers()
        scheduler.commit_if_due()
    scheduler.commit()
    scheduler.report_machines()


@dataclass(eq=False)
class _Isolation:
    """Runs of a group in which one raised an error; each is tried alone, to find the one.

    Args:
        pending: number of runs without a result.
        failed: true once one failed alone.
        lanes: segments and results of the runs to continue.
    """

    pending: int
    failed: bool = False
    lanes: list[tuple[Segment, SegmentResult]] = field(default_factory=list)


@dataclass(eq=False)
class _Task:
    """Segments trained together.

    Args:
        segments: one of each run.
        group: number of their group in the order of training.
        attempt: 1, 2 or 3.
        isolation: the other runs of the group, where one is tried alone.
    """

    segments: tuple[Segment, ...]
    group: int
    attempt: int = 1
    isolation: _Isolation | None = None
    dispatched_at: float = 0.0
    silence: Silence = field(default_factory=Silence)

    @property
    def remaining(self) -> float:
        """Operations to the end of all runs."""
        return sum(_remaining(segment.run, segment.done) for segment in self.segments)

    @property
    def operations(self) -> float:
        """Operations of the segments."""
        return sum(segment.steps * step_operations(segment.run) for segment in self.segments)


@dataclass(eq=False)
class _Scheduler:
    """Running and queued groups; the first fields are the arguments of `train_runs`."""

    store: Store
    queued: deque[tuple[Run, ...]]
    inputs: Inputs
    pool: WorkerPool
    callback: Callback
    keep_weights: bool
    ready: list[_Task] = field(default_factory=list)
    """Segments of started groups that wait for a worker, in order of the groups."""
    running: dict[Future[tuple[SegmentResult, ...]], _Task] = field(default_factory=dict)
    uncommitted: dict[str, tuple[Run, SegmentResult]] = field(default_factory=dict)
    """Results to commit, by the run's key."""
    uncommitted_bytes: int = 0
    commit_at: float = 0.0
    """Time of the next commit, by the monotonic clock."""
    timeouts: Timeouts = field(default_factory=Timeouts)
    machines_at: float = 0.0
    """Time of the next report of machines, likewise."""

    def __post_init__(self) -> None:
        self.watchdog = Watchdog(self.pool, self.timeouts)
        self.reports, self.agreement = Reports(self.inputs.model), Agreement(self.store)
        self.started = 0  # groups
        self.notices = {""}
        """What workers told the user."""
        self.queued_operations = sum(map(_group_operations, self.queued))

    def dispatch(self) -> None:
        """Submit segments until every worker has one."""
        while (index := self._next_group()) is not None:
            if index < len(self.ready):
                task = self.ready.pop(index)
                task.dispatched_at = time.monotonic()
                self.running[self.pool.submit(local.train_group, task.segments)] = task
            else:
                self._start_group()

    def on_done(self, future: Future[tuple[SegmentResult, ...]]) -> None:
        """Process a result or an error, and dispatch more before anything is written."""
        task = self.running.pop(future)
        try:
            results = future.result()
            for segment, result in zip(task.segments, results, strict=True):
                self.agreement.check(segment.run, result)
        except Exception as error:  # noqa: BLE001 - an error of a worker ends its own run, not the study
            self._on_failure(task, error)
        else:
            self.timeouts.record(task.segments, time.monotonic() - task.dispatched_at)
            self._on_success(task, results)
        self.dispatch()

    def commit_if_due(self) -> None:
        """Commit, unless the disk has just been busy."""
        if time.monotonic() >= self.commit_at or self.uncommitted_bytes > _MAX_UNCOMMITTED:
            self.commit()

    def commit(self) -> None:
        """Commit all results, and notify the callbacks."""
        if not self.uncommitted:
            return
        started = time.monotonic()
        results, self.uncommitted, self.uncommitted_bytes = list(self.uncommitted.values()), {}, 0
        self.store.commit(results, keep_weights=self.keep_weights, preprocessing=self.inputs.preprocessing)
        ended = time.monotonic()
        self.commit_at = ended + min(COMMIT_INTERVAL * (ended - started), MAX_COMMIT_INTERVAL)
        for run, result in results:
            if printed := self.reports.log(run):
                self.store.keep_log(run, printed)
            for row in result.history[self.reports.told(run) :]:
                self.callback.on_epoch_end(run, row)
            if result.diverged:
                cause = f"the loss was no longer finite in epoch {result.history[-1].epoch}"
                self.callback.on_run_end(run, "diverged", cause)
            elif _finished(result):
                self.callback.on_run_end(run, "done", "")
            elif result.done % run.condition.steps:
                self.callback.on_segment_end(run, result.done)

    def seconds_to_wait(self) -> float:
        """Seconds to wait for a result before the next commit or check of the workers."""
        if not self.uncommitted:
            return watchdog.CHECK_INTERVAL
        return max(0.0, min(watchdog.CHECK_INTERVAL, self.commit_at - time.monotonic()))

    def check_workers(self) -> None:
        """Notify the callbacks of epochs within a segment and of silent workers; kill hung ones."""
        for task in self.running.values():
            run = task.segments[0].run
            for row in self.reports.new_epochs(run):
                task.silence.end()
                self.callback.on_epoch_end(run, row)
        if time.monotonic() >= self.machines_at:
            self.machines_at = time.monotonic() + watchdog.CHECK_INTERVAL
            self.report_machines()
        if report := self.watchdog.check(self.running.items()):
            self.callback.on_notice(report)

    def report_machines(self) -> None:
        """Notify the callbacks of machines that train, where there are others than this one."""
        if machines := self.pool.machines():
            self.callback.on_machines(machines)

    def _next_group(self) -> int | None:
        """Index in `ready` of the group to dispatch; its length means the first group in the queue."""
        return next_group(
            [task.remaining for task in self.ready] + [_group_operations(g) for g in islice(self.queued, 1)],
            [task.remaining for task in self.running.values()],
            share=self._share(),
            workers=self.pool.count,
            segment=max((task.operations for task in self.running.values()), default=0.0),
        )

    def _share(self, more: float = 0.0) -> float:
        """Remaining operations per worker, including `more`."""
        started = sum(task.remaining for task in (*self.ready, *self.running.values()))
        return (self.queued_operations + started + more) / self.pool.count

    def _start_group(self) -> None:
        group = self.queued.popleft()
        self.started += 1
        self.queued_operations -= _group_operations(group)
        segments = [self._first_segment(run) for run in group]
        # Runs of a resumed group may be at different steps: those train apart.
        for done in sorted({segment.done for segment in segments}):
            self._add_ready(_Task(tuple(s for s in segments if s.done == done), self.started))

    def _first_segment(self, run: Run) -> Segment:
        try:
            done, state = self.store.checkpoint(run.key)
        except DamagedFile as error:
            self.callback.on_notice(f"{error} {run_name(run)} starts again.")
            self.store.restart([run])
            done, state = 0, None
        train_index, validation_index = self.inputs.rows(run)
        data = self.inputs.data(run)
        steps = first_steps(run, done)
        return Segment(run, data, train_index, validation_index, state, done, steps, self.inputs.model)

    def _add_ready(self, task: _Task) -> None:
        insort(self.ready, task, key=lambda task: task.group)

    def _on_success(self, task: _Task, results: tuple[SegmentResult, ...]) -> None:
        for notice in {result.notice for result in results} - self.notices:
            self.notices.add(notice)
            self.callback.on_notice(notice)
        lanes = list(zip(task.segments, results, strict=True))
        unfinished = [(segment, result) for segment, result in lanes if not _finished(result)]
        if task.isolation:
            task.isolation.lanes += unfinished
            self._end_isolation(task.isolation, task.group)
        else:
            self._continue(unfinished, task.group)
        for segment, result in lanes:
            run, before = segment.run, self.uncommitted.get(segment.run.key)
            self.uncommitted[run.key] = run, result if before is None else result.after(before[1])
            self.uncommitted_bytes += sum(array.nbytes for array in result.state.values())

    def _continue(self, lanes: list[tuple[Segment, SegmentResult]], group: int) -> None:
        """Make the next segments of unfinished runs ready."""
        if lanes:
            remaining = sum(_remaining(segment.run, result.done) for segment, result in lanes)
            others = len(self.running) + len(self.ready) + len(self.queued)
            share = self._share(remaining) if others >= self.pool.count else math.inf
            self._add_ready(_Task(next_segments(lanes, share, link_users=self.pool.link_users), group))

    def _on_failure(self, task: _Task, error: Exception) -> None:
        """Repeat segments whose worker died; fail a run that raised, or whose worker died too often.

        A group whose worker died continues in halves, since the device may lack memory for all. In a group that raised,
        each run is tried alone: the error is one run's.
        """
        if not isinstance(error, (*self.pool.lost_worker_errors, MemoryError)):
            self._on_raise(task, error)
            return
        first, lanes = task.segments[0].run, len(task.segments)
        died = "ran out of memory" if isinstance(error, MemoryError) else "died"
        found = task.silence.hung or _signal(error)
        why = f" ({found})" if found else ""
        if lanes > 1:
            self.callback.on_notice(
                f"A worker {died} while it trained {lanes} runs side by side{why}; trying again in halves."
            )
            for half in (task.segments[: lanes // 2], task.segments[lanes // 2 :]):
                self._add_ready(_Task(half, task.group))
        elif task.attempt < MAX_ATTEMPTS:
            advice = f" {VARIABLE}=off trains with XLA's programs instead." if found in _CRASHES else ""
            self.callback.on_notice(
                f"A worker {died} while it trained {run_name(first)}{why}; trying again.{advice}"
            )
            self._add_ready(_Task(task.segments, task.group, task.attempt + 1, task.isolation))
        else:
            # What a process pool supposes about a function that ended its process is of no use.
            known = bool(found) and first.of_function
            self._fail(task, f"its worker {died} {MAX_ATTEMPTS} times{why}", error, brief=known)

    def _on_raise(self, task: _Task, error: Exception) -> None:
        lanes = len(task.segments)
        name = error.kind if isinstance(error, FunctionRaised) else type(error).__name__
        if lanes == 1:
            self._fail(task, name, error)
            return
        self.callback.on_notice(
            f"{lanes} runs side by side raised {_cause(name, error)}. Each is tried alone."
        )
        isolation = _Isolation(lanes)
        for segment in task.segments:
            self._add_ready(_Task((segment,), task.group, isolation=isolation))

    def _fail(self, task: _Task, what: str, error: Exception, *, brief: bool = False) -> None:
        run, cause = task.segments[0].run, what if brief else _cause(what, error)
        self.dispatch()
        self.commit()  # earlier results of the run first
        self.store.fail(run, cause, "".join(traceback.format_exception(error)))
        if printed := self.reports.log(run):
            self.store.keep_log(run, printed)
        self.callback.on_run_end(run, "failed", cause)
        if task.isolation:
            task.isolation.failed = True
            self._end_isolation(task.isolation, task.group)

    def _end_isolation(self, isolation: _Isolation, group: int) -> None:
        """Once each run was tried alone, train the others side by side again.

        If none failed alone, their combination fails: each then trains alone.
        """
        isolation.pending -= 1
        if isolation.pending:
            return
        seconds = sum(result.seconds for _, result in isolation.lanes)
        lanes = [(segment, replace(result, seconds=seconds)) for segment, result in isolation.lanes]
        for part in [lanes] if isolation.failed else [[lane] for lane in isolation.lanes]:
            self._continue(part, group)


def _cause(what: str, error: Exception) -> str:
    if isinstance(error, ModelError):  # a sentence by itself
        return textwrap.shorten(str(error), _MAX_CAUSE).rstrip(".")
    return f"{what}: {textwrap.shorten(str(error), _MAX_CAUSE)}" if str(error) else what


def _signal(error: Exception) -> str:
    """Name of the signal that killed a worker, or its exit code, as in loky's message; empty if there is none."""
    if found := re.search(r"\bSIG[A-Z]+\b", str(error)):
        return found[0]
    code = re.search(r"\bEXIT\((\d+)\)", str(error))
    return f"exit code {code[1]}" if code else ""


def _remaining(run: Run, done: int = 0) -> float:
    """Remaining operations of a run, evaluation excluded."""
    return (run.steps - done) * step_operations(run)


def _group_operations(group: tuple[Run, ...]) -> float:
    return sum(map(_remaining, group))


def _finished(result: SegmentResult) -> bool:
    return result.diverged or result.final is not None
