"""Remarks below a headline: the choice, the gap, missing runs, convergence. `undecided` has those on open decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.analysis.stats.unseen import accuracy_interval
from dropstudy.analysis.verdict import phrases
from dropstudy.analysis.verdict.noise import on_noise
from dropstudy.analysis.verdict.phrases import listed, quoted
from dropstudy.analysis.verdict.rule import SEEDS
from dropstudy.analysis.verdict.undecided import on_test_set_size, on_undecided_arms
from dropstudy.analysis.verdict.which_rate import best_rates, top_of_curve
from dropstudy.core.metrics import ACCURACY
from dropstudy.core.text import counted, percent, rounded, signed

if TYPE_CHECKING:
    from dropstudy.analysis.verdict.design import Design
    from dropstudy.analysis.verdict.types import ConditionVerdict


def remarks(condition: ConditionVerdict, design: Design, *, examples: int | None) -> list[str]:
    """All remarks on a condition, in order.

    Args:
        condition: with its numbers.
        design: of the study.
        examples: in the test set; None where that is not known.
    """
    found = [
        on_one_class(condition),
        on_watched_test_set(condition, design),
        on_choice(condition, design),
        "" if condition.choice is None else best_rates(condition.choice, design.arms),
        top_of_curve(condition, design.margin, anytime=design.always_valid),
        on_true_gap(condition),
        on_printed_gap(condition, design),
        on_one_accuracy(condition, examples),
        on_these_examples(condition, examples),
        on_noise(condition),
        *on_undecided_arms(condition, design),
        on_test_set_size(condition, design),
        on_unfinished_runs(condition),
        on_convergence(condition),
    ]
    return [remark for remark in found if remark]


def on_choice(condition: ConditionVerdict, design: Design) -> str:
    """Which arm validation data chose, by how much, and the decisions on the other arms."""
    choice = condition.choice
    if choice is None:
        return ""
    if choice.lead:
        by = f"{phrases.lead(choice, condition.measure)} of {quoted(choice.second)}"
    else:
        measured = condition.measure.on_validation
        by = f"equal to {quoted(choice.second)} in {measured}, with the lower validation loss"
    unsure = "" if choice.sure or not choice.lead else "; other seeds may choose another arm"
    epoch = "" if design.tested_weights == "final" else " (each run at its epoch of lowest validation loss)"
    chosen = (
        f"Validation data chose {quoted(choice.arm)} among {choice.considered} arms{epoch}: {by}{unsure}."
    )
    others = [c for c in condition.comparisons if c.arm != choice.arm]
    if choice.arm == condition.baseline or not others:
        return chosen
    rest = phrases.by_decision(others, design.margin)
    return f"{chosen} {design.measure.subject} of the others: {rest}."


def on_watched_test_set(condition: ConditionVerdict, design: Design) -> str:
    """Why nothing may be chosen on the test set, and the ranking where there is one.

    It was evaluated every epoch, or several arms have test scores alone.
    """
    warning, advice = (
        "The test set was evaluated after every epoch, so no rate and no epoch may be chosen on it",
        "hold out validation data (--validation-split)",
    )
    if design.scores_only:
        warning, advice = "Without validation scores no arm may be chosen", "give them (--validation-column)"
        if len(condition.comparisons) == 1 or any(arm.validation.known for arm in condition.arms):
            return ""
    elif not design.watches_test:
        return ""
    known = [c for c in condition.comparisons if c.n >= SEEDS and c.deciding.known]
    order = sorted(known, key=lambda c: -c.gain)
    if len(order) < 2:  # noqa: PLR2004 - one has no order
        return f"{warning}: {advice}."
    ranking = ", ".join(
        f"{quoted(c.arm)} {signed(c.difference.value, places=design.measure.places)} "
        f"({phrases.interval(c.deciding, design.measure, design.margin)})"
        for c in order
    )
    return f"{warning}. In order, with the {order[0].deciding_label}: {design.measure.brief(ranking)}."


def on_one_class(condition: ConditionVerdict) -> str:
    """Arms whose networks predict one class for every input, and what to do."""
    found = [
        f"{quoted(arm.arm)} ({arm.one_class} of {counted(len(arm.seeds), 'seed')})"
        for arm in condition.arms
        if arm.one_class
    ]
    if not found:
        return ""
    return (
        f"One class is predicted for every test example by {listed(found)}. Such a network has learned nothing: "
        "scale the inputs, lower the learning rate, or train for more epochs."
    )


def on_one_accuracy(condition: ConditionVerdict, examples: int | None) -> str:
    """Interval of the baseline's accuracy, where there are too few seeds for a paired one."""
    baseline = condition.arms[0]
    if (
        condition.measure is not ACCURACY
        or condition.decision != "too few seeds"
        or not examples
        or not baseline.seeds
    ):
        return ""
    low, high = accuracy_interval(baseline.mean.value, examples)
    return (
        f"On other test examples, {percent(baseline.mean.value)} on these {examples:,} may be {percent(low)} to "
        f"{percent(high)} (95% interval); another seed changes it as well."
    )


