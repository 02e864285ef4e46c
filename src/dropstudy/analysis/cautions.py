"""Cautions beside an answer in plain words: reasons to trust it less."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.analysis.half_time import on_half_time
from dropstudy.analysis.verdict.centres import on_seeds_apart
from dropstudy.analysis.verdict.phrases import listed, quoted
from dropstudy.analysis.verdict.remarks import unfinished
from dropstudy.analysis.verdict.sameness import nothing_to_improve
from dropstudy.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def others_help(condition: ConditionVerdict) -> bool:
    """True where the chosen arm does not help, and others do."""
    subject = condition.subject
    return (
        subject is not None
        and subject.decision != "helps"
        and any(c.decision == "helps" for c in condition.comparisons)
    )


def _on_new_data(verdict: Verdict) -> str:
    """What the intervals leave out where it is not known what each example adds, and nothing is decided."""
    shown = [c for condition in verdict.conditions for c in _shown(condition) if c.deciding.known]
    if not any(c.decision == "undecided" for c in shown) or any(c.new_data for c in shown):
        return ""
    intervals = "The 95% interval allows" if len(shown) == 1 else "The 95% intervals allow"
    return f"{intervals} for other seeds only, not for new test examples."


def _shown(condition: ConditionVerdict) -> Sequence[ArmComparison]:
    """Comparisons whose intervals the answer rests on."""
    if condition.subject is None or others_help(condition):
        return condition.comparisons
    return [condition.subject]
