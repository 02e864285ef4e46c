"""Answer in plain words, for terminal, page and Jupyter: does dropout help, at which rate, how sure, what next.

Each sentence has at most 20 words and claims no more than the verdict.
"""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING

from dropstudy.analysis.answered import Answer, questions_to
from dropstudy.analysis.arm_phrases import arm_of, epochs_of, group, named, sentence
from dropstudy.analysis.cautions import MOST_NAMED, cautions, others_help
from dropstudy.analysis.confirm import outcomes
from dropstudy.analysis.how_likely import how_likely
from dropstudy.analysis.meanwhile import meanwhile
from dropstudy.analysis.verdict import phrases
from dropstudy.analysis.verdict.conditions import on_all_conditions
from dropstudy.analysis.verdict.headlines import by_condition
from dropstudy.analysis.verdict.phrases import against, capital, is_dropout, listed, quoted
from dropstudy.analysis.verdict.rule import LEVEL, SEEDS
from dropstudy.analysis.verdict.sameness import all_the_same, nothing_to_improve
from dropstudy.analysis.verdict.types import DECIDED
from dropstudy.analysis.verdict.which_rate import best_rates, top_of_curve
from dropstudy.core.text import counted
from dropstudy.spec.arms import has_choice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.analysis.arm_phrases import Compared
    from dropstudy.analysis.next_steps import NextStep
    from dropstudy.analysis.verdict import ConditionVerdict, Verdict
    from dropstudy.analysis.verdict.types import ArmComparison, Decision
    from dropstudy.core.types import Arm

_MOST_INTERVALS = 2  # in a sentence

_STATES = {"helps": "helps", "hurts": "hurts", "equivalent": "makes no difference that matters"}

_LEADS: dict[Decision, str] = {
    "helps": "Yes",
    "hurts": "No",
    "equivalent": "No difference that matters",
    "undecided": "Undecided",
    "too few seeds": "Not known yet",
    "diverged": "No verdict",
    "nothing to compare": "Not known",
    "depends on the condition": "It depends",
}


def answer(verdict: Verdict, spec: Compared, steps: Sequence[NextStep]) -> Answer:
    """Answer of a study, or of scores that others computed.

    Args:
        verdict: of the study, with its confirmations.
        spec: its specification, or the design of the scores.
        steps: what to do next.
    """
    condition = verdict.conditions[0]
    if not any(arm.seeds for each in verdict.conditions for arm in each.arms):
        helps, rate, sure = _helps(condition, spec, verdict.margin), "", ""
    elif len(verdict.conditions) == 1:
        helps, sure = _helps(condition, spec, verdict.margin), _sure(condition, verdict)
        rate = f"{_rate(condition, spec)} {top_of_curve(condition, verdict.margin, anytime=verdict.anytime)}".rstrip()
    else:
        helps, rate = _helps_in_each(verdict, spec), _rate_of_each(verdict, spec)
        sure = _sure_of_each(verdict)
    if verdict.confirmations:
        fresh = outcomes(verdict, verdict.confirmations)
        if len(verdict.conditions) == 1 and fresh:
            short = fresh[-1].short
            if others_help(condition):
                short = f"The chosen arm, {short[:1].lower()}{short[1:]}"
            sure = f"{sure} {short}"
            if fresh[-1].name == "not confirmed":
                helps = f"Doubtful: {verdict.label[0].lower()}{verdict.label[1:]}, but fresh seeds do not confirm it."
    until = likely = ""
    if len(verdict.conditions) == 1:
        until, likely = meanwhile(condition, spec), how_likely(condition, spec, verdict.margin)
    return Answer(
        helps, rate, sure, tuple(cautions(verdict)), tuple(steps), questions_to(spec.arms), until, likely
    )


# Does dropout help?


