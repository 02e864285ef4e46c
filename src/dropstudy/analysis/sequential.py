"""Sequential testing: add seeds until the verdict is decided."""

from __future__ import annotations

from math import isfinite
from numbers import Integral
from typing import TYPE_CHECKING

from dropstudy.analysis.verdict.rule import MAX_SEEDS, SEEDS
from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dropstudy.analysis.verdict import Verdict
    from dropstudy.analysis.verdict.types import ArmComparison
    from dropstudy.core.types import StudySpec

__all__ = [
    "MAX_SEEDS",
    "checked_max_seeds",
    "looks",
    "more_seeds",
    "out_of_reach",
    "refuse_to_confirm",
    "until_decided",
]


def until_decided(
    seeds: tuple[int, ...],
    max_seeds: int,
    look: Callable[[tuple[int, ...]], Verdict],
    notify: Callable[[str], None],
) -> Verdict:
    """Train and assess, with more seeds each time, until the verdict is decided or there are `max_seeds`.

    It ends early, with the reason, where `max_seeds` are unlikely to decide. The verdict rests on always-valid
    intervals (`stats.anytime`), which allow any number of looks.

    Args:
        seeds: of the study so far.
        max_seeds: limit.
        look: trains the missing runs of these seeds, and returns the verdict.
        notify: called with a sentence on each look.

    Raises:
        InvalidArgument: `max_seeds` is below the seeds that a verdict needs.
    """
    max_seeds = checked_max_seeds(max_seeds)
    verdict = None
    for count in looks(len(seeds), max_seeds):
        seeds = more_seeds(seeds, count)
        verdict = look(seeds)
        notify(f"{len(seeds)} seeds: {verdict.label}.")
        if verdict.decided:
            return verdict
        if len(seeds) < max_seeds and (why := out_of_reach(verdict, max_seeds)):
            notify(f"No more seeds are added: {why}")
            return verdict
    assert verdict is not None  # noqa: S101 - there is at least one look
    more = _more_examples(verdict)
    needs = f" A decision probably needs {more}, not more seeds." if more else ""
    notify(f"Undecided with {len(seeds)} seeds, the most allowed (--max-seeds).{needs}")
    return verdict


def out_of_reach(verdict: Verdict, max_seeds: int) -> str:
    """Reason why `max_seeds` are unlikely to decide a verdict, as the end of a sentence; empty where they may.

    More seeds do not help where runs diverged, nor where no difference that these seeds leave open could be told from 0
    on these test examples. Else both the number of seeds needed, at the lower end of its interval, and the projected
    number, which the study's next step names, are more than that.
    """
    from dropstudy.analysis.verdict.undecided import seeds_in_all, up_to  # noqa: PLC0415 - scipy is slow to import

    comparisons = verdict.open_comparisons
    decisions = {c.decision for c in comparisons}
    if decisions == {"diverged"}:
        return "runs diverged, and more seeds do not change that."
    if decisions - {"undecided"}:
        return ""
    if any(c.all_equal for c in comparisons):
        return ""
    more = _more_examples(verdict)
    examples = f"a decision probably needs {more}, not more seeds."
    if more and all(map(_out_of_sight, comparisons)):
        return examples
    least = min((c.seeds_low for c in comparisons), default=0.0)
    of_examples = any(c.example_error for c in comparisons)  # then infinity is a matter of these, too
    probable = seeds_in_all(comparisons, verdict.margin)
    if min(least, probable) <= max_seeds or (of_examples and not isfinite(least)):
        return ""
    seeds = f"a decision probably takes {up_to(probable)}, more than the {max_seeds} allowed (--max-seeds)."
    return examples if more else seeds


def _out_of_sight(comparison: ArmComparison) -> bool:
    """True where the whole interval over seeds is nearer to 0 than what other test examples may change.

    Without predictions a decision is on these examples, and seeds alone make it.
    """
    from dropstudy.analysis.verdict.undecided import reach  # noqa: PLC0415 - scipy is slow to import

    ends = comparison.difference.low, comparison.difference.high
    return comparison.new_data is not None and max(map(abs, ends)) <= reach(comparison)


def _more_examples(verdict: Verdict) -> str:
    from dropstudy.analysis.verdict.undecided import more_examples  # noqa: PLC0415 - scipy is slow to import

    return more_examples(verdict.open_comparisons, verdict.margin)


def checked_max_seeds(seeds: object) -> int:
    """Check that a limit of seeds is enough for a verdict.

    Raises:
        InvalidArgument: it is not, or no whole number.
    """
    if isinstance(seeds, bool) or not isinstance(seeds, Integral) or seeds < SEEDS:
        raise InvalidArgument(
            "max_seeds",
            expected=f"a whole number of seeds from {SEEDS}, which a verdict needs",
            received=repr(seeds),
        )
    return int(seeds)


def refuse_to_confirm(spec: StudySpec, *, adds_seeds: bool) -> None:
    """Refuse to confirm a study that cannot be confirmed, before it is trained.

    Args:
        spec: of the study.
        adds_seeds: whether seeds are added until its verdict is decided.

    Raises:
        InvalidArgument: it has too few seeds for a verdict, or several arms and no validation data to choose one.
    """
    choices = len(spec.arms) - 1
    if spec.watches_test and choices > 1:
        raise InvalidArgument(
            "confirm",
            expected="validation data apart from the test set, to choose an arm on, or one arm beside the baseline",
            received=f"{choices} arms beside the baseline, and the test set evaluated every epoch",
            next_step="Hold out training examples: --validation-split 0.1.",
        )
    if len(spec.seeds) < SEEDS and not adds_seeds:
        raise InvalidArgument(
            "confirm",
            expected=f"a study of {SEEDS} seeds or more, which a verdict needs",
            received=f"{len(spec.seeds) or 1}",
            next_step=f"Add --seeds {SEEDS}, or --until-decided.",
        )


def looks(present: int, max_seeds: int) -> Iterator[int]:
    """Numbers of seeds at each look: the present ones or the fewest, then a quarter more each time, at least two."""
    count = max(present, SEEDS)
    yield count
    while count < max_seeds:
        count = min(max_seeds, count + max(2, count // 4))
        yield count


def more_seeds(seeds: tuple[int, ...], count: int, *, unlike: tuple[int, ...] = ()) -> tuple[int, ...]:
    """Extend seeds to `count`, by the lowest numbers above them and above `unlike`."""
    first = 1 + max((*seeds, *unlike), default=-1)
    return (*seeds, *range(first, first + count - len(seeds)))
