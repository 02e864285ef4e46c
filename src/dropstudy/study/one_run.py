"""Single runs of a study: keys, histories, trained networks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dropstudy import report
from dropstudy.core.profile import DataProfile
from dropstudy.engine.trainer import trainer_of
from dropstudy.errors import InvalidArgument, StoreError
from dropstudy.store import directory
from dropstudy.store.history import History
from dropstudy.store.outputs import refuse_overwriting
from dropstudy.store.store import Store

if TYPE_CHECKING:
    import keras

    from dropstudy.core.types import Arm, Condition, Run, StudySpec, Weights

Network = str | Sequence[int]
"""A network by its hidden layers: `[512, 512]`, or "512-512" as tables have it."""


def _warn(note: str) -> None:
    warnings.warn(note, stacklevel=3)


class Runs:
    """Access to single runs of a study.

    Attributes:
        folder: the study's.
        spec: what it compares.
    """

    folder: Path
    spec: StudySpec

    @property
    def metadata(self) -> dict[str, Any]:
        """Metadata recorded when the study began: data, its digest, scale and classes, versions."""
        return directory.metadata(self.folder)

    @property
    def profile(self) -> DataProfile:
        """Profile of the training examples.

        Raises:
            StoreError: the study was begun by an early version, which did not record it.
        """
        recorded = self.metadata.get("profile")
        if recorded is None:
            raise StoreError(
                str(self.folder),
                expected="a study that records what its training data look like",
                received="one of an early version, which did not",
                next_step="Make the study anew with --out.",
            )
        return DataProfile(**recorded | {"shape": tuple(recorded["shape"])})

    @property
    def features(self) -> int:
        """Numbers in one example, the width of the network's input."""
        return prod(self.metadata["input_shape"])

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
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions whose runs have been recorded: every network x training size, in the order of the plan."""
        with Store(self.folder) as store:
            return tuple(dict.fromkeys(run.condition for run in store.runs()))

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
            return trainer_of(run.condition).layers(run.condition, store.weights(run.key))

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
        from dropstudy.models.keras import to_keras  # noqa: PLC0415 - slow to import and seldom needed

        run = self.one_run(arm, seed, hidden=hidden, train_size=train_size)
        weights = self.weights(arm, seed, hidden=hidden, train_size=train_size)
        return to_keras(weights, arm=run.arm, activation=run.activation, name=self.spec.name)

    def predict(
        self,
        source: str | Path,
        *,
        arm: str | None = None,
        seed: int | None = None,
        hidden: Network | None = None,
        train_size: int | None = None,
        scale: float | None = None,
        invert: bool = False,
        notify: Callable[[str], None] = _warn,
    ) -> pd.DataFrame:
        """Classify examples of a file: name, label, then the probability of each class.

        Its numbers are held against the range of the training data, and converted to it where their units are clear.

        Args:
            source: a PNG, a folder of PNGs, .npy, .npz or IDX.
            arm: whose network; the baseline where it is not given.
            seed: the first where it is not given.
            hidden: the first network where it is not given.
            train_size: the first size where it is not given.
            scale: the network is to see the file's numbers divided by this; found from the values if it is not given.
            invert: turn light into dark, for black on white where the training data are white on black.
            notify: called with what was done to the examples and what looks wrong; warns where it is not given.

        Raises:
            DataError: the file cannot be used, or its examples are not of the condition or in the range trained on.
        """
        from dropstudy.data.examples import read_examples  # noqa: PLC0415 - as above
        from dropstudy.models.predict import predict  # noqa: PLC0415 - as above

        metadata = self.metadata
        run = self.one_run(arm, seed, hidden=hidden, train_size=train_size)
        examples = read_examples(Path(source), self.profile, scale=scale, invert=invert)
        for note in examples.notes:
            notify(note)
        weights = self.weights(arm, seed, hidden=hidden, train_size=train_size)
        probabilities = predict(weights, examples.x, activation=run.activation, scale=metadata["scale"])
        labels = [metadata["classes"][number] for number in probabilities.argmax(axis=1)]
        columns = {f"p({name})": probabilities[:, number] for number, name in enumerate(metadata["classes"])}
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
            The file, `<study>/<arm>-seed<seed>.<format>` where `out` is not given; with the condition before the seed
            where the study has several.
        """
        from dropstudy.models.keras import export  # noqa: PLC0415 - as above

        run = self.one_run(arm, seed, hidden=hidden, train_size=train_size)
        # Of all arms, as their figures are named: two names can have the same letters and digits in them.
        stems = report.file_stems([arm.name for arm in self.spec.arms])
        stem = stems[self.spec.arms.index(self.arm(arm))]
        if len(self.conditions) > 1:
            stem += f"-{run.condition.layers}-of-{run.condition.train_size}"
        path = self.folder / f"{stem}-seed{run.seed}.{file_format}" if out is None else Path(out)
        refuse_overwriting(path, inputs=(self.metadata["data_source"],))
        export(
            self.weights(arm, seed, hidden=hidden, train_size=train_size),
            path=path,
            file_format=file_format,
            arm=run.arm,
            activation=run.activation,
            name=self.spec.name,
            metadata={"arm": run.arm.name, "seed": str(run.seed), "key": run.key},
        )
        return path


def _layers(hidden: Network) -> str:
    return hidden.replace(",", "-") if isinstance(hidden, str) else "-".join(map(str, hidden))


def _coordinates(run: Run) -> dict[str, Any]:
    return {"hidden": run.condition.layers, "train_size": run.condition.train_size, "seed": run.seed}
