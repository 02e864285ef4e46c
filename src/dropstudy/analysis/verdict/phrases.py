"""Phrases that sentences on a verdict are made of: arms, numbers, lists, training budget."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Literal

from dropstudy.core import text
from dropstudy.core.types import Arm

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dropstudy.analysis.stats import Estimate
    from dropstudy.analysis.verdict.choice import Choice
    from dropstudy.analysis.verdict.design import TestedWeights
    from dropstudy.analysis.verdict.types import ArmComparison, ArmScores, ConditionVerdict, Decision
    from dropstudy.core.metrics import Metric

MOST_LISTED = 6
"""Arms or conditions that are listed one by one; of more, the ends of the range are."""

_THESE = "on these test examples"

SMALLEST_P = 0.0001
"""Smaller p values are not written out."""


def is_dropout(arm: Arm) -> bool:
    """Whether an arm is a known rate of dropout, the same in all layers, and nothing else."""
    return isfinite(arm.common_rate) and arm == Arm(arm.name, arm.rate)


def described(arm: Arm) -> str:
    """An arm as a subject: "dropout at rate 0.5 (drops 50%, keeps 50%)", "no dropout", or its quoted name."""
    if not is_dropout(arm):
        return quoted(arm.name)
    if not arm.rate:
        return "no dropout"
    rate = arm.common_rate
    keeps = round(100 - 100 * rate, 6)
    return f"dropout at rate {rate:g} (drops {100 * rate:g}%, keeps {keeps:g}%)"


def quoted(name: str) -> str:
    """An arm's name in a sentence."""
    return f"'{text.plain_name(name, 40)}'"


def against(baseline: Arm) -> str:
    """Clause that names a baseline other than no dropout: " against 'x'"."""
    return "" if described(baseline) == "no dropout" else f" against {quoted(baseline.name)}"


def budget(scores: Iterable[ArmScores], tested_weights: TestedWeights) -> str:
    """Length of training: " after 20 epochs", " at the best of 20 epochs"."""
    epochs = max((arm.most_epochs for arm in scores), default=0)
    where = "after" if tested_weights == "final" else "at the best of"
    return f" {where} {text.counted(epochs, 'epoch')}" if epochs else ""


def improving(condition: ConditionVerdict, *arms: str) -> str:
    """Clause on the arms that were still improving at the end: ", with 'a' still improving"."""
    names = [quoted(arm) for arm in arms if condition.scores(arm).seeds and condition.scores(arm).improving]
    if len(names) == len(condition.arms) > 2:  # noqa: PLR2004 - two are named
        return ", with all arms still improving"
    return f", with {listed(names)} still improving" if names else ""


def diverged(condition: ConditionVerdict, arms: Iterable[str]) -> str:
    """Seeds in which arms diverged: "'dropout 0.8' diverged in 14 of 20 seeds"; empty where none did."""
    lost = [scores for scores in map(condition.scores, arms) if scores.diverged]
    counts = (f"{s.diverged} of {text.counted(s.planned, 'seed')}" for s in lost)
    return listed([f"{quoted(s.arm)} diverged in {count}" for s, count in zip(lost, counts, strict=True)])


def interval(estimate: Estimate, metric: Metric, margin: float = 0.0) -> str:
    """Ends of an interval of a metric's difference, "+0.08 to +0.18"."""
    return text.span(estimate.low, estimate.high, margin=margin, places=metric.places)


def these_examples(comparison: ArmComparison) -> str:
    """The test set: "on these 360 test examples"."""
    count = comparison.test_examples
    return (
        f"on {'this' if count == 1 else 'these'} {text.counted(count, 'test example')}" if count else _THESE
    )


def probability(p: float) -> str:
    """A p value to two digits, "0.0020" as "0.002"; tiny ones as "below 0.0001"; "-" where there is none."""
    if not isfinite(p):
        return "-"
    return f"below {SMALLEST_P:.4f}" if p < SMALLEST_P else f"{p:.2g}"


def p_value(p: float) -> str:
    """A p value with its name: "p = 0.002", "p below 0.0001"."""
    return f"p {probability(p)}" if p < SMALLEST_P else f"p = {probability(p)}"


