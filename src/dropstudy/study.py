"""A study from Python: make it, run it, read it."""

from __future__ import annotations

import os
import platform
import socket
import sys
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import pandas as pd

from dropstudy import plan, report, stats
from dropstudy.coordinator import Listener, train_runs
from dropstudy.data import cache, describe, load_dataset
from dropstudy.errors import InvalidArgument, StoreError, StudyLocked
from dropstudy.files import write_text
from dropstudy.history import History, tidy
from dropstudy.progress import EpochLines
from dropstudy.spec import STUDY_FILE, differences, read_spec, study_folder, to_toml
from dropstudy.store import DATABASE, Store
from dropstudy.tensors import unpack_weights
from dropstudy.workers import LocalWorkers, physical_cores

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

    import keras

    from dropstudy.records import Arm, Dataset, Run, StudySpec, Weights

STUDIES = Path("studies")
LARGE_RATE = 0.5


class Study:
    """A directory that holds a specification, its runs, and what they did.

    Args:
        spec: name of a preset, path of a study file, or the folder of a study that exists.
        out: the study's folder; `studies/<name>` where it is not given.
        data_dir: folder to look for named datasets in, before `$DROPSTUDY_DATA`.
        overrides: fields of the study file by name, for instance `epochs=5` or `rates=[0, 0.5]`.

    Raises:
        InvalidArgument: a field cannot be used, or `out` holds a study of another specification.

    Example:
        >>> study = Study("notebook", out="studies/first", epochs=2)
        >>> study.run()                                      # doctest: +SKIP
        >>> study.history("dropout 0.8").history["accuracy"]  # doctest: +SKIP
    """

    def __init__(
        self,
        spec: str | Path = "notebook",
        *,
        out: str | Path | None = None,
        data_dir: str | Path | None = None,
        **overrides: Any,
    ) -> None:
        asked = read_spec(spec, overrides)
        self.folder = Path(out) if out is not None else study_folder(spec) or STUDIES / asked.name
        self._data_dir = None if data_dir is None else Path(data_dir)
        self.spec = self._agreed(asked)

    @classmethod
    def open(cls, folder: str | Path) -> Study:
        """A study that exists, to read it.

        Raises:
            StoreError: there is none in that folder.
        """
        if not (Path(folder) / STUDY_FILE).is_file():
            raise StoreError(
                str(folder),
                expected=f"the folder of a study, with a {STUDY_FILE}",
                received="a folder without one" if Path(folder).is_dir() else "no such folder",
                next_step="`dropstudy run` makes a study.",
            )
        return cls(folder)

    def __repr__(self) -> str:
        arms = ", ".join(repr(arm.name) for arm in self.spec.arms)
        return f"Study({str(self.folder)!r}: {arms}; seeds {len(self.spec.seeds)}, epochs {self.spec.epochs})"

    # Running

    def run(
        self,
        *,
        workers: int | None = None,
        executor: Executor | None = None,
        listener: Listener | None = None,
    ) -> Study:
        """Train what is missing, and keep it. A finished study returns at once.

        Args:
            workers: local processes, one thread each; as many as physical cores where it is not given.
            executor: trains the segments in place of local processes.
            listener: told what happens; prints Keras' epoch lines where it is not given.

        Raises:
            DropstudyError: before any training, for whatever cannot be used.
            StudyLocked: another process runs this study.
        """
        listener = EpochLines() if listener is None else listener
        if self.finished:
            return self
        with self._lock():
            dataset = self._load(listener)
            self._begin(dataset)
            with Store(self.folder) as store:
                runs = store.runs("planned", "running", "failed")
                self._announce(dataset, runs, listener)
                held_out = plan.validation_count(self.spec, len(dataset.y_train))
                files = cache.arrays_on_disk(dataset)
                count = min(workers or physical_cores(), len(runs))
                crew = LocalWorkers(count) if executor is None else executor
                try:
                    train_runs(
                        store,
                        runs,
                        files,
                        lru_cache(lambda seed: plan.split(dataset.y_train, held_out, seed)),
                        crew,
                        listener,
                        in_flight=count + 1,
                    )
                except BaseException:
                    crew.shutdown(wait=False, cancel_futures=True)
                    raise
                if executor is None:
                    crew.shutdown()
        return self

    @property
    def finished(self) -> bool:
        """True where every run of the plan is done or has diverged."""
        if not (self.folder / DATABASE).is_file():
            return False
        with Store(self.folder) as store:
            statuses = store.status().values()
        return bool(statuses) and all(status in {"done", "diverged"} for status in statuses)

    def failures(self) -> list[str]:
        """Runs that failed or diverged, in words, with the cause."""
        with Store(self.folder) as store:
            return store.failures()

    # Reading

    def history(self, arm: str | None = None, seed: int | None = None) -> History:
        """A run's history as Keras users know it.

        Args:
            arm: name of the arm; the baseline where it is not given.
            seed: the first where it is not given.

        Raises:
            InvalidArgument: the study has no such arm or seed.
        """
        run = self._run(arm, seed)
        with Store(self.folder) as store:
            return History(run, store.history(run.key))

    def frame(self) -> pd.DataFrame:
        """All histories as one tidy table: arm, seed, epoch, then the metrics."""
        with Store(self.folder) as store:
            return tidy((run, store.history(run.key)) for run in store.runs())

    def finals(self) -> pd.DataFrame:
        """The one look at the test set of every finished run: arm, rate, seed, test_loss, test_accuracy, brier."""
        with Store(self.folder) as store:
            rows = store.finals()
        columns = ["arm", "rate", "seed", "test_loss", "test_accuracy", "brier"]
        rates = {arm.name: arm.rate for arm in self.spec.arms}
        return pd.DataFrame([{**row, "rate": rates[row["arm"]]} for row in rows], columns=columns)

    def summaries(self) -> tuple[stats.ArmSummary, ...]:
        """What the finished runs of each arm amount to."""
        return stats.summarise(self.frame(), self.finals(), self.spec.arms)

    def summary(self) -> pd.DataFrame:
        """One row per arm: test accuracy, the ways to measure training accuracy, and the gaps between them."""
        return report.summary_table(self.summaries())

    def conclusion(self) -> list[str]:
        """What the study shows and does not show, in a few sentences."""
        return report.conclusion(
            self.summaries(),
            stats.compare(self.finals(), self.spec.arms),
            watches_test=self.spec.watches_test,
            n_test=self.facts["n_test"],
        )

    def report(self) -> list[Path]:
        """Write figures (PNG and SVG), tables (CSV) and the conclusion into the study's folder; their paths."""
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
            fallback_note=FALLBACK if facts["fallback"] else None,
        )

    def weights(self, arm: str | None = None, seed: int | None = None) -> Weights:
        """The trained weights of a run; arguments and errors as for `history`."""
        run = self._run(arm, seed)
        with Store(self.folder) as store:
            return unpack_weights(store.weights(run.key), run.shape.widths)

    def model(self, arm: str | None = None, seed: int | None = None) -> keras.Model:
        """A trained network as a compiled keras.Model; arguments and errors as for `history`.

        Its input is (n, features), already divided by the dataset's scale, as in the notebook.
        """
        from dropstudy import models  # noqa: PLC0415 - keras is slow to import and few need it

        run = self._run(arm, seed)
        weights = self.weights(arm, seed)
        return models.to_keras(weights, rate=run.arm.rate, activation=run.activation, name=self.spec.name)

    def predict(self, source: str | Path, *, arm: str | None = None, seed: int | None = None) -> pd.DataFrame:
        """Classify examples of a file: name, label, then the probability of each class.

        Args:
            source: a PNG, a folder of PNGs, .npy, .npz or IDX.
            arm: whose network; the baseline where it is not given.
            seed: the first where it is not given.

        Raises:
            DataError: the file cannot be used, or its examples are not of the shape trained on.
        """
        from dropstudy import models  # noqa: PLC0415 - as above
        from dropstudy.data.inputs import read_examples  # noqa: PLC0415 - as above

        facts = self.facts
        run = self._run(arm, seed)
        examples = read_examples(
            Path(source), input_shape=tuple(facts["input_shape"]), scale=facts["scale"]
        )
        probabilities = models.predict(
            self.weights(arm, seed), examples.x, activation=run.activation, scale=facts["scale"]
        )
        labels = [facts["classes"][number] for number in probabilities.argmax(axis=1)]
        columns = {f"p({name})": probabilities[:, number] for number, name in enumerate(facts["classes"])}
        return pd.DataFrame({"example": examples.names, "label": labels, **columns})

    def export(
        self,
        *,
        arm: str | None = None,
        seed: int | None = None,
        file_format: str = "keras",
        out: str | Path | None = None,
    ) -> Path:
        """Write a trained network to a file: `keras`, which `keras.models.load_model` opens, or `safetensors`.

        Returns:
            The file, `<study>/<arm>-seed<seed>.<format>` where `out` is not given.
        """
        from dropstudy import models  # noqa: PLC0415 - as above

        run = self._run(arm, seed)
        default = self.folder / f"{report.file_stems([run.arm.name])[0]}-seed{run.seed}.{file_format}"
        path = default if out is None else Path(out)
        models.export(
            self.weights(arm, seed),
            path=path,
            format=file_format,
            rate=run.arm.rate,
            activation=run.activation,
            name=self.spec.name,
            metadata={"arm": run.arm.name, "seed": str(run.seed), "key": run.key},
        )
        return path

    @property
    def facts(self) -> dict[str, Any]:
        """What was recorded when the study began: data, its digest, scale and classes, versions."""
        with Store(self.folder) as store:
            return store.meta

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

    # Inside

    def _run(self, arm: str | None, seed: int | None) -> Run:
        wanted = self.arm(arm).name
        seed = self.spec.seeds[0] if seed is None else seed
        with Store(self.folder) as store:
            runs = [run for run in store.runs() if run.arm.name == wanted]
        for run in runs:
            if run.seed == seed:
                return run
        raise InvalidArgument(
            "seed", expected=f"one of {', '.join(str(run.seed) for run in runs)}", received=str(seed)
        )

    def _agreed(self, asked: StudySpec) -> StudySpec:
        """What the folder's study says, if there is one and it is the one asked for."""
        if not (self.folder / STUDY_FILE).is_file():
            return asked
        stored = read_spec(self.folder)
        lines = differences(stored, asked)
        if lines:
            raise InvalidArgument(
                str(self.folder),
                expected="the study that was asked for, or an empty folder",
                received=f"another study: {'; '.join(lines)}",
                next_step="Choose another folder with --out, or go on with what it has: "
                f"`dropstudy run {self.folder}`.",
            )
        return stored

    def _load(self, listener: Listener) -> Dataset:
        dataset = load_dataset(self.spec.data, data_dir=self._data_dir)
        if dataset.fallback:
            listener.notice(FALLBACK)
        if (self.folder / DATABASE).is_file():
            recorded = self.facts.get("data_sha256", dataset.sha256)
            if recorded != dataset.sha256:
                raise StoreError(
                    str(self.folder),
                    expected=f"the data that the study began with (SHA-256 {recorded[:12]}...)",
                    received=f"{dataset.source} with SHA-256 {dataset.sha256[:12]}...",
                    next_step="Restore the data, or start a new study with --out.",
                )
        return dataset

    def _begin(self, dataset: Dataset) -> None:
        """Settle what the specification left open, and write down what the study is."""
        # `auto` stays float32 until paired runs show that bfloat16 products leave test accuracy where it is.
        precision = "float32" if self.spec.precision == "auto" else self.spec.precision
        data = self.spec.data if self.spec.data is not None else dataset.name
        spec = replace(self.spec, precision=precision, data=data)
        runs = plan.plan_runs(spec, dataset, precision)
        facts = {
            "data": dataset.name,
            "data_sha256": dataset.sha256,
            "data_source": dataset.source,
            "fallback": dataset.fallback,
            "scale": dataset.scale,
            "input_shape": dataset.input_shape,
            "classes": dataset.classes,
            "n_train": len(dataset.y_train),
            "n_test": len(dataset.y_test),
            "dropstudy": version("dropstudy"),
            "jax": version("jax"),
            "python": platform.python_version(),
        }
        if not (self.folder / STUDY_FILE).is_file():
            noted = ("data_source", "data_sha256", "fallback", "dropstudy", "jax", "python")
            text = to_toml(spec, {name: facts[name] for name in noted})
            write_text(self.folder / STUDY_FILE, text)
        with Store(self.folder, create=True) as store:
            store.begin({**facts, **store.meta}, runs)
        self.spec = spec

    def _announce(self, dataset: Dataset, runs: tuple[Run, ...], listener: Listener) -> None:
        for line in describe.shapes(dataset):
            listener.notice(line)
        for arm in self.spec.arms:
            if arm.rate > LARGE_RATE:
                listener.notice(
                    f"Large dropout rate: {arm.rate:g} (drops {arm.rate:.0%}, keeps {1 - arm.rate:.0%}). "
                    f"`rate` is the share dropped, not kept: if {arm.rate:.0%} was to be kept, "
                    f"the rate is {1 - arm.rate:.2g}."
                )
        if self.spec.watches_test:
            listener.notice(
                "This study watches the test set every epoch (val_* is test data), as the notebook does: "
                "nothing may be selected on it."
            )
        shape = runs[0].shape
        listener.notice(
            f"Network {'-'.join(map(str, shape.widths))}, {shape.parameters:,} parameters; {len(runs)} runs of "
            f"{self.spec.epochs} epochs, precision {self.spec.precision}; study in {self.folder}"
        )

    @contextmanager
    def _lock(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            probe = self.folder / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise StoreError(
                str(self.folder),
                expected="a folder that can be written",
                received=error.strerror or str(error),
                next_step="Choose another folder with --out.",
            ) from error
        holder = self.folder / "study.holder"
        lock = filelock.FileLock(self.folder / "study.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise StudyLocked(
                str(self.folder),
                expected="a study that nobody else runs",
                received=f"one that {holder.read_text() if holder.is_file() else 'another process'} runs",
                next_step="Wait for it, or look on with `dropstudy show`.",
            ) from error
        try:
            holder.write_text(f"process {os.getpid()} on {socket.gethostname()}")
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()


FALLBACK = (
    "MNIST was not found and could not be fetched: this study uses the 8x8 digits that ship with scikit-learn "
    "instead. `dropstudy data mnist` says where MNIST is looked for."
)

