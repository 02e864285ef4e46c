"""What to use while a study has not decided on the arm that was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.analysis.arm_phrases import arm_of, group, named
from dropstudy.analysis.verdict.phrases import is_dropout
from dropstudy.analysis.verdict.sameness import all_the_same
from dropstudy.core.text import rounded

if TYPE_CHECKING:
    from dropstudy.analysis.arm_phrases import Compared
    from dropstudy.analysis.verdict import ConditionVerdict
    from dropstudy.analysis.verdict.types import ArmComparison


def meanwhile(condition: ConditionVerdict, spec: Compared) -> str:
    """Advice in a sentence or two; empty where the answer itself is advice.

    An arm that is shown to help may be used although validation data chose another one: the intervals hold for all arms
    together. Of several, validation data choose, so that no test score does.
    """
    baseline = named(arm_of(spec, condition.baseline))
    better = [c for c in condition.comparisons if c.decision == "helps"]
    if condition.subject in better or all_the_same(condition):
        return ""
    if condition.chosen == condition.baseline and condition.decision == "undecided":
        return f"Use {baseline}, which validation data chose."
    if better and condition.chosen is not None:
        return _of_those_that_help(condition, better, spec)
    if condition.decision != "undecided":
        return ""
    arms = [arm_of(spec, c.arm) for c in condition.comparisons]
    if len(arms) == 1:
        shown = f"{named(arms[0])} is not shown to help"
    else:
        shown = f"no {'rate' if all(map(is_dropout, arms)) else 'arm'} is shown to help"
    return f"Use {baseline}: {shown}.{_at_most(condition)}"


def _of_those_that_help(condition: ConditionVerdict, better: list[ArmComparison], spec: Compared) -> str:
    if len(better) == 1:
        return f"Use {group(better, condition, spec)}, which is shown to help."
    sign = condition.measure.sign
    best = max(better, key=lambda c: sign * condition.scores(c.arm).validation.value)
    return f"Use {group([best], condition, spec)}: of those that help, validation data prefer it."


def _at_most(condition: ConditionVerdict) -> str:
    """Largest gain that the intervals leave open."""
    found = [condition.subject] if condition.subject else list(condition.comparisons)
    sides = [(c.deciding.low, c.deciding.high) for c in found if c.decision == "undecided"]
    if not all(c.deciding.known for c in found if c.decision == "undecided"):
        return ""
    metric = condition.measure
    most = max((max(metric.sign * low, metric.sign * high) for low, high in sides), default=0.0)
    if most <= 0:
        return ""
    return f" With 95% confidence that loses at most {metric.amount(rounded(most, metric.places))}."
