"""The chosen arm once more, on seeds that had no part in choosing it.

Whichever arm looks best looks better than it is: luck is part of what it was chosen by (the winner's curse). So the
chosen arm and the baseline are trained again, on fresh seeds, in a study of their own inside the first one's folder;
its verdict is about one arm and nothing was chosen on it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dropstudy.deciding import FEWEST, more_seeds
from dropstudy.errors import InvalidArgument
from dropstudy.files import write_text
from dropstudy.folder import CONFIRMATION, command
from dropstudy.spec import STUDY_FILE, is_study, to_toml
from dropstudy.verdict.words import signed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dropstudy.records import StudySpec
    from dropstudy.verdict import ShapeVerdict, Verdict


def prepare(folder: Path, spec: StudySpec, verdict: Verdict) -> list[Path]:
    """Write the studies that confirm a verdict, one for each shape that has a chosen arm, where they are not there yet.

    Args:
        folder: of the study that was decided.
        spec: what it compares.
        verdict: on it.

    Returns:
        Their folders.

    Raises:
        InvalidArgument: there is nothing to confirm: nothing was or could be chosen, or the baseline was.
    """
    chosen = [(shape, arm) for shape in verdict.shapes if (arm := _to_confirm(shape)) is not None]
    if not chosen:
        raise InvalidArgument(
            "confirm",
            expected="a study whose validation data chose an arm, or that has one arm beside the baseline",
            received=_why_not(verdict),
            next_step=f"`{command('show', folder)}` has its verdict.",
        )
    folders = []
    for shape, arm in chosen:
        where = folder / CONFIRMATION
        if len(verdict.shapes) > 1:
            where /= f"{shape.hidden}-{shape.train_size}"
        if not is_study(where):
            where.mkdir(parents=True, exist_ok=True)
            write_text(where / STUDY_FILE, to_toml(_fresh(spec, shape, arm)))
        folders.append(where)
    return folders


def with_confirmations(first: Verdict, fresh: Sequence[Verdict]) -> Verdict:
    """A verdict and, beside its estimates, those of the studies that confirm it; these alone are free of choice.

    Args:
        first: what the study shows.
        fresh: what each study that confirms it shows.
    """
    if not fresh:
        return first
    told = [_beside_the_first(first, shape) for verdict in fresh for shape in verdict.shapes]
    return replace(first, sentences=(*first.sentences, *told), confirmations=tuple(fresh))


def _beside_the_first(first: Verdict, fresh: ShapeVerdict) -> str:
    comparison = fresh.comparisons[0]
    if fresh.decision == "too few seeds":
        return f"Not confirmed yet: {fresh.headline}"
    estimates = [
        c.difference.value
        for shape in first.shapes
        if (shape.hidden, shape.train_size) == (fresh.hidden, fresh.train_size)
        for c in shape.comparisons
        if c.arm == comparison.arm
    ]
    chosen = len(first.shapes[0].arms) > 2  # noqa: PLR2004 - baseline and one arm leave nothing to choose
    curse = " by the seeds that it was chosen on; what was chosen tends to shrink" if chosen else ""
    before = f" The first estimate was {signed(estimates[0])} points{curse}." if estimates else ""
    return f"On {comparison.n} fresh seeds: {fresh.headline}{before}"


def _to_confirm(shape: ShapeVerdict) -> str | None:
    """The chosen arm; where there is only one beside the baseline, that one, chosen or not."""
    enough = [c.arm for c in shape.comparisons if c.n >= FEWEST]
    if len(shape.comparisons) == 1:
        return enough[0] if enough else None
    return shape.chosen if shape.chosen in enough else None


def _why_not(verdict: Verdict) -> str:
    if any(shape.chosen is not None for shape in verdict.shapes):
        return "one whose validation data chose the baseline"
    if verdict.watches_test and not all(shape.decision == "too few seeds" for shape in verdict.shapes):
        return "one that watched the test set, so that nothing may be chosen"
    return f"one with fewer than {FEWEST} paired seeds"


def _fresh(spec: StudySpec, shape: ShapeVerdict, arm: str) -> StudySpec:
    """Baseline and chosen arm at one shape, on as many seeds as the first study has, none of them its own."""
    network = next(hidden for hidden in spec.hidden if "-".join(map(str, hidden)) == shape.hidden)
    return replace(
        spec,
        name=f"{spec.name}-{CONFIRMATION}",
        arms=tuple(a for a in spec.arms if a.name in {shape.baseline, arm}),
        hidden=(network,),
        train_sizes=spec.train_sizes if len(spec.train_sizes) == 1 else (shape.train_size,),
        seeds=more_seeds((), len(spec.seeds), unlike=spec.seeds),
    )
