"""Scheduling: the length of the next segment, and the group of runs that a free worker trains next.

Segments last a few seconds. Towards the end of a study they become shorter, so that all workers finish together: a
segment has at most half of the remaining work per worker (guided self-scheduling: C. D. Polychronopoulos and
D. J. Kuck, IEEE Transactions on Computers 36, 1987).

Groups are trained in order, each to its end, so that few are in memory at once. A group is trained by one worker at a
time, so a long one that starts last would keep one worker busy while the others idle. It becomes critical once it has
as much work left as each worker: then it must run without a break for all to end at the earliest time possible,
max(longest, sum / workers) (R. McNaughton, Scheduling with deadlines and loss functions, Management Science 6, 1959;
the rule is "fixed priority until zero laxity", R. I. Davis and A. Burns, RTAS 2011).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from dropstudy.engine.trainer import trainer_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dropstudy.core.types import Run, Segment, SegmentResult

SEGMENT_SECONDS = 4.0
"""Target duration of a segment: bounds what a kill can lose, and sets how often epoch lines move."""

MAX_OVERHEAD = 0.03
"""Largest share of a segment's time for transferring its state; segments become longer to keep it."""

MIN_SEGMENT_SECONDS = 0.5
MAX_SEGMENT_SECONDS = 60.0

_TRANSFER_RATE = 2e8  # bytes per second of a state from a worker to the disk and back to a worker, about
_FIRST_OPERATIONS = 4e11  # of a segment before a run's speed is known: some seconds of one core


def step_operations(run: Run) -> float:
    """Floating-point operations of one training step, about."""
    return trainer_of(run.condition).operations(run.condition) * run.condition.batch_size


def first_steps(run: Run, done: int) -> int:
    """Steps of a run's first segment after `done` steps: to the end of the epoch, fewer for large networks."""
    to_end_of_epoch = run.condition.steps - done % run.condition.steps
    return max(1, min(to_end_of_epoch, int(_FIRST_OPERATIONS / step_operations(run))))


def next_segments(
    lanes: Sequence[tuple[Segment, SegmentResult]], share: float = math.inf, *, link_users: int = 1
) -> tuple[Segment, ...]:
    """Next segments of a group, to the end of an epoch where one fits into the time.

    Args:
        lanes: last segment and result of each unfinished run.
        share: remaining operations per worker, if runs wait for a worker.
        link_users: workers that share the way to this process; segments become longer so that it is not full.
    """
    last, result = lanes[0]
    transfer = link_users * sum(array.nbytes for _, r in lanes for array in r.state.values()) / _TRANSFER_RATE
    step_seconds = max(result.seconds, 1e-3) / last.steps
    half_share = share / sum(step_operations(segment.run) for segment, _ in lanes) * step_seconds / 2
    seconds = max(min(SEGMENT_SECONDS, half_share), MIN_SEGMENT_SECONDS, transfer / MAX_OVERHEAD)
    steps = max(1, int(min(MAX_SEGMENT_SECONDS * link_users, seconds) / step_seconds))
    past_end_of_epoch = (result.done + steps) % last.run.condition.steps
    if past_end_of_epoch < steps:
        steps -= past_end_of_epoch
    steps = min(steps, last.run.steps - result.done)
    return tuple(
        replace(segment, state=result.state, done=result.done, steps=steps) for segment, result in lanes
    )


def makespan(lengths: Iterable[float], workers: int) -> float:
    """Shortest time to finish all tasks, each on one worker at a time (McNaughton 1959)."""
    lengths = list(lengths)
    return max(max(lengths, default=0.0), sum(lengths) / workers)


def max_started(workers: int) -> int:
    """Largest number of groups that are started and unfinished: one more than workers, and the critical ones."""
    return 2 * workers + 1


def next_group(
    ready: Sequence[float], running: Sequence[float], *, share: float, workers: int, segment: float
) -> int | None:
    """Choose the group to dispatch next. All amounts are work in one unit.

    Args:
        ready: remaining work of the groups that wait for a worker, in their order.
        running: remaining work of the groups dispatched.
        share: remaining work of all groups, also those not started, per worker.
        workers: groups that are trained at once.
        segment: work of a segment, within which a group cannot be stopped.

    Returns:
        Index into `ready`, or None to dispatch nothing now.
    """
    # One more than there are workers, so that none waits while its last result is processed.
    if not ready or len(running) > workers:
        return None
    longest = max(range(len(ready)), key=ready.__getitem__)
    if ready[longest] + segment >= share:
        return longest
    if len(running) == workers and max(running) + segment >= share:
        return None  # keep a worker free for the critical group
    return 0