def _helps(condition: ConditionVerdict, spec: Compared, margin: float) -> str:  # noqa: PLR0911 - one for each case
    if not any(scores.seeds for scores in condition.arms):
        lost = phrases.diverged(condition, [arm.name for arm in spec.arms[:MOST_NAMED]])
        return f"No verdict: {lost}." if lost else "Not known yet: no run has finished."
    if not condition.comparisons:
        return f"Not known: {quoted(condition.baseline)} is the only arm, so there is nothing to compare."
    if all(c.decision == "too few seeds" for c in condition.comparisons):
        n = max(c.n for c in condition.comparisons)
        why = "one seed cannot decide" if n == 1 else f"{n} of {SEEDS} seeds"
        return f"Not known yet: {why}.{_so_far(condition, spec)}"
    if condition.decision == "diverged":
        arms = [arm.arm for arm in condition.arms if arm.diverged]
        named = phrases.diverged(condition, arms)
        return f"No verdict: {named if len(arms) < MOST_NAMED else f'runs of {len(arms)} arms diverged'}."
    if all_the_same(condition):
        return _on_the_same(condition, spec)
    subject = condition.subject
    better = [c for c in condition.comparisons if c.decision == "helps"]
    if condition.chosen == condition.baseline and better:
        names = group(better, condition, spec)
        return f"Undecided. Validation data chose {quoted(condition.baseline)}, but {names} did better on the test set."
    if subject is not None and others_help(condition):
        return _on_others(condition, subject, better, spec)
    if subject is not None:
        return _on_one_arm(condition, subject, spec)
    return _on_all_arms(condition, spec, margin)


def _on_the_same(condition: ConditionVerdict, spec: Compared) -> str:
    """No network is better than another one: all are right on everything, or else equal in each seed."""
    when = epochs_of(condition.arms, spec)
    if nothing_to_improve(condition):
        count = condition.comparisons[0].test_examples
        examples = f"all {count:,} test examples" if count else "every test example"
        return f"Nothing to improve. Every network is right on {examples}{when}."
    arms = f"{phrases.every(len(condition.arms))} arms".capitalize()
    return f"No difference in any seed. {arms} have the same {condition.measure.on_test}{when}."


def _so_far(condition: ConditionVerdict, spec: Compared) -> str:
    """Differences without a claim."""
    known = [c for c in condition.comparisons if c.n]
    if not known:
        return ""
    most = max(c.n for c in known)
    if len(known) > 1:
        where = "with this seed" if most == 1 else "so far"
        metric = condition.measure
        sizes = metric.amount(phrases.differences(known, most=MOST_NAMED))
        return f" {metric.subject} {where}: {sizes}."
    where = "With this seed" if most == 1 else "So far"
    return f" {where}, {_difference(known[0], spec)}."


def _difference(comparison: ArmComparison, spec: Compared) -> str:
    """A difference as a clause: "test accuracy with dropout at rate 0.8 is 1.67 percentage points lower"."""
    value = phrases.difference(comparison)
    side = "higher" if value[0] == "+" else "lower"
    metric, arm = comparison.measure, named(arm_of(spec, comparison.arm))
    if not float(value):
        average = "on average " if comparison.n > 1 else ""
        return f"{metric.on_test} is {average}the same with {arm} as with {named(spec.arms[0])}"
    return f"{metric.on_test} with {arm} is {metric.amount(value[1:])} {side}{against(spec.arms[0])}"


def _on_one_arm(condition: ConditionVerdict, comparison: ArmComparison, spec: Compared) -> str:
    lead, when = _LEADS[comparison.decision], epochs_of(condition.arms, spec)
    decision, these = comparison.decision, phrases.these_examples(comparison)
    arm = named(arm_of(spec, comparison.arm))
    subject = capital(arm)
    if comparison.on_these_only:
        decision, lead, subject = (
            comparison.decision_on_these,
            f"{lead} for new data",
            f"{capital(these)} {arm}",
        )
    elif decision in DECIDED and not comparison.new_data:
        lead = f"{lead}, {these}"
    metric = comparison.measure
    if decision in {"helps", "hurts"}:
        size = metric.amount(phrases.difference(comparison)[1:])
        raises = f"{metric.verb(helps=decision == 'helps')}s {metric.on_test} by {size}"
        return f"{lead}. {subject} {raises}{against(spec.arms[0])}{when}."
    if comparison.on_these_only:
        return f"{lead}. {subject} makes no difference that matters{against(spec.arms[0])}{when}."
    return f"{lead}. {capital(_difference(comparison, spec))}{when}."


