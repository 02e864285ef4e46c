"""Scheduling order: the group of runs whose segment the next free worker trains.

Groups are trained in order, those begun first to their end, so that few are under way at once. But a run is trained by
one worker at a time, and one that is begun last would keep a single worker busy at the end while the others have
nothing to do. So a group goes first as soon as it has as much left as every worker has: from then on it must be at work
without a break, for all to end at the earliest moment possible, max(longest, sum / workers) (R. McNaughton, Scheduling
with deadlines and loss functions, Management Science 6, 1959; the rule is known as "fixed priority until zero laxity",
R. I. Davis and A. Burns, RTAS 2011).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def makespan(lengths: Iterable[float], workers: int) -> float:
    """Shortest time to finish all tasks, each trained by one worker at a time (McNaughton 1959)."""
    lengths = list(lengths)
    return max(max(lengths, default=0.0), sum(lengths) / workers)


def most_under_way(workers: int) -> int:
    """Groups that have begun and not ended, at most: one more than there are workers, and those that went first."""
    return 2 * workers + 1


def next_turn(
    ready: Sequence[float], at_work: Sequence[float], *, share: float, workers: int, segment: float
) -> int | None:
    """Choose the group to dispatch next.

    All amounts are work in one unit, whichever; groups that are handed out count until their segment is back.

    Args:
        ready: what is left of the groups that may be handed out, in their order.
        at_work: what is left of those that are handed out.
        share: what is left of all groups, those that have not begun among them, for each worker.
        workers: groups that are trained at once.
        segment: what a segment has, about: a group cannot be stopped within one.

    Returns:
        Its place in `ready`; None where nothing should be handed out now.
    """
    # One more than there are workers, so that none waits while its last segment is taken back.
    if not ready or len(at_work) > workers:
        return None
    longest = max(range(len(ready)), key=ready.__getitem__)
    if ready[longest] + segment >= share:
        return longest
    if len(at_work) == workers and max(at_work) + segment >= share:
        return None  # keep a worker free for the critical group
    return 0
