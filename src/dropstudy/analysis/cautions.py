"""Cautions beside an answer in plain words: reasons to trust it less."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.analysis.half_time import on_half_time
from dropstudy.analysis.verdict import phrases
from dropstudy.analysis.verdict.centres import on_seeds_apart
from dropstudy.analysis.verdict.phrases import listed, quoted
from dropstudy.analysis.verdict.remarks import unfinished
from dropstudy.analysis.verdict.sameness import nothing_to_improve
from dropstudy.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.analysis.stats import Estimate
    from dropstudy.analysis.verdict import ConditionVerdict, Verdict
    from dropstudy.analysis.verdict.types import ArmComparison

MOST_NAMED = 3
"""Arms that a sentence names; more are counted."""


def cautions(verdict: Verdict) -> list[str]:
    """Reasons to trust the answer less, too few epochs first."""
    every = [scores for condition in verdict.conditions for scores in condition.arms]
    planned, done = sum(arm.planned for arm in every), sum(len(arm.seeds) for arm in every)
    found = []
    late = dict.fromkeys(name for condition in verdict.conditions for name in unfinished(condition))
    if late and not all(map(nothing_to_improve, verdict.conditions)):
        loss = "test" if verdict.watches_test else "validation"
        found.append(
            f"Too few epochs for {_several(list(late))}: {loss} loss still fell; more may change this answer."
        )
    if done and any(arm.missing or arm.failed for arm in every):
        found.append(f"{done} of {counted(planned, 'run')} finished: the rest may change the answer.")
    one_class = dict.fromkeys(arm.arm for arm in every if arm.one_class)
    if one_class:
        found.append(
            f"Networks of {_several(list(one_class))} predict one class for everything: they learned nothing."
        )
    diverged = dict.fromkeys(arm.arm for arm in every if arm.diverged)
    if diverged and verdict.decision != "diverged":
        found.append(f"Runs of {_several(list(diverged))} diverged.")
    shown = [c for condition in verdict.conditions for c in _shown(condition)]
    found += filter(None, [on_seeds_apart(shown), _on_new_data(verdict), on_half_time(verdict)])
    found += verdict.hints
    return found


def _several(names: Sequence[str]) -> str:
    return listed([quoted(name) for name in names]) if len(names) <= MOST_NAMED else f"{len(names)} arms"


def this_test_set_only(comparison: ArmComparison) -> bool:
    """True where the decision holds on these test examples, and need not on others."""
    return comparison.decision in {"helps", "hurts"} and comparison.this_test_set_only


def others_help(condition: ConditionVerdict) -> bool:
    """True where the chosen arm does not help, and others do."""
    subject = condition.subject
    return (
        subject is not None
        and subject.decision != "helps"
        and any(c.decision == "helps" for c in condition.comparisons)
    )


def _on_new_data(verdict: Verdict) -> str:
    """What the intervals leave out, where a decision is open or does not hold on new data."""
    shown = [c for condition in verdict.conditions for c in _shown(condition) if c.deciding.known]
    doubtful = [c for c in shown if c.decision == "undecided" or this_test_set_only(c)]
    if not doubtful or not any(map(_matters, doubtful)):
        return ""
    first, seeds_only = doubtful[0], "allow for other seeds only"
    if len(shown) == 1:
        alone = "The 95% interval allows for other seeds only"
        if first.new_data is None:
            return f"{alone}, not for new test examples."
        if _same_kind(first):
            return f"{alone}; with new test examples too it is {_ends(first, first.new_data)}."
        zero = " and contains 0" if this_test_set_only(first) else ""
        return f"{alone}; with new test examples too it is wider{zero}."
    if first.new_data is None:
        return f"The 95% intervals {seeds_only}, not for new test examples."
    lost = list(dict.fromkeys(c.arm for c in doubtful if this_test_set_only(c)))
    zero = f", and {_several(lost)} may make no difference" if lost and len(verdict.conditions) == 1 else ""
    return f"The 95% intervals {seeds_only}; with new test examples too they are wider{zero}."


def _shown(condition: ConditionVerdict) -> Sequence[ArmComparison]:
    """Comparisons whose intervals the answer rests on."""
    if condition.subject is None or others_help(condition):
        return condition.comparisons
    return [condition.subject]


def _matters(comparison: ArmComparison) -> bool:
    """False where new test examples leave the interval as it is, each for one arm and a single look."""
    beyond = comparison.new_data
    return beyond is None or _ends(comparison, beyond) != _ends(comparison, comparison.difference)


def _same_kind(comparison: ArmComparison) -> bool:
    """True where the interval for new test examples allows for as many arms and looks as the printed one."""
    return comparison.deciding == comparison.simultaneous and comparison.family == 1


def _ends(comparison: ArmComparison, estimate: Estimate) -> str:
    return comparison.measure.amount(phrases.interval(estimate, comparison.measure))
