"""Cautions beside an answer in plain words: reasons to trust it less."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.analysis.verdict import phrases
from dropstudy.analysis.verdict.phrases import listed, quoted
from dropstudy.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.analysis.verdict import Verdict
    from dropstudy.analysis.verdict.types import ArmComparison

MOST_NAMED = 3
"""Arms that a sentence names; more are counted."""


def cautions(verdict: Verdict) -> list[str]:
    """Reasons to trust the answer less."""
    every = [scores for condition in verdict.conditions for scores in condition.arms]
    planned, done = sum(arm.planned for arm in every), sum(len(arm.seeds) for arm in every)
    found = []
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
    for condition in verdict.conditions[: len(verdict.conditions) == 1]:
        if condition.subject is not None and _doubtful_elsewhere(condition.subject):
            beyond, metric = condition.subject.new_data, condition.measure
            ends = phrases.interval(beyond, metric) if beyond else ""
            found.append(
                f"On other test examples the difference may be {metric.amount(ends)} (95% interval)."
            )
    found += verdict.hints
    late = dict.fromkeys(arm.arm for arm in every if arm.seeds and arm.improving)
    if late:
        found.append(
            f"Loss still fell at the end for {_several(list(late))}: more epochs may change the answer."
        )
    return found


def _several(names: Sequence[str]) -> str:
    return listed([quoted(name) for name in names]) if len(names) <= MOST_NAMED else f"{len(names)} arms"


def this_test_set_only(comparison: ArmComparison) -> bool:
    """True where the decision holds on these test examples, and need not on others."""
    return comparison.decision in {"helps", "hurts"} and comparison.this_test_set_only


def _doubtful_elsewhere(comparison: ArmComparison) -> bool:
    undecided = comparison.decision == "undecided" and comparison.few_test_examples
    return undecided or this_test_set_only(comparison)
