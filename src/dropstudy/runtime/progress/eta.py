"""Speed and time left (ETA) of a running study, from the durations of its epochs."""

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
"""Weight, in epochs per worker, of the initial estimate that only epochs take time."""

_PRIOR_ENDS = 3
"""Weight, in runs, of the initial estimate that a run's end takes no time."""

_SAME_MOMENT = 0.1  # of an epoch's time: epochs reported within it come from one segment

_LONG_EPOCH = 20.0
"""Seconds from which a run's first epoch counts, although it may include compilation."""

_TOLERANCE, _MIN_TOLERANCE = 0.35, 3.0
"""Share of the time left, and seconds, by which a displayed rate may deviate from it."""

_MAX_SAMPLES = 101  # latest epochs of a condition: enough for a median, and a machine may become slower
_ENDED = {"done", "diverged"}


def epoch_cost(condition: Condition) -> float:
    """Operations of an epoch, approximately."""
    return trainer_of(condition).operations(condition) * condition.train_size


def nearest(condition: Condition, measured: Iterable[Condition]) -> tuple[Condition, float]:
    """Measured condition of most similar cost, and the ratio of an epoch's cost of `condition` to its."""
    closest = min(measured, key=lambda other: abs(math.log(epoch_cost(condition) / epoch_cost(other))))
    return closest, epoch_cost(condition) / epoch_cost(closest)