def _on_others(
    condition: ConditionVerdict, subject: ArmComparison, better: Sequence[ArmComparison], spec: Compared
) -> str:
    """Others help than the arm that was chosen, which the intervals show of all of them together."""
    where = "" if better[0].new_data else f", {phrases.these_examples(better[0])}"
    names, arm = group(better, condition, spec), arm_of(spec, subject.arm)
    at = "at" if names.startswith("rate") else "with"
    chosen = f"rate {arm.common_rate:g}" if is_dropout(arm) else quoted(arm.name)
    state = _STATES.get(subject.decision, "is undecided")
    return f"Yes, {at} {names}{where}. The chosen {chosen} {state}{epochs_of(condition.arms, spec)}."


def _on_all_arms(condition: ConditionVerdict, spec: Compared, margin: float) -> str:
    found = {
        decision: [c for c in condition.comparisons if c.decision == decision]
        for decision in dict.fromkeys(c.decision for c in condition.comparisons)
    }
    lead, ours, metric = _LEADS[condition.decision], found[condition.decision], condition.measure
    names, many, when = group(ours, condition, spec), len(ours) > 1, epochs_of(condition.arms, spec)
    reference = against(spec.arms[0])
    if condition.decision in DECIDED and not ours[0].new_data:
        lead = f"{lead}, {phrases.these_examples(ours[0])}"
    if condition.decision in {"helps", "hurts"}:
        verb = metric.verb(helps=condition.decision == "helps") + "s" * (not many)
        return f"{lead}. {capital(names)} {verb} {metric.on_test} by {metric.amount(_sizes(ours))}{reference}{when}."
    if condition.decision == "equivalent":
        much = metric.amount(f"{margin:g}")
        lead = lead.replace(_LEADS["equivalent"], "No")
        return f"{lead}. No arm {metric.verb(helps=True)}s {metric.on_test} by more than {much}{reference}{when}."
    if condition.decision == "undecided":
        text = f"Undecided. {capital(names)} {'are' if many else 'is'} not shown to help or hurt{when}."
        text += sentence(found.get("hurts", ()), "hurt", condition, spec)
        text += sentence(found.get("equivalent", ()), "make", condition, spec, " no difference that matters")
        if better := [c for c in ours if c.on_these_only and c.decision_on_these == "helps"]:
            verb = "help" if len(better) > 1 else "helps"
            text += f" {capital(phrases.these_examples(better[0]))} {group(better, condition, spec)} {verb}."
        return text
    return f"Not known yet: {names} {'have' if many else 'has'} fewer than {SEEDS} seeds."


def _sizes(found: Sequence[ArmComparison]) -> str:
    """Sizes of differences of one sign, or their range: "0.30 and 0.20", "0.20 to 1.00"."""
    if len(found) <= MOST_NAMED:
        return listed([phrases.difference(c)[1:] for c in found])
    ordered = sorted(found, key=lambda c: abs(c.difference.value))
    return " to ".join(phrases.difference(c)[1:] for c in (ordered[0], ordered[-1]))


# At which rate?


def _rate(condition: ConditionVerdict, spec: Compared) -> str:  # noqa: PLR0911 - one for each case
    if not any(arm.seeds for arm in condition.arms):
        return "Not known yet: no run has finished."
    if not condition.comparisons:
        return "Not known: a rate is judged by comparing it with another one."
    if not any(arm.rate for arm in spec.arms):
        return "No dropout rate was compared."
    if len(condition.comparisons) == 1:
        return _only_rate(arm_of(spec, condition.comparisons[0].arm))
    if all_the_same(condition):
        return "Not shown: all arms did the same."
    if condition.choice is not None:
        return _chosen(condition, spec)
    if spec.watches_test:
        return "No rate may be chosen here: the test set was watched during training."
    if not any(arm.validation.known for arm in condition.arms):
        return "None may be chosen here: there are no validation scores."
    if condition.decision == "too few seeds":
        return f"Not known yet: validation data choose a rate once there are {SEEDS} seeds."
    return "Not known: validation data could not choose one."


