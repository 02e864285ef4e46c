"""Scheduler: dispatch segments to an executor, store the results, notify the callbacks.

The coordinator alone writes to the store. A run's next segment is handed out before its last one is written,
so that no worker waits for the disk. Where results come faster than the disk takes them, those that came while it
was busy are committed together: the disk's waits are shared, and a kill loses what a moment brought.

Few runs are under way at once: each holds its weights and moments in memory here and in a checkpoint on disk, and
a run that is finished early is one that no kill can touch. Whose turn it is says `turns`.
"""

from __future__ import annotations

import math
import textwrap
import time
import traceback
from bisect import insort
from collections import deque
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from dropstudy.core.types import Segment
from dropstudy.errors import DamagedFile
from dropstudy.runtime import local, watchdog
from dropstudy.runtime.segments import first_steps, next_segments, operations
from dropstudy.runtime.timeouts import Patience
from dropstudy.runtime.turns import next_turn
from dropstudy.runtime.watchdog import Silence, Watch, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np
    from numpy.typing import NDArray

    from dropstudy.core.types import DataReference, Run, SegmentResult
    from dropstudy.runtime.events import Callback
    from dropstudy.store.store import Store

    Split = Callable[[Run], tuple[NDArray[np.int32], NDArray[np.int32] | None]]

MOST_TRIES = 3
"""Attempts at a segment before its run has failed."""

BETWEEN_COMMITS = 5.0
"""Wait before the next commit, in durations of the last one: commits take at most a sixth of wall time."""

LONGEST_BETWEEN = 0.5
"""Seconds that pass between commits at most: what a kill can lose besides the segments under way."""

_MOST_KEPT = 2**28  # bytes of results that wait for a commit
_CAUSE = 300  # characters of an error's message that fit in a table; the traceback has them all


def train_runs(
    store: Store,
    groups: Iterable[tuple[Run, ...]],
    data: DataReference,
    split: Split,
    *,
    executor: Executor,
    callback: Callback,
    worker_count: int,
    keep_weights: bool = True,
) -> None:
    """Train what is not finished, from wherever the store says that each run stands.

    Args:
        store: of the study.
        groups: what to train, those that take longest first. The runs of a group train side by side in one
            program; a run by itself is a group of one.
        data: the dataset's files.
        split: training and validation rows of a run.
        executor: what trains the segments.
        callback: called after each epoch, segment and run.
        worker_count: segments that the executor trains at once.
        keep_weights: whether finished runs leave their weights.
    """
    training = _Training(store, deque(groups), data, split, executor, callback, worker_count, keep_weights)
    training.hand_out()
    while training.active:
        finished, _ = wait(training.active, timeout=training.may_wait(), return_when=FIRST_COMPLETED)
        for future in finished:
            training.settle(future)
        training.commit_if_due()
        training.look_at_workers()
    training.commit()


@dataclass(eq=False)
class _Apart:
    """Runs of a group in which something raised: each has its segment by itself, so that it is seen whose fault it is.

    Args:
        left: runs of which nothing has come yet.
        failed: whether one has failed by itself.
        going_on: last segments and results of those that have not.
    """

    left: int
    failed: bool = False
    going_on: list[tuple[Segment, SegmentResult]] = field(default_factory=list)


@dataclass(eq=False)
class _Work:
    """Segments that are trained together, for the first, second or third time.

    Args:
        segments: one of each run.
        place: of their group in the order of all.
        tries: how often they have been handed out when they are.
        apart: the others of a group in which something raised, where this is one of them by itself.
        handed_out: when, by the monotonic clock.
        silence: how long nothing has come of them.
    """

    segments: tuple[Segment, ...]
    place: int
    tries: int = 1
    apart: _Apart | None = None
    handed_out: float = 0.0
    silence: Silence = field(default_factory=Silence)

    @property
    def left(self) -> float:
        """Operations until all runs are at their end."""
        return sum(_operations(segment.run, segment.done) for segment in self.segments)

    @property
    def size(self) -> float:
        """Operations of the segments."""
        return sum(segment.steps * operations(segment.run) for segment in self.segments)


