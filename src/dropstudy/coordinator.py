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
    runs: Iterable[Run],
    data: ArrayFiles,
    split: Split,
    *,
    executor: Executor,
    listener: Listener,
    in_flight: int,
) -> None:
    """Train what is not finished of `runs`, from wherever the store says that each stands.

    Args:
        store: of the study.
        runs: what to train, in the order in which to begin.
        data: the dataset's files.
        split: training and validation rows of a seed.
        executor: what trains the segments.
        listener: told of every epoch and every end.
        in_flight: runs under way at once; one more than the executor has workers keeps them all busy.
    """
    training = _Training(store, iter(runs), data, split, executor, listener)
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
    """A segment that was handed out, for the first, second or third time."""

    segment: Segment
    tries: int = 1


@dataclass(frozen=True, eq=False)
class _Training:
    """Runs under way and runs to come; the fields are the arguments of `train_runs`."""

    store: Store
    waiting: Iterator[Run]
    data: ArrayFiles
    split: Split
    executor: Executor
    listener: Listener
    active: dict[Future[SegmentResult], _Work] = field(default_factory=dict)

    def begin(self, count: int = 1) -> None:
        """Hand out the first segment of as many more runs, where there are any."""
        for run in islice(self.waiting, count):
            self._submit(_Work(self._first_segment(run)))

    def settle(self, future: Future[SegmentResult]) -> None:
        """Keep what came of a segment. First of all, what comes next is handed out."""
        work = self.active.pop(future)
        try:
            result = future.result()
        except BrokenExecutor as error:
            if work.tries < MOST_TRIES:
                self._submit(replace(work, tries=work.tries + 1))
                notice = f"A worker died while it trained {describe(work.segment.run)}; trying again."
                self.listener.notice(notice)
            else:
                self._fail(work.segment.run, f"its worker died {MOST_TRIES} times", error)
        except Exception as error:  # noqa: BLE001 - whatever a worker raises ends its own run, not the study
            self._fail(work.segment.run, type(error).__name__, error)
        else:
            self._keep(work.segment, result)

    def _submit(self, work: _Work) -> None:
        self.active[self.executor.submit(workers.train, work.segment)] = work

    def _first_segment(self, run: Run) -> Segment:
        try:
            done, state = self.store.progress(run.key)
        except DamagedFile as error:
            self.listener.notice(f"{error} {describe(run)} starts again.")
            self.store.restart(run)
            done, state = 0, None
        train_index, validation_index = self.split(run.seed)
        return Segment(run, self.data, train_index, validation_index, state, first_epoch=done, epochs=1)

    def _keep(self, segment: Segment, result: SegmentResult) -> None:
        run, last = segment.run, result.history[-1]
        ended = result.diverged or result.final is not None
        if ended:
            self.begin()
        else:
            self._submit(_Work(_next_segment(segment, result)))
        self.store.commit(run, result)
        for row in result.history:
            self.listener.epoch(run, row)
        if result.diverged:
            self.listener.ended(run, "diverged", f"the loss was no longer finite in epoch {last.epoch}")
        elif ended:
            self.listener.ended(run, "done", "")

    def _fail(self, run: Run, what: str, error: Exception) -> None:
        self.begin()
        cause = f"{what}: {textwrap.shorten(str(error), _CAUSE)}" if str(error) else what
        self.store.fail(run, cause, "".join(traceback.format_exception(error)))
        self.listener.ended(run, "failed", cause)


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
