"""Search the best rate of a study: train, look at the validation data, and train what they call for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dropstudy.analysis.confirm import baseline_chosen, to_confirm
from dropstudy.analysis.find_rate import (
    START,
    START_SEEDS,
    next_round,
    refuse_to_find_rate,
    runs_left,
)
from dropstudy.analysis.sequential import more_seeds
from dropstudy.analysis.verdict.pairs import pair_runs
from dropstudy.analysis.verdict.rule import SEEDS
from dropstudy.core.text import counted
from dropstudy.errors import InvalidArgument
from dropstudy.runtime.progress.display import taken_once
from dropstudy.spec.arms import arm_name
from dropstudy.store.directory import (
    FIND_RATE,
    confirmations,
    has_database,
    is_finished,
    read_metadata,
    recorded_spec,
)
from dropstudy.store.locking import lock
from dropstudy.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dropstudy.analysis.find_rate import Round
    from dropstudy.analysis.verdict import Verdict
    from dropstudy.core.types import Arm, StudySpec
    from dropstudy.report.snapshot import Snapshot
    from dropstudy.study.study import Study


def prepare(study: Study, max_runs: int) -> int:
    """Give a study the rates and seeds that its search starts with, or refuse the search.

    Returns:
        The budget.

    Raises:
        InvalidArgument: as for `Study.find_rate`.
    """
    known = read_metadata(study.folder) if has_database(study.folder) else {}
    spec = study.spec
    stored = recorded_spec(study.folder)
    if "arms" in study.left_open:
        started = tuple(with_rate(spec.arms[0], rate) for rate in START)
        spec = replace(spec, arms=stored.arms if stored else started)
    if "seeds" in study.left_open:
        spec = replace(spec, seeds=stored.seeds if stored else tuple(range(START_SEEDS)))
    searching = bool(known.get(FIND_RATE))
    budget = refuse_to_find_rate(spec, max_runs, seeds=len(spec.seeds), searching=searching)
    study.spec = spec
    if searching:  # the rates and seeds that it has added
        study.unrequested = []
    return budget


def with_rate(arm: Arm, rate: float) -> Arm:
    """An arm with another rate, named after its settings."""
    other = replace(arm, rate=rate, name="")
    return replace(other, name=arm_name(other))


def find_rate(study: Study, max_runs: int, how: dict[str, Any]) -> Verdict:
    """Search and confirm; as `Study.find_rate`."""
    max_runs = prepare(study, max_runs)
    callback = taken_once(how)
    how |= {"callbacks": callback, "verbose": False}
    known = read_metadata(study.folder).get(FIND_RATE) if has_database(study.folder) else None
    had, seeds, going_on = known["seeds"] if known else {}, len(study.spec.seeds), not study.finished
    study._search = _search(study.spec, max_runs, [had.get(arm.name, seeds) for arm in study.spec.arms])  # noqa: SLF001
    study.run(**how)
    study._announced = True  # noqa: SLF001
    while True:
        snapshot = study.results().snapshot
        spec, counts = snapshot.spec, seeds_of(snapshot)
        left = runs_left(max_runs, len(snapshot.runs), sum(count for _, count in _confirmed(study)))
        found = next_round([arm.common_rate for arm in spec.arms], counts, scores(snapshot), left)
        if found is None:
            break
        going_on = True
        callback.on_notice(_about(found, spec, max_runs, len(snapshot.runs)))
        arms, counts = _grown(spec, counts, found)
        study.spec = replace(spec, arms=arms, seeds=more_seeds(spec.seeds, found.seeds))
        study._search = _search(study.spec, max_runs, counts)  # noqa: SLF001
        study.run(**how)
    if max_runs >= len(snapshot.runs):  # a larger budget may train fresh seeds alone
        with lock(study.folder), Store(study.folder, write=True) as store:
            store.record({FIND_RATE: study._search})  # noqa: SLF001
    study._search = None  # noqa: SLF001
    return _confirm(study, snapshot, max_runs, how, going_on=going_on)


def _confirm(
    study: Study, snapshot: Snapshot, max_runs: int, how: dict[str, Any], *, going_on: bool
) -> Verdict:
    verdict, notify, confirmed = snapshot.verdict, how["callbacks"].on_notice, _confirmed(study)
    chosen, none_chosen = to_confirm(verdict.conditions[0]), baseline_chosen(verdict)
    had = sum(count for arms, count in confirmed if chosen in arms)
    left = max_runs - len(snapshot.runs) - sum(count for arms, count in confirmed if chosen not in arms)
    if not going_on and (none_chosen or (had and 2 * (left // 2) <= had)) and _fresh_finished(study):
        notify(f"This search is finished; nothing to train. {study.folder}")
    elif none_chosen:
        unused = counted(left, "run")
        notify(f"Validation data chose no dropout, so there is nothing to confirm: {unused} not needed.")
    elif chosen is None:
        notify("Search ends: validation data could not choose a rate, so there is nothing to confirm.")
    elif left < 2 * SEEDS:
        few = f"{counted(max(0, left), 'run')} of {max_runs} left"
        notify(f"{few}, too few for {SEEDS} fresh seeds (--find-rate).")
    else:
        notify(f"Search ends: {chosen!r}. It and the baseline are trained on {left // 2} fresh seeds.")
        return study.confirm(seeds=left // 2, **how)
    return study.verdict()


def _fresh_finished(study: Study) -> bool:
    return all(map(is_finished, confirmations(study.folder)))


def _confirmed(study: Study) -> list[tuple[set[str], int]]:
    """Arms and number of runs of each confirmation."""
    found = []
    for path in filter(has_database, confirmations(study.folder)):
        with Store(path) as store:
            runs = store.runs()
            found.append(({run.arm.name for run in runs}, len(runs)))
    return found


def seeds_of(snapshot: Snapshot) -> list[int]:
    """Number of seeds of each arm, by the plan."""
    names = [run.arm.name for run in snapshot.runs]
    return [names.count(arm.name) for arm in snapshot.arms]


def scores(snapshot: Snapshot) -> NDArray[np.float64]:
    """Validation scores, higher is better: (seeds, arms), NaN where there is none. Arms that diverged have none.

    Raises:
        InvalidArgument: no run has one.
    """
    metric = snapshot.metric
    runs = pair_runs(snapshot.history, snapshot.finals, snapshot.arms, outcomes=snapshot.outcomes)
    columns = [runs.of(arm.name)[metric.validation] for arm in snapshot.arms]
    table = pd.concat(columns, axis=1).reindex(list(snapshot.spec.seeds)).to_numpy(dtype=np.float64)
    table[:, [runs.diverged(arm.name) > 0 for arm in snapshot.arms]] = np.nan
    if np.isnan(table).all():
        raise InvalidArgument(
            "find_rate",
            expected=f"runs that report {metric.title} on validation data, to search on",
            received="none that does",
            next_step=f"Let the training function return {metric.validation}, or compare rates without a search: leave "
            "out --find-rate.",
        )
    return metric.sign * metric.factor * table


def _search(spec: StudySpec, max_runs: int, counts: Sequence[int]) -> dict[str, Any]:
    return {"runs": max_runs, "seeds": dict(zip((arm.name for arm in spec.arms), counts, strict=True))}


def _grown(spec: StudySpec, counts: Sequence[int], found: Round) -> tuple[tuple[Arm, ...], list[int]]:
    """Arms and their seeds after a round."""
    seeds = [found.seeds if place in found.racing else count for place, count in enumerate(counts)]
    if found.new is None:
        return spec.arms, seeds
    return (*spec.arms, with_rate(spec.arms[1], found.new)), [*seeds, found.seeds]


def _about(found: Round, spec: StudySpec, max_runs: int, used: int) -> str:
    rates = ", ".join(f"{spec.arms[place].common_rate:g}" for place in found.racing)
    new = "" if found.new is None else f", and {found.new:g} is new"
    return f"Run {used} of {max_runs}: rates {rates} get {found.seeds} seeds{new}."
