"""A shape's verdict in sentences: its label, its headline, and what several conditions show."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from dropstudy.analysis.verdict.rule import SEEDS
from dropstudy.core.text import counted, plain_name, signed
from dropstudy.core.text import span as ends
from dropstudy.core.types import Arm

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dropstudy.analysis.stats import Estimate
    from dropstudy.analysis.verdict.types import (
        ArmComparison,
        ArmScores,
        ConditionVerdict,
        Decision,
        Protocol,
    )

_MOST_LISTED = 6


@dataclass(frozen=True)
class About:
    """Context of the sentences on a condition, beside its comparisons.

    Args:
        arms: by name, baseline first.
        scores: of each arm, by name.
        margin: in points.
        protocol: whose weights were tested.
        always_valid: whether decisions rest on always-valid intervals.
    """

    arms: Mapping[str, Arm]
    scores: Mapping[str, ArmScores]
    margin: float
    protocol: Protocol
    always_valid: bool

    @property
    def baseline(self) -> Arm:
        """The arm that the others are held against."""
        return next(iter(self.arms.values()))

    @property
    def against(self) -> str:
        """Words after a difference that name the baseline; empty where it is no dropout."""
        return against(self.baseline)

    @property
    def budget(self) -> str:
        """Length of training in words: "after 20 epochs", "at the best of 20 epochs"."""
        return budget(self.scores.values(), self.protocol)

    def improving(self, *arms: str) -> str:
        """Clause on the arms that were still improving at the end: ", with 'a' still improving"."""
        names = [quoted(arm) for arm in arms if self.scores[arm].seeds and not self.scores[arm].converged]
        if len(names) == len(self.arms) > 2:  # noqa: PLR2004 - two are named
            return ", with all arms still improving"
        return f", with {listed(names)} still improving" if names else ""

    def diverged(self, arm: str) -> str:
        """In how many seeds an arm diverged: "'dropout 0.8' diverged in 14 of 20 seeds"; empty where in none."""
        scores = self.scores[arm]
        if not scores.diverged:
            return ""
        return f"{quoted(arm)} diverged in {scores.diverged} of {counted(scores.planned, 'seed')}"


def subject(arm: Arm) -> str:
    """Subject of a sentence about an arm: "dropout at rate 0.5 (drops 50%, keeps 50%)", or its quoted name."""
    if not is_dropout(arm):
        return quoted(arm.name)
    if not arm.rate:
        return "no dropout"
    return (
        f"dropout at rate {arm.rate:g} (drops {100 * arm.rate:g}%, keeps {round(100 - 100 * arm.rate, 6):g}%)"
    )


def is_dropout(arm: Arm) -> bool:
    """Whether an arm is a rate of dropout and nothing else."""
    return arm == Arm(arm.name, arm.rate)


def quoted(name: str) -> str:
    """An arm's name in a sentence."""
    return f"'{plain_name(name, 40)}'"


def against(baseline: Arm) -> str:
    """Words after a difference that name the baseline: " against 'x'", or nothing for no dropout."""
    return "" if subject(baseline) == "no dropout" else f" against {quoted(baseline.name)}"


def budget(scores: Iterable[ArmScores], protocol: Protocol) -> str:
    """Length of training in words: "after 20 epochs", "at the best of 20 epochs"."""
    epochs = max((arm.most_epochs for arm in scores), default=0)
    if not epochs:
        return ""
    return (
        f" after {counted(epochs, 'epoch')}"
        if protocol == "final"
        else f" at the best of {counted(epochs, 'epoch')}"
    )


def span(estimate: Estimate, margin: float = 0.0) -> str:
    """An interval's ends, "+0.08 to +0.18"."""
    return ends(estimate.low, estimate.high, margin=margin)


def probability(p: float) -> str:
    """A p value to two digits, "0.0020" as "0.002"; tiny ones as "below 0.0001"; "-" where there is none."""
    if not isfinite(p):
        return "-"
    return "below 0.0001" if p < 0.0001 else f"{p:.2g}"  # noqa: PLR2004 - said in the words