def _only_rate(arm: Arm) -> str:
    rate = arm.common_rate
    if is_dropout(arm):
        return (
            f"Only rate {rate:g} was compared: it drops {100 * rate:g}% of the units. Others were not tried."
        )
    if isinstance(arm.rate, tuple):
        by_layer = listed([f"{each:g}" for each in arm.rate])
        return f"Only {quoted(arm.name)} was compared, at rates {by_layer} by hidden layer."
    return f"Only {quoted(arm.name)} was compared, at rate {rate:g}." if isfinite(rate) else ""


def _chosen(condition: ConditionVerdict, spec: Compared) -> str:
    assert condition.choice is not None  # noqa: S101 - the caller's check
    arm = arm_of(spec, condition.choice.arm)
    name = f"rate {arm.common_rate:g}" if is_dropout(arm) and arm.rate else quoted(arm.name)
    sure = best_rates(condition.choice, spec.arms)
    if not sure and not condition.choice.sure:
        sure = "Its lead is small: other seeds may choose another."
    if not condition.choice.lead:
        tie = f"It ties with {quoted(condition.choice.second)}, and has the lower validation loss."
        sure = f"{tie} {sure}".rstrip()
    return f"Validation data chose {name} among {condition.choice.considered} arms. {sure}".rstrip()


def _helps_in_each(verdict: Verdict, spec: Compared) -> str:
    """Decisions on several conditions."""
    subjects = {condition.subject.arm if condition.subject else None for condition in verdict.conditions}
    subject = subjects.pop() if len(subjects) == 1 else None
    if subject is not None:
        name = capital(named(arm_of(spec, subject)))
    else:
        name = "Dropout" if all(map(is_dropout, spec.arms)) else "Verdicts"
    colon = "" if name != "Verdicts" and verdict.conditions[0].decision in {"helps", "hurts"} else ":"
    when = epochs_of([arm for condition in verdict.conditions for arm in condition.arms], spec)
    return f"{_LEADS[verdict.decision]}. {name}{colon} {by_condition(verdict.conditions, named=False)}{when}."


def _rate_of_each(verdict: Verdict, spec: Compared) -> str:
    """Rates of several conditions."""
    chosen = [condition.choice for condition in verdict.conditions]
    if not has_choice(spec.arms) or None in chosen:
        return _rate(verdict.conditions[chosen.index(None) if None in chosen else 0], spec)
    if verdict.chosen is not None:
        return f"Validation data chose {quoted(verdict.chosen)} in {phrases.every(len(chosen))} cases."
    return (
        f"It depends: validation data chose {len({c.arm for c in chosen if c})} arms in {len(chosen)} cases."
    )


# How sure can I be?


def _sure(condition: ConditionVerdict, verdict: Verdict) -> str:  # noqa: PLR0911 - one for each case
    enough = [c for c in condition.comparisons if c.n >= SEEDS]
    if not condition.comparisons:
        return "Not at all: nothing was compared."
    if condition.decision == "diverged":
        return "Not at all: the seeds that finished are no fair sample."
    if not enough:
        return f"Not at all yet: a verdict needs {SEEDS} seeds."
    if all_the_same(condition):
        return _sure_of_the_same(enough)
    subject = condition.subject
    if others_help(condition):
        return _sure_of_all(replace(condition, decision="helps"), enough)
    if subject is None:
        return _sure_of_all(condition, enough)
    return _sure_of_one(subject, verdict.margin)


