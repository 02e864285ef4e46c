"""Snapshot of a study, read once: the source of all outputs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dropstudy.analysis import stats
from dropstudy.analysis.stats.runs import at_condition
from dropstudy.core.metrics import margin_of, metric_of
from dropstudy.core.model import ModelSource
from dropstudy.core.text import first_of, plain_name
from dropstudy.core.types import CONDITION
from dropstudy.engine.trainer import trainer_of
from dropstudy.errors import DamagedFile, StoreError
from dropstudy.report.stamp import study_state
from dropstudy.report.test_set import TestSet, own_test_set, read_test_set
from dropstudy.runtime.messages import REPLACED
from dropstudy.spec.data_names import OWN_DATA
from dropstudy.store.directory import FIND_RATE, confirmations, has_database, not_started, redrawn, spec_of
from dropstudy.store.history import tidy
from dropstudy.store.models import MODEL
from dropstudy.store.paths import command
from dropstudy.store.reader import MEASURED
from dropstudy.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from dropstudy.analysis.answered import Answer
    from dropstudy.analysis.as_published import AsPublished
    from dropstudy.analysis.verdict import ConditionVerdict, Verdict
    from dropstudy.core.metrics import Metric
    from dropstudy.core.types import Arm, Run, Status, StudySpec, Weights
    from dropstudy.store.reader import ResultFiles, RunProgress

_FIRST = ("key", "arm", "rate", *CONDITION, "seed", "test_loss", "test_accuracy", "brier", "device")
COLUMNS = tuple(dict.fromkeys((*_FIRST, *MEASURED)))
"""Columns of `Snapshot.finals`, also where no run has finished."""

MAX_NAMED = 3
"""Damaged files that a message names."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A study at one moment.

    Tables in the terminal, the page, CSV files, JSON and the conclusion are made from one snapshot, so that they agree.

    Args:
        folder: the study's folder.
        spec: specification of the study, as recorded.
        metadata: recorded when the study was started, and since.
        progress: of every run, in the order of the plan.
        history: tidy, one row per run and epoch.
        finals: one row per finished run, with `COLUMNS`.
        files: weights and predictions, read on demand.
        failures: runs that failed or diverged, a sentence each.
        confirmations: studies on fresh seeds that confirm this one.
        redrawn: runs with one source drawn anew, a study for each source.
        state: digest of everything recorded.
        data_dir: folder to search first for the data.
        mc: networks to sample by Monte-Carlo dropout, 0 for none.
        source: what the study's Keras model is built from, where it is known beside the study's record.
    """

    folder: Path
    spec: StudySpec
    metadata: Mapping[str, Any]
    progress: tuple[RunProgress, ...]
    history: pd.DataFrame
    finals: pd.DataFrame
    files: ResultFiles
    failures: tuple[str, ...] = ()
    confirmations: tuple[Snapshot, ...] = ()
    redrawn: tuple[Snapshot, ...] = ()
    state: str = ""
    data_dir: Path | None = None
    mc: int = 0
    source: ModelSource | None = None
    _read: dict[tuple[str, str], dict[str, NDArray[Any]] | None] = field(default_factory=dict, repr=False)
    _damage: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)

    # Plan and verdict

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The study's arms, the baseline first."""
        return self.spec.arms

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """All runs in the order of the plan."""
        return tuple(each.run for each in self.progress)

    @cached_property
    def status(self) -> dict[str, Status]:
        """Status of each run, by key."""
        return {each.run.key: each.status for each in self.progress}

    @cached_property
    def conditions(self) -> tuple[tuple[str, int], ...]:
        """Hidden layers as text and training examples of each condition, in the order of the plan."""
        return tuple(dict.fromkeys(_condition(run) for run in self.runs))

    @property
    def model_source(self) -> ModelSource:
        """What the study's Keras model is built from."""
        return self.source or ModelSource(self.metadata[MODEL])

    @property
    def has_own_data(self) -> bool:
        """True for a study of a training function that brings its data, which dropstudy does not see."""
        return bool(self.metadata["data"] == OWN_DATA)

    def known(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table without the training size, where only a training function knows it."""
        return table.drop(columns="train_size", errors="ignore") if self.has_own_data else table

    @property
    def metric(self) -> Metric:
        """What the study judges its arms by."""
        return metric_of(self.spec)

    @property
    def pairing(self) -> str:
        """Sentence on what runs of one seed share."""
        if self.spec.of_function:
            return "Runs of one seed got the same seed; what they share is up to the training function."
        return "Runs of one seed share split, initial weights and batch order in all arms."

    @property
    def margin(self) -> float:
        """Equivalence margin, in the unit of the metric."""
        return margin_of(self.spec)

    @cached_property
    def verdict(self) -> Verdict:
        """Verdict of the study, with those of its confirmations."""
        # scipy and statsmodels are slow to import, and not every command needs them.
        from dropstudy.analysis.assess import assess  # noqa: PLC0415
        from dropstudy.analysis.confirm import with_confirmations  # noqa: PLC0415
        from dropstudy.analysis.redrawn import with_sources  # noqa: PLC0415
        from dropstudy.analysis.search_answer import verdict_of_search  # noqa: PLC0415

        first = assess(
            self.spec,
            self.metadata,
            self.history,
            self.finals,
            outcomes=self.outcomes,
            predictions=self.predictions_of,
            truth=lambda: None if self.test_set is None else self.test_set.y,
        )
        anew = {each.spec.redraw: each.finals for each in self.redrawn if each.spec.redraw}
        confirmed = with_confirmations(first, [fresh.verdict for fresh in self.confirmations])
        found = verdict_of_search(confirmed) if self.metadata.get(FIND_RATE) else confirmed
        return with_sources(found, self.spec, self.finals, anew)

    @cached_property
    def answer(self) -> Answer:
        """Answer of the study in plain words."""
        from dropstudy.analysis.as_published import in_words  # noqa: PLC0415 - as above
        from dropstudy.analysis.next_steps import next_steps  # noqa: PLC0415 - as above
        from dropstudy.analysis.search_answer import answer_of  # noqa: PLC0415 - as above

        steps = next_steps(self.verdict, self.spec, self.folder, data_dir=self.data_dir)
        answer = answer_of(self.verdict, self.spec, steps, searched=bool(self.metadata.get(FIND_RATE)))
        return replace(answer, published=in_words(self.published))

    @cached_property
    def published(self) -> tuple[AsPublished, ...]:
        """Each published result that the study repeats, beside its own."""
        from dropstudy.analysis.as_published import as_published, other_length  # noqa: PLC0415 - as above

        steps = {run.condition: run.steps for run in self.runs}
        baseline, length = self.arms[0].name, other_length(self.spec)
        return as_published(self.spec.published, self.finals, steps, baseline, length)

    @cached_property
    def summaries(self) -> tuple[stats.ArmSummary, ...]:
        """Summary of the finished runs of each arm, condition by condition."""
        return stats.summarise(self.history, self.finals, self.arms, self.outcomes)

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """Outcome of every run of the plan: arm, hidden, train_size, seed, status."""
        rows = [(s.run.arm.name, *_condition(s.run), s.run.seed, s.status) for s in self.progress]
        return pd.DataFrame(rows, columns=["arm", *CONDITION, "seed", "status"])

    def condition_verdict(self, condition: tuple[str, int]) -> ConditionVerdict:
        """Verdict of one condition."""
        return next(s for s in self.verdict.conditions if (s.hidden, s.train_size) == condition)

    def mcnemar(self) -> pd.DataFrame:
        """McNemar's test of every arm against the baseline, seed by seed; columns as in `Results.mcnemar`."""
        from dropstudy.analysis.assess import pairs_of_runs  # noqa: PLC0415 - as above

        done = [each.run for each in self.progress if each.status == "done"]
        return pairs_of_runs(done, self.arms[0].name, self.predictions_of)

    @property
    def all_failures(self) -> list[str]:
        """Runs that failed or diverged, a sentence each; with those of the studies inside it."""
        fresh = [f"on fresh seeds, {line}" for study in self.confirmations for line in study.failures]
        anew = [f"{each.spec.redraw} drawn anew, {line}" for each in self.redrawn for line in each.failures]
        return [*self.failures, *fresh, *anew]

    # Tables

    @cached_property
    def finished_history(self) -> pd.DataFrame:
        """History of the finished runs of each arm and condition: only these may be averaged."""
        parts = [
            stats.finished_history(
                self.of_condition(self.history, s), self.of_condition(self.finals, s), self.arms
            )
            for s in self.conditions
        ]
        return pd.concat(parts, ignore_index=True) if parts else self.history

    def of_condition(self, frame: pd.DataFrame, condition: tuple[str, int]) -> pd.DataFrame:
        """The rows of a table that belong to a condition."""
        return at_condition(frame, *condition)

    # Examples and networks

    @cached_property
    def test_set(self) -> TestSet | None:
        """The test examples; None if the data are missing or differ from those that the study was started with."""
        if self.has_own_data:
            done = (run for run in self.runs if self.status[run.key] == "done")
            return own_test_set(next(filter(None, (self._result("predictions", run) for run in done)), {}))
        return read_test_set(self.spec, self.metadata, self.data_dir)

    def test_inputs(self, run: Run, test: TestSet, most: int | None = None) -> NDArray[Any]:
        """Test examples as the network of a run receives them, except for `scale`: the first `most`, or all."""
        return test.inputs(self._result("weights", run) or {}, most)

    def finished(self, arm: str, condition: tuple[str, int]) -> list[Run]:
        """An arm's finished runs of a condition, by seed."""
        keys = set(self.finals["key"])
        chosen = [r for r in self.runs if r.arm.name == arm and _condition(r) == condition and r.key in keys]
        return sorted(chosen, key=lambda run: run.seed)

    def predictions(self, runs: list[Run]) -> dict[str, NDArray[Any]] | None:
        """`labels`, `confidence` and `likelihood` of runs, (runs, n) each; None if a run's are missing or damaged."""
        read = [found for run in runs if (found := self._result("predictions", run)) is not None]
        if not read or len(read) < len(runs):
            return None
        shared = [name for name in read[0] if all(name in one for one in read)]
        return {name: np.stack([one[name] for one in read]) for name in shared}

    def predictions_of(
        self, arm: str, hidden: str, train_size: int, seed: int
    ) -> dict[str, NDArray[Any]] | None:
        """Predictions of one run as in `predictions`, (n,) each."""
        run = self._runs_by_place.get((arm, hidden, train_size, seed))
        return None if run is None else self._result("predictions", run)

    def networks(self, runs: list[Run], limit: int) -> list[tuple[Run, Weights]]:
        """The first `limit` of these runs whose weights are stored and undamaged, with the weights; none of a model.

        What a layer of a Keras model means is not known.
        """
        if self.spec.model is not None:
            return []
        found: list[tuple[Run, Weights]] = []
        for run in runs:
            if len(found) == limit:
                break
            weights = self._result("weights", run)  # a study may store those of a few runs, or of none
            if weights is not None:
                found.append((run, trainer_of(run.condition).layers(run.condition, weights)))
        return found

    @cached_property
    def _runs_by_place(self) -> dict[tuple[str, str, int, int], Run]:
        return {(run.arm.name, *_condition(run), run.seed): run for run in self.runs}

    def _result(self, what: str, run: Run) -> dict[str, NDArray[Any]] | None:
        """Weights or predictions of a run; None if they are not stored or cannot be read.

        Predictions are read once. Missing and damaged files are recorded for `left_out`.
        """
        place = (what, run.key)
        if place in self._read:
            return self._read[place]
        found = None
        try:
            if self.files.has(what, run.key):
                found = self.files.read(what, run.key)
        except StoreError as error:
            wrong = "is not what was written" if isinstance(error, DamagedFile) else "is missing"
            self._damage[place] = f"the {what} of {run.arm.name!r}, seed {run.seed} ({error.subject} {wrong})"
        if what == "predictions":  # weights are many times as large
            self._read[place] = found
        return found

    def sampled(self, run: Run, weights: Weights, test: TestSet) -> NDArray[np.float32]:
        """Mean probabilities of the networks sampled by dropout from a run, (n, classes)."""
        from dropstudy.models.mc_dropout import sampled_probabilities  # noqa: PLC0415 - asked for rarely

        return sampled_probabilities(
            weights,
            self.test_inputs(run, test),
            arm=run.arm,
            activation=run.activation,
            scale=test.scale,
            samples=self.mc,
            seed=run.seed,
        )

    # Text

    @property
    def left_out(self) -> str | None:
        """Sentence on damaged and missing files, whose results are left out; None if there are none.

        Only files that were read are known: make all outputs before asking for this.
        """
        found = list(self._damage.values())
        if not found:
            return None
        return (
            f"Left out, with all that depends on it: {first_of(found, MAX_NAMED, '; ')}. "
            f"To train such a run again, delete its damaged file, then: {command('run', self.folder)}"
        )

    @property
    def fallback_note(self) -> str | None:
        """Sentence on the data used in place of MNIST; None if there was no need."""
        return REPLACED if self.metadata["fallback"] else None

    @property
    def subtitle(self) -> str:
        """Name of the study and its data, for the subtitle of figures."""
        if self.has_own_data:
            return plain_name(self.spec.name)
        line = f"{plain_name(self.spec.name)}, data: {plain_name(self.metadata['data'])}"
        return f"{line} ({plain_name(self.fallback_note, 90)})" if self.fallback_note else line


def read_snapshot(folder: Path, *, data_dir: Path | None = None, mc: int = 0) -> Snapshot:
    """Read a study's present state from its folder; arguments as for `Snapshot`.

    Raises:
        StoreError: there is no study, nothing has been recorded yet, or its database cannot be used.
    """
    with Store(folder) as store:
        metadata, progress, histories = store.meta, tuple(store.progress()), store.history_rows()
        finals = {row["key"]: row for row in store.finals()}
        failures, files, digest = tuple(store.failures()), store.result_files(), store.digest
    spec = spec_of(metadata)
    if spec is None:
        raise not_started(folder)
    confirming, anew = (_inner(paths, spec, data_dir) for paths in (confirmations(folder), redrawn(folder)))
    rows = [
        {
            **finals[run.key],
            "arm": run.arm.name,
            "rate": run.arm.common_rate,
            "hidden": run.condition.layers,
            "train_size": run.condition.train_size,
        }
        for run in (each.run for each in progress if each.run.key in finals)
    ]
    return Snapshot(
        folder,
        spec,
        metadata,
        progress,
        tidy((each.run, histories.get(each.run.key, ())) for each in progress),
        pd.DataFrame(rows, columns=COLUMNS),
        files,
        failures,
        confirming,
        anew,
        study_state(metadata, digest, [inner.state for inner in (*confirming, *anew)]),
        data_dir,
        mc,
    )


def _inner(paths: list[Path], spec: StudySpec, data_dir: Path | None) -> tuple[Snapshot, ...]:
    """Studies inside another one. Its metric and margin count, not those that they recorded."""
    found = (read_snapshot(path, data_dir=data_dir) for path in paths if has_database(path))
    return tuple(replace(s, spec=replace(s.spec, metric=spec.metric, margin=spec.margin)) for s in found)


def _condition(run: Run) -> tuple[str, int]:
    return run.condition.layers, run.condition.train_size