def about_an_arm(about: About, comparison: ArmComparison, *, baseline_chosen: bool) -> str:
    """The verdict on one arm as a sentence.

    Args:
        about: the condition.
        comparison: of the arm against the baseline.
        baseline_chosen: whether validation data chose the baseline rather than the arm.
    """
    baseline, n, decision = about.baseline.name, comparison.n, comparison.decision
    what = capital(subject(about.arms[comparison.arm]))
    difference = f"test accuracy {_exact(comparison)} points{about.against}"
    if decision == "diverged":
        return _no_verdict_on_the_rest(about, comparison)
    if decision == "too few seeds":
        so_far = f" So far {difference}." if n else ""
        return f"No verdict on {subject(about.arms[comparison.arm])}: {seeds_missing(n)}.{so_far}"
    behind = f"{difference} ({_evidence(about, comparison)})"
    when = f"{about.budget}{about.improving(baseline, comparison.arm)}"
    if decision == "equivalent":
        tost = "" if about.always_valid else f" (TOST p = {probability(comparison.tost_holm)})"
        none = f"{what} makes no difference that matters{about.against}{when}"
        return f"{none}: {behind}, within ±{about.margin:g} points{tost}."
    here = ""
    if comparison.only_here and comparison.test_examples:
        here = f" on these {counted(comparison.test_examples, 'test example')}"
    if decision == "helps" and baseline_chosen:
        return (
            f"Undecided whether {subject(about.arms[comparison.arm])} helps{when}: validation data chose "
            f"{quoted(baseline)}, but on the test set the arm is better, {behind}."
        )
    if decision in {"helps", "hurts"}:
        return f"{what} {decision}{here}{when}: {behind}."
    return f"Undecided whether {subject(about.arms[comparison.arm])} helps{about.against}{when}: {behind}."


def _evidence(about: About, comparison: ArmComparison) -> str:
    """Interval, seeds and p of a comparison: what stands in brackets behind a difference."""
    seeds = f"{comparison.n} paired seeds"
    if comparison.all_equal:
        return f"the same in all {seeds}, so no interval"
    known = comparison.deciding.known
    bounds = span(comparison.deciding, about.margin) if known else "not bounded yet"
    evidence = f"{comparison.deciding_label} {bounds}, {seeds}"
    if comparison.decision == "equivalent":
        return evidence
    evidence += f", p = {probability(comparison.p_value)}"
    if comparison.family > 1:
        evidence += f", {probability(comparison.p_adjusted)} adjusted for {comparison.family} arms"
    return evidence


def _no_verdict_on_the_rest(about: About, comparison: ArmComparison) -> str:
    parts = [words for arm in (about.baseline.name, comparison.arm) if (words := about.diverged(arm))]
    rest = f"no verdict on the other {comparison.n} alone" if comparison.n else "no verdict"
    return f"{capital(listed(parts))}: {rest}."


def about_divergence(about: About, told: Iterable[str]) -> str:
    """Arms that diverged in some seeds and that the headline has not told of, as a sentence; empty where none did."""
    told = set(told)
    parts = [words for arm in about.arms if arm not in told and (words := about.diverged(arm))]
    return f" {capital(listed(parts))}." if parts else ""


def about_too_few(about: About, comparisons: Sequence[ArmComparison]) -> str:
    """Explain why there is no verdict on any arm, with the differences so far."""
    missing = f"No verdict: {seeds_missing(max(c.n for c in comparisons))}."
    if not any(c.n for c in comparisons):
        return missing
    versus = f"{plain_differences(comparisons)} points against {quoted(about.baseline.name)}"
    return f"{missing} So far test accuracy{about.budget}: {versus}."


def seeds_missing(n: int) -> str:
    """Reason why there is no verdict: "5 paired seeds, and a verdict takes 6; 1 more is missing"."""
    missing = SEEDS - n
    return (
        f"{counted(n, 'paired seed')}, and a verdict takes {SEEDS}; "
        f"{missing} more {'is' if missing == 1 else 'are'} missing"
    )


def about_all(
    about: About, decision: Decision, comparisons: Sequence[ArmComparison], *, baseline_chosen: bool
) -> str:
    """The verdict on a condition of several arms none of which was chosen: which ones do what."""
    if baseline_chosen:
        lead = f"Validation data chose {quoted(about.baseline.name)}"
    else:
        lead = {
            "helps": "Dropout helps" if all(map(is_dropout, about.arms.values())) else "Some arms help",
            "hurts": "No arm helps",
            "equivalent": "No arm makes a difference that helps",
            "undecided": "Undecided whether any arm helps",
            "too few seeds": "No verdict on all arms",
            "diverged": "No verdict on all arms",
        }[decision]
    names = [about.baseline.name, *(c.arm for c in comparisons)]
    when = f"{about.budget}{about.improving(*names)}"
    differences = "; ".join(grouped(comparisons, about.margin))
    return f"{lead}{when}. Test accuracy against {subject(about.baseline)}: {differences}."


