"""Timeouts: the time after which a silent worker is taken to hang.

Nobody knows how fast a machine is before it has trained something, and a guess kills what is merely slow. So what has
been measured in this study decides, many times over; until then, the arithmetic at a rate that no machine falls
below. Time is counted by a clock that no one sets, and that stands still while a Linux machine sleeps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.runtime.segments import operations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.types import Condition, Segment

TIMES = 20.0
"""Factor over the expected time that a segment may take: other programs run too, and memory is swapped out."""

AT_LEAST = 60.0
"""Seconds that every segment has."""

TO_BEGIN = 600.0
"""Seconds in which a worker starts and compiles, where nothing has been measured."""

_SLOWEST = 1e8  # operations per second; a single core of a small computer of 2012 makes ten times as many


class Patience:
    """Measured durations of segments, by condition, and the limits that follow for others."""

    def __init__(self) -> None:
        self._slowest: dict[Condition, float] = {}

    def learn(self, segments: Sequence[Segment], seconds: float) -> None:
        """Note that segments, trained side by side, took so long, with all that a worker did besides."""
        condition = segments[0].run.condition
        self._slowest[condition] = max(self._slowest.get(condition, 0.0), seconds / segments[0].steps)

    def expected(self, segments: Sequence[Segment]) -> float | None:
        """Seconds that segments should take, by the slowest so far of their condition; None where there was none."""
        slowest = self._slowest.get(segments[0].run.condition)
        return None if slowest is None else slowest * segments[0].steps

    def allowed(self, segments: Sequence[Segment]) -> float:
        """Seconds after which whoever trains these segments hangs."""
        expected = self.expected(segments)
        if expected is not None:
            return max(AT_LEAST, TIMES * expected)
        needed = operations(segments[0].run) * segments[0].steps * len(segments)
        return TO_BEGIN + needed / _SLOWEST
