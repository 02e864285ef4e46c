"""Drive runs to their end: hand segments to an executor, keep what comes back, tell the listener.

The coordinator alone writes to the store. A run's next segment is handed out before its last one is written, so that
no worker waits for the disk. Few runs are under way at once: each holds its weights and moments in memory here and
in a checkpoint on disk, and a run that is finished early is one that a kill can no longer touch.
"""

from __future__ import annotations

import textwrap
import traceback
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from dropstudy import workers
from dropstudy.errors import DamagedFile
from dropstudy.records import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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


@dataclass(frozen=True, eq=False)
class _Work:
    """A run under way."""

    run: Run
    segment: Segment
    tries: int = 1


def train_runs(
    store: Store,
    runs: Iterable[Run],
    data: ArrayFiles,
    split: Split,
    executor: Executor,
    listener: Listener,
    *,
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
    active: dict[Future[SegmentResult], _Work] = {}
    waiting = iter(runs)

    def submit(work: _Work) -> None:
        active[executor.submit(workers.train, work.segment)] = work

    def begin(count: int) -> None:
        for run in islice(waiting, count):
            submit(_Work(run, _first_segment(store, run, data, split, listener)))

    begin(in_flight)
    while active:
        finished, _ = wait(active, return_when=FIRST_COMPLETED)
        for future in finished:
            work = active.pop(future)
            try:
                result = future.result()
            except BrokenExecutor as error:
                if work.tries < MOST_TRIES:
                    submit(replace(work, tries=work.tries + 1))
                    listener.notice(f"A worker died while it trained {describe(work.run)}; trying again.")
                else:
                    begin(1)
                    _fail(store, work.run, f"its worker died {MOST_TRIES} times", error, listener)
            except Exception as error:  # noqa: BLE001 - whatever a worker raises ends its own run, not the study
                begin(1)
                _fail(store, work.run, type(error).__name__, error, listener)
            else:
                if result.final is None and not result.diverged:
                    submit(_Work(work.run, _next_segment(work, result)))
                else:
                    begin(1)
                _keep(store, work.run, result, listener)


def describe(run: Run) -> str:
    """A run in words, for instance "'dropout 0.8', seed 0"."""
    return f"'{run.arm.name}', seed {run.seed}"


def _first_segment(
    store: Store,
    run: Run,
    data: ArrayFiles,
    split: Split,
    listener: Listener,
) -> Segment:
    try:
        done, state = store.progress(run.key)
    except DamagedFile as error:
        listener.notice(f"{error} {describe(run)} starts again.")
        store.restart(run)
        done, state = 0, None
    train_index, validation_index = split(run.seed)
    return Segment(run, data, train_index, validation_index, state, first_epoch=done, epochs=1)


def _next_segment(work: _Work, result: SegmentResult) -> Segment:
    """As many epochs as fit in a segment's time, judged by the last epoch."""
    done = result.history[-1].epoch
    epochs = max(1, int(SEGMENT_SECONDS / max(result.history[-1].seconds, 1e-3)))
    return replace(
        work.segment, state=result.state, first_epoch=done, epochs=min(epochs, work.run.epochs - done)
    )


def _keep(store: Store, run: Run, result: SegmentResult, listener: Listener) -> None:
    store.commit(run, result)
    for row in result.history:
        listener.epoch(run, row)
    if result.diverged:
        listener.ended(
            run, "diverged", f"the loss was no longer finite in epoch {result.history[-1].epoch}"
        )
    elif result.final is not None:
        listener.ended(run, "done", "")


def _fail(store: Store, run: Run, what: str, error: Exception, listener: Listener) -> None:
    cause = f"{what}: {textwrap.shorten(str(error), _CAUSE)}" if str(error) else what
    store.fail(run, cause, "".join(traceback.format_exception(error)))
    listener.ended(run, "failed", cause)