def about_conditions(
    conditions: Sequence[ConditionVerdict], arms: Mapping[str, Arm], protocol: Protocol
) -> str:
    """Result of several conditions, by decision: "Dropout at rate 0.8 ... hurts in both training sizes."."""
    networks, sizes = {each.hidden for each in conditions}, {each.train_size for each in conditions}
    if len(networks) == 1:
        what, places = "training sizes", [f"{each.train_size:,}" for each in conditions]
    elif len(sizes) == 1:
        what, places = "networks", [each.hidden for each in conditions]
    else:
        what = "networks and training sizes"
        places = [f"{each.hidden} with {each.train_size:,}" for each in conditions]
    parts: list[str] = []
    for decision in dict.fromkeys(each.decision for each in conditions):
        found = [place for each, place in zip(conditions, places, strict=True) if each.decision == decision]
        where = f" ({', '.join(found)})" if len(found) <= _MOST_LISTED else ""
        every = "both" if len(conditions) == 2 else f"all {len(conditions)}"  # noqa: PLR2004 - both
        count = every if len(found) == len(conditions) else f"{len(found)} of {len(conditions)}"
        told = "no verdict because runs diverged" if decision == "diverged" else decision
        parts.append(f"{told} in {count} {what if not parts else ''}".rstrip() + where)
    when = budget([arm for each in conditions for arm in each.arms], protocol)
    improving = sum(any(arm.seeds and not arm.converged for arm in each.arms) for each in conditions)
    when += f", with arms still improving in {improving} of {len(conditions)}" if improving else ""
    lost = sum(arm.diverged for each in conditions for arm in each.arms)
    ending = f"{when}." + (f" {counted(lost, 'run')} diverged." if lost else "")
    told_of = {_told(each) for each in conditions}
    arm = arms.get(told_of.pop() or "") if len(told_of) == 1 else None
    if arm is None:
        return f"{capital(', '.join(parts))}{ending}"
    verb = "" if conditions[0].decision in {"helps", "hurts"} else ":"
    return f"{capital(subject(arm))}{verb} {', '.join(parts)}{against(arms[conditions[0].baseline])}{ending}"


def _told(condition: ConditionVerdict) -> str | None:
    """The arm that a condition's decision is about: the chosen one, or the only one."""
    compared = [c.arm for c in condition.comparisons]
    if condition.chosen in compared:
        return condition.chosen
    return compared[0] if len(compared) == 1 else None


_LABELS: dict[Decision, tuple[str, str, str]] = {
    "helps": ("Dropout helps", "helps", "help"),
    "hurts": ("Dropout hurts", "hurts", "hurt"),
    "equivalent": (
        "No difference that matters",
        "makes no difference that matters",
        "make no difference that matters",
    ),
    "undecided": ("Undecided", "is undecided", "are undecided"),
    "too few seeds": ("Too few seeds to decide", "has too few seeds", "have too few seeds"),
    "diverged": ("Training diverged", "has no verdict: runs diverged", "have no verdict: runs diverged"),
    "nothing to compare": ("Nothing to compare", "", ""),
    "depends on the condition": ("It depends on the network and its data", "", ""),
}


