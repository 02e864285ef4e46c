"""Drive runs to their end: hand segments to an executor, keep what comes back, tell the listener.

The coordinator alone writes to the store. A run's next segment is handed out before its last one is written,
so that no worker waits for the disk. Few runs are under way at once: each holds its weights and moments in
memory here and in a checkpoint on disk, and a run that is finished early is one that no kill can touch.
"""

from __future__ import annotations

import textwrap
import traceback
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from dropstudy import workers
from dropstudy.errors import DamagedFile
from dropstudy.records import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from dropstudy.records import ArrayFiles, EpochMetrics, Run, SegmentResult
    from dropstudy.store import Store

    Split = Callable[[int], tuple[NDArray[np.int32], NDArray[np.int32] | None]]

SEGMENT_SECONDS = 1.5
"""How long a segment should last: what a kill can lose, and how often the epoch lines move."""

MOST_TRIES = 3
"""How often a segment is given to a worker before its run is called failed."""

_CAUSE = 300  # characters of an error's message that fit in a table; the traceback has them all


class Listener(Protocol):
    """Told what happens while runs train."""

    def epoch(self, run: Run, row: EpochMetrics) -> None:
        """A run has finished an epoch."""

    def ended(self, run: Run, status: str, cause: str) -> None:
        """A run is done, diverged or failed; `cause` says why for the last two."""

    def notice(self, text: str) -> None:
        """Something that the user should know."""


def train_runs(
    store: Store,
    groups: Iterable[tuple[Run, ...]],
    data: ArrayFiles,
    split: Split,
    *,
    executor: Executor,
    listener: Listener,
    in_flight: int,
) -> None:
    """Train what is not finished, from wherever the store says that each run stands.

    Args:
        store: of the study.
        groups: what to train, in the order in which to begin. The runs of a group train side by side in one
            program; a run by itself is a group of one.
        data: the dataset's files.
        split: training and validation rows of a seed.
        executor: what trains the segments.
        listener: told of every epoch and every end.
        in_flight: groups under way at once; one more than the executor has workers keeps them all busy.
    """
    training = _Training(store, iter(groups), data, split, executor, listener)
    training.begin(in_flight)
    while training.active:
        finished, _ = wait(training.active, return_when=FIRST_COMPLETED)
        for future in finished:
            training.settle(future)


def describe(run: Run) -> str:
    """A run in words, for instance "'dropout 0.8', seed 0"."""
    return f"'{run.arm.name}', seed {run.seed}"


@dataclass(frozen=True, eq=False)
class _Work:
    """Segments that were handed out together, for the first, second or third time."""

    segments: tuple[Segment, ...]
    tries: int = 1


@dataclass(frozen=True, eq=False)
class _Training:
    """Runs under way and runs to come; the fields are the arguments of `train_runs`."""

    store: Store
    waiting: Iterator[tuple[Run, ...]]
    data: ArrayFiles
    split: Split
    executor: Executor
    listener: Listener
    active: dict[Future[tuple[SegmentResult, ...]], _Work] = field(default_factory=dict)

    def begin(self, count: int = 1) -> None:
        """Hand out the first segments of as many more groups, where there are any."""
        for group in islice(self.waiting, count):
            segments = [self._first_segment(run) for run in group]
            # A group that was stopped half way may have lanes at different epochs: those go on apart.
            for done in sorted({segment.first_epoch for segment in segments}):
                self._submit(_Work(tuple(s for s in segments if s.first_epoch == done)))

    def settle(self, future: Future[tuple[SegmentResult, ...]]) -> None:
        """Keep what came of segments. First of all, what comes next is handed out."""
        work = self.active.pop(future)
        try:
            results = future.result()
        except Exception as error:  # noqa: BLE001 - whatever a worker raises ends its own run, not the study
            self._troubled(work, error)
        else:
            self._keep(work.segments, results)

    def _submit(self, work: _Work) -> None:
        self.active[self.executor.submit(workers.train_group, work.segments)] = work

    def _troubled(self, work: _Work, error: Exception) -> None:
        """Give segments again whose worker died; a run that raises, or whose worker always dies, has failed."""
        run, lanes = work.segments[0].run, len(work.segments)
        if lanes > 1:
            # In halves: the device may not have room for all, and one lane's trouble is not the others'.
            self.listener.notice(
                f"A worker could not train {lanes} runs side by side; trying again in halves."
            )
            self._submit(_Work(work.segments[: lanes // 2]))
            self._submit(_Work(work.segments[lanes // 2 :]))
        elif not isinstance(error, BrokenExecutor):
            self._fail(run, type(error).__name__, error)
        elif work.tries < MOST_TRIES:
            self._submit(replace(work, tries=work.tries + 1))
            self.listener.notice(f"A worker died while it trained {describe(run)}; trying again.")
        else:
            self._fail(run, f"its worker died {MOST_TRIES} times", error)

    def _first_segment(self, run: Run) -> Segment:
        try:
            done, state = self.store.progress(run.key)
        except DamagedFile as error:
            self.listener.notice(f"{error} {describe(run)} starts again.")
            self.store.restart(run)
            done, state = 0, None
        train_index, validation_index = self.split(run.seed)
        return Segment(run, self.data, train_index, validation_index, state, first_epoch=done, epochs=1)

    def _keep(self, segments: tuple[Segment, ...], results: tuple[SegmentResult, ...]) -> None:
        lanes = list(zip(segments, results, strict=True))
        onward = tuple(_next_segment(segment, result) for segment, result in lanes if not _ended(result))
        if onward:
            self._submit(_Work(onward))
        else:
            self.begin()
        for segment, result in lanes:
            self.store.commit(segment.run, result)
            for row in result.history:
                self.listener.epoch(segment.run, row)
            if result.diverged:
                cause = f"the loss was no longer finite in epoch {result.history[-1].epoch}"
                self.listener.ended(segment.run, "diverged", cause)
            elif _ended(result):
                self.listener.ended(segment.run, "done", "")

    def _fail(self, run: Run, what: str, error: Exception) -> None:
        self.begin()
        cause = f"{what}: {textwrap.shorten(str(error), _CAUSE)}" if str(error) else what
        self.store.fail(run, cause, "".join(traceback.format_exception(error)))
        self.listener.ended(run, "failed", cause)


def _ended(result: SegmentResult) -> bool:
    return result.diverged or result.final is not None


def _next_segment(segment: Segment, result: SegmentResult) -> Segment:
    """As many epochs as fit in a segment's time, judged by the last epoch."""
    last = result.history[-1]
    epochs = max(1, int(SEGMENT_SECONDS / max(last.seconds, 1e-3)))
    return replace(
        segment,
        state=result.state,
        first_epoch=last.epoch,
        epochs=min(epochs, segment.run.epochs - last.epoch),
    )
