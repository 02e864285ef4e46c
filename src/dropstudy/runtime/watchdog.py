"""Watchdog: report silent workers, kill hung ones.

The limit for a segment is many times the longest duration measured in this study for its condition. Before one is
measured, it follows from the operations at a rate that every machine exceeds. Time counts by the monotonic clock, and
only while this process itself runs: while it was suspended, or its disk stalled, it received nothing.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from dropstudy.errors import InvalidArgument
from dropstudy.runtime.messages import run_names
from dropstudy.runtime.scheduling import step_operations

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from concurrent.futures import Future
    from typing import Any

    from dropstudy.core.types import Condition, Segment
    from dropstudy.runtime.workers import WorkerPool

REPORT_AFTER = 30.0
"""Seconds of silence before the first report; the next ones follow at doubling intervals."""

REPORT_FACTOR = 3.0
"""Multiple of the expected time, if known, before the first report."""

CHECK_INTERVAL = 1.0
"""Seconds between checks."""

TIMEOUT_FACTOR = 20.0
"""Multiple of the expected time before a worker counts as hung: other programs run too, and memory is swapped."""

MIN_TIMEOUT = 60.0
"""Seconds that every segment has."""

START_TIMEOUT = 600.0
"""Seconds for a worker to start and compile, where nothing was measured."""

FUNCTION_TIMEOUT = 3600.0
"""Seconds for the first epoch of a training function, of which nothing is known, where nothing was measured."""

VARIABLE = "DROPSTUDY_FUNCTION_TIMEOUT"
"""Environment variable with the seconds that a training function may say nothing, in place of both limits."""

_SLOWEST_RATE = 1e8  # operations per second; a core of a small computer of 2012 makes ten times as many
_MAX_CHECK_INTERVALS = 5  # after more, this process was suspended itself


class Timeouts:
    """Expected and longest allowed durations of segments, from measured ones of the same condition."""

    def __init__(self) -> None:
        self._step_seconds: dict[Condition, float] = {}
        self._given = _given_timeout()

    def record(self, segments: Sequence[Segment], seconds: float) -> None:
        """Record the time from dispatch to result of segments trained side by side."""
        condition = segments[0].run.condition
        self._step_seconds[condition] = max(
            self._step_seconds.get(condition, 0.0), seconds / segments[0].steps
        )

    def expected(self, segments: Sequence[Segment]) -> float | None:
        """Seconds for segments at the lowest speed so far; None before one of their condition was measured."""
        step_seconds = self._step_seconds.get(segments[0].run.condition)
        return None if step_seconds is None else step_seconds * segments[0].steps

    def limit(self, segments: Sequence[Segment]) -> float:
        """Seconds after which the worker of these segments counts as hung."""
        expected, function = self.expected(segments), segments[0].run.of_function
        if function and self._given is not None:
            return self._given
        if expected is not None:
            return max(MIN_TIMEOUT, TIMEOUT_FACTOR * expected)
        if function:
            return FUNCTION_TIMEOUT
        operations = step_operations(segments[0].run) * segments[0].steps * len(segments)
        return START_TIMEOUT + operations / _SLOWEST_RATE


def _given_timeout() -> float | None:
    """Seconds that the environment allows a training function; None where it does not say.

    Raises:
        InvalidArgument: it says something else.
    """
    given = os.environ.get(VARIABLE)
    if not given:
        return None
    with suppress(ValueError):
        if (seconds := float(given)) > 0:
            return seconds
    raise InvalidArgument(
        f"the environment variable {VARIABLE}",
        expected="seconds above 0 that a training function may say nothing, such as 7200",
        received=repr(given),
    )


@dataclass(eq=False)
class Silence:
    """Silence of a worker since it was given its segments.

    Args:
        seconds: duration so far; None before the worker started on them.
        report_at: duration at which it is reported next.
        hung: explanation, once the worker was killed as hung.
    """

    seconds: float | None = None
    report_at: float = 0.0
    hung: str = ""

    def end(self) -> None:
        """Begin anew: the worker has reported something."""
        self.seconds = None


class Task(Protocol):
    """Segments dispatched to one worker."""

    @property
    def segments(self) -> tuple[Segment, ...]:
        """One segment of each run trained side by side."""

    @property
    def silence(self) -> Silence:
        """Silence of the worker."""


@dataclass(eq=False)
class Watchdog:
    """Checks on the workers of a pool.

    Args:
        pool: the workers.
        timeouts: limits of silence.
    """

    pool: WorkerPool
    timeouts: Timeouts
    _checked_at: float = field(default_factory=time.monotonic)

    def check(self, running: Iterable[tuple[Future[Any], Task]]) -> str | None:
        """Kill hung workers and report silent ones, at most once a second.

        Returns:
            The report, if there is one.
        """
        now = time.monotonic()
        passed = now - self._checked_at
        if passed < CHECK_INTERVAL:
            return None
        self._checked_at = now
        passed = min(passed, _MAX_CHECK_INTERVALS * CHECK_INTERVAL)
        late = []
        for future, task in running:
            silence = task.silence
            if not future.running():  # it waits for a worker, maybe once more
                silence.end()
                continue
            if silence.seconds is None:  # it started some time since the last check
                silence.seconds = 0.0
                expected = self.timeouts.expected(task.segments) or 0.0
                silence.report_at = max(REPORT_AFTER, REPORT_FACTOR * expected)
                continue
            silence.seconds += passed
            self._kill_if_hung(future, task, silence.seconds)
            if silence.seconds >= silence.report_at:
                silence.report_at = 2 * silence.seconds
                late.append((silence.seconds, task))
        return self._report(late) if late else None

    def _kill_if_hung(self, future: Future[Any], task: Task, seconds: float) -> None:
        if self.pool.can_kill and seconds > self.timeouts.limit(task.segments):
            expected = self.timeouts.expected(task.segments)
            usual = "" if expected is None else f", where {expected:.1f} s are usual"
            task.silence.hung = f"silent for {seconds:.0f} s{usual}, so it was killed"
            # Again at each check: a worker that is starting has no process to kill yet.
            self.pool.kill(future)

    def _report(self, late: list[tuple[float, Task]]) -> str:
        runs = [segment.run for _, task in late for segment in task.segments]
        report = f"No result of {run_names(runs)} for {max(seconds for seconds, _ in late):.0f} s."
        if self.pool.can_kill:
            limit = max(self.timeouts.limit(task.segments) for _, task in late)
            report += f" A worker that is silent for {limit:.0f} s is killed and its segment repeated."
        return report
