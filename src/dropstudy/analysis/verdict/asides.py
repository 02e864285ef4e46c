"""Sentences beside a verdict: why it is undecided, what was chosen, the gap, missing runs."""

from __future__ import annotations

from math import ceil, isfinite
from typing import TYPE_CHECKING

from dropstudy.analysis.stats.crossed_bootstrap import accuracy_interval
from dropstudy.analysis.verdict.rule import LEVEL, MOST_SEEDS, SEEDS
from dropstudy.analysis.verdict.sentences import beside, capital, listed, probability, quoted, span
from dropstudy.core.text import counted, rounded, signed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dropstudy.analysis.verdict.scores import Choice
    from dropstudy.analysis.verdict.types import ArmComparison, ArmScores, Gap, Protocol


def about_choosing(
    choice: Choice,
    comparisons: Sequence[ArmComparison],
    *,
    protocol: Protocol,
    margin: float,
    headlined: bool,
) -> str:
    """Say which arm validation data chose, by how much, and what the other arms do.

    Args:
        choice: made.
        comparisons: of all arms.
        protocol: whose weights were measured.
        margin: in points.
        headlined: whether the headline has told what the other arms do.
    """
    epoch = "" if protocol == "final" else ", each run at its epoch of lowest validation loss"
    if choice.lead:
        by = f"by {signed(choice.lead, unlike=(0.0,)).lstrip('+')} points"
        unsure = "" if choice.sure else ", a lead that other seeds may turn round"
    else:
        by, unsure = f"level with {quoted(choice.second)}, and with the lower validation loss", ""
    of = "the better of 2 arms" if choice.considered == 2 else f"the best of {choice.considered} arms"  # noqa: PLR2004
    if headlined:
        return f"{quoted(choice.arm)} is {of} by validation accuracy, {by}{unsure}{epoch}."
    rest = beside(comparisons, choice.arm, margin)
    best = f"It is {of} by validation accuracy, {by}{unsure}{epoch}"
    return f"{best}; {rest}." if rest else f"{best}."


def about_watching(comparisons: Sequence[ArmComparison], margin: float) -> str:
    """That nothing may be chosen on a test set that was watched, and the ranking where there is one."""
    warning = (
        "The test set was watched after every epoch, so nothing may be chosen on it, no epoch and no rate"
    )
    order = sorted(
        (c for c in comparisons if c.n >= SEEDS and c.deciding.known), key=lambda c: -c.difference.value
    )
    if len(order) > 1:
        ranking = ", ".join(
            f"{quoted(c.arm)} {signed(c.difference.value)} ({span(c.deciding, margin)})" for c in order
        )
        return f"{warning}; in order, each with the {order[0].deciding_label}: {ranking} points."
    return f"{warning}: hold out validation data to choose one."


def about_one_class(scores: Sequence[ArmScores]) -> str:
    """Arms whose networks give one answer whatever they see, and what to do."""
    parts = [
        f"{quoted(arm.arm)} in {arm.one_class} of {counted(len(arm.seeds), 'seed')}"
        for arm in scores
        if arm.one_class
    ]
    if not parts:
        return ""
    return (
        f"One class is the answer to every test example: {listed(parts)}. Such a network has learned nothing from its "
        "inputs: scale the inputs, lower the learning rate, or train for more epochs."
    )


def about_few_seeds(scores: ArmScores, examples: int | None) -> str:
    """State the interval of one accuracy, for readers who have too few seeds for a paired one."""
    if not examples or not scores.seeds:
        return ""
    low, high = accuracy_interval(scores.mean.value, examples)
    count = f"{counted(examples, 'test example')} alone {'leaves' if examples == 1 else 'leave'}"
    return (
        f"Another seed gives other accuracies, and {count} {rounded(100 * scores.mean.value)}% anywhere from "
        f"{rounded(100 * low)}% to {rounded(100 * high)}% on other examples (95% interval)."
    )


