"""Claims over all conditions of a study: each condition is a question, and many questions find something by chance."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from dropstudy.analysis.verdict.phrases import MOST_LISTED, every
from dropstudy.analysis.verdict.rule import LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dropstudy.analysis.verdict.types import ArmComparison, ConditionVerdict


_CLAIMS = frozenset({"helps", "hurts"})

MANY = 20
"""Conditions above which claims are also counted by the false discovery rate: Holm's correction finds few by then."""


def for_all_conditions(conditions: Sequence[ConditionVerdict]) -> list[ConditionVerdict]:
    """Conditions whose comparisons have their p for all arms of all conditions; one alone stays as it is."""
    if len(conditions) == 1:
        return [*conditions]
    tested = [[c.p_interval for c in each.comparisons] for each in conditions]
    adjusted = holm_over_groups(tested)
    listed = discoveries_over_groups(tested) if len(conditions) > MANY else [[nan] * len(p) for p in tested]
    return [
        replace(
            each,
            comparisons=tuple(
                replace(c, p_everywhere=p, q_everywhere=q)
                for c, p, q in zip(each.comparisons, ps, qs, strict=True)
            ),
        )
        for each, ps, qs in zip(conditions, adjusted, listed, strict=True)
    ]


def holm_over_groups(groups: Sequence[Sequence[float]]) -> list[list[float]]:
    """Adjust p values, each already adjusted for its group, for all groups; NaN stay NaN.

    Holm's steps (1979) with whole groups: at each step every p of a group is multiplied by the number of groups of
    which not all hypotheses are rejected yet. A group with a true hypothesis stays among these for as long as nothing
    is wrongly rejected, so that any wrong rejection, in any group, has at most the level's probability (the argument
    of Goeman and Solari 2010). With one p in each group this is Holm's correction.
    """
    known = [[p for p in group if not isnan(p)] for group in groups]
    left = sum(bool(group) for group in known)
    # Largest p of each group, the smallest first: at that level the whole group is rejected, and the factor falls.
    levels = [0.0]
    for largest in sorted(max(group) for group in known if group):
        levels.append(max(levels[-1], (left - len(levels) + 1) * largest))
    return [
        [
            p
            if isnan(p)
            else min(1.0, *(max(level, (left - step) * p) for step, level in enumerate(levels[:left])))
            for p in group
        ]
        for group in groups
    ]


def discoveries_over_groups(groups: Sequence[Sequence[float]]) -> list[list[float]]:
    """Adjust p values, each already adjusted for its group, for the share of false claims; NaN stay NaN.

    Groups are selected by their smallest p (Benjamini and Hochberg 1995). With R of m selected at level q, every p of a
    selected group is tested at R q / m (Benjamini and Bogomolov 2014). With one p in each group this is Benjamini and
    Hochberg's correction. It holds for independent groups and, in simulation, for groups on the same test examples.
    """
    smallest = np.sort([min(known) for group in groups if (known := [p for p in group if not isnan(p)])])
    if not len(smallest):
        return [[*group] for group in groups]
    selected = stats.false_discovery_control(smallest)
    share = len(smallest) / np.arange(1, len(smallest) + 1)
    return [
        [p if isnan(p) else float(min(1.0, np.maximum(selected, share * p).min())) for p in group]
        for group in groups
    ]


def holds_everywhere(comparison: ArmComparison) -> bool:
    """True where a claim on an arm stands when all arms of all conditions are allowed for."""
    return comparison.decision in _CLAIMS and not comparison.p_everywhere > LEVEL


def on_all_conditions(conditions: Sequence[ConditionVerdict]) -> str:
    """Which claims stand when all conditions are allowed for; empty where there is no claim or one condition."""
    what, names = named_conditions(conditions)
    claims = [(each, name) for each, name in zip(conditions, names, strict=True) if each.decision in _CLAIMS]
    if len(conditions) == 1 or not claims:
        return ""
    standing = [name for each, name in claims if _stands(each, holds_everywhere)]
    in_list = sum(_stands(each, _holds_in_list) for each, _ in claims)
    lead = f"Allowing for {every(len(conditions))} {what} at once,"
    one, where = len(claims) == 1, f" ({', '.join(standing)})" if len(standing) <= MOST_LISTED else ""
    if len(standing) == len(claims):
        all_of = f"{every(len(claims))} claims of an effect still hold"
        return f"{lead} {f'the one claim of an effect still holds{where}' if one else all_of}."
    also = f" As a list of which about 5% may be false, {in_list} {'is' if in_list == 1 else 'are'} shown."
    also *= in_list > len(standing)
    if not standing:
        none = (
            "the one claim of an effect is not"
            if one
            else f"none of the {len(claims)} claims of an effect is"
        )
        return f"{lead} {none} shown.{also}"
    verb = "is" if len(standing) == 1 else "are"
    return f"{lead} {len(standing)} of the {len(claims)} claims of an effect {verb} still shown{where}.{also}"


def _holds_in_list(comparison: ArmComparison) -> bool:
    """True where a claim on an arm is in the list of which 5% are false on average."""
    return comparison.decision in _CLAIMS and comparison.q_everywhere <= LEVEL


def _stands(condition: ConditionVerdict, holds: Callable[[ArmComparison], bool]) -> bool:
    """Whether the decision on a condition stands: of its subject, else of any arm that helps or of all that hurt."""
    if condition.subject is not None:
        return holds(condition.subject)
    ours = [holds(c) for c in condition.comparisons if c.decision == condition.decision]
    return any(ours) if condition.decision == "helps" else all(ours)


def named_conditions(conditions: Sequence[ConditionVerdict]) -> tuple[str, list[str]]:
    """What conditions are ("networks", "training sizes"), and the name of each."""
    networks, sizes = {each.hidden for each in conditions}, {each.train_size for each in conditions}
    if len(networks) == 1:
        return "training sizes", [f"{each.train_size:,}" for each in conditions]
    if len(sizes) == 1:
        return "networks", [each.hidden for each in conditions]
    return "networks and training sizes", [f"{each.hidden} with {each.train_size:,}" for each in conditions]