def _sure_of_one(comparison: ArmComparison, margin: float) -> str:
    decided = comparison.decision in DECIDED
    if comparison.test_examples == 1:
        return "Not at all: 1 test example shows nothing about others."
    if comparison.all_equal:
        return f"Not at all: all {comparison.n} seeds give the same difference, so there is no interval."
    if not comparison.deciding.known:
        return f"Not yet: {comparison.n} seeds are too few for an interval that holds at every look."
    metric = comparison.measure
    ends = metric.amount(phrases.interval(comparison.deciding, metric, margin))
    several = (
        f" That holds for {phrases.every(comparison.family)} arms together." if comparison.family > 1 else ""
    )
    what = f"the difference {_where(comparison)} is {ends} ({comparison.n} seeds).{several}"
    if decided:
        small = f" Differences within ±{metric.amount(f'{margin:g}')} do not matter here (--margin)."
        return f"With 95% confidence {what}{small if comparison.decision == 'equivalent' else ''}"
    if comparison.on_these_only:
        these = phrases.these_examples(comparison)
        why = f" {capital(these)} alone it is {phrases.interval(comparison.over_seeds, metric, margin)}."
    elif comparison.deciding.within(margin):
        examples = counted(comparison.test_examples or 0, "test example")
        why = f" {examples} are too few to show that it is within ±{margin:g}."
    else:
        why = _beside_the_interval(comparison)
    return f"Not yet: with 95% confidence {what}{why}"


def _beside_the_interval(comparison: ArmComparison) -> str:
    """Why an arm is undecided although its interval excludes 0; empty where it does not."""
    why = f" But {phrases.p_value(comparison.p_adjusted)} is above {LEVEL:g}."
    return "" if comparison.deciding.low <= 0 <= comparison.deciding.high else why


def _where(comparison: ArmComparison) -> str:
    """What an interval that decides is for."""
    return "for new data" if comparison.new_data else "on these examples"


def _sure_of_the_same(enough: Sequence[ArmComparison]) -> str:
    count = enough[0].test_examples
    examples = f"these {counted(count, 'test example')}" if count else "this test set"
    return f"It is so in all {min(c.n for c in enough)} seeds, on {examples}. Others may show a difference."


def _sure_of_all(condition: ConditionVerdict, enough: Sequence[ArmComparison]) -> str:
    """Certainty of several arms, none of them chosen: the intervals of the arms that the first answer names."""
    low, high = min(c.n for c in enough), max(c.n for c in enough)
    seeds = f"{low} seeds" if low == high else f"{low} to {high} seeds"
    known = [c for c in enough if c.deciding.known]
    if not known:
        return f"Not yet: there are no intervals ({seeds})."
    arms = (
        f"{phrases.every(enough[0].family)} arms together"
        if enough[0].family > 1
        else "the one arm with enough seeds"
    )
    named = [c for c in known if c.decision == condition.decision]
    decided = condition.decision in DECIDED
    if not named or len(named) > _MOST_INTERVALS:
        return (
            f"{'' if decided else 'Not yet. '}The 95% intervals {_where(known[0])} hold for {arms} ({seeds})."
        )
    ends = condition.measure.amount(listed([phrases.interval(c.deciding, c.measure) for c in named]))
    what = f"the difference{'s' * (len(named) > 1)} {_where(named[0])} {'is' if len(named) == 1 else 'are'}"
    lead = "With" if decided else "Not yet: with"
    why = _beside_the_interval(named[0]) if len(named) == 1 and not decided else ""
    return f"{lead} 95% confidence {what} {ends}. That holds for {arms} ({seeds}).{why}"


def _sure_of_each(verdict: Verdict) -> str:
    enough = [c.n for condition in verdict.conditions for c in condition.comparisons if c.n >= SEEDS]
    if not enough:
        return f"Not at all yet: a verdict needs {SEEDS} seeds."
    known = [c for condition in verdict.conditions for c in condition.comparisons if c.deciding.known]
    where = f" {_where(known[0])}" if known else ""
    everywhere = on_all_conditions(verdict.conditions)
    return f"Each network and training size has its own 95% intervals{where}. {everywhere}".rstrip()