class Eta:
    """Estimated time left of a running study.

    An epoch of a condition takes the median of its epochs so far, without each run's first one, which includes
    compilation; a condition without an epoch follows from the nearest one. Time between epochs (compilation, test set,
    disk) is added per run, as measured on those that ended. Before one ended, and where runs train side by side, all
    epochs are scaled by the wall time over the epochs' time. The rest is divided among the workers as the scheduler
    does, so a long last run counts in full.

    Args:
        progress: of every run.
        workers: runs that train at once.
        clock: seconds since any fixed time.
    """

    def __init__(
        self, progress: Iterable[RunProgress], workers: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._workers = workers
        self._unfinished = {p.run.key: (p.run, p.epochs_done) for p in progress if p.status not in _ENDED}
        self._epoch_samples: dict[Condition, list[float]] = defaultdict(list)
        self._run_lengths: dict[tuple[str, Condition], list[int]] = defaultdict(list)
        self._started: set[str] = set()  # runs with an epoch
        self._steady_since: float | None = None  # time at which every worker had reported an epoch
        self._updated_at = 0.0
        self._latest: deque[tuple[float, str]] = deque(maxlen=workers)  # time and run of the latest reports
        self._epochs = self._ends = 0  # reported in the steady state
        self._epoch_time = 0.0  # seconds of those epochs
        self._overhead = 0.0  # worker seconds beyond them, at the latest end of a run
        self._worker_time = 0.0  # seconds of all workers in the steady state

    @property
    def epochs_left(self) -> int:
        """Remaining run-epochs."""
        return round(sum(self._length(run) - done for run, done in self._unfinished.values()))

    def on_epoch_end(self, run: Run, metrics: EpochMetrics) -> None:
        """Record an epoch."""
        now = self._update_time()
        same_moment = _SAME_MOMENT * metrics.seconds
        if not any(key == run.key and now - at < same_moment for at, key in self._latest):
            self._latest.append((now, run.key))
        if run.key in self._started or metrics.epoch == run.epochs or metrics.seconds > _LONG_EPOCH:
            samples = self._epoch_samples[run.condition]
            samples.append(metrics.seconds)
            del samples[:-_MAX_SAMPLES]
        self._started.add(run.key)
        if run.key in self._unfinished:
            self._unfinished[run.key] = (run, metrics.epoch)
        if self._steady_since is not None:
            if now - self._steady_since >= same_moment:
                self._epochs += 1
                self._epoch_time += metrics.seconds
        elif len(self._started) >= self._busy:
            self._steady_since = now
            self._worker_time = self._busy * self._unreported(now)

    def on_run_end(self, run: Run) -> None:
        """Record the end of a run."""
        self._update_time()
        if self._steady_since is not None:
            self._ends += 1
            self._overhead = self._reported_time() - self._epoch_time
        _, done = self._unfinished.pop(run.key, (run, 0))
        if done:
            self._run_lengths[run.arm.name, run.condition].append(done)

    def rate(self) -> float | None:
        """Run-epochs per second; None before it is known."""
        if self._steady_since is None or self._updated_at <= self._steady_since or not self._epochs:
            return None
        return self._epochs / (self._updated_at - self._steady_since)

    def seconds_left(self) -> float | None:
        """Seconds until all runs are trained; None before the first sample of an epoch."""
        if not self._epoch_samples:
            return None
        each = [
            (self._length(run) - done) * self._epoch_seconds(run.condition)
            for run, done in self._unfinished.values()
        ]
        if self._overhead > 0:
            per_run = self._overhead / (self._ends + _PRIOR_ENDS)
            left = makespan([seconds + per_run for seconds in each], self._workers)
        else:
            left = makespan(each, self._workers) * self._scale()
        # A late segment shortens none of those after it.
        epochs = (self._epoch_seconds(run.condition) for run, _ in self._unfinished.values())
        latest = SEGMENT_SECONDS + 2 * max(epochs, default=0.0)
        return max(0.0, left - min(self._unreported(self._clock()), latest))

    def lasting_rate(self) -> float | None:
        """Rate, where it agrees with the time left; None where runs of other conditions are queued."""
        rate, left = self.rate(), self.seconds_left()
        if rate is None or left is None:
            return None
        return rate if abs(self.epochs_left / rate - left) <= max(_TOLERANCE * left, _MIN_TOLERANCE) else None

    @property
    def _busy(self) -> int:
        """Workers with a run."""
        return min(self._workers, len(self._unfinished))

    def _update_time(self) -> float:
        now = self._clock()
        if self._steady_since is not None:
            self._worker_time += (now - self._updated_at) * self._busy
        self._updated_at = now
        return now

    def _unreported(self, now: float) -> float:
        """Mean seconds since the latest report of each worker."""
        latest = [at for at, _ in self._latest][-max(1, self._busy) :]
        return now - fmean(latest) if latest else 0.0

    def _scale(self) -> float:
        """Wall time per second of an epoch, on each worker; below 1 where runs train side by side."""
        typical = fmean(median(samples) for samples in self._epoch_samples.values())
        prior = _PRIOR_EPOCHS * self._workers * typical
        total = self._epoch_time + prior
        return (self._reported_time() + prior) / total if total else 1.0

    def _reported_time(self) -> float:
        """Worker seconds up to the latest reports."""
        return max(0.0, self._worker_time - self._busy * self._unreported(self._updated_at))

    def _epoch_seconds(self, condition: Condition) -> float:
        if condition in self._epoch_samples:
            return median(self._epoch_samples[condition])
        measured, ratio = nearest(condition, self._epoch_samples)
        return median(self._epoch_samples[measured]) * ratio

    def _length(self, run: Run) -> float:
        """Expected epochs of a run: those requested, or the mean of similar runs that stopped early."""
        lengths = self._run_lengths.get((run.arm.name, run.condition))
        done = self._unfinished[run.key][1] if run.key in self._unfinished else 0
        return max(done, fmean(lengths)) if lengths else run.epochs


_HALF_SECOND = 0.5  # rounded to 1 s


def about(seconds: float) -> str:
    """An estimated duration: "about 45 s", "less than 1 s"."""
    return f"about {duration(seconds)}" if seconds > _HALF_SECOND else duration(seconds)


def duration(seconds: float) -> str:
    """A duration as text: "less than 1 s", "45 s", "2 min 30 s", "12 min", "3 h 20 min", "2 d 4 h"."""
    if seconds <= _HALF_SECOND:
        return "less than 1 s"
    if seconds < 90:  # noqa: PLR2004 - "75 s" is more precise than "1 min 20 s"
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
