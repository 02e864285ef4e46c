"""Watchdog: report silent workers, kill hung ones.

A first segment that compiles on a busy machine takes as long as it takes, and looks like one that will never end. So
after half a minute it is said what is waited for and whether its worker computes or waits too; and a worker that never
starts is given up like one that hangs.

Only time that passes while this process looks on counts as silence. A study that is stopped and goes on, or whose disk
stalls, has heard nothing either, and its workers may have waited as it did.
"""

from __future__ import annotations

import time
from concurrent.futures import BrokenExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from dropstudy.runtime.timeouts import TO_BEGIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor, Future
    from typing import Any

    from dropstudy.core.types import Run, Segment
    from dropstudy.runtime.timeouts import Patience

TELL_AFTER = 30.0
"""Seconds of silence that are told of; those twice as long, four times and so on are told of again."""

TELL_TIMES = 3.0
"""Factor over the expected time of segments, where it is known, after which they are reported."""

LOOK = 1.0
"""Seconds between looks."""

_MOST_BETWEEN = 5  # looks' time; if more has passed, this process was held up itself
_IDLE = 0.01  # of a processor: whoever uses less waits
_NAMED = 3  # runs

T = TypeVar("T")


@dataclass(eq=False)
class Silence:
    """Record of segments that were dispatched and did not come back.

    Args:
        seconds: for how long a worker has been seen to have them.
        hung: why the worker was taken to hang, in words, once it was.
    """

    seconds: float = 0.0
    hung: str = ""
    tell_at: float = 0.0
    used_before: float | None = None
    """The worker's processor time when it was first seen to have them; None until then."""


class Work(Protocol):
    """Segments that were handed out together."""

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Side by side in one worker."""

    @property
    def silence(self) -> Silence:
        """Silence of that worker."""


class Watch:
    """Looks at what is under way.

    Args:
        executor: has it. One that has `give_up` is told to kill workers that hang; one that has
            `processor_seconds` is asked what workers do.
        patience: how long is too long.
    """

    def __init__(self, executor: Executor, patience: Patience) -> None:
        self._executor = executor
        self._patience = patience
        self._looked = time.monotonic()

    def look(self, active: Iterable[tuple[Future[Any], Work]]) -> str | None:
        """Look at what is under way, once a second at most.

        Returns:
            What whoever waits should be told, if anything.
        """
        now = time.monotonic()
        passed = now - self._looked
        if passed < LOOK:
            return None
        self._looked = now
        passed = min(passed, _MOST_BETWEEN * LOOK)
        silent = [future_and_work for future_and_work in active if self._has_begun(*future_and_work)]
        for future, work in silent:
            work.silence.seconds += passed
            self._end_if_hung(future, work)
        late = [(future, work) for future, work in silent if work.silence.seconds >= work.silence.tell_at]
        for _, work in late:
            work.silence.tell_at = 2 * work.silence.seconds
        return self._words(late) if late else None

    def _has_begun(self, future: Future[Any], work: Work) -> bool:
        silence = work.silence
        if silence.used_before is None and future.running():
            silence.used_before = self._used(future)
            expected = self._patience.expected(work.segments)
            silence.tell_at = max(TELL_AFTER, TELL_TIMES * (expected or 0.0))
            return False  # it began at some moment since the last look
        return silence.used_before is not None

    def _end_if_hung(self, future: Future[Any], work: Work) -> None:
        give_up = getattr(self._executor, "give_up", None)
        seconds = work.silence.seconds
        if give_up is None or seconds <= self._patience.allowed(work.segments):
            return
        expected = self._patience.expected(work.segments)
        usual = "" if expected is None else f", where {expected:.1f} s are usual"
        work.silence.hung = f"it was silent for {seconds:.0f} s{usual}, and was ended"
        give_up(future)  # each time anew: one that was about to start has no process to kill yet

    def _used(self, future: Future[Any]) -> float:
        processor_seconds = getattr(self._executor, "processor_seconds", None)
        return 0.0 if processor_seconds is None else processor_seconds(future)

    def _words(self, late: list[tuple[Future[Any], Work]]) -> str:
        seconds = max(work.silence.seconds for _, work in late)
        runs = [segment.run for _, work in late for segment in work.segments]
        words = f"Nothing has come of {_named(runs)} for {seconds:.0f} s."
        if hasattr(self._executor, "processor_seconds"):
            used = sum(
                max(0.0, self._used(future) - (work.silence.used_before or 0.0)) for future, work in late
            )
            who = "Its worker has" if len(late) == 1 else f"Their {len(late)} workers have"
            idle = used < _IDLE * seconds * len(late)
            why = ", as if waiting for a disk, for memory, or for ever" if idle else ""
            words += f" {who} used {used:.1f} s of processor time since{why}."
        if hasattr(self._executor, "give_up"):
            allowed = max(self._patience.allowed(work.segments) for _, work in late)
            words += f" A worker that is silent for {allowed:.0f} s is ended, and its work begun again."
        return words


def answer(executor: Executor, future: Future[T], notify: Callable[[str], None]) -> T | None:
    """Ask a newly started worker a question before it is given any segment.

    Args:
        executor: has the worker; killed if it never answers, where the executor knows how to.
        future: of the call.
        notify: called with that nothing has come, after half a minute and then ever more rarely.

    Returns:
        None where the worker died, or was killed.
    """
    silent, tell_at = 0.0, TELL_AFTER
    while not wait([future], timeout=LOOK).done:
        silent += LOOK
        if silent >= tell_at:
            notify(f"The first worker has not answered for {silent:.0f} s.")
            tell_at *= 2
        if silent >= TO_BEGIN and (give_up := getattr(executor, "give_up", None)):
            give_up(future)
    try:
        return future.result()
    except BrokenExecutor:
        return None


def describe(run: Run) -> str:
    """A run in words, for instance "'dropout 0.8', seed 0"."""
    return f"'{run.arm.name}', seed {run.seed}"


def _named(runs: list[Run]) -> str:
    """The first runs by name, and how many more."""
    names = [describe(run) for run in runs[:_NAMED]]
    names += [f"{len(runs) - _NAMED} more"] if len(runs) > _NAMED else []
    return names[0] if len(names) == 1 else f"{'; '.join(names[:-1])} and {names[-1]}"
