"""Confirm the chosen arm on seeds that had no part in choosing it.

The best of several arms looks better than it is, since luck helped to choose it (the winner's curse). So the chosen
arm and the baseline are trained again on fresh seeds, in a study of their own inside the first one's folder; its
verdict is about one arm, without a choice.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import chain, count
from typing import TYPE_CHECKING, NamedTuple

from dropstudy.analysis.sequential import more_seeds
from dropstudy.analysis.verdict.phrases import interval, quoted
from dropstudy.analysis.verdict.rule import SEEDS
from dropstudy.analysis.verdict.types import DECIDED
from dropstudy.core.atomic import write_text
from dropstudy.core.text import signed
from dropstudy.errors import InvalidArgument
from dropstudy.spec.arms import has_choice
from dropstudy.spec.study_file import STUDY_FILE, to_toml
from dropstudy.store.directory import confirmations, has_database, recorded_spec
from dropstudy.store.paths import CONFIRMATION, StudyPaths, command
from dropstudy.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dropstudy.analysis.next_steps import NextStep
    from dropstudy.analysis.verdict import ConditionVerdict, Verdict
    from dropstudy.core.types import StudySpec


FIRST_FRESH = 1_000_000
"""First seed of a confirmation. A study counts from 0, so that it does not grow into seeds that confirm it."""


def prepare(
    folder: Path, spec: StudySpec, verdict: Verdict, *, seeds: int | None = None
) -> dict[Path, tuple[int, ...]]:
    """Write the studies that confirm a verdict, one for each condition with a chosen arm, unless they exist.

    Args:
        folder: of the study.
        spec: of the study.
        verdict: of the study.
        seeds: how many fresh ones; by default as many as the study has.

    Returns:
        Their folders, each with the fresh seeds.

    Raises:
        InvalidArgument: there is nothing to confirm: nothing was or could be chosen, or the baseline was.
    """
    chosen = [
        (condition, arm) for condition in verdict.conditions if (arm := to_confirm(condition)) is not None
    ]
    if not chosen:
        raise InvalidArgument(
            "confirm",
            expected="a study whose validation data chose an arm, or that has one arm beside the baseline",
            received=_why_not(verdict),
            next_step=f"Its verdict: {command('show', folder)}",
        )
    StudyPaths(folder).refuse_links()
    folders = {}
    for condition, arm in chosen:
        fresh = _fresh(spec, condition, arm, len(spec.seeds) if seeds is None else seeds)
        where = _place(folder, fresh, condition, several=len(verdict.conditions) > 1)
        if recorded_spec(where) is None:
            where.mkdir(parents=True, exist_ok=True)
            write_text(where / STUDY_FILE, to_toml(fresh))
        folders[where] = fresh.seeds
    return folders


def _place(folder: Path, fresh: StudySpec, condition: ConditionVerdict, *, several: bool) -> Path:
    """Folder of the confirmation that has these arms at this condition already, else an unused one."""
    runs = {(arm, condition.hidden, condition.train_size) for arm in fresh.arms}
    for path in filter(has_database, confirmations(folder)):
        with Store(path) as store:
            if {(run.arm, run.condition.layers, run.condition.train_size) for run in store.runs()} == runs:
                return path
    name = f"{condition.hidden}-{condition.train_size}"
    first = folder / CONFIRMATION / name if several else folder / CONFIRMATION
    others = (folder / CONFIRMATION / f"{name}-{number}" for number in count(2))
    return next(path for path in chain([first], others) if recorded_spec(path) is None)


def with_confirmations(first: Verdict, fresh: Sequence[Verdict]) -> Verdict:
    """A verdict with those of its confirmations; its headline then says whether it was confirmed.

    Args:
        first: of the study.
        fresh: of each confirmation.
    """
    results = outcomes(first, fresh)
    if not results:
        return first
    if len(first.conditions) == 1:
        summary = results[-1].short
    else:
        counts = Counter(result.name for result in results)
        parts = ", ".join(f"{outcome} in {number} of {len(results)}" for outcome, number in counts.items())
        summary = f"On fresh seeds, same test examples: {parts}."
    headline = f"{first.headline} {summary}"
    sentences = (headline, *first.sentences[1:], *(result.sentence for result in results))
    return replace(first, headline=headline, sentences=sentences, confirmations=tuple(fresh))


def outcomes(first: Verdict, fresh: Sequence[Verdict]) -> list[Outcome]:
    """Outcome of each confirmation; arguments as for `with_confirmations`."""
    confirming = [condition for verdict in fresh for condition in verdict.conditions if condition.comparisons]
    chosen = {_place_of(condition): to_confirm(condition) for condition in first.conditions}
    current = {_place_of(c) for c in confirming if c.comparisons[0].arm == chosen.get(_place_of(c))}
    # The confirmation of an arm chosen earlier is not mentioned where there is one of the arm chosen now.
    return [
        _outcome(first, c)
        for c in confirming
        if _place_of(c) not in current or c.comparisons[0].arm == chosen[_place_of(c)]
    ]


def _place_of(condition: ConditionVerdict) -> tuple[str, int]:
    return condition.hidden, condition.train_size


class Outcome(NamedTuple):
    """Outcome of a confirmation.

    Args:
        name: "confirmed", "not confirmed", or the decision on fresh seeds where there was none to confirm.
        short: a sentence for the headline.
        sentence: in full.
    """

    name: str
    short: str
    sentence: str


def _outcome(first: Verdict, fresh: ConditionVerdict) -> Outcome:
    comparison = fresh.comparisons[0]
    before = next((s for s in first.conditions if _place_of(s) == _place_of(fresh)), None)
    earlier = [c for c in before.comparisons if c.arm == comparison.arm] if before else []
    if before is None or not earlier or to_confirm(before) not in {comparison.arm, None}:
        short = f"Not confirmed: the fresh seeds are of {quoted(comparison.arm)}, which is no longer the chosen arm."
        return Outcome("not confirmed yet", short, f"{short} On them: {fresh.headline}")
    if fresh.decision == "too few seeds":
        short = f"Not confirmed yet: {comparison.n} of {SEEDS} fresh seeds."
        return Outcome("not confirmed yet", short, f"On fresh seeds: {fresh.headline}")
    if earlier[0].decision not in DECIDED:
        outcome = "On"
    else:
        outcome = "Confirmed on" if earlier[0].decision == fresh.decision else "Not confirmed on"
    seeds = f"{outcome} {comparison.n} fresh seeds, same test examples"
    metric = first.measure
    ends = f" ({interval(comparison.deciding, metric, first.margin)})" if comparison.deciding.known else ""
    estimate = f"{metric.amount(signed(comparison.difference.value, places=metric.places))}{ends}"
    within = f" within ±{metric.brief(f'{first.margin:g}')}" if fresh.decision == "equivalent" else ""
    curse = (
        ", from the seeds that chose the arm; such estimates tend to be too large"
        if has_choice(before.arms)
        else ""
    )
    before_it = metric.brief(signed(earlier[0].difference.value, places=metric.places))
    own = f"The study's own estimate is {before_it}{curse}."
    return Outcome(
        outcome.removesuffix(" on").lower() if outcome != "On" else fresh.decision,
        f"{seeds}: {fresh.decision}{within}, {estimate}.",
        f"{seeds}: {fresh.headline} {own} Fresh seeds say nothing about other test examples.",
    )


def to_confirm(condition: ConditionVerdict) -> str | None:
    """The chosen arm; with a single arm beside the baseline that one, chosen or not. None below `SEEDS` pairs."""
    enough = [c.arm for c in condition.comparisons if c.n >= SEEDS]
    if len(condition.comparisons) == 1:
        return enough[0] if enough else None
    return condition.chosen if condition.chosen in enough else None


def nothing_decided(verdict: Verdict, steps: Sequence[NextStep]) -> str:
    """Note before fresh seeds are trained for an undecided verdict; empty where there is a result to confirm."""
    subjects = [condition for condition in verdict.conditions if to_confirm(condition) is not None]
    if not subjects or any(condition.decision in DECIDED for condition in subjects):
        return ""
    instead = f" Ctrl-C stops it. {steps[0]}" if steps else ""
    return (
        "The study is undecided, so there is no result to confirm. Fresh seeds are trained now all the same: they are "
        f"compared by themselves, and may decide.{instead}"
    )


def baseline_chosen(verdict: Verdict) -> bool:
    """Whether no arm can be confirmed because validation data chose the baseline."""
    chosen = [condition for condition in verdict.conditions if condition.chosen is not None]
    return bool(chosen) and all(to_confirm(condition) is None for condition in chosen)


def _why_not(verdict: Verdict) -> str:
    if baseline_chosen(verdict):
        return "one whose validation data chose the baseline"
    few = all(condition.decision == "too few seeds" for condition in verdict.conditions)
    if verdict.watches_test and not few:
        return "one that evaluated the test set every epoch, so that nothing may be chosen"
    return f"one with fewer than {SEEDS} paired seeds"


def _fresh(spec: StudySpec, condition: ConditionVerdict, arm: str, seeds: int) -> StudySpec:
    """Baseline and chosen arm at one condition, on so many seeds, none of them the first study's."""
    named = {"-".join(map(str, hidden)): hidden for hidden in spec.hidden}
    network = () if spec.model is not None else named[condition.hidden]
    return replace(
        spec,
        name=f"{spec.name}-{CONFIRMATION}",
        arms=tuple(a for a in spec.arms if a.name in {condition.baseline, arm}),
        hidden=(network,),
        train_sizes=spec.train_sizes if len(spec.train_sizes) == 1 else (condition.train_size,),
        seeds=more_seeds((), seeds, unlike=(*spec.seeds, FIRST_FRESH - 1)),
        published=(),
    )