def about_undecided(
    comparison: ArmComparison, margin: float, *, always_valid: bool, several: bool, most_seeds: int | None
) -> str:
    """Explain why an arm is undecided, and what would decide it.

    Args:
        comparison: of the arm.
        margin: in points.
        always_valid: whether decisions rest on always-valid intervals.
        several: whether there are other arms, so that this one is to be named.
        most_seeds: seeds up to which they are being added; None where they are not.
    """
    n, who = comparison.n, f"{quoted(comparison.arm)}: " if several else ""
    if comparison.test_examples == 1:
        return f"{capital(who)}1 test example says nothing about others. More test examples are needed, not more seeds."
    if comparison.all_equal:
        reason = (
            f"all {n} seeds give the same difference, so they do not say how much another seed may differ"
        )
        return capital(f"{who}{reason}.")
    few = "the test examples are too few to show it on others"
    if comparison.deciding.known and comparison.deciding.within(margin) and comparison.resolution > margin:
        return capital(f"{who}on this test set the difference lies within ±{margin:g} points; {few}.")
    why = _all_one_way(comparison)
    if comparison.resolution > margin and comparison.sought <= margin:
        few = f"the test examples are too few for a margin of {margin:g} points."
        return capital(f"{who}{why}{capital(few) if why else few}")
    takes = _takes(comparison, margin)
    more = _advice(comparison, always_valid=always_valid, most_seeds=most_seeds)
    return capital(f"{who}{why}{capital(takes) if why else takes}{more}")


def _all_one_way(comparison: ArmComparison) -> str:
    """That all seeds point one way and are too few all the same; empty where they do not."""
    better = all(difference > 0 for difference in comparison.differences)
    if not better and not all(difference < 0 for difference in comparison.differences):
        return ""
    told = f"{'better' if better else 'worse'} in all {comparison.n} seeds"
    if comparison.p_adjusted > LEVEL and comparison.family > 1:
        return (
            f"{told}; {comparison.n} cannot pass 5% here: p = {probability(comparison.p_value)} alone, "
            f"{probability(comparison.p_adjusted)} with {comparison.family} arms. "
        )
    return (
        f"{told}, but the {comparison.deciding_label} holds 0. " if comparison.deciding.known else f"{told}. "
    )


def _takes(comparison: ArmComparison, margin: float) -> str:
    """Number of seeds that a decision would take, with its uncertainty."""
    seen = comparison.sought > margin
    size = (
        f"the difference seen, {rounded(comparison.sought)} points,"
        if seen
        else f"a difference of {margin:g} points"
    )
    needed = comparison.seeds_needed
    what = f"to find {size} takes "
    if not isfinite(needed):
        return f"{what}more than 10,000 seeds (80% power)."
    more = max(1, round(needed) - comparison.n)
    high = f"{comparison.seeds_high:,.0f}" if isfinite(comparison.seeds_high) else "more than 10,000"
    unsure = f"{comparison.seeds_low:,.0f} to {high}, as the spread is known only roughly"
    return f"{what}about {comparison.n + more:,} seeds, {more:,} more ({unsure}; 80% power)."


def _advice(comparison: ArmComparison, *, always_valid: bool, most_seeds: int | None) -> str:
    """Whether adding seeds until it is decided may decide it."""
    most = MOST_SEEDS if most_seeds is None else most_seeds
    if comparison.seeds_low > most:
        return f" That is more than the {most} seeds at which --until-decided stops (--max-seeds)."
    if always_valid:
        return ""
    unlikely = f"; {most} may not be enough (--max-seeds)" if comparison.seeds_needed > most else ""
    return f" `--until-decided` adds seeds until it is decided{unlikely}."