def label(
    decision: Decision, comparisons: Sequence[ArmComparison], arms: Mapping[str, Arm], chosen: str | None
) -> str:
    """A shape's decision in a few words that are true of each arm.

    Args:
        decision: about the condition.
        comparisons: of its arms.
        arms: by name.
        chosen: the arm that validation data chose, or None.
    """
    whole, _, _ = _LABELS[decision]
    if decision == "nothing to compare" or not comparisons:
        return whole
    compared = {c.arm: c.decision for c in comparisons}
    if len(compared) == 1:
        (name,) = compared
        verb = _LABELS[decision][1]
        return (
            whole
            if is_dropout(arms[name]) or decision not in {"helps", "hurts"}
            else f"{quoted(name)} {verb}"
        )
    if chosen in compared:
        return f"{quoted(chosen or '')} {_LABELS[decision][1]}"
    counts = Counter(compared.values())
    if len(counts) == 1:
        every = "Both" if len(compared) == 2 else f"All {len(compared)}"  # noqa: PLR2004 - both
        told = f"{every} arms {_LABELS[next(iter(counts))][2]}"
    else:
        told = ", ".join(
            f"{counts[each]} {'arm ' if place == 0 and counts[each] == 1 else 'arms ' if place == 0 else ''}"
            f"{_LABELS[each][1 if counts[each] == 1 else 2]}"
            for place, each in enumerate(d for d in _LABELS if d in counts)
        )
    return f"{quoted(chosen)} was chosen; {told[0].lower()}{told[1:]}" if chosen is not None else told


def label_of_shapes(decision: Decision, labels: Iterable[str]) -> str:
    """A study's decision in a few words: its conditions' where they agree, else what is true of each."""
    found = set(labels)
    if len(found) == 1:
        return found.pop()
    told = {"helps": "Helps in each network and size", "hurts": "No arm helps", "equivalent": "No arm helps"}
    return told.get(decision, _LABELS[decision][0])


def beside(comparisons: Sequence[ArmComparison], chosen: str, margin: float) -> str:
    """Clause on the arms that were not chosen: "'dropout 0.8' hurts by 1.00 points"."""
    return "; ".join(grouped([c for c in comparisons if c.arm != chosen], margin))


def plain_differences(comparisons: Sequence[ArmComparison]) -> str:
    """Each arm's mean difference, without a claim: "'dropout 0.2' +0.04, 'dropout 0.8' -0.87"."""
    known = [c for c in comparisons if c.n]
    if len(known) > _MOST_LISTED:
        low, high = min(known, key=_mean), max(known, key=_mean)
        return f"{quoted(low.arm)} {signed(_mean(low))} to {quoted(high.arm)} {signed(_mean(high))}"
    return ", ".join(f"{quoted(c.arm)} {signed(_mean(c))}" for c in known)


def grouped(comparisons: Sequence[ArmComparison], margin: float) -> list[str]:
    """Arms by decision: "'dropout 0.2' and 'dropout 0.5' undecided (+0.04 and +0.12 points)"."""
    words = {
        "helps": ("helps", "help"),
        "equivalent": (f"equivalent within ±{margin:g}", f"equivalent within ±{margin:g}"),
        "undecided": ("undecided", "undecided"),
        "hurts": ("hurts", "hurt"),
        "too few seeds": ("too few seeds", "too few seeds"),
        "diverged": ("diverged or its baseline did", "diverged or their baseline did"),
    }
    parts = []
    for decision, (one, many) in words.items():
        found = [c for c in comparisons if c.decision == decision]
        if not found:
            continue
        names, verb = [quoted(c.arm) for c in found], one if len(found) == 1 else many
        by = decision in {"helps", "hurts"}
        sizes = [_exact(c) if c.n else "no pair" for c in found]
        if by:
            sizes = [size.lstrip("+-") for size in sizes]
        if len(found) > _MOST_LISTED:
            names = [*names[: _MOST_LISTED - 1], f"{len(found) - _MOST_LISTED + 1} more"]
            ordered = sorted((c for c in found if c.n), key=lambda c: abs(_mean(c)) if by else _mean(c))
            least, most = (
                (_exact(c).lstrip("+-") if by else _exact(c) for c in (ordered[0], ordered[-1]))
                if ordered
                else ("no pair", "no pair")
            )
            sizes = [f"{least} to {most}" if least != most else least]
        told = f"by {listed(sizes)} points" if by else f"({listed(sizes)} points)"
        parts.append(f"{listed(names)} {verb} {told}")
    return parts


def _exact(comparison: ArmComparison) -> str:
    """A mean difference, with the digits that it takes to see which side of 0 it is on where that was decided."""
    decided = comparison.decision in {"helps", "hurts"}
    return signed(_mean(comparison), unlike=(0.0,) if decided else ())


def _mean(comparison: ArmComparison) -> float:
    return comparison.difference.value


def listed(items: Sequence[str]) -> str:
    """Items as a sentence lists them: "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def capital(sentence: str) -> str:
    """A sentence with its first letter large."""
    return sentence[:1].upper() + sentence[1:]
