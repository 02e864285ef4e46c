"""Time left (ETA) of a running study, from the durations of its epochs."""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING

from dropstudy.core.text import counted
from dropstudy.core.types import ENDED
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

_SHORTEST_EPOCH, _SAME_REPORT = 1e-3, 0.1  # seconds

_MAX_SAMPLES = 101  # latest epochs of a condition: enough for a median, and a machine may become slower


def epoch_cost(condition: Condition) -> float:
    """Operations of an epoch, approximately."""
    return trainer_of(condition).operations(condition) * condition.train_size


def nearest(condition: Condition, measured: Iterable[Condition]) -> tuple[Condition, float]:
    """Measured condition of most similar cost, and the ratio of an epoch's cost of `condition` to its."""
    closest = min(measured, key=lambda other: abs(math.log(epoch_cost(condition) / epoch_cost(other))))
    return closest, epoch_cost(condition) / epoch_cost(closest)


_Kind = tuple["Condition", str]
"""Condition and name of the arm: runs whose epochs take about as long."""


def _kind(run: Run) -> _Kind:
    return run.condition, run.arm.name


@dataclass(frozen=True)
class _Position:
    """Latest report of a run: its time, the epochs done, and epochs per second."""

    at: float
    epochs: float
    speed: float


class Eta:
    """Estimated time left of a running study.

    An epoch of an arm takes the median of its epochs so far in this condition, without each run's first one, which
    includes compilation. An arm without an epoch takes the mean of the others, a condition without one follows from the
    nearest. Time between epochs (compilation, test set, disk) is added per run, as measured on those that ended. Before
    one ended, and where runs train side by side, all epochs are scaled by the wall time over the epochs' time. The rest
    is divided among the workers as the scheduler does, so a long last run counts in full. Before any epoch, the last
    epochs of runs that were trained earlier count.

    Args:
        progress: of every run; runs that have ended may be other studies'.
        workers: runs that train at once.
        clock: seconds since any fixed time.
    """

    def __init__(
        self, progress: Iterable[RunProgress], workers: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._workers = workers
        progress = tuple(progress)
        self._unfinished = {p.run.key: (p.run, p.epochs_done) for p in progress if p.status not in ENDED}
        self._epoch_samples: dict[_Kind, list[float]] = defaultdict(list)
        self._earlier_samples: dict[_Kind, list[float]] = defaultdict(list)
        for each in progress:
            if each.last is not None and (each.epochs_done > 1 or each.run.epochs == 1):
                self._earlier_samples[_kind(each.run)].append(each.last.seconds)
        self._run_lengths: dict[_Kind, list[int]] = defaultdict(list)
        self._started: set[str] = set()  # runs with an epoch
        self._steady_since: float | None = None  # time at which every worker had reported an epoch
        self._updated_at = 0.0
        self._latest: deque[tuple[float, str]] = deque(maxlen=workers)  # time and run of the latest reports
        self._positions: dict[str, _Position] = {}
        self._ends = 0  # of runs, reported in the steady state
        self._epoch_time = 0.0  # seconds of those epochs
        self._overhead = 0.0  # worker seconds beyond them, at the latest end of a run
        self._worker_time = 0.0  # seconds of all workers in the steady state

    @property
    def open_ended(self) -> bool:
        """True for runs of a training function until one has ended: how many epochs it has is not known."""
        return not self._run_lengths and any(run.of_function for run, _ in tuple(self._unfinished.values()))

    @property
    def epochs_left(self) -> int:
        """Remaining run-epochs."""
        return round(sum(self._length(run) - done for run, done in tuple(self._unfinished.values())))

    def on_epoch_end(self, run: Run, metrics: EpochMetrics) -> None:
        """Record an epoch."""
        now = self._update_time()
        same_moment = _SAME_MOMENT * metrics.seconds
        if not any(key == run.key and now - at < same_moment for at, key in self._latest):
            self._latest.append((now, run.key))
        if run.key in self._started or metrics.epoch == run.epochs or metrics.seconds > _LONG_EPOCH:
            samples = self._epoch_samples[_kind(run)]
            samples.append(metrics.seconds)
            del samples[:-_MAX_SAMPLES]
        self._started.add(run.key)
        if run.key in self._unfinished:
            self._unfinished[run.key] = (run, metrics.epoch)
        self._positions[run.key] = _Position(now, metrics.epoch, 1 / max(metrics.seconds, _SHORTEST_EPOCH))
        if self._steady_since is not None:
            if now - self._steady_since >= same_moment:
                self._epoch_time += metrics.seconds
        elif len(self._started) >= self._busy:
            self._steady_since = now
            self._worker_time = self._busy * self._unreported(now)

    def on_segment_end(self, run: Run, steps_done: int) -> None:
        """Record steps within an epoch."""
        now, epochs = self._clock(), steps_done / run.condition.steps
        before = self._positions.get(run.key)
        speed = 0.0
        if before is not None:
            apart = now - before.at
            speed = (epochs - before.epochs) / apart if apart > _SAME_REPORT else before.speed
        self._positions[run.key] = _Position(now, epochs, speed)

    def on_run_end(self, run: Run) -> None:
        """Record the end of a run."""
        self._update_time()
        self._positions.pop(run.key, None)
        if self._steady_since is not None:
            self._ends += 1
            self._overhead = self._reported_time() - self._epoch_time
        _, done = self._unfinished.pop(run.key, (run, 0))
        if done:
            self._run_lengths[_kind(run)].append(done)

    def on_workers(self, workers: int) -> None:
        """Record that so many workers are there from now on."""
        self._update_time()
        self._workers = workers
        self._latest = deque(self._latest, maxlen=workers)

    def epochs_begun(self, run: Run) -> float:
        """Epochs that a run has done since its last whole one: as reported, and since then at its latest speed."""
        position = self._positions.get(run.key)
        if position is None or run.key not in self._unfinished:
            return 0.0
        passed = min(self._clock() - position.at, SEGMENT_SECONDS)  # a hung run does not move on
        epochs = min(position.epochs + passed * position.speed, self._length(run))
        return max(0.0, epochs - self._unfinished[run.key][1])

    def all_epochs_begun(self) -> float:
        """`epochs_begun` of all runs together."""
        return sum(self.epochs_begun(run) for run, _ in tuple(self._unfinished.values()))

    def seconds_left(self) -> float | None:
        """Seconds until all runs are trained; None before the first sample of an epoch."""
        if self.open_ended or not (self._epoch_samples or self._earlier_samples):
            return None
        unfinished = tuple(self._unfinished.values())
        epoch_seconds = self._epoch_seconds({_kind(run) for run, _ in unfinished})
        each = [(self._length(run) - done) * epoch_seconds[_kind(run)] for run, done in unfinished]
        if self._overhead > 0:
            per_run = self._overhead / (self._ends + _PRIOR_ENDS)
            left = makespan([seconds + per_run for seconds in each], self._workers)
        else:
            left = makespan(each, self._workers) * self._scale()
        # A late segment shortens none of those after it.
        latest = SEGMENT_SECONDS + 2 * max(epoch_seconds.values(), default=0.0)
        return max(0.0, left - min(self._unreported(self._clock()), latest))

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
        if not self._epoch_samples:
            return 1.0
        typical = fmean(median(samples) for samples in tuple(self._epoch_samples.values()))
        prior = _PRIOR_EPOCHS * self._workers * typical
        total = self._epoch_time + prior
        return (self._reported_time() + prior) / total if total else 1.0

    def _reported_time(self) -> float:
        """Worker seconds up to the latest reports."""
        return max(0.0, self._worker_time - self._busy * self._unreported(self._updated_at))

    def _epoch_seconds(self, kinds: Iterable[_Kind]) -> dict[_Kind, float]:
        """Seconds of an epoch, for each condition and arm of `kinds`."""
        now = dict(self._epoch_samples)  # a copy: the display asks from another thread
        seen = {condition for condition, _ in now}
        earlier = {kind: each for kind, each in self._earlier_samples.items() if kind[0] not in seen}
        measured = {kind: median(each) for kind, each in (earlier | now).items()}
        by_condition: dict[Condition, list[float]] = defaultdict(list)
        for (condition, _), seconds in measured.items():
            by_condition[condition].append(seconds)
        found = {}
        for condition, arm in kinds:
            known = condition in by_condition
            closest, ratio = (condition, 1.0) if known else nearest(condition, by_condition)
            found[condition, arm] = measured.get((condition, arm), ratio * fmean(by_condition[closest]))
        return found

    def _length(self, run: Run) -> float:
        """Expected epochs of a run: those requested, or the mean of similar runs that stopped early."""
        lengths = self._run_lengths.get(_kind(run))
        done = self._unfinished[run.key][1] if run.key in self._unfinished else 0
        if lengths is None and run.of_function:
            of_all = tuple(self._run_lengths.items())
            lengths = [n for (condition, _), each in of_all if condition == run.condition for n in each]
        return max(done, fmean(lengths) if lengths else run.epochs)


_HALF_SECOND = 0.5  # rounded to 1 s


def about(seconds: float) -> str:
    """An estimated duration: "about 45 s", "less than 1 s"."""
    return f"about {duration(seconds)}" if seconds > _HALF_SECOND else duration(seconds)


def training_ended(done: int, runs: int, seconds: float) -> str:
    """Sentence at the end of training: "2 of 2 runs done; this took 45 s."."""
    return f"{done:,} of {counted(runs, 'run')} done; this took {duration(seconds)}."


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