def about_examples(comparisons: Sequence[ArmComparison], margin: float) -> str:
    """Say where the test set is too small to decide an arm; empty where it is large enough or that is not known."""
    short = [c for c in comparisons if c.all_equal or c.resolution > margin]
    if not short or not short[0].test_examples or short[0].test_examples == 1:
        return ""
    worst = max(short, key=lambda c: c.resolution)
    if worst.resolution <= margin:
        return ""
    one = rounded(100 / short[0].test_examples)
    return (
        f"With {short[0].test_examples:,} test examples one of them is worth {one} points, "
        f"and other examples may move a difference by {rounded(worst.resolution)} points. To show that a difference "
        f"lies within ±{margin:g} points takes more test examples or a wider margin (--margin), not more seeds."
    )


def about_artefact(gaps: Sequence[Gap], *, watches_test: bool) -> str:
    """State the artefact in the gap that Keras prints, for the arm where it misleads most.

    That is the arm of the most negative printed gap; where none is negative, that of the largest artefact.
    """
    known = [gap for gap in gaps if gap.printed.known and gap.true.known]
    if not known:
        return ""
    gap = min(known, key=lambda gap: gap.printed.value)
    if gap.printed.value >= 0:
        gap = max(known, key=lambda gap: abs(gap.artefact.value))
    printed = gap.printed.value
    seen = "test" if watches_test else "validation"
    side = "above" if printed >= 0 else "below"
    parts = f"{signed(gap.artefact.value)} of that is artefact"
    if gap.moving is not None and gap.dropout is not None:
        parts += (
            f" ({signed(gap.moving.value)} because weights move during the epoch, {signed(gap.dropout.value)} "
            "because dropout is on)"
        )
    rest = (
        ""
        if watches_test
        else f", {signed(gap.validation.value)} that the test data are not the validation data"
    )
    return (
        f"Keras' numbers put the training accuracy of {quoted(gap.arm)} {rounded(abs(printed))} points {side} its "
        f"{seen} accuracy: {parts}{rest}; the true gap (same weights, dropout off, to the test set) is "
        f"{signed(gap.true.value)} points."
    )


def about_the_gap(gaps: Sequence[Gap], chosen: str | None) -> str:
    """True gaps of the baseline and of the chosen (or only) arm: "Training gap 1.6 -> 1.1 points."."""
    by_name = {gap.arm: gap for gap in gaps if gap.n}
    names = [gap.arm for gap in gaps]
    arm = chosen if chosen in by_name and chosen != names[0] else names[-1] if len(names) == 2 else None  # noqa: PLR2004
    if names[0] not in by_name or arm not in by_name:
        return ""
    first, second = (rounded(by_name[name].true.value) for name in (names[0], arm))
    return f"Training gap (clean training accuracy - test accuracy) {first} -> {second} points."


def about_unfinished(scores: Iterable[ArmScores]) -> str:
    """Runs that enter no comparison, counted: never silently dropped."""
    parts, lost = [], False
    for arm in scores:
        lost |= bool(arm.diverged or arm.failed)
        for count, one, many in (
            (arm.diverged, "diverged", "diverged"),
            (arm.failed, "failed", "failed"),
            (arm.missing, "is not finished", "are not finished"),
        ):
            if count:
                parts.append(f"{counted(count, 'run')} of {quoted(arm.arm)} {one if count == 1 else many}")
    if not parts:
        return ""
    return f"{capital(', '.join(parts))}; such seeds are left out of the pairs."


def about_convergence(scores: Sequence[ArmScores]) -> str:
    """Arms that were still improving when training ended, and a number of epochs to try: half as many again."""
    late = [arm for arm in scores if arm.seeds and not arm.converged]
    if not late:
        return ""
    parts = [f"{quoted(arm.arm)} ({arm.still_falling} of {counted(len(arm.seeds), 'seed')})" for arm in late]
    epochs = max(arm.most_epochs for arm in late)
    more = ceil(epochs * 1.5)
    return (
        f"Not converged, validation loss still falling at the end: {', '.join(parts)}. The budget may be unfair to "
        f"what learns slowly: a new study with {more} epochs instead of {epochs} may tell."
    )
