"""A shape's verdict in sentences: what a busy person reads first, and what belongs beside it."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from dropstudy.names import counted, plain_name
from dropstudy.records import Arm
from dropstudy.verdict.decide import SEEDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dropstudy.stats import Estimate
    from dropstudy.verdict.records import ArmComparison, ArmScores, Decision, Gap, ShapeVerdict

_MOST_LISTED = 6


def subject(arm: Arm) -> str:
    """What a sentence about an arm begins with: "dropout at rate 0.5 (drops 50%, keeps 50%)", or its quoted name."""
    if arm == Arm(arm.name, arm.rate):
        if not arm.rate:
            return "no dropout"
        return f"dropout at rate {arm.rate:g} (drops {100 * arm.rate:g}%, keeps {round(100 - 100 * arm.rate, 6):g}%)"
    return quoted(arm.name)


def quoted(name: str) -> str:
    """An arm's name in a sentence."""
    return f"'{plain_name(name, 40)}'"


def signed(points: float) -> str:
    """Points with their sign, "+0.13"; never "-0.00"."""
    return f"{round(points, 2) + 0.0:+.2f}"  # + 0.0 turns -0.0 into 0.0


def span(estimate: Estimate) -> str:
    """An interval's ends, "+0.08 to +0.18"."""
    return f"{signed(estimate.low)} to {signed(estimate.high)}"


def probability(p: float) -> str:
    """A p value to two digits, "0.0020" as "0.002"; tiny ones as "below 0.0001"."""
    return "below 0.0001" if p < 0.0001 else f"{p:.2g}"  # noqa: PLR2004 - said in the words


def about_an_arm(
    arm: Arm, comparison: ArmComparison, baseline: Arm, *, margin: float, family: int, always_valid: bool
) -> str:
    """The verdict on one arm as a sentence.

    Args:
        arm: of the comparison.
        comparison: against the baseline.
        baseline: the study's.
        margin: in points.
        family: arms that p values and intervals allow for.
        always_valid: whether the decision rests on the always-valid interval, which is then the one that is told.
    """
    what, n = subject(arm), comparison.n
    against = "" if subject(baseline) == "no dropout" else f" against {quoted(baseline.name)}"
    p = f"p = {probability(comparison.p_value)}"
    if family > 1:
        p += f", {probability(comparison.p_adjusted)} adjusted for {family} arms"
    difference = f"test accuracy {signed(comparison.difference.value)} points{against}"
    interval = f"95% interval {span(comparison.difference)}, {n} paired seeds"
    if always_valid:
        bounds = span(comparison.anytime) if comparison.anytime.known else "not bounded yet"
        interval = f"interval that holds at every look {bounds}, {n} paired seeds"
    if comparison.decision == "too few seeds":
        so_far = f" So far {difference}." if n else ""
        return f"No verdict on {what}: {seeds_missing(n)}.{so_far}"
    if comparison.decision == "equivalent":
        none = f"{_capital(what)} makes no difference that matters{against}"
        tost = "" if always_valid else f" (TOST p = {probability(comparison.tost_holm)})"
        return f"{none}: {difference} ({interval}), within ±{margin:g} points{tost}."
    if comparison.decision in {"helps", "hurts"}:
        return f"{_capital(what)} {comparison.decision}: {difference} ({interval}, {p})."
    return f"Undecided whether {what} helps{against}: {difference} ({interval}, {p})."


def seeds_missing(n: int) -> str:
    """Why there is no verdict: "5 paired seeds, and a verdict takes 6; 1 more is missing"."""
    missing = SEEDS - n
    return (
        f"{n} paired seed{'' if n == 1 else 's'}, and a verdict takes {SEEDS}; "
        f"{missing} more {'is' if missing == 1 else 'are'} missing"
    )


def about_all(
    decision: Decision, arms: Mapping[str, Arm], comparisons: Sequence[ArmComparison], baseline: Arm
) -> str:
    """The verdict on a shape of several arms none of which was chosen: which ones do what."""
    lead = {
        "helps": "Dropout helps" if _all_dropout(arms.values()) else "Some arms help",
        "hurts": "No arm helps",
        "equivalent": "No arm makes a difference that helps",
        "undecided": "Undecided whether any arm helps",
        "too few seeds": "No verdict on all arms",
    }[decision]
    return f"{lead}. Test accuracy against {subject(baseline)}: {'; '.join(_grouped(comparisons))}."


