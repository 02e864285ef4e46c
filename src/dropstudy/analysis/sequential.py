"""Sequential testing: add seeds until the verdict is decided."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING

from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dropstudy.analysis.verdict import Verdict
    from dropstudy.core.types import StudySpec

MOST = 50
"""Seeds at which a study gives up, unless somebody says otherwise."""

FEWEST = 6
"""Seeds that the first look waits for: below, no verdict is given (`rule.SEEDS`)."""


def until_decided(
    seeds: tuple[int, ...],
    most: int,
    look: Callable[[tuple[int, ...]], Verdict],
    notify: Callable[[str], None],
) -> Verdict:
    """Train and look, with more seeds each time, until the verdict is decided or there are `most` seeds.

    It ends before, and says why, where so many seeds are not likely to decide it (`Verdict.out_of_reach`).

    Looking again and again is allowed for: the verdict rests on always-valid intervals (`stats.anytime`), which need no
    plan of the looks. So the numbers of seeds are chosen for the time that they take: a quarter more each time.

    Args:
        seeds: that the study has, or begins with.
        most: seeds to give up at.
        look: trains what is missing for these seeds, and gives the verdict.
        notify: called with what each look showed.

    Raises:
        InvalidArgument: `most` is below the seeds that a verdict takes.
    """
    most = checked_most(most)
    verdict = None
    for count in looks(len(seeds), most):
        seeds = more_seeds(seeds, count)
        verdict = look(seeds)
        notify(f"{len(seeds)} seeds: {verdict.headline}")
        if verdict.decided:
            return verdict
        if len(seeds) < most and (why := verdict.out_of_reach(most)):
            notify(f"No more seeds are added. {why}")
            return verdict
    assert verdict is not None  # noqa: S101 - there is one look at least
    notify(f"Not decided with {len(seeds)} seeds, the most that were allowed (--max-seeds).")
    return verdict


def checked_most(seeds: object) -> int:
    """Seeds to give up at, where they are enough for a verdict.

    Raises:
        InvalidArgument: they are not, or no number of seeds.
    """
    if isinstance(seeds, bool) or not isinstance(seeds, Integral) or seeds < FEWEST:
        raise InvalidArgument(
            "max_seeds",
            expected=f"a whole number of seeds from {FEWEST}, which a verdict takes",
            received=repr(seeds),
        )
    return int(seeds)


def refuse_to_confirm(spec: StudySpec, *, adds_seeds: bool) -> None:
    """Refuse to confirm what cannot be confirmed, before it is trained.

    Args:
        spec: of the study.
        adds_seeds: whether seeds are added until its verdict is decided.

    Raises:
        InvalidArgument: it has too few seeds for a verdict, or several arms of which none may be chosen.
    """
    choices = len(spec.arms) - 1
    if spec.watches_test and choices > 1:
        raise InvalidArgument(
            "confirm",
            expected="validation data apart from the test set, to choose an arm on, or one arm beside the baseline",
            received=f"{choices} arms beside the baseline, and the test set watched every epoch",
            next_step="Hold out training examples: --validation-split 0.1.",
        )
    if len(spec.seeds) < FEWEST and not adds_seeds:
        raise InvalidArgument(
            "confirm",
            expected=f"a study of {FEWEST} seeds or more, which a verdict takes",
            received=f"{len(spec.seeds)}",
            next_step=f"Add --seeds {FEWEST}, or --until-decided.",
        )


def looks(have: int, most: int) -> Iterator[int]:
    """Numbers of seeds to look at: those that are there, six at least, then a quarter more each time, two at least."""
    count = max(have, FEWEST)
    yield count
    while count < most:
        count = min(most, count + max(2, count // 4))
        yield count


def more_seeds(seeds: tuple[int, ...], count: int, *, unlike: tuple[int, ...] = ()) -> tuple[int, ...]:
    """Return the number of seeds asked for: those given, then the lowest numbers above them and above `unlike`."""
    first = 1 + max((*seeds, *unlike), default=-1)
    return (*seeds, *range(first, first + count - len(seeds)))
