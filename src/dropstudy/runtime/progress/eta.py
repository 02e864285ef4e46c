"""Speed and time left of a running study, from the measured durations of its epochs."""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from statistics import fmean, median
from typing import TYPE_CHECKING

from dropstudy.engine.trainer import trainer_of
from dropstudy.runtime.scheduling import SEGMENT_SECONDS, makespan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dropstudy.core.types import Condition, EpochMetrics, Run
    from dropstudy.store.reader import RunProgress

_PRIOR_EPOCHS = 3.0
"""Epochs a worker that the first guess, that nothing but epochs takes time, is worth."""

_PRIOR_ENDS = 3
"""Runs that the first guess, that a run's end takes no time, is worth."""

_AT_ONCE = 0.1  # of an epoch's time

_COMPILING = 20.0
"""Seconds from which on a run's first epoch, which is compiled first, tells of the next ones all the same."""

_AGREES, _SOON = 0.35, 3.0
"""The share of the time left, and seconds, by which a rate that is shown may miss it."""

_MOST_KEPT = 101  # of the last epochs of a condition: enough for a median, and a machine may become slower


def epoch_cost(condition: Condition) -> float:
    """Operations of an epoch, approximately."""
    return trainer_of(condition).operations(condition) * condition.train_size


def nearest(condition: Condition, seen: Iterable[Condition]) -> tuple[Condition, float]:
    """Seen condition of most similar cost, and the approximate ratio of an epoch's time of `condition` to its."""
    closest = min(seen, key=lambda other: abs(math.log(epoch_cost(condition) / epoch_cost(other))))
    return closest, epoch_cost(condition) / epoch_cost(closest)