def about_shapes(shapes: Sequence[ShapeVerdict], arms: Mapping[str, Arm]) -> str:
    """What several shapes show, by decision: "Dropout at rate 0.8 ... hurts in both training sizes (500, 2,000)."."""
    networks, sizes = {shape.hidden for shape in shapes}, {shape.train_size for shape in shapes}
    if len(networks) == 1:
        what, places = "training sizes", [f"{shape.train_size:,}" for shape in shapes]
    elif len(sizes) == 1:
        what, places = "networks", [shape.hidden for shape in shapes]
    else:
        what = "networks and training sizes"
        places = [f"{shape.hidden} with {shape.train_size:,}" for shape in shapes]
    parts: list[str] = []
    for decision in dict.fromkeys(shape.decision for shape in shapes):
        found = [place for shape, place in zip(shapes, places, strict=True) if shape.decision == decision]
        where = f" ({', '.join(found)})" if len(found) <= _MOST_LISTED else ""
        every = "both" if len(shapes) == 2 else f"all {len(shapes)}"  # noqa: PLR2004 - both
        count = every if len(found) == len(shapes) else f"{len(found)} of {len(shapes)}"
        parts.append(f"{decision} in {count} {what if not parts else ''}".rstrip() + where)
    told = {_told(shape) for shape in shapes}
    arm = arms.get(told.pop() or "") if len(told) == 1 else None
    if arm is None:
        return f"{_capital(', '.join(parts))}."
    against = (
        "" if subject(arms[shapes[0].baseline]) == "no dropout" else f" against {quoted(shapes[0].baseline)}"
    )
    verb = "" if shapes[0].decision in {"helps", "hurts"} else ":"
    return f"{_capital(subject(arm))}{verb} {', '.join(parts)}{against}."


def _told(shape: ShapeVerdict) -> str | None:
    """The arm that a shape's decision is about: the chosen one, or the only one."""
    compared = [c.arm for c in shape.comparisons]
    if shape.chosen in compared:
        return shape.chosen
    return compared[0] if len(compared) == 1 else None


def beside(comparisons: Sequence[ArmComparison], chosen: str) -> str:
    """What the arms that were not chosen do, as a clause: "'dropout 0.8' hurts by 1.00 points"."""
    return "; ".join(_grouped([c for c in comparisons if c.arm != chosen]))


def plain_differences(comparisons: Sequence[ArmComparison]) -> str:
    """Each arm's mean difference, without a claim: "'dropout 0.2' +0.04, 'dropout 0.8' -0.87"."""
    known = [c for c in comparisons if c.n]
    if len(known) > _MOST_LISTED:
        low, high = min(known, key=_mean), max(known, key=_mean)
        return f"{quoted(low.arm)} {signed(_mean(low))} to {quoted(high.arm)} {signed(_mean(high))}"
    return ", ".join(f"{quoted(c.arm)} {signed(_mean(c))}" for c in known)