def difference(comparison: ArmComparison) -> str:
    """A mean difference; where its sign was decided, with enough digits to show it."""
    decided = comparison.decision_on_these in {"helps", "hurts"}
    places = comparison.measure.places
    return text.signed(comparison.difference.value, unlike=(0.0,) if decided else (), places=places)


def differences(comparisons: Sequence[ArmComparison], most: int = MOST_LISTED) -> str:
    """Mean difference of each arm, without a claim: "'dropout 0.2' +0.04, 'dropout 0.8' -0.87"; of many, the ends."""
    known = sorted((c for c in comparisons if c.n), key=lambda c: c.difference.value)
    if len(known) > most:
        return " to ".join(f"{quoted(c.arm)} {difference(c)}" for c in (known[0], known[-1]))
    return ", ".join(f"{quoted(c.arm)} {difference(c)}" for c in comparisons if c.n)


def by_decision(comparisons: Sequence[ArmComparison], margin: float) -> str:
    """Arms by decision: "'a' and 'b' undecided (+0.04 and +0.12 points); 'c' hurts by 1.00 points"."""
    verbs: dict[Decision | Literal["stopped"], tuple[str, str]] = {
        "helps": ("helps", "help"),
        "equivalent": (f"equivalent within ±{margin:g}", f"equivalent within ±{margin:g}"),
        "undecided": ("undecided", "undecided"),
        "hurts": ("hurts", "hurt"),
        "too few seeds": ("too few seeds", "too few seeds"),
        "stopped": ("stopped by the search", "stopped by the search"),
        "diverged": ("diverged or its baseline did", "diverged or their baseline did"),
    }
    order = [*verbs]
    groups: dict[tuple[str, str], list[ArmComparison]] = {}
    for each in sorted(comparisons, key=lambda c: order.index(c.state)):
        pair = verbs[each.decision_on_these if each.on_these_only else each.state]
        groups.setdefault(_on_these(pair, each) if each.on_these_only else pair, []).append(each)
    parts = []
    for (one, many), found in groups.items():
        by = found[0].decision in {"helps", "hurts"}
        size = found[0].measure.brief(_sizes(found, absolute=by))
        parts.append(
            f"{_names(found)} {one if len(found) == 1 else many} {f'by {size}' if by else f'({size})'}"
        )
    return "; ".join(parts)


def _on_these(verbs: tuple[str, str], comparison: ArmComparison) -> tuple[str, str]:
    """Verbs of arms that are undecided for new data alone."""
    one, many = (f"undecided for new data, {verb} {these_examples(comparison)}" for verb in verbs)
    return one, many


def _names(found: Sequence[ArmComparison]) -> str:
    names = [quoted(c.arm) for c in found]
    if len(found) > MOST_LISTED:
        names = [*names[: MOST_LISTED - 1], f"{len(found) - MOST_LISTED + 1} more"]
    return listed(names)


def _sizes(found: Sequence[ArmComparison], *, absolute: bool) -> str:
    """Mean differences of arms, or their range where there are many."""

    def size(comparison: ArmComparison) -> str:
        return difference(comparison).lstrip("+-") if absolute else difference(comparison)

    if len(found) <= MOST_LISTED:
        return listed([size(c) if c.n else "no pair" for c in found])
    ordered = sorted(
        (c for c in found if c.n), key=lambda c: abs(c.difference.value) if absolute else c.difference.value
    )
    ends = dict.fromkeys(map(size, (ordered[0], ordered[-1]))) if ordered else ["no pair"]
    return " to ".join(ends)


def listed(items: Sequence[str]) -> str:
    """Items as a sentence lists them: "a, b and c"."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def every(count: int) -> str:
    """All of several: "both", "all 3"."""
    return "both" if count == 2 else f"all {count}"  # noqa: PLR2004 - both


def capital(sentence: str) -> str:
    """A sentence with its first letter large."""
    return sentence[:1].upper() + sentence[1:]


def lead(choice: Choice, metric: Metric) -> str:
    """By how much validation data prefer an arm: "0.13 points of validation accuracy ahead"."""
    size = text.signed(choice.lead, unlike=(0.0,), places=metric.places).lstrip("+")
    unit = f"{metric.short} of " if metric.short else "of "
    return f"{size} {unit}{metric.on_validation} ahead"
