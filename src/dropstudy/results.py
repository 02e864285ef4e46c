"""What is recorded in the folder of a study, read: histories, tables, what they show, trained networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dropstudy import folder, report, stats, values
from dropstudy.errors import InvalidArgument, StoreError
from dropstudy.history import History, tidy
from dropstudy.progress import STAND_IN
from dropstudy.recorded import MEASURED
from dropstudy.records import SHAPE
from dropstudy.store import DATABASE, Store
from dropstudy.tensors import unpack_weights

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras
    from numpy.typing import NDArray

    from dropstudy.records import Arm, Run, Shape, StudySpec, Weights
    from dropstudy.verdict import Verdict

Network = str | Sequence[int]
"""A network by its hidden layers: `[512, 512]`, or "512-512" as tables have it."""


class Results:
    """The reading side of a study, for `Study` to add the running to.

    Attributes:
        folder: the study's.
        spec: what it compares.
    """

    folder: Path
    spec: StudySpec

    @property
    def finished(self) -> bool:
        """True where every run of the plan has diverged, or is done and its results are there."""
        recorded = folder.recorded(self.folder)
        if recorded is None or replace(recorded, name=self.spec.name) != self.spec:  # more is asked for
            return False
        with Store(self.folder) as store:
            statuses = store.status().values()
            ended = bool(statuses) and all(status in {"done", "diverged"} for status in statuses)
            return ended and not store.lost()

    @property
    def reported(self) -> bool:
        """True where the report was written to its end, and after whatever was last recorded."""
        last_file, database = self.folder / "conclusion.txt", self.folder / DATABASE
        return last_file.is_file() and last_file.stat().st_mtime_ns >= database.stat().st_mtime_ns

    def failures(self) -> list[str]:
        """Runs that failed or diverged, in words, with the cause."""
        with Store(self.folder) as store:
            return store.failures()

    def history(
        self,
        arm: str | None = None,
        seed: int | None = None,
        *,
        hidden: Network | None = None,
        train_size: int | None = None,
    ) -> History:
        """A run's history as Keras users know it.

        Args:
            arm: name of the arm; the baseline where it is not given.
            seed: the first where it is not given.
            hidden: the network, `[512, 512]` or "512-512"; the first where it is not given.
            train_size: examples trained on; the first of the study's sizes where it is not given.

        Raises:
            InvalidArgument: the study has no such arm, network, size or seed.
        """
        run = self.one_run(arm, seed, hidden=hidden, train_size=train_size)
        with Store(self.folder) as store:
            return History(run, store.history(run.key))

    def frame(self) -> pd.DataFrame:
        """All histories as one tidy table: arm, hidden, train_size, seed, epoch, then the metrics."""
        with Store(self.folder) as store:
            histories = store.histories()
            return tidy((run, histories.get(run.key, ())) for run in store.runs())

    def finals(self) -> pd.DataFrame:
        """Every finished run's one look at the test set.

        Columns: arm, rate, hidden, train_size, seed, test_loss, test_accuracy, brier.
        """
        with Store(self.folder) as store:
            runs = {run.key: run for run in store.runs("done")}
            rows = store.finals()
        columns = ["arm", "rate", *SHAPE, "seed", *MEASURED]
        return pd.DataFrame([{**row, **_place(runs[row["key"]])} for row in rows], columns=columns)

    def summaries(self) -> tuple[stats.ArmSummary, ...]:
        """What the finished runs of each arm amount to, shape by shape."""
        return stats.summarise(self.frame(), self.finals(), self.spec.arms)

    def summary(self) -> pd.DataFrame:
        """One row per arm and shape: test accuracy, the ways to measure training accuracy, the gaps between them."""
        return report.summary_table(self.summaries())

    def conclusion(self) -> list[str]:
        """What the study shows and does not show, in a few sentences."""
        return report.conclusions(
            self.frame(),
            self.finals(),
            self.spec.arms,
            watches_test=self.spec.watches_test,
            n_test=self.facts["n_test"],
        )

    def verdict(self, margin: float = 0.1) -> Verdict:
        """Whether dropout helps, hurts or makes no difference that matters, with all that stands behind it.

        Args:
            margin: differences of test accuracy within ±margin do not matter, in percentage points.

        Raises:
            InvalidArgument: the margin is no number above 0.
        """
        from dropstudy import verdict  # noqa: PLC0415 - scipy and statsmodels are slow to import

        margin = values.number("margin", margin, lambda m: 0 < m < inf, "points of test accuracy above 0")
        with Store(self.folder) as store:
            return verdict.give_verdict(
                self.frame(),
                self.finals(),
                self.spec.arms,
                watches_test=self.spec.watches_test,
                margin=margin,
                outcomes=self.outcomes(),
                predictions=_predictions(store),
            )

    def outcomes(self) -> pd.DataFrame:
        """What became of every run of the plan: arm, hidden, train_size, seed, status."""
        with Store(self.folder) as store:
            runs, statuses = store.runs(), store.status()
        rows = [
            (run.arm.name, run.shape.layers, run.shape.train_size, run.seed, statuses[run.key])
            for run in runs
        ]
        return pd.DataFrame(rows, columns=["arm", *SHAPE, "seed", "status"])

    def report(self) -> list[Path]:
        """Write figures (PNG and SVG), tables (CSV) and the conclusion into the study's folder.

        Returns:
            The files written.
        """
        facts = self.facts
        return report.write_report(
            self.folder,
            history=self.frame(),
            finals=self.finals(),
            arms=self.spec.arms,
            study_name=self.spec.name,
            dataset_name=facts["data"],
            watches_test=self.spec.watches_test,
            n_test=facts["n_test"],
            fallback_note=STAND_IN if facts["fallback"] else None,
        )

    def weights(
        self,
        arm: str | None = None,
        seed: int | None = None,
        *,
        hidden: Network | None = None,
        train_size: int | None = None,
    ) -> Weights:
        """The trained weights of a run; arguments and errors as for `history`."""
        run = self.one_run(arm, seed, hidden=hidden, train_size=train_size)
        with Store(self.folder) as store:
            return unpack_weights(store.weights(run.key), run.shape.widths)

    def model(
        self,
        arm: str | None = None,
        seed: int | None = None,
        *,
        hidden: Network | None = None,
        train_size: int | None = None,
    ) -> keras.Model:
        """A trained network as a compiled keras.Model; arguments and errors as for `history`.

        Its input is (n, features), already divided by the dataset's scale, as in the notebook.
        """
        from dropstudy import models  # noqa: PLC0415 - keras is slow to import and few need it

        run = self.one_run(arm, seed, hidden=hidden, train_size=train_size)
        weights = self.weights(arm, seed, hidden=hidden, train_size=train_size)
        return models.to_keras(weights, arm=run.arm, activation=run.activation, name=self.spec.name)

    def predict(
        self,
        source: str | Path,
        *,
        arm: str | None = None,
        seed: int | None = None,
        hidden: Network | None = None,
        train_size: int | None = None,
    ) -> pd.DataFrame:
        """Classify examples of a file: name, label, then the probability of each class.

        Args:
            source: a PNG, a folder of PNGs, .npy, .npz or IDX.
            arm: whose network; the baseline where it is not given.
            seed: the first where it is not given.
            hidden: the first network where it is not given.
            train_size: the first size where it is not given.

        Raises:
            DataError: the file cannot be used, or its examples are not of the shape trained on.
        """
        from dropstudy import models  # noqa: PLC0415 - as above
        from dropstudy.data.inputs import read_examples  # noqa: PLC0415 - as above

        facts = self.facts
        run = self.one_run(arm, seed, hidden=hidden, train_size=train_size)
        examples = read_examples(Path(source), input_shape=tuple(facts["input_shape"]), scale=facts["scale"])
        weights = self.weights(arm, seed, hidden=hidden, train_size=train_size)
        probabilities = models.predict(weights, examples.x, activation=run.activation, scale=facts["scale"])
        labels = [facts["classes"][number] for number in probabilities.argmax(axis=1)]
        columns = {f"p({name})": probabilities[:, number] for number, name in enumerate(facts["classes"])}
        return pd.DataFrame({"example": examples.names, "label": labels, **columns})

    def export(
        self,
        *,
        arm: str | None = None,
        seed: int | None = None,
        hidden: Network | None = None,
        train_size: int | None = None,
        file_format: str = "keras",
        out: str | Path | None = None,
    ) -> Path:
        """Write a trained network to a file.

        Args:
            arm: whose network; the baseline where it is not given.
            seed: the first where it is not given.
            hidden: the first network where it is not given.
            train_size: the first size where it is not given.
            file_format: `keras`, which `keras.models.load_model` opens, or `safetensors`.
            out: the file.

        Returns:
            The file, `<study>/<arm>-seed<seed>.<format>` where `out` is not given; with the shape before the seed
            where the study has several.
        """
        from dropstudy import models  # noqa: PLC0415 - as above

        run = self.one_run(arm, seed, hidden=hidden, train_size=train_size)
        # Of all arms, as their figures are named: two names can have the same letters and digits in them.
        stems = report.file_stems([arm.name for arm in self.spec.arms])
        stem = stems[self.spec.arms.index(self.arm(arm))]
        if len(self.shapes) > 1:
            stem += f"-{run.shape.layers}-of-{run.shape.train_size}"
        path = self.folder / f"{stem}-seed{run.seed}.{file_format}" if out is None else Path(out)
        models.export(
            self.weights(arm, seed, hidden=hidden, train_size=train_size),
            path=path,
            format=file_format,
            arm=run.arm,
            activation=run.activation,
            name=self.spec.name,
            metadata={"arm": run.arm.name, "seed": str(run.seed), "key": run.key},
        )
        return path

    @property
    def facts(self) -> dict[str, Any]:
        """What was recorded when the study began: data, its digest, scale and classes, versions."""
        return folder.facts(self.folder)

    @property
    def features(self) -> int:
        """Numbers in one example, the width of the network's input."""
        return prod(self.facts["input_shape"])

    def arm(self, name: str | None = None) -> Arm:
        """An arm by name; the baseline where none is given.

        Raises:
            InvalidArgument: the study has no such arm.
        """
        arms = {arm.name: arm for arm in self.spec.arms}
        if name is None:
            return self.spec.arms[0]
        if name not in arms:
            raise InvalidArgument("arm", expected=f"one of {', '.join(map(repr, arms))}", received=repr(name))
        return arms[name]

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes whose runs have been recorded: every network x training size, in the order of the plan."""
        with Store(self.folder) as store:
            return tuple(dict.fromkeys(run.shape for run in store.runs()))

    def one_run(
        self,
        arm: str | None,
        seed: int | None,
        *,
        hidden: Network | None = None,
        train_size: int | None = None,
    ) -> Run:
        """One run by what it is; arguments and errors as for `history`."""
        name = self.arm(arm).name
        wanted = {
            "hidden": None if hidden is None else _layers(hidden),
            "train_size": train_size,
            "seed": seed,
        }
        with Store(self.folder) as store:
            runs = [run for run in store.runs() if run.arm.name == name]
        for field, value in wanted.items():
            there = list(dict.fromkeys(_coordinates(run)[field] for run in runs))
            chosen = there[0] if value is None and there else value
            if chosen not in there:
                raise InvalidArgument(
                    field, expected=f"one of {', '.join(map(str, there))}", received=str(value)
                )
            runs = [run for run in runs if _coordinates(run)[field] == chosen]
        return runs[0]


def _layers(hidden: Network) -> str:
    return hidden.replace(",", "-") if isinstance(hidden, str) else "-".join(map(str, hidden))


def _coordinates(run: Run) -> dict[str, Any]:
    return {"hidden": run.shape.layers, "train_size": run.shape.train_size, "seed": run.seed}


def _place(run: Run) -> dict[str, Any]:
    return {"rate": run.arm.rate, "hidden": run.shape.layers, "train_size": run.shape.train_size}


def _predictions(store: Store) -> Callable[[str, str, int, int], dict[str, NDArray[Any]] | None]:
    """The stored answers of a run by arm, hidden, train_size and seed; None where they cannot be had."""
    keys = {
        (run.arm.name, run.shape.layers, run.shape.train_size, run.seed): run.key
        for run in store.runs("done")
    }

    def stored(arm: str, hidden: str, train_size: int, seed: int) -> dict[str, NDArray[Any]] | None:
        try:
            return store.predictions(keys[arm, hidden, train_size, seed])
        except StoreError:  # gone or damaged: what rests on them is left out, the rest of the verdict stands
            return None

    return stored
