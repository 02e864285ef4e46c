"""What a report is made from: a study as its folder holds it at one moment, read once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dropstudy import stats
from dropstudy.data import load_dataset
from dropstudy.errors import DropstudyError
from dropstudy.history import tidy
from dropstudy.names import counted, plain_name
from dropstudy.progress import STAND_IN
from dropstudy.records import SHAPE
from dropstudy.store import Store
from dropstudy.tensors import unpack_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from dropstudy.records import Arm, Run, StudySpec, Weights
    from dropstudy.verdict import ShapeVerdict, Verdict

COLUMNS = ("key", "arm", "rate", *SHAPE, "seed", "test_loss", "test_accuracy", "brier", "device")
"""Of `Source.finals`; more may follow."""


@dataclass(frozen=True)
class TestSet:
    """The examples that every run was tested on.

    Args:
        x: (n, *input_shape), as the dataset holds them: not yet divided by `scale`.
        y: labels, (n,).
        classes: one name per class.
        scale: the network sees `x / scale`.
    """

    x: NDArray[np.generic]
    y: NDArray[np.int64]
    classes: tuple[str, ...]
    scale: float

    @property
    def images(self) -> bool:
        """True where an example is a picture: two dimensions, or three with one or three channels."""
        shape = self.x.shape[1:]
        return len(shape) == 2 or (len(shape) == 3 and shape[-1] in {1, 3})  # noqa: PLR2004 - dimensions of a picture


@dataclass(frozen=True)
class Source:
    """A study, as a report needs it.

    Args:
        folder: the study's folder, where weights and predictions are read when they are asked for.
        spec: the study.
        facts: what was recorded when it began.
        runs: all runs in the order of the plan.
        status: of each run, by key.
        history: tidy, one row per run and epoch.
        finals: one row per finished run, `COLUMNS` and others.
        failures: runs that failed or diverged, in words.
        judge: finds out what the study shows.
        data_dir: folder to look for the data in first.
        mc: networks to sample by Monte-Carlo dropout, 0 for none.
    """

    folder: Path
    spec: StudySpec
    facts: Mapping[str, Any]
    runs: tuple[Run, ...]
    status: Mapping[str, str]
    history: pd.DataFrame
    finals: pd.DataFrame
    failures: tuple[str, ...]
    judge: Callable[[], Verdict]
    data_dir: Path | None = None
    mc: int = 0

    # What is compared, and what came of it

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The study's arms, the baseline first."""
        return self.spec.arms

    @cached_property
    def shapes(self) -> tuple[tuple[str, int], ...]:
        """Hidden layers as text and training examples of each shape, in the order of the plan."""
        return tuple(dict.fromkeys(_shape(run) for run in self.runs))

    @cached_property
    def verdict(self) -> Verdict:
        """What the study shows. It takes a while, and what does not rest on it goes before."""
        return self.judge()

    def shape_verdict(self, shape: tuple[str, int]) -> ShapeVerdict | None:
        """What one shape shows; None where nothing of it has been recorded."""
        told = [s for s in self.verdict.shapes if (s.hidden, s.train_size) == shape]
        return told[0] if told else None

    def featured(self, shape: tuple[str, int]) -> Arm | None:
        """The arm to set beside the baseline, at a shape.

        The one chosen on validation data where that is not the baseline, else the one of highest mean; None where no
        other arm shares a seed with the baseline.
        """
        told = self.shape_verdict(shape)
        compared = [c for c in told.comparisons if c.n] if told else []
        if told is None or not compared:
            return None
        chosen = [c for c in compared if c.arm == told.chosen]
        name = (chosen[0] if chosen else max(compared, key=lambda c: c.difference.value)).arm
        return next(arm for arm in self.arms if arm.name == name)

    # Tables

    @cached_property
    def drawn(self) -> pd.DataFrame:
        """The history of the runs that may be averaged: of each arm and shape the finished ones."""
        parts = [
            stats.finished_history(self.of_shape(self.history, s), self.of_shape(self.finals, s), self.arms)
            for s in self.shapes
        ]
        return pd.concat(parts, ignore_index=True) if parts else self.history

    def of_shape(self, frame: pd.DataFrame, shape: tuple[str, int]) -> pd.DataFrame:
        """The rows of a table that belong to a shape."""
        rows: pd.DataFrame = frame[(frame["hidden"] == shape[0]) & (frame["train_size"] == shape[1])]
        return rows

    # Examples and networks

    @cached_property
    def test_set(self) -> TestSet | None:
        """The test examples; None where the data cannot be had, or are no longer those that the study began with."""
        try:
            dataset = load_dataset(self.spec.data, data_dir=self.data_dir)
        except DropstudyError:
            return None
        if dataset.sha256 != self.facts["data_sha256"]:
            return None
        return TestSet(dataset.x_test, dataset.y_test, dataset.classes, dataset.scale)

    def finished(self, arm: str, shape: tuple[str, int]) -> list[Run]:
        """An arm's finished runs of a shape, by seed."""
        keys = set(self.finals["key"])
        chosen = [r for r in self.runs if r.arm.name == arm and _shape(r) == shape and r.key in keys]
        return sorted(chosen, key=lambda run: run.seed)

    def predictions(self, runs: list[Run]) -> dict[str, NDArray[Any]] | None:
        """`labels`, `confidence` and `likelihood` of runs, (runs, n) each; None where a run's are gone or damaged."""
        try:
            with Store(self.folder) as store:
                read = [store.predictions(run.key) for run in runs]
        except DropstudyError:
            return None
        return {name: np.stack([one[name] for one in read]) for name in read[0]} if read else None

    def networks(self, runs: list[Run], most: int) -> list[tuple[Run, Weights]]:
        """The first `most` of some runs whose weights are there and whole, with these."""
        found: list[tuple[Run, Weights]] = []
        with suppress(DropstudyError), Store(self.folder) as store:
            for run in runs:
                if len(found) == most:
                    break
                with suppress(DropstudyError):  # a study may keep the weights of a few runs, or of none
                    found.append((run, unpack_weights(store.weights(run.key), run.shape.widths)))
        return found

    def sampled(self, run: Run, weights: Weights, test: TestSet) -> NDArray[np.float32]:
        """Mean probabilities of the networks sampled by dropout from a run, (n, classes)."""
        from dropstudy.sampling import sampled_probabilities  # noqa: PLC0415 - asked for rarely

        return sampled_probabilities(
            weights,
            test.x,
            arm=run.arm,
            activation=run.activation,
            scale=test.scale,
            samples=self.mc,
            seed=run.seed,
        )

    # In words

    @property
    def fallback_note(self) -> str | None:
        """A sentence that says which data stand in for those wanted; None where none do."""
        return STAND_IN if self.facts["fallback"] else None

    @property
    def subtitle(self) -> str:
        """The study and its data, for below the titles of figures."""
        line = f"{plain_name(self.spec.name)}, data: {plain_name(self.facts['data'])}"
        return f"{line} ({plain_name(self.fallback_note, 90)})" if self.fallback_note else line

    @property
    def about(self) -> str:
        """The study in a line: data, network, arms, seeds, and how many runs have finished."""
        units = list(dict.fromkeys(run.shape.layers for run in self.runs))
        parts = (
            plain_name(self.facts["data"]),
            f"hidden units {'; '.join(units[:4])}{' and others' if len(units) > 4 else ''}",  # noqa: PLR2004
            counted(len(self.arms), "arm"),
            counted(len({run.seed for run in self.runs}), "seed"),
            counted(self.spec.epochs, "epoch"),
            f"{len(self.finals):,} of {counted(len(self.runs), 'run')} finished",
        )
        return " · ".join(parts)


def read(
    folder: Path, spec: StudySpec, judge: Callable[[], Verdict], *, data_dir: Path | None = None, mc: int = 0
) -> Source:
    """A study as its folder holds it now; arguments as for `Source`.

    Raises:
        StoreError: there is no study, or its database cannot be used.
    """
    with Store(folder) as store:
        runs, facts, status, histories = store.runs(), store.meta, store.status(), store.history_rows()
        finals = {row["key"]: row for row in store.finals()}
        failures = tuple(store.failures())
    rows = [
        {
            **finals[run.key],
            "arm": run.arm.name,
            "rate": run.arm.rate,
            "hidden": run.shape.layers,
            "train_size": run.shape.train_size,
        }
        for run in runs
        if run.key in finals
    ]
    more = [name for name in next(iter(rows), {}) if name not in COLUMNS]
    return Source(
        folder,
        spec,
        facts,
        runs,
        status,
        tidy((run, histories.get(run.key, ())) for run in runs),
        pd.DataFrame(rows, columns=[*COLUMNS, *more]),
        failures,
        judge,
        data_dir,
        mc,
    )


def _shape(run: Run) -> tuple[str, int]:
    return run.shape.layers, run.shape.train_size
