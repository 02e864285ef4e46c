"""Length of segments: as many steps as take a few seconds.

Towards the end of a study segments become shorter, so that no worker is left with a long one when the others have
nothing left to do: a segment has half of what there is for each worker at most (guided self-scheduling:
C. D. Polychronopoulos and D. J. Kuck, IEEE Transactions on Computers 36, 1987).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from dropstudy.engine.trainer import trainer_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.types import Run, Segment, SegmentResult

SECONDS = 4.0
"""Target duration of a segment: bounds what a kill can lose, and sets how often epoch lines move."""

OVERHEAD = 0.03
"""The share of a segment's time that handing it over and taking it back may cost; beyond it, segments last longer."""

SHORTEST = 0.5
"""Seconds that a segment lasts at least, unless its run ends: nobody gains by shorter ones."""

LONGEST = 60.0
"""Seconds that no segment is meant to exceed, however much handing it over costs."""

_BYTES_A_SECOND = 2e8  # of a state on its way from a worker to the disk and back to a worker, about
_FIRST = 4e11  # operations before anything is known of a run's speed: some seconds of one core


def operations(run: Run) -> float:
    """Floating-point operations of one training step of a run, about."""
    return trainer_of(run.condition).operations(run.condition) * run.condition.batch_size


def first_steps(run: Run, done: int) -> int:
    """Steps of the first segment that a run is given, `done` being behind it: to the epoch's end, or fewer."""
    to_epochs_end = run.condition.steps - done % run.condition.steps
    return max(1, min(to_epochs_end, int(_FIRST / operations(run))))


def next_segments(
    lanes: Sequence[tuple[Segment, SegmentResult]], share: float = math.inf
) -> tuple[Segment, ...]:
    """The segments that follow those of a group: as many steps as fit, to the end of an epoch where one ends in time.

    Args:
        lanes: the last segment of each run that goes on, and what came of it; one at least.
        share: operations that each worker has before it, where runs wait for one.
    """
    last, result = lanes[0]
    handing_over = sum(array.nbytes for _, r in lanes for array in r.state.values()) / _BYTES_A_SECOND
    a_step = max(result.seconds, 1e-3) / last.steps
    of_share = share / sum(operations(segment.run) for segment, _ in lanes) * a_step / 2
    seconds = min(LONGEST, max(min(SECONDS, of_share), SHORTEST, handing_over / OVERHEAD))
    steps = max(1, int(seconds / a_step))
    beyond = (result.done + steps) % last.run.condition.steps
    if beyond < steps:
        steps -= beyond
    steps = min(steps, last.run.steps - result.done)
    return tuple(
        replace(segment, state=result.state, done=result.done, steps=steps) for segment, result in lanes
    )
