"""A study from Python: make it, run it, read it."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dropstudy import folder, plan, report, stats
from dropstudy.coordinator import Listener, train_runs
from dropstudy.data import load_dataset
from dropstudy.data.cache import arrays_on_disk
from dropstudy.errors import InvalidArgument, StoreError
from dropstudy.hardware import choose_device, native_bfloat16, physical_cores, why_precision
from dropstudy.history import History, tidy
from dropstudy.progress import STAND_IN, EpochLines, announcement
from dropstudy.spec import STUDY_FILE, is_study, read_spec, study_folder
from dropstudy.store import DATABASE, Store
from dropstudy.tensors import unpack_weights
from dropstudy.workers import LocalWorkers, lanes_that_fit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

    import keras

    from dropstudy.coordinator import Split
    from dropstudy.hardware import Device
    from dropstudy.records import Arm, Dataset, Run, Weights

STUDIES = Path("studies")


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
        self.spec = folder.agreed(self.folder, asked)

    @classmethod
    def open(cls, folder: str | Path) -> Study:
        """A study that exists, to read it.

        Raises:
            StoreError: there is none in that folder.
        """
        if not is_study(Path(folder)):
            raise StoreError(
                str(folder),
                expected=f"the folder of a study, with a {STUDY_FILE}",
                received="no such file",
                next_step="`dropstudy run` makes a study.",
            )
        # By its file: a folder may bear the name of a preset.
        return cls(Path(folder) / STUDY_FILE, out=folder)

    def __repr__(self) -> str:
        arms = ", ".join(repr(arm.name) for arm in self.spec.arms)
        return f"Study({str(self.folder)!r}: {arms}; seeds {len(self.spec.seeds)}, epochs {self.spec.epochs})"

    # Running

    def run(
        self,
        *,
        workers: int | None = None,
        device: str = "auto",
        executor: Executor | None = None,
        listener: Listener | None = None,
    ) -> Study:
        """Train what is missing, and keep it. A finished study returns at once.

        Args:
            workers: local processes, one thread each; as many as physical cores where it is not given.
            device: `cpu`, `gpu`, or `auto` for the GPU where there is one that jax can use.
            executor: trains the segments in place of local processes; `workers` then says how many it has. It
                stays the caller's, who shuts it down.
            listener: told what happens; prints Keras' epoch lines where it is not given.

        Raises:
            DropstudyError: before any training, for whatever cannot be used.
            StoreError: the disk is full or the folder is gone; what was kept before is intact.
            StudyLocked: another process runs this study.
        """
        if workers is not None and workers < 1:
            raise InvalidArgument("workers", expected="a whole number of 1 or more", received=str(workers))
        listener = EpochLines() if listener is None else listener
        chosen = choose_device(device)
        if self.finished:
            return self
        with folder.lock(self.folder):
            self.spec = folder.agreed(self.folder, self.spec)  # another process may have begun one meanwhile
            dataset = load_dataset(self.spec.data, data_dir=self._data_dir)
            folder.check_data(self.folder, dataset)
            self.spec = folder.begin(self.folder, self.spec, dataset, chosen)
            with Store(self.folder) as store:
                for run in store.lost():
                    store.restart(run)
                runs = store.runs("planned", "running", "failed")
                if runs:  # or else another process has finished them
                    fallback = self.facts["fallback"]
                    for line in announcement(self.spec, dataset, runs, self.folder, fallback=fallback):
                        listener.notice(line)
                    if self.spec.precision == "bfloat16" and not native_bfloat16(chosen):
                        listener.notice(f"float32 is faster here: {why_precision(chosen)}.")
                    count = 1 if chosen == "gpu" else min(workers or physical_cores(), len(runs))
                    with _crew(count, chosen) if executor is None else nullcontext(executor) as crew:
                        train_runs(
                            store,
                            plan.groups(runs, _lanes(runs, dataset, crew, chosen)),
                            arrays_on_disk(dataset),
                            self._split(dataset),
                            executor=crew,
                            listener=listener,
                            in_flight=count + 1,
                        )
        return self

    @property
    def finished(self) -> bool:
        """True where every run of the plan has diverged, or is done and its results are there."""
        if not folder.begun(self.folder):
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
        """Every finished run's one look at the test set: arm, rate, seed, test_loss, test_accuracy, brier."""
        with Store(self.folder) as store:
            rows = store.finals()
        columns = ["arm", "rate", "seed", "test_loss", "test_accuracy", "brier"]
        rates = {arm.name: arm.rate for arm in self.spec.arms}
        return pd.DataFrame([{**row, "rate": rates[row["arm"]]} for row in rows], columns=columns)

    def summaries(self) -> tuple[stats.ArmSummary, ...]:
        """What the finished runs of each arm amount to."""
        return stats.summarise(self.frame(), self.finals(), self.spec.arms)

    def summary(self) -> pd.DataFrame:
        """One row per arm: test accuracy, the ways to measure training accuracy, the gaps between them."""
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
        return models.to_keras(weights, arm=run.arm, activation=run.activation, name=self.spec.name)

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
        examples = read_examples(Path(source), input_shape=tuple(facts["input_shape"]), scale=facts["scale"])
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
        """Write a trained network to a file.

        Args:
            arm: whose network; the baseline where it is not given.
            seed: the first where it is not given.
            file_format: `keras`, which `keras.models.load_model` opens, or `safetensors`.
            out: the file.

        Returns:
            The file, `<study>/<arm>-seed<seed>.<format>` where `out` is not given.
        """
        from dropstudy import models  # noqa: PLC0415 - as above

        run = self._run(arm, seed)
        # Of all arms, as their figures are named: two names can have the same letters and digits in them.
        stems = report.file_stems([arm.name for arm in self.spec.arms])
        stem = stems[self.spec.arms.index(self.arm(arm))]
        path = self.folder / f"{stem}-seed{run.seed}.{file_format}" if out is None else Path(out)
        models.export(
            self.weights(arm, seed),
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

    def _split(self, dataset: Dataset) -> Split:
        held_out = plan.validation_count(self.spec, len(dataset.y_train))
        return lru_cache(lambda seed: plan.split(dataset.y_train, held_out, seed))


@contextmanager
def _crew(count: int, device: Device) -> Iterator[Executor]:
    """Worker processes, killed at once where something goes wrong here."""
    workers = LocalWorkers(count, device)
    try:
        yield workers
    except BaseException:
        workers.shutdown(wait=False, cancel_futures=True)
        raise
    workers.shutdown()


def _lanes(runs: tuple[Run, ...], dataset: Dataset, crew: Executor, device: Device) -> int:
    """How many runs train side by side: as many as the GPU has room for; one at a time on each core of a CPU."""
    if device == "cpu":
        return 1
    largest = max(runs, key=lambda run: run.shape.parameters)
    return crew.submit(lanes_that_fit, largest, dataset.x_train.nbytes + dataset.x_test.nbytes).result()
