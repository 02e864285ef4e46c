"""Headlines: the verdict on a condition, and on several conditions, in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.analysis.verdict import phrases
from dropstudy.analysis.verdict.conditions import named_conditions, on_all_conditions
from dropstudy.analysis.verdict.phrases import against, budget, capital, described, diverged, quoted
from dropstudy.analysis.verdict.rule import SEEDS
from dropstudy.analysis.verdict.sameness import all_the_same, nothing_to_improve
from dropstudy.analysis.verdict.types import DECIDED
from dropstudy.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dropstudy.analysis.verdict.design import Design
    from dropstudy.analysis.verdict.types import ArmComparison, ConditionVerdict, Decision


def condition_headline(condition: ConditionVerdict, design: Design) -> str:
    """Headline of a condition; arms that diverged are always in it."""
    arms, comparisons = [arm.name for arm in design.arms], condition.comparisons
    subject, baseline_chosen = condition.subject, condition.chosen == condition.baseline
    if not any(scores.seeds for scores in condition.arms):
        headline = "Nothing to compare: no run has finished."
    elif not comparisons:
        mean = condition.arms[0].mean
        reached = f"{design.measure.on_test} {design.measure.value(mean.value)} ({counted(mean.n, 'seed')})"
        headline = f"Nothing to compare: {quoted(arms[0])} is the only arm, {reached}."
    elif all_the_same(condition):
        headline = _on_the_same(condition, design)
    elif subject is not None and subject.decision == "diverged":
        headline = _no_verdict(condition, subject)
        arms = [arm for arm in arms if arm not in {condition.baseline, subject.arm}]
    elif subject is not None:
        headline = _on_one_arm(condition, design, subject, baseline_chosen=baseline_chosen)
    elif all(c.n < SEEDS for c in comparisons) and not diverged(condition, arms):
        return _too_few(condition, design)
    else:
        headline = _on_all_arms(condition, design, baseline_chosen=baseline_chosen)
    lost = diverged(condition, arms)
    return f"{headline} {lost}." if lost else headline


def _on_one_arm(
    condition: ConditionVerdict, design: Design, comparison: ArmComparison, *, baseline_chosen: bool
) -> str:
    decision, baseline = comparison.decision, design.baseline
    if decision == "too few seeds":
        return _too_few(condition, design)
    arm = described(design.arm(comparison.arm))
    when = budget(condition.arms, design.tested_weights)
    when += phrases.improving(condition, baseline.name, comparison.arm)
    size = design.measure.brief(phrases.difference(comparison))
    numbers = f"{design.measure.on_test} {size}{against(baseline)} ({_evidence(comparison, design)})"
    on_these = f" {phrases.these_examples(comparison)}"
    where, lead = _on_these([comparison]), ""
    if comparison.on_these_only and not (comparison.decision_on_these == "helps" and baseline_chosen):
        decision, where, lead = comparison.decision_on_these, on_these, "Undecided for new data. "
        ends = phrases.interval(comparison.deciding, design.measure, design.margin)
        numbers += f"; for new data {ends}"
    if decision == "equivalent":
        none = f"{lead}{capital(arm)} makes no difference beyond {design.around_zero}"
        return f"{none}{against(baseline)}{where}{when}: {numbers}."
    if decision == "helps" and baseline_chosen:
        return (
            f"Undecided whether {arm} helps{when}: validation data chose {quoted(baseline.name)}, but on the test set "
            f"the arm is better, {numbers}."
        )
    if decision in {"helps", "hurts"}:
        return f"{lead}{capital(arm)} {decision}{where}{when}: {numbers}."
    return f"Undecided whether {arm} helps{against(baseline)}{when}: {numbers}."


def _on_these(comparisons: Iterable[ArmComparison]) -> str:
    """Clause where intervals of decided arms do not allow for other test examples."""
    found = [c for c in comparisons if c.decision in DECIDED and not c.new_data]
    return f" {phrases.these_examples(found[0])}" if found else ""


def _on_the_same(condition: ConditionVerdict, design: Design) -> str:
    """Headline where no network is better than another one."""
    when = budget(condition.arms, design.tested_weights)
    seeds = counted(min(c.n for c in condition.comparisons), "paired seed")
    if nothing_to_improve(condition):
        return f"Nothing to improve: every network is right on the whole test set{when} ({seeds})."
    return f"No difference in any seed: all arms have the same {design.measure.on_test}{when} ({seeds})."


def _evidence(comparison: ArmComparison, design: Design) -> str:
    """Interval, seeds and p value: the bracket after a difference."""
    seeds = f"{comparison.n} paired seeds"
    if comparison.all_equal:
        return f"the same in all {seeds}, so no interval"
    alone = comparison.on_these_only
    estimate = comparison.over_seeds if alone else comparison.deciding
    ends = phrases.interval(estimate, design.measure, design.margin) if estimate.known else "not bounded yet"
    evidence = f"{'95% interval over seeds' if alone else comparison.deciding_label} {ends}, {seeds}"
    if comparison.decision_on_these == "equivalent" and (alone or comparison.decision == "equivalent"):
        tost = f", TOST {phrases.p_value(comparison.tost_holm)}"
        return evidence if design.always_valid else f"{evidence}{tost}"
    evidence += f", {phrases.p_value(comparison.p_adjusted)}"
    return f"{evidence} adjusted for {comparison.family} arms" if comparison.family > 1 else evidence


def _no_verdict(condition: ConditionVerdict, comparison: ArmComparison) -> str:
    lost = diverged(condition, (condition.baseline, comparison.arm))
    rest = f" The other {counted(comparison.n, 'pair')} cannot decide alone." if comparison.n else ""
    return f"No verdict: {lost}.{rest}"


def _too_few(condition: ConditionVerdict, design: Design) -> str:
    """Number of seeds, and the differences so far without a claim."""
    n = max(c.n for c in condition.comparisons)
    missing = f"No verdict yet: {n} of {SEEDS} seeds."
    if not n:
        return missing
    sizes = design.measure.brief(phrases.differences(condition.comparisons))
    when = budget(condition.arms, design.tested_weights)
    return f"{missing} {design.measure.subject} so far{when}: {sizes} against {quoted(condition.baseline)}."


def _on_all_arms(condition: ConditionVerdict, design: Design, *, baseline_chosen: bool) -> str:
    """Headline for several arms without a chosen one: the effect of each."""
    leads: dict[Decision, str] = {
        "helps": "Dropout helps" if all(map(phrases.is_dropout, design.arms)) else "Some arms help",
        "hurts": "All arms hurt",
        "equivalent": f"No arm beats the baseline by more than {design.around_zero[1:]}",
        "undecided": "Undecided whether any arm helps",
        "too few seeds": "No verdict on all arms yet",
        "diverged": "No verdict on all arms",
    }
    chosen = f"Validation data chose {quoted(condition.baseline)}"
    names = [arm.name for arm in design.arms]
    when = budget(condition.arms, design.tested_weights) + phrases.improving(condition, *names)
    arms = phrases.by_decision(condition.comparisons, design.margin)
    lead = chosen if baseline_chosen else leads[condition.decision]
    if condition.decision in DECIDED:
        lead += _on_these(condition.comparisons)
    measured = design.measure.subject
    return f"{lead}{when}. {measured} against {described(design.baseline)}: {arms}."


def study_headline(conditions: Sequence[ConditionVerdict], design: Design) -> str:
    """Headline of several conditions, by decision: "Dropout at rate 0.8 ... hurts in both training sizes."."""
    parts = by_condition(conditions)
    when = budget([arm for each in conditions for arm in each.arms], design.tested_weights)
    improving = sum(any(arm.seeds and arm.improving for arm in each.arms) for each in conditions)
    when += f", with arms still improving in {improving} of {len(conditions)}" if improving else ""
    lost = sum(arm.diverged for each in conditions for arm in each.arms)
    where = _on_these([c for each in conditions for c in each.comparisons])
    everywhere, diverging = on_all_conditions(conditions), f"{counted(lost, 'run')} diverged." if lost else ""
    ending = " ".join(filter(None, [f"{where}{when}.", everywhere, diverging]))
    subjects = {each.subject.arm if each.subject else None for each in conditions}
    name = subjects.pop() if len(subjects) == 1 else None
    if name is None:
        return f"{capital(parts)}{ending}"
    colon = "" if conditions[0].decision in {"helps", "hurts"} else ":"
    return f"{capital(described(design.arm(name)))}{colon} {parts}{against(design.baseline)}{ending}"


def by_condition(conditions: Sequence[ConditionVerdict], *, named: bool = True) -> str:
    """Decisions on several conditions: "hurts in 1 of 2 networks (64), helps in 1 of 2 (512-512)".

    Args:
        conditions: all of them.
        named: also name the conditions.
    """
    what, names = named_conditions(conditions)
    parts: list[str] = []
    for decision in dict.fromkeys(each.decision for each in conditions):
        found = [name for each, name in zip(conditions, names, strict=True) if each.decision == decision]
        where = f" ({', '.join(found)})" if named and len(found) <= phrases.MOST_LISTED else ""
        all_found = len(found) == len(conditions)
        count = phrases.every(len(found)) if all_found else f"{len(found)} of {len(conditions)}"
        verb = "no verdict because runs diverged" if decision == "diverged" else decision
        parts.append(f"{verb} in {count}{f' {what}' if not parts else ''}{where}")
    return ", ".join(parts)
