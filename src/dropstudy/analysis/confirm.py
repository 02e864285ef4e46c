"""Confirm the chosen arm on seeds that had no part in choosing it.

Whichever arm looks best looks better than it is: luck is part of what it was chosen by (the winner's curse). So the
chosen arm and the baseline are trained again, on fresh seeds, in a study of their own inside the first one's folder;
its verdict is about one arm and nothing was chosen on it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import chain, count
from typing import TYPE_CHECKING, NamedTuple

from dropstudy.analysis.sequential import FEWEST, more_seeds
from dropstudy.analysis.verdict import DECIDED
from dropstudy.analysis.verdict.sentences import quoted, span
from dropstudy.core.atomic import write_text
from dropstudy.core.text import signed
from dropstudy.errors import InvalidArgument
from dropstudy.spec.study_file import STUDY_FILE, to_toml
from dropstudy.store.directory import begun, command, confirmations, recorded
from dropstudy.store.paths import CONFIRMATION, StudyPaths
from dropstudy.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dropstudy.analysis.verdict import ConditionVerdict, Verdict
    from dropstudy.core.types import StudySpec


FIRST_FRESH = 1_000_000
"""First seed of a confirmation: a study counts from 0, so that it does not grow into seeds that confirm it."""


def prepare(folder: Path, spec: StudySpec, verdict: Verdict) -> list[Path]:
    """Write the studies that confirm a verdict, one for each condition with a chosen arm, unless they exist.

    Args:
        folder: of the study that was decided.
        spec: what it compares.
        verdict: on it.

    Returns:
        Their folders.

    Raises:
        InvalidArgument: there is nothing to confirm: nothing was or could be chosen, or the baseline was.
    """
    chosen = [
        (condition, arm) for condition in verdict.conditions if (arm := _to_confirm(condition)) is not None
    ]
    if not chosen:
        raise InvalidArgument(
            "confirm",
            expected="a study whose validation data chose an arm, or that has one arm beside the baseline",
            received=_why_not(verdict),
            next_step=f"Its verdict: {command('show', folder)}",
        )
    StudyPaths(folder).refuse_links()
    folders = []
    for condition, arm in chosen:
        fresh = _fresh(spec, condition, arm)
        where = _place(folder, fresh, condition, several=len(verdict.conditions) > 1)
        if recorded(where) is None:
            where.mkdir(parents=True, exist_ok=True)
            write_text(where / STUDY_FILE, to_toml(fresh))
        folders.append(where)
    return folders


def _place(folder: Path, fresh: StudySpec, condition: ConditionVerdict, *, several: bool) -> Path:
    """Folder of the study that has these arms at this condition already, else one that no other has."""
    runs = {(arm, condition.hidden, condition.train_size) for arm in fresh.arms}
    for path in filter(begun, confirmations(folder)):
        with Store(path) as store:
            if {(run.arm, run.condition.layers, run.condition.train_size) for run in store.runs()} == runs:
                return path
    name = f"{condition.hidden}-{condition.train_size}"
    first = folder / CONFIRMATION / name if several else folder / CONFIRMATION
    others = (folder / CONFIRMATION / f"{name}-{number}" for number in count(2))
    return next(path for path in chain([first], others) if recorded(path) is None)


def with_confirmations(first: Verdict, fresh: Sequence[Verdict]) -> Verdict:
    """A verdict and, beside its estimates, those of the studies that confirm it; these alone are free of choice.

    Its headline then says whether it was confirmed.

    Args:
        first: what the study shows.
        fresh: what each study that confirms it shows.
    """
    conditions = [condition for verdict in fresh for condition in verdict.conditions if condition.comparisons]
    now = {_at(s): _to_confirm(s) for s in first.conditions}
    current = {_at(s) for s in conditions if s.comparisons[0].arm == now.get(_at(s))}
    # Seeds of an arm that was chosen before have no word where there are seeds of the one chosen now.
    told = [
        _held_against(first, s)
        for s in conditions
        if _at(s) not in current or s.comparisons[0].arm == now[_at(s)]
    ]
    if not told:
        return first
    if len(first.conditions) == 1:
        summary = told[-1].short
    else:
        counts = Counter(each.outcome for each in told)
        parts = ", ".join(f"{outcome} in {count} of {len(told)}" for outcome, count in counts.items())
        summary = f"On fresh seeds: {parts}."
    headline = f"{first.headline} {summary}"
    sentences = (headline, *first.sentences[1:], *(each.sentence for each in told))
    return replace(first, headline=headline, sentences=sentences, confirmations=tuple(fresh))


def _at(condition: ConditionVerdict) -> tuple[str, int]:
    return condition.hidden, condition.train_size


class _Held(NamedTuple):
    """A confirmation held against what it confirms.

    Args:
        outcome: "confirmed", "not confirmed", or what the fresh seeds say where there was nothing to confirm.
        short: in a sentence for the headline.
        sentence: in full.
    """

    outcome: str
    short: str
    sentence: str


def _held_against(first: Verdict, fresh: ConditionVerdict) -> _Held:
    comparison = fresh.comparisons[0]
    before = next((s for s in first.conditions if _at(s) == _at(fresh)), None)
    earlier = [c for c in before.comparisons if c.arm == comparison.arm] if before else []
    arm = quoted(comparison.arm)
    if before is None or not earlier or _to_confirm(before) not in {comparison.arm, None}:
        told = f"Not confirmed: the fresh seeds are of {arm}, which is no longer the arm that was chosen."
        return _Held("not confirmed", told, f"{told} On them: {fresh.headline}")
    if fresh.decision == "too few seeds":
        short = f"Not confirmed yet: {comparison.n} of the fresh seeds are done."
        return _Held("not confirmed yet", short, f"Not confirmed yet: {fresh.headline}")
    if earlier[0].decision not in DECIDED:
        outcome = "On"
    else:
        outcome = "Confirmed on" if earlier[0].decision == fresh.decision else "Not confirmed on"
    seeds = f"{outcome} {comparison.n} fresh seeds"
    known = comparison.deciding.known
    interval = f" ({span(comparison.deciding, first.margin)})" if known else ""
    estimate = f"{signed(comparison.difference.value)} points{interval}"
    within = f" within ±{first.margin:g} points" if fresh.decision == "equivalent" else ""
    chosen = len(before.arms) > 2  # noqa: PLR2004 - baseline and one arm leave nothing to choose
    curse = " by the seeds that it was chosen on; what was chosen tends to shrink" if chosen else ""
    was = f"The study's own estimate is {signed(earlier[0].difference.value)} points{curse}."
    return _Held(
        outcome.removesuffix(" on").lower() if outcome != "On" else fresh.decision,
        f"{seeds}: {fresh.decision}{within}, {estimate}.",
        f"{seeds}: {fresh.headline} {was}",
    )


def _to_confirm(condition: ConditionVerdict) -> str | None:
    """The chosen arm; where there is only one beside the baseline, that one, chosen or not."""
    enough = [c.arm for c in condition.comparisons if c.n >= FEWEST]
    if len(condition.comparisons) == 1:
        return enough[0] if enough else None
    return condition.chosen if condition.chosen in enough else None


def _why_not(verdict: Verdict) -> str:
    if any(condition.chosen is not None for condition in verdict.conditions):
        return "one whose validation data chose the baseline"
    if verdict.watches_test and not all(
        condition.decision == "too few seeds" for condition in verdict.conditions
    ):
        return "one that watched the test set, so that nothing may be chosen"
    return f"one with fewer than {FEWEST} paired seeds"


def _fresh(spec: StudySpec, condition: ConditionVerdict, arm: str) -> StudySpec:
    """Baseline and chosen arm at one condition, on as many seeds as the first study has, none of them its own."""
    network = next(hidden for hidden in spec.hidden if "-".join(map(str, hidden)) == condition.hidden)
    return replace(
        spec,
        name=f"{spec.name}-{CONFIRMATION}",
        arms=tuple(a for a in spec.arms if a.name in {condition.baseline, arm}),
        hidden=(network,),
        train_sizes=spec.train_sizes if len(spec.train_sizes) == 1 else (condition.train_size,),
        seeds=more_seeds((), len(spec.seeds), unlike=(*spec.seeds, FIRST_FRESH - 1)),
    )