@dataclass(eq=False)
class _Training:
    """Runs under way and runs to come; the first fields are the arguments of `train_runs`."""

    store: Store
    waiting: deque[tuple[Run, ...]]
    data: DataReference
    split: Split
    executor: Executor
    callback: Callback
    worker_count: int
    keep_weights: bool
    ready: list[_Work] = field(default_factory=list)
    """Segments of running groups that may be dispatched, in order of the groups."""
    active: dict[Future[tuple[SegmentResult, ...]], _Work] = field(default_factory=dict)
    kept: dict[str, tuple[Run, SegmentResult]] = field(default_factory=dict)
    """Results that are not committed yet, by the run's key."""
    bytes_kept: int = 0
    due: float = 0.0
    """Time of the next commit, by the monotonic clock."""
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        self.watch = Watch(self.executor, self.patience)
        self.begun = 0  # groups
        self.behind = sum(map(_whole, self.waiting))  # operations of those that have not

    def hand_out(self) -> None:
        """Give the workers what comes next, as long as they can take more."""
        while (turn := self._next_turn()) is not None:
            if turn < len(self.ready):
                work = self.ready.pop(turn)
                work.handed_out = time.monotonic()
                self.active[self.executor.submit(local.train_group, work.segments)] = work
            else:
                self._begin()

    def settle(self, future: Future[tuple[SegmentResult, ...]]) -> None:
        """Take what came of segments, and hand out what comes next, before anything is written."""
        work = self.active.pop(future)
        try:
            results = future.result()
        except Exception as error:  # noqa: BLE001 - whatever a worker raises ends its own run, not the study
            self._troubled(work, error)
        else:
            self.patience.learn(work.segments, time.monotonic() - work.handed_out)
            self._take(work, results)
        self.hand_out()

    def commit_if_due(self) -> None:
        """Commit what there is, unless the disk has just been busy."""
        if time.monotonic() >= self.due or self.bytes_kept > _MOST_KEPT:
            self.commit()

    def commit(self) -> None:
        """Commit what there is, and notify the callbacks."""
        if not self.kept:
            return
        began = time.monotonic()
        kept, self.kept, self.bytes_kept = list(self.kept.values()), {}, 0
        self.store.commit(kept, keep_weights=self.keep_weights)
        ended = time.monotonic()
        self.due = ended + min(BETWEEN_COMMITS * (ended - began), LONGEST_BETWEEN)
        for run, result in kept:
            for row in result.history:
                self.callback.on_epoch_end(run, row)
            if result.diverged:
                cause = f"the loss was no longer finite in epoch {result.history[-1].epoch}"
                self.callback.on_run_end(run, "diverged", cause)
            elif _ended(result):
                self.callback.on_run_end(run, "done", "")
            elif result.done % run.condition.steps:
                self.callback.on_segment_end(run, result.done)

    def may_wait(self) -> float:
        """Seconds until something is to be done even if no worker answers."""
        return max(0.0, min(watchdog.LOOK, self.due - time.monotonic())) if self.kept else watchdog.LOOK

    def look_at_workers(self) -> None:
        """Notify the callbacks of workers that are silent, and have those killed that are silent for far too long."""
        if words := self.watch.look(self.active.items()):
            self.callback.on_notice(words)

    def _next_turn(self) -> int | None:
        """The place in `ready` of what comes next, or the one behind them all for a group that has not begun."""
        return next_turn(
            [work.left for work in self.ready] + [_whole(group) for group in islice(self.waiting, 1)],
            [work.left for work in self.active.values()],
            share=self._share(),
            workers=self.worker_count,
            segment=max((work.size for work in self.active.values()), default=0.0),
        )

    def _share(self, more: float = 0.0) -> float:
        """Operations that each worker has before it, with some more than is known here."""
        known = sum(work.left for work in (*self.ready, *self.active.values()))
        return (self.behind + known + more) / self.worker_count

    def _begin(self) -> None:
        """Make the first segments of another group ready."""
        group = self.waiting.popleft()
        self.begun, self.behind = self.begun + 1, self.behind - _whole(group)
        segments = [self._first_segment(run) for run in group]
        # A group that was stopped half way may have lanes at different steps: those go on apart.
        for done in sorted({segment.done for segment in segments}):
            self._make_ready(_Work(tuple(s for s in segments if s.done == done), self.begun))

    def _make_ready(self, work: _Work) -> None:
        insort(self.ready, work, key=lambda work: work.place)

    def _troubled(self, work: _Work, error: Exception) -> None:
        """Give segments again whose worker died; a run that raises, or whose worker always dies, has failed.

        A group whose worker died goes on in halves: the device may not have room for all. Of one in which something
        raised, each run is tried by itself, once: the error is one run's alone, and halves would show it later.
        """
        run, lanes = work.segments[0].run, len(work.segments)
        what = "ran out of memory" if isinstance(error, MemoryError) else "died"
        hung = work.silence.hung
        if not isinstance(error, (BrokenExecutor, MemoryError)):
            if lanes == 1:
                self._fail(run, type(error).__name__, error)
                self._leave(work)
            else:
                said = _cause(type(error).__name__, error)
                self.callback.on_notice(
                    f"{lanes} runs side by side met with {said}. Each is tried by itself."
                )
                apart = _Apart(lanes)
                for segment in work.segments:
                    self._make_ready(_Work((segment,), work.place, apart=apart))
        elif lanes > 1:
            why = f" ({hung})" if hung else ""
            self.callback.on_notice(
                f"A worker {what} while it trained {lanes} runs side by side{why}; trying again in halves."
            )
            self._make_ready(_Work(work.segments[: lanes // 2], work.place))
            self._make_ready(_Work(work.segments[lanes // 2 :], work.place))
        elif work.tries < MOST_TRIES:
            self._make_ready(_Work(work.segments, work.place, work.tries + 1, work.apart))
            why = f" ({hung})" if hung else ""
            self.callback.on_notice(f"A worker {what} while it trained {describe(run)}{why}; trying again.")
        else:
            why = f"; the last time, {hung}" if hung else ""
            self._fail(run, f"its worker {what} {MOST_TRIES} times{why}", error)
            self._leave(work)

    def _leave(self, work: _Work) -> None:
        """A run that has failed holds those of its group no longer."""
        if work.apart:
            work.apart.failed = True
            self._together_again(work.apart, work.place)

    def _together_again(self, apart: _Apart, place: int) -> None:
        """Have the runs of a group go on side by side, once something came of each by itself and one has failed.

        Where none has, it is their company that they cannot stand: they go on as they are.
        """
        apart.left -= 1
        if apart.left:
            return
        seconds = sum(result.seconds for _, result in apart.going_on)
        lanes = [(segment, replace(result, seconds=seconds)) for segment, result in apart.going_on]
        for group in [lanes] if apart.failed else [[lane] for lane in apart.going_on]:
            if group:
                self._go_on(group, place)

    def _first_segment(self, run: Run) -> Segment:
        try:
            done, state = self.store.checkpoint(run.key)
        except DamagedFile as error:
            self.callback.on_notice(f"{error} {describe(run)} starts again.")
            self.store.restart([run])
            done, state = 0, None
        train_index, validation_index = self.split(run)
        return Segment(run, self.data, train_index, validation_index, state, done, first_steps(run, done))

    def _take(self, work: _Work, results: tuple[SegmentResult, ...]) -> None:
        lanes = list(zip(work.segments, results, strict=True))
        going_on = [(segment, result) for segment, result in lanes if not _ended(result)]
        if work.apart:
            work.apart.going_on += going_on
            self._together_again(work.apart, work.place)
        elif going_on:
            self._go_on(going_on, work.place)
        for segment, result in lanes:
            run, key = segment.run, segment.run.key
            if key in self.kept:  # of what follows one another, the last state is all that matters
                before = self.kept[key][1]
                history, spent = before.history + result.history, before.seconds + result.seconds
                result = replace(result, history=history, seconds=spent)  # noqa: PLW2901
            self.kept[key] = run, result
            self.bytes_kept += sum(array.nbytes for array in result.state.values())

    def _go_on(self, lanes: list[tuple[Segment, SegmentResult]], place: int) -> None:
        """Make ready what follows the last segments of runs that train side by side."""
        left = sum(_operations(segment.run, result.done) for segment, result in lanes)
        others = len(self.active) + len(self.ready) + len(self.waiting)
        share = self._share(left) if others >= self.worker_count else math.inf  # nobody waits
        self._make_ready(_Work(next_segments(lanes, share), place))

    def _fail(self, run: Run, what: str, error: Exception) -> None:
        self.hand_out()
        self.commit()  # what the run did before comes first
        cause = _cause(what, error)
        self.store.fail(run, cause, "".join(traceback.format_exception(error)))
        self.callback.on_run_end(run, "failed", cause)


def _cause(what: str, error: Exception) -> str:
    return f"{what}: {textwrap.shorten(str(error), _CAUSE)}" if str(error) else what


def _operations(run: Run, done: int = 0) -> float:
    """Remaining operations of a run, approximately, evaluation excluded."""
    return (run.steps - done) * operations(run)


def _whole(group: tuple[Run, ...]) -> float:
    return sum(map(_operations, group))


def _ended(result: SegmentResult) -> bool:
    return result.diverged or result.final is not None