def on_these_examples(condition: ConditionVerdict, examples: int | None) -> str:
    """What intervals leave out where it is not known what each example adds to the metric."""
    known = [c for c in condition.comparisons if c.deciding.known]
    if not examples or not known or any(c.new_data for c in known):
        return ""
    return f"Intervals of {condition.measure.title} allow for other seeds, on these {examples:,} test examples alone."


def on_printed_gap(condition: ConditionVerdict, design: Design) -> str:
    """The gap as Keras measures it, taken apart, for the arm where it misleads most.

    That is the arm of the most negative printed gap; where none is negative, that of the largest artefact.
    """
    known = [gap for gap in condition.gaps if gap.printed.known and gap.true.known]
    if not known:
        return ""
    gap = min(known, key=lambda gap: gap.printed.value)
    if gap.printed.value >= 0:
        gap = max(known, key=lambda gap: abs(gap.artefact.value))
    parts = ""
    if gap.moving is not None and gap.dropout is not None:
        parts = f" ({signed(gap.moving.value)} by weights that still move, {signed(gap.dropout.value)} by dropout)"
    most = ", where that misleads most," if len(known) > 1 else ""
    reported = f"Measured as Keras does, training accuracy of {quoted(gap.arm)}{most} is {_distance(gap.printed.value)}"
    off = f"Measured with dropout off it is {_distance(gap.true.value)}"
    measuring = f"Keras' way of measuring changes it by {signed(gap.artefact.value)} points{parts}"
    if design.watches_test:
        return f"{reported} test accuracy. {off}: {measuring}."
    apart = f"test accuracy is {_distance(gap.validation.value)} validation accuracy"
    return f"{reported} validation accuracy. {off} test accuracy: {measuring}, and {apart}."


def _distance(points: float) -> str:
    """Distance and side: "2.90 points below"."""
    return f"{rounded(abs(points))} points {'above' if points >= 0 else 'below'}"


def on_true_gap(condition: ConditionVerdict) -> str:
    """True gaps of the baseline and of the arm that the decision is about."""
    gaps = {gap.arm: gap for gap in condition.gaps if gap.true.known}
    if condition.subject is None or not {condition.baseline, condition.subject.arm} <= set(gaps):
        return ""
    first, second = (
        f"{rounded(gaps[arm].true.value)} points for {quoted(arm)}"
        for arm in (condition.baseline, condition.subject.arm)
    )
    return f"True gap, training minus test accuracy with dropout off: {first}, {second}."


def on_unfinished_runs(condition: ConditionVerdict) -> str:
    """Runs that enter no comparison, counted."""
    found = []
    for arm in condition.arms:
        for count, one, many in (
            (arm.diverged, "diverged", "diverged"),
            (arm.failed, "failed", "failed"),
            (arm.missing, "is not finished", "are not finished"),
        ):
            if count:
                found.append(f"{counted(count, 'run')} of {quoted(arm.arm)} {one if count == 1 else many}")
    return f"{', '.join(found)}; such seeds are left out of the pairs." if found else ""


def on_convergence(condition: ConditionVerdict) -> str:
    """Arms that were still improving when training ended, and a number of epochs to try."""
    late = [arm for arm in condition.arms if arm.seeds and arm.improving]
    if not late:
        return ""
    names = listed(
        [f"{quoted(arm.arm)} ({arm.still_falling} of {counted(len(arm.seeds), 'seed')})" for arm in late]
    )
    epochs = max(arm.most_epochs for arm in late)
    return (
        f"Not converged: validation loss was still falling at the end in {names}. More epochs may change the verdict: "
        f"try {longer(epochs)} instead of {epochs} in a new study."
    )


def unfinished(condition: ConditionVerdict) -> list[str]:
    """Names of the arms that were still improving, of those that the answer depends on.

    It does not depend on an arm that hurts, where others do not.
    """
    hurting = {c.arm for c in condition.comparisons if c.decision == "hurts"}
    if len(hurting) == len(condition.comparisons):
        hurting.clear()
    return [arm.arm for arm in condition.arms if arm.seeds and arm.improving and arm.arm not in hurting]


def longer(epochs: int) -> int:
    """Epochs to try where networks were still improving: twice as many."""
    return 2 * epochs
