"""Next steps of a study: the commands that answer what is open, with the time that they take."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from math import ceil, isfinite, isnan
from statistics import fmean
from typing import TYPE_CHECKING

from dropstudy.analysis.verdict.phrases import is_dropout
from dropstudy.analysis.verdict.remarks import longer, unfinished
from dropstudy.analysis.verdict.rule import MAX_SEEDS, SEEDS
from dropstudy.analysis.verdict.sameness import all_the_same, nothing_to_improve
from dropstudy.analysis.verdict.undecided import more_examples, seeds_in_all, up_to
from dropstudy.core.hardware import physical_cores
from dropstudy.runtime.progress.eta import about
from dropstudy.spec.arms import has_choice
from dropstudy.spec.merge import differences
from dropstudy.spec.study_file import read_spec
from dropstudy.store.directory import is_finished, recorded_spec
from dropstudy.store.paths import command, named

if TYPE_CHECKING:
    from pathlib import Path

    from dropstudy.analysis.verdict import Verdict
    from dropstudy.core.model import ModelReference
    from dropstudy.core.types import StudySpec

TUNE = "tune"
"""Preset that finds a rate; its rates, its seeds and its validation data are proposed for other networks too."""

_SHORT = 45.0
"""Seconds of training below which the start of the workers and the report take as long."""


@dataclass(frozen=True)
class NextStep:
    """A step to take next; `str()` gives it as a line that ends with the command.

    Args:
        purpose: what it is for: "For a verdict".
        command: to copy; empty where there is none.
        seconds: of training, about; None where that is not known.
    """

    purpose: str
    command: str = ""
    seconds: float | None = None

    def __str__(self) -> str:
        return f"{self.lead} {self.command}".rstrip()

    @property
    def lead(self) -> str:
        """What stands before the command: purpose and time."""
        if not self.command:
            return f"{self.purpose}."
        if self.seconds is None:
            return f"{self.purpose}:"
        time = "less than a minute" if self.seconds < _SHORT else about(self.seconds)
        return f"{self.purpose} ({time}):"


def next_steps(  # noqa: PLR0911 - one for each case
    verdict: Verdict, spec: StudySpec, folder: Path, *, data_dir: Path | None = None
) -> tuple[NextStep, ...]:
    """What to do next, the most useful first."""
    if spec.model is not None and (spec.of_function or not spec.model.can_be_continued):
        return _of_code(verdict, spec.model, spec, folder)
    data = "" if data_dir is None else f" --data-dir {shlex.quote(str(data_dir))}"
    run, folder = f"{command('run', folder)}{data}", named(folder)
    every = [scores for condition in verdict.conditions for scores in condition.arms]
    open_runs = sum(arm.missing for arm in every)
    if open_runs:
        return (NextStep("To finish the study", run, seconds_of(verdict, open_runs)),)
    if failed := sum(arm.failed for arm in every):
        return (NextStep("To train the failed runs again", run, seconds_of(verdict, failed)),)
    if len(spec.arms) == 1:
        return _second_arm(verdict, spec, run)
    longer_runs = _more_epochs(verdict, spec, run, folder)
    # While the baseline improves too, a verdict or a choice on so few epochs is of no use.
    short = bool(longer_runs) and any(
        arm.improving for arm in every if arm.seeds and arm.arm == spec.arms[0].name
    )
    rate = [] if short else _choose_rate(verdict, spec, run, folder, data)
    decisions = {condition.decision for condition in verdict.conditions}
    if "diverged" in decisions or not any(arm.seeds for arm in every):
        return (_lower_learning_rate(verdict, spec, run, folder),)
    if "too few seeds" in decisions:
        missing = len(set(range(SEEDS)) - set(spec.seeds)) * len(every)
        seeds = NextStep("For a verdict", f"{run} --seeds {SEEDS}", seconds_of(verdict, missing))
        return tuple(longer_runs) if short else (seeds, *(longer_runs or rate))
    if not verdict.decided:
        same = all(map(all_the_same, verdict.conditions))
        decide = _harder(verdict, spec, run, folder) if same else [_decide(verdict, spec, run)]
        return (*longer_runs, *decide, *([] if same else rate))
    to_confirm = has_choice(spec.arms) and verdict.chosen not in {None, spec.arms[0].name}
    confirmed = {
        c.arm for fresh in verdict.confirmations for each in fresh.conditions for c in each.comparisons
    }
    if to_confirm and verdict.chosen not in confirmed:
        runs = 2 * len(spec.seeds) * len(verdict.conditions)
        confirm = NextStep("To confirm it on fresh seeds", f"{run} --confirm", seconds_of(verdict, runs))
        return (*longer_runs, confirm)
    return (*longer_runs, *rate)


def _of_code(verdict: Verdict, model: ModelReference, spec: StudySpec, folder: Path) -> tuple[NextStep, ...]:
    """Steps of a study of a training function, or of a model that only a script can build: more runs."""
    every = [scores for condition in verdict.conditions for scores in condition.arms]
    if model.can_be_continued:
        again, seeds = command("run", folder), f"{command('run', folder)} --seeds {{}}"
    else:
        call = f"dropstudy.compare({model.name}, ..., out={str(folder)!r}"
        again, seeds = f"{call})", f"{call}, seeds={{}})"
    if missing := sum(arm.missing for arm in every):
        return (NextStep("To finish the study", again, seconds_of(verdict, missing)),)
    if failed := sum(arm.failed for arm in every):
        return (NextStep("To train the failed runs again", again, seconds_of(verdict, failed)),)
    found = verdict.open_comparisons
    if any(c.decision == "too few seeds" for c in found):
        runs = max(0, SEEDS - len(spec.seeds)) * len(every)
        return (NextStep("For a verdict", seeds.format(SEEDS), seconds_of(verdict, runs)),)
    if more := more_examples(found, verdict.margin):
        return (NextStep(f"To decide, use {more}, not more seeds"),)
    needed = seeds_in_all((c for c in found if c.decision == "undecided"), verdict.margin)
    if not isfinite(needed):
        return ()
    total = max(len(spec.seeds) + 1, round(needed))
    runs = (total - len(spec.seeds)) * len(every)
    purpose = f"For a decision, probably {up_to(total)}"
    return (NextStep(purpose, seeds.format(total), seconds_of(verdict, runs)),)


def seconds_of(verdict: Verdict, runs: int) -> float | None:
    """Seconds of this many runs, from those of the study; None where none has finished."""
    times = [
        arm.seconds
        for condition in verdict.conditions
        for arm in condition.arms
        if arm.seeds and isfinite(arm.seconds)
    ]
    return ceil(runs / physical_cores()) * fmean(times) if times else None


def _second_arm(verdict: Verdict, spec: StudySpec, run: str) -> tuple[NextStep, ...]:
    (arm,) = spec.arms
    if not is_dropout(arm):
        return (NextStep("Add an arm to compare it with (--arms)"),)
    other = 0 if arm.rate else 0.5
    seeds = max(SEEDS, len(spec.seeds))
    runs = (2 * seeds - len(spec.seeds)) * len(verdict.conditions)
    flags = f" --rates {arm.common_rate:g},{other:g} --seeds {seeds}"
    return (NextStep("To compare it", f"{run}{flags}", seconds_of(verdict, runs)),)


def _decide(verdict: Verdict, spec: StudySpec, run: str) -> NextStep:
    """More seeds, or why they do not help."""
    comparisons = verdict.open_comparisons
    if more := more_examples(comparisons, verdict.margin):
        return NextStep(f"To decide, use {more}, not more seeds")
    projected = seeds_in_all(comparisons, verdict.margin)
    needed = 2.0 * len(spec.seeds) if isnan(projected) else projected
    if not isfinite(needed):
        return NextStep("A decision needs more than 10,000 seeds: the difference is too small")
    total = max(len(spec.seeds) + 1, round(needed))  # failed or removed seeds are no pairs
    most = f" --max-seeds {total}" if total > MAX_SEEDS else ""
    runs = (total - len(spec.seeds)) * len(spec.arms) * len(verdict.conditions)
    purpose = "For a decision" if isnan(projected) else f"For a decision, probably {up_to(total)}"
    return NextStep(purpose, f"{run} --until-decided{most}", seconds_of(verdict, runs))


def _is_done(place: Path, spec: StudySpec) -> bool:
    """True where a study that would be proposed, on the same data, is finished already."""
    if not is_finished(place):
        return False
    there = recorded_spec(place)
    return there is not None and there.data == spec.data


def _more_epochs(verdict: Verdict, spec: StudySpec, run: str, folder: Path) -> list[NextStep]:
    """A new study that trains longer, where networks were still improving."""
    every = [scores for condition in verdict.conditions for scores in condition.arms]
    if all(map(nothing_to_improve, verdict.conditions)) or not any(map(unfinished, verdict.conditions)):
        return []
    epochs = longer(max(arm.most_epochs for arm in every))
    few = len(spec.seeds) < SEEDS
    seeds = max(SEEDS, len(spec.seeds))
    seconds = seconds_of(verdict, len(every) * seeds)
    factor = epochs / fmean(arm.epochs for arm in every if arm.seeds)
    name = re.sub(r"-\d+-epochs$", "", folder.name)
    place = folder.with_name(f"{name}-{epochs}-epochs")
    if _is_done(place, spec):
        return [NextStep(f"The study with {epochs} epochs is finished", command("show", place))]
    out = shlex.quote(str(place))
    return [
        NextStep(
            f"{'For a verdict' if few else 'To see the answer'} after {epochs} epochs",
            f"{run} --epochs {epochs}{f' --seeds {SEEDS}' if few else ''} --out {out}",
            None if seconds is None else factor * seconds,
        )
    ]


def _harder(verdict: Verdict, spec: StudySpec, run: str, folder: Path) -> list[NextStep]:
    """What to do where all networks did the same: a study of fewer training examples, or nothing."""
    if any(arm.one_class for condition in verdict.conditions for arm in condition.arms):
        return [_lower_learning_rate(verdict, spec, run, folder)]
    size = min(condition.train_size for condition in verdict.conditions) // 10
    if size < spec.batch_size:
        return [NextStep("There is nothing to decide here; a harder task may show a difference")]
    place = folder.with_name(f"{folder.name}-{size}-examples")
    if _is_done(place, spec):
        return [NextStep(f"The study of {size:,} training examples is finished", command("show", place))]
    out = shlex.quote(str(place))
    runs = len(spec.arms) * len(spec.seeds) * len(spec.hidden)
    return [
        NextStep(
            f"To see whether dropout helps with {size:,} training examples",
            f"{run} --train-sizes {size} --out {out}",
            seconds_of(verdict, runs),
        )
    ]


def _lower_learning_rate(verdict: Verdict, spec: StudySpec, run: str, folder: Path) -> NextStep:
    """A new study that is less likely to diverge."""
    rate = f"{spec.optimizer.learning_rate / 10:g}"
    place = folder.with_name(f"{folder.name}-learning-rate-{rate}")
    if _is_done(place, spec):
        return NextStep("The study with a lower learning rate is finished", command("show", place))
    out = shlex.quote(str(place))
    runs = len(spec.arms) * len(spec.seeds) * len(verdict.conditions)
    return NextStep(
        "To try a lower learning rate", f"{run} --learning-rate {rate} --out {out}", seconds_of(verdict, runs)
    )


def _choose_rate(verdict: Verdict, spec: StudySpec, run: str, folder: Path, data: str) -> list[NextStep]:
    """A new study that holds out validation data and may choose a rate, where this one may not.

    It is the preset where that trains this network in this way.
    """
    if not all(map(is_dropout, spec.arms)) or (has_choice(spec.arms) and not spec.watches_test):
        return []
    tune = read_spec(TUNE)
    rates, seeds = [arm.common_rate for arm in spec.arms], max(len(tune.seeds), len(spec.seeds))
    several = has_choice(spec.arms)
    if not several and _trains_as(spec, tune):
        rates = [arm.common_rate for arm in tune.arms]
        named = "" if spec.data == "mnist" else f" --data {shlex.quote(str(spec.data))}"
        more = f" --seeds {seeds}" if seeds > len(tune.seeds) else ""
        proposed = f"dropstudy run {TUNE}{named}{data}{more}"
    else:
        if not several:
            rates = sorted({*rates, *(arm.common_rate for arm in tune.arms)})
        flags = "" if several else f" --rates {','.join(f'{rate:g}' for rate in rates)}"
        flags += f" --seeds {seeds}" if seeds > len(spec.seeds) else ""
        flags += f" --validation-split {tune.validation_split:g}" if spec.watches_test else ""
        out = folder.with_name(f"{folder.name}-rates")
        if _is_done(out, spec):
            return [NextStep("The study that chooses a rate is finished", command("show", out))]
        proposed = f"{run}{flags} --out {shlex.quote(str(out))}"
    seconds = seconds_of(verdict, len(rates) * seeds * len(verdict.conditions))
    return [NextStep("To find out which rate to use", proposed, seconds)]


def _trains_as(spec: StudySpec, other: StudySpec) -> bool:
    """True if two studies train the same networks in the same way, on whichever data."""
    asked = replace(other, data=None, validation_split=spec.validation_split)
    same_grid = (spec.hidden, spec.train_sizes) == (other.hidden, other.train_sizes)
    return same_grid and not differences(spec, asked)