class Pace:
    """The time left of a study that is running.

    Two things are measured. An epoch of a condition takes the median of its epochs so far, without each run's first
    one, which is compiled; a condition without an epoch is judged by the nearest one. What happens between epochs
    (compiling, the test set, the disk) adds to each run what it added to those that ended. Before one has, and where
    runs train side by side, the time that has passed is divided by the time that the epochs took, and that ratio
    stretches all of it. What is left is shared among the workers as the scheduler does it, so the end, when some are
    idle, counts at its length.

    Args:
        progress: of every run, as the study goes on.
        workers: runs that train at once.
        clock: seconds from some moment on.
    """

    def __init__(
        self, progress: Iterable[RunProgress], workers: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._workers = workers
        self._left = {s.run.key: (s.run, s.epochs_done) for s in progress if s.status not in _ENDED}
        self._seconds: dict[Condition, list[float]] = defaultdict(list)
        self._lengths: dict[tuple[str, Condition], list[int]] = defaultdict(list)
        self._seen: set[str] = set()  # runs that were told of
        self._steady: float | None = None  # when every worker was seen at work
        self._noted = 0.0  # when the time that passed was last noted
        self._told: deque[tuple[float, str]] = deque(maxlen=workers)  # when, and of which run, the last ones
        self._epochs = self._ends = 0  # told since it was steady
        self._work = 0.0  # seconds that those took
        self._beyond = 0.0  # seconds that workers had beyond those, when a run last ended
        self._passed = 0.0  # seconds that workers had for them, since then and on what they were at then

    @property
    def epochs_left(self) -> int:
        """Run-epochs that are still to be trained."""
        return round(sum(self._length(run) - done for run, done in self._left.values()))

    def epoch(self, run: Run, row: EpochMetrics) -> None:
        """Note an epoch."""
        now = self._note_time()
        at_once = (
            _AT_ONCE * row.seconds
        )  # several epochs that are told in one breath were handed over together
        if not any(key == run.key and now - when < at_once for when, key in self._told):
            self._told.append((now, run.key))
        if run.key in self._seen or row.epoch == run.epochs or row.seconds > _COMPILING:
            seconds = self._seconds[run.condition]
            seconds.append(row.seconds)
            del seconds[:-_MOST_KEPT]
        self._seen.add(run.key)
        if run.key in self._left:
            self._left[run.key] = (run, row.epoch)
        if self._steady is not None:
            if now - self._steady >= at_once:
                self._epochs += 1
                self._work += row.seconds
        elif len(self._seen) >= self._busy:
            self._steady = now
            self._passed = self._busy * self._untold(now)

    def ended(self, run: Run) -> None:
        """Note that a run has no more epochs to come."""
        self._note_time()
        if self._steady is not None:
            self._ends += 1
            self._beyond = self._passed_at_work() - self._work
        _, done = self._left.pop(run.key, (run, 0))
        if done:
            self._lengths[run.arm.name, run.condition].append(done)

    def rate(self) -> float | None:
        """Run-epochs a second; None before that can be told."""
        if self._steady is None or self._noted <= self._steady or not self._epochs:
            return None
        return self._epochs / (self._noted - self._steady)

    def seconds_left(self) -> float | None:
        """Seconds until all is trained; None before an epoch was that tells of the others."""
        if not self._seconds:
            return None
        each = [
            (self._length(run) - done) * self._epoch_seconds(run.condition)
            for run, done in self._left.values()
        ]
        if self._beyond > 0:
            more = self._beyond / (self._ends + _PRIOR_ENDS)
            left = makespan([seconds + more for seconds in each], self._workers)
        else:
            left = makespan(each, self._workers) * self._stretch()
        # A segment that is late takes no time off those that follow it.
        late = SEGMENT_SECONDS + 2 * max(
            (self._epoch_seconds(run.condition) for run, _ in self._left.values()), default=0.0
        )
        return max(0.0, left - min(self._untold(self._clock()), late))

    def rate_of_the_rest(self) -> float | None:
        """Rate as `rate`, where the time left agrees with it; None where runs of other conditions are queued."""
        rate, left = self.rate(), self.seconds_left()
        if rate is None or left is None:
            return None
        by_rate = self.epochs_left / rate
        return rate if abs(by_rate - left) <= max(_AGREES * left, _SOON) else None

    @property
    def _busy(self) -> int:
        """Workers that have something to do."""
        return min(self._workers, len(self._left))

    def _note_time(self) -> float:
        now = self._clock()
        if self._steady is not None:
            self._passed += (now - self._noted) * self._busy
        self._noted = now
        return now

    def _untold(self, now: float) -> float:
        """Seconds for which workers, on average, have been at something that nobody has heard of yet."""
        latest = [when for when, _ in self._told][-max(1, self._busy) :]
        return now - fmean(latest) if latest else 0.0

    def _stretch(self) -> float:
        """Time that passes for each second of an epoch, on each worker. Below 1 where runs train side by side."""
        typical = fmean(median(seconds) for seconds in self._seconds.values())
        prior = _PRIOR_EPOCHS * self._workers * typical
        return (self._passed_at_work() + prior) / (self._work + prior) if self._work + prior else 1.0

    def _passed_at_work(self) -> float:
        """Seconds that workers had for what was told of."""
        return max(0.0, self._passed - self._busy * self._untold(self._noted))

    def _epoch_seconds(self, condition: Condition) -> float:
        if condition in self._seconds:
            return median(self._seconds[condition])
        seen, factor = nearest(condition, self._seconds)
        return median(self._seconds[seen]) * factor

    def _length(self, run: Run) -> float:
        """Epochs that a run will have: those asked for, or what others like it had where they stopped early."""
        lengths = self._lengths.get((run.arm.name, run.condition))
        done = self._left[run.key][1] if run.key in self._left else 0
        return max(done, fmean(lengths)) if lengths else run.epochs


_A_SECOND = 0.5  # rounded
_ENDED = {"done", "diverged"}


def about(seconds: float) -> str:
    """An estimate for people: "about 45 s", "less than 1 s"."""
    return f"about {duration(seconds)}" if seconds > _A_SECOND else duration(seconds)


def duration(seconds: float) -> str:
    """Seconds for people: "less than 1 s", "45 s", "2 min 30 s", "12 min", "3 h 20 min", "2 d 4 h"."""
    if seconds <= _A_SECOND:
        return "less than 1 s"
    if seconds < 90:  # noqa: PLR2004 - "75 s" says more than "1 min 20 s"
        return f"{seconds:.0f} s"
    minutes, tens = divmod(round(seconds / 10), 6)
    if minutes < 10:  # noqa: PLR2004 - above, ten seconds are less than a twentieth of it
        return f"{minutes} min {10 * tens} s" if tens else f"{minutes} min"
    minutes = round(seconds / 60)
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:  # noqa: PLR2004
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
