"""Labels of a verdict: the decision in a few words that are true of each arm."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

from dropstudy.analysis.verdict.phrases import capital, every, is_dropout, quoted
from dropstudy.analysis.verdict.sameness import all_the_same, nothing_to_improve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dropstudy.analysis.verdict.design import Design
    from dropstudy.analysis.verdict.types import ConditionVerdict, Decision

# Label of a whole condition, and verbs for one arm and for several.
_LABELS: dict[Decision | Literal["stopped"], tuple[str, str, str]] = {
    "helps": ("Dropout helps", "helps", "help"),
    "hurts": ("Dropout hurts", "hurts", "hurt"),
    "equivalent": (
        "No difference that matters",
        "makes no difference that matters",
        "make no difference that matters",
    ),
    "undecided": ("Undecided", "is undecided", "are undecided"),
    "too few seeds": ("No verdict yet: too few seeds", "has too few seeds", "have too few seeds"),
    "stopped": ("", "was stopped by the search", "were stopped by the search"),
    "diverged": (
        "No verdict: runs diverged",
        "has no verdict: runs diverged",
        "have no verdict: runs diverged",
    ),
    "nothing to compare": ("Nothing to compare", "", ""),
    "depends on the condition": ("Depends on network and training size", "", ""),
}


def condition_label(condition: ConditionVerdict, design: Design) -> str:
    """Label of a condition."""
    whole, verb, _ = _LABELS[condition.decision]
    if all_the_same(condition):
        return "Nothing to improve" if nothing_to_improve(condition) else "No difference in any seed"
    compared = {c.arm: c.state for c in condition.comparisons}
    if condition.decision == "nothing to compare":
        return whole
    if len(compared) == 1:
        (name,) = compared
        by_name = condition.decision in {"helps", "hurts"} and not is_dropout(design.arm(name))
        return f"{quoted(name)} {verb}" if by_name else f"{whole}{_for_new_data(condition)}"
    if condition.chosen in compared:
        return f"{quoted(condition.chosen)} {verb}{_for_new_data(condition)}"
    counts = Counter(compared.values())
    if len(counts) == 1:
        parts = [f"{every(len(compared))} arms {_LABELS[next(iter(counts))][2]}"]
    else:
        found = [
            (counts[each], _LABELS[each][1 if counts[each] == 1 else 2]) for each in _LABELS if counts[each]
        ]
        (first, verb), *others = found
        parts = [
            f"{first} {'arm' if first == 1 else 'arms'} {verb}",
            *(f"{count} {verb}" for count, verb in others),
        ]
    words = ", ".join(parts)
    chosen = condition.chosen
    return capital(words) if chosen is None else f"{quoted(chosen)} was chosen; {words}"


def _for_new_data(condition: ConditionVerdict) -> str:
    """Clause where the arm is decided on these test examples alone."""
    return " for new data" if condition.subject is not None and condition.subject.on_these_only else ""


def study_label(decision: Decision, labels: Iterable[str]) -> str:
    """Label of a study: that of its conditions where they agree, else what is true of each."""
    found = set(labels)
    if len(found) == 1:
        return found.pop()
    shared: dict[Decision, str] = {
        "helps": "Helps in each network and size",
        "hurts": "No arm helps",
        "equivalent": "No arm helps",
    }
    return shared.get(decision, _LABELS[decision][0])