def about_artefact(gaps: Sequence[Gap], *, watches_test: bool) -> str:
    """How much of the gap that Keras prints is artefact, of the arm of which it misleads most.

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
        f"Keras' numbers put the training accuracy of {quoted(gap.arm)} {abs(printed):.2f} points {side} its {seen} "
        f"accuracy: {parts}{rest}; the true gap (same weights, dropout off, to the test set) is "
        f"{signed(gap.true.value)} points."
    )


def about_the_gap(gaps: Sequence[Gap], chosen: str | None) -> str:
    """True gaps of the baseline and of the chosen (or only) arm: "Training gap 1.6 -> 1.1 points."."""
    by_name = {gap.arm: gap for gap in gaps if gap.n}
    names = [gap.arm for gap in gaps]
    arm = chosen if chosen in by_name and chosen != names[0] else names[-1] if len(names) == 2 else None  # noqa: PLR2004
    if names[0] not in by_name or arm not in by_name:
        return ""
    first, second = by_name[names[0]].true, by_name[arm].true
    return f"Training gap (clean training accuracy - test accuracy) {first.value:.2f} -> {second.value:.2f} points."


def about_power(comparison: ArmComparison, margin: float, *, always_valid: bool) -> str:
    """How many seeds a decision would take, and what these could have shown."""
    needed = comparison.seeds_needed
    take = f"about {needed:.0f} seeds" if isfinite(needed) else "more seeds than anybody trains"
    if always_valid:
        return f"To find a difference of {margin:g} points takes {take} (80% power at the spread seen)."
    return (
        f"To find a difference of {margin:g} points takes {take} (80% power at the spread seen); "
        f"with {comparison.n} a difference of {comparison.detectable:.2f} points would have been found as surely. "
        "`dropstudy run DIR --until-decided` adds seeds until it is decided."
    )


def about_unfinished(scores: Iterable[ArmScores]) -> str:
    """Runs that enter no comparison, counted: never silently dropped."""
    parts = []
    for arm in scores:
        for count, what in (
            (arm.diverged, "diverged"),
            (arm.failed, "failed"),
            (arm.missing, "did not finish"),
        ):
            if count:
                parts.append(f"{count} run{'s' if count > 1 else ''} of {quoted(arm.arm)} {what}")
    if not parts:
        return ""
    diverged = any(arm.diverged for arm in scores)
    warning = (
        " An arm is judged by the seeds in which it can be trained, which flatters one that diverges."
        if diverged
        else ""
    )
    return f"{_capital(', '.join(parts))}; such seeds are left out of the pairs.{warning}"


def about_convergence(scores: Iterable[ArmScores]) -> str:
    """Arms that were still improving when training ended, and what half as many epochs again would cost."""
    parts = []
    for arm in scores:
        if not arm.converged:
            more = round(arm.epochs * 1.5)
            cost = arm.epoch_seconds * more * len(arm.seeds)
            parts.append(
                f"{quoted(arm.arm)} ({arm.still_falling} of {counted(len(arm.seeds), 'seed')}; {more} epochs instead "
                f"of {arm.epochs:.0f} are {_duration(cost)} of training)"
            )
    if not parts:
        return ""
    return (
        f"Not converged, validation loss still falling at the end: {', '.join(parts)}. "
        "The budget may be unfair to what learns slowly."
    )


def _grouped(comparisons: Sequence[ArmComparison]) -> list[str]:
    """Arms by decision: "'dropout 0.2' and 'dropout 0.5' undecided (+0.04 and +0.12 points)"."""
    words = {
        "helps": ("helps", "help"),
        "equivalent": ("equivalent", "equivalent"),
        "undecided": ("undecided", "undecided"),
        "hurts": ("hurts", "hurt"),
        "too few seeds": ("too few seeds", "too few seeds"),
    }
    parts = []
    for decision, (one, many) in words.items():
        found = [c for c in comparisons if c.decision == decision]
        if not found:
            continue
        names = [quoted(c.arm) for c in found]
        sizes = [signed(_mean(c)) if c.n else "no pair" for c in found]
        if len(found) > _MOST_LISTED:
            names = [*names[: _MOST_LISTED - 1], f"{len(found) - _MOST_LISTED + 1} more"]
            sizes = [f"{signed(min(map(_mean, found)))} to {signed(max(map(_mean, found)))}"]
        if decision in {"helps", "hurts"}:
            by = [size.lstrip("+-") for size in sizes] if len(found) <= _MOST_LISTED else sizes
            parts.append(f"{_listed(names)} {one if len(found) == 1 else many} by {_listed(by)} points")
        else:
            parts.append(f"{_listed(names)} {one if len(found) == 1 else many} ({_listed(sizes)} points)")
    return parts


def _mean(comparison: ArmComparison) -> float:
    return comparison.difference.value


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _all_dropout(arms: Iterable[Arm]) -> bool:
    return all(subject(arm) != quoted(arm.name) for arm in arms)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _duration(seconds: float) -> str:
    if seconds < 90:  # noqa: PLR2004 - two digits of each unit
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"  # noqa: PLR2004 - as above
