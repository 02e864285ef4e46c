"""A study from Python: make it, run it, read it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropstudy.analysis.sequential import MAX_SEEDS
from dropstudy.core.hardware import choose_device
from dropstudy.core.types import ENDED
from dropstudy.data.sources.kept import keep, name_of
from dropstudy.errors import InvalidArgument
from dropstudy.runtime.dry_run import dry_run
from dropstudy.runtime.progress.display import with_display
from dropstudy.runtime.removal import remove_part
from dropstudy.runtime.run import device_here, train_missing
from dropstudy.runtime.workers import checked_workers
from dropstudy.spec import merge, presets
from dropstudy.spec.study_file import STUDY_FILE, is_study, read_spec
from dropstudy.store.directory import (
    STUDIES,
    existing_folder,
    holds_study,
    merged_with_stored,
    name_of_study,
    no_study,
    recorded_spec,
    spec_source,
)
from dropstudy.store.paths import refuse_too_long
from dropstudy.store.record import set_rule
from dropstudy.store.store import Store
from dropstudy.study.function import PRESET, refuse_to_measure, with_function
from dropstudy.study.model import described, of_study
from dropstudy.study.source import on_published, refuse_data_fields, refuse_other_source, refuse_unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Executor

    import keras
    import pandas as pd

    from dropstudy.analysis.answered import Answer
    from dropstudy.analysis.verdict import Verdict
    from dropstudy.core.dataset import Dataset
    from dropstudy.core.model import ModelReference, ModelSource
    from dropstudy.report.paper.table import ResultTable
    from dropstudy.report.plots import Plots
    from dropstudy.runtime.dry_run import DryRun
    from dropstudy.runtime.events import Callback
    from dropstudy.store.history import History
    from dropstudy.study.results import Results


class Study:
    """A folder that holds a specification, its runs and their results.

    `results()` reads it. `verdict`, `summary`, `table`, `history`, `model`, `plot` and `report` are short for methods
    of its `Results`; each reads the folder again.

    Args:
        spec: name of a preset, path of a study file, or the folder of a study that exists; by default the preset
            `notebook`; for data of your own `table` where a target is given, else `tune`.
        out: the study's folder; `studies/<name>` by default, of a preset on data of your own `studies/tune-<data>`.
        data_dir: folder that is searched for named datasets before `$DROPSTUDY_DATA`.
        dataset: data in memory in place of `data`, from `dropstudy.dataset` or `dropstudy.load_dataset`. `run` keeps
            a copy in the cache, where a study that is continued finds it by the digest of its content.
        model: a `.keras` file, or a function as for `dropstudy.compare`; `model_options` are those of that function.
        function: a training function as for `dropstudy.compare`, or its name, `package.module:fn`.
        overrides: fields of the study file by name, for instance `epochs=5` or `rates=[0, 0.5]`.

    Attributes:
        folder: the study's.
        spec: the specification asked for, merged with that of the folder.
        unrequested: parts of the study in the folder that were not asked for, one line per field. They stay.
        left_open: which of "arms" and "seeds" are a preset's own.
        not_compared: sentence on published results of `spec` that do not apply to this study; empty where all do.

    Raises:
        InvalidArgument: a field is invalid, or `out` holds a study whose runs cannot be compared with those asked for.
        StoreError: the folder's path is longer than the file system allows.

    Example:
        >>> study = Study("notebook", out="studies/first", epochs=2)
        >>> study.run()                                      # doctest: +SKIP
        >>> study.history("dropout 0.8").history["accuracy"]  # doctest: +SKIP
    """

    def __init__(
        self,
        spec: str | Path | None = None,
        *,
        out: str | Path | None = None,
        data_dir: str | Path | None = None,
        dataset: Dataset | None = None,
        model: str | Path | Callable[..., Any] | ModelReference | None = None,
        model_options: Mapping[str, Any] | None = None,
        function: Callable[..., Any] | str | None = None,
        source: ModelSource | None = None,
        **overrides: Any,
    ) -> None:
        if out is not None and not str(out).strip():
            raise InvalidArgument("out", expected="a folder such as studies/first", received=repr(out))
        self._dataset, self._source, self._announced = dataset, source, False
        if dataset is not None:
            refuse_data_fields(overrides)
            overrides["data"] = name_of(dataset)
        by_name = spec is not None
        if function is not None:
            spec = spec or (PRESET if overrides.get("target") is None else "table")
            self._source = with_function(function, overrides, has_data=dataset is not None, beside=model)
        data = None if dataset is not None or overrides.get("data") is None else str(overrides["data"])
        if spec is None:
            spec = presets.default(data, overrides.get("target"), dataset, model=model is not None)
        if data is not None and str(spec) in presets.names():
            overrides.setdefault("name", name_of_study(str(spec), data, asked=by_name, placed=bool(out)))
        refuse_other_source(spec)
        if model is not None:
            asking = (spec_source(spec), overrides, dataset, data_dir, source)
            self._source = described(model, *asking, **(model_options or {}))
        asked = read_spec(spec_source(spec), overrides)
        if asked.model is not None and self._source is None:
            self._source = of_study(spec)
        self.folder = Path(out) if out is not None else existing_folder(spec) or STUDIES / asked.name
        refuse_too_long(self.folder)
        self._data_dir = None if data_dir is None else Path(data_dir)
        self.spec = merged_with_stored(
            self.folder, asked, lambda changed: refuse_unreadable(asked, changed, self._data_dir)
        )
        self.unrequested = merge.additions(asked, self.spec)
        self.not_compared = on_published(spec, self.spec, overrides)
        given = {
            "arms" if name == "rates" else name for name, value in overrides.items() if value is not None
        }
        self.left_open = {"arms", "seeds"} - given if str(spec) in presets.names() else set()
        self._search: dict[str, Any] | None = None

    @classmethod
    def open(cls, folder: str | Path, *, data_dir: str | Path | None = None) -> Study:
        """A study that exists, to read it.

        Args:
            folder: of the study.
            data_dir: as for `Study`.

        Raises:
            StoreError: the folder holds no study.
        """
        if not str(folder).strip():
            expected = "the folder of a study, such as studies/notebook"
            raise InvalidArgument("folder", expected=expected, received=repr(folder))
        if not holds_study(Path(folder)):
            raise no_study(Path(folder))
        # By its file: a folder may bear the name of a preset.
        return cls(Path(folder) / STUDY_FILE, out=folder, data_dir=data_dir)

    def __repr__(self) -> str:
        counts = {"seeds": len(self.spec.seeds), "epochs": 0 if self.spec.of_function else self.spec.epochs}
        known = ", ".join(f"{name} {count}" for name, count in counts.items() if count)  # seeds can be open
        return f"Study({str(self.folder)!r}: {', '.join(repr(arm.name) for arm in self.spec.arms)}; {known})"

    def _repr_html_(self) -> str:
        """HTML for a notebook: the study, and its answer with the numbers behind it as far as it has results."""
        from dropstudy.study.notebook_html import html_of  # noqa: PLC0415 - pandas is slow to import

        return html_of(self)

    # Training

    @property
    def finished(self) -> bool:
        """True where every run asked for is done or has diverged, and the results of those done exist."""
        recorded = recorded_spec(self.folder)
        if recorded is None or not is_study(self.folder):  # a study file that was lost is written again
            return False
        # No run depends on these.
        same = {name: getattr(self.spec, name) for name in ("name", "metric", "margin", "published")}
        if replace(recorded, **same) != self.spec:  # more is asked for
            return False
        with Store(self.folder) as store:
            statuses = store.status().values()
            return bool(statuses) and all(status in ENDED for status in statuses) and not store.lost()

    def dry_run(
        self,
        *,
        workers: int | None = None,
        device: str = "auto",
        executor: Executor | None = None,
        on_first: Callable[[DryRun], None] = lambda _: None,
    ) -> DryRun:
        """Estimate what training takes: runs, parameters, disk, and time from a short measurement. Nothing is stored.

        Args:
            workers: as for `run`.
            device: likewise.
            executor: likewise.
            on_first: called with a first estimate before the measurement, which takes some seconds.

        Raises:
            DropstudyError: whatever `run` would refuse.
        """
        refuse_to_measure(self.spec)
        return dry_run(
            self.folder,
            self.spec,
            data_dir=self._data_dir,
            worker_count=checked_workers(workers),
            device=choose_device(device),
            executor=executor,
            model=self._source,
            on_first=on_first,
        )

    def run(
        self,
        *,
        workers: int | None = None,
        device: str = "auto",
        executor: Executor | None = None,
        callbacks: Callback | Iterable[Callback] | None = None,
        verbose: bool = True,
    ) -> Study:
        """Train and store the missing runs. A finished study returns at once.

        Args:
            workers: local processes, one thread each; as many as physical cores where it is not given.
            device: `cpu`, `gpu`, or `auto` for the GPU where there is one that jax can use.
            executor: trains in place of local processes, also on other machines; `workers` says how many it has. It
                stays the caller's. Or what `dropstudy.connect` gives.
            callbacks: one `dropstudy.Callback` or several. An exception in one stops the study; all results it
                was called with are stored.
            verbose: show progress: a table on a terminal and in a notebook, Keras' epoch lines elsewhere, or a
                line a minute with more than 100 epochs. A display among the callbacks replaces it.

        Raises:
            DropstudyError: before any training, for whatever cannot be used.
            StoreError: the disk is full or the folder is missing; what was committed before is intact.
            StudyLocked: another process runs this study.
            RunsFailed: every run failed; with some, they are named and `results().failures()` has them.
        """
        workers = checked_workers(workers)
        callback = with_display(callbacks, verbose=verbose)
        device_here(executor, device)  # refused before anything else, also where nothing is to train
        if self._dataset is not None and (warning := keep(self._dataset)):
            callback.on_notice(warning)
        if self.not_compared and not self._announced:
            callback.on_notice(self.not_compared)
        if self.finished:  # another metric or margin needs no training
            set_rule(self.folder, self.spec)
        else:
            self.spec = train_missing(
                self.folder,
                self.spec,
                data_dir=self._data_dir,
                workers=workers,
                device=device,
                executor=executor,
                callback=callback,
                model=self._source,
                search=self._search,
                announced=self._announced,
            )
        return self

    def run_until_decided(self, *, max_seeds: int = MAX_SEEDS, **how: Any) -> Verdict:
        """Train and add seeds until the verdict is decided or there are `max_seeds`.

        It is always-valid: if differences are about normal, its error stays at 5% however often it is computed.

        Args:
            max_seeds: the most to train.
            how: as for `run`.

        Raises:
            InvalidArgument: before any training, for too few seeds.
        """
        from dropstudy.study.further_runs import run_until_decided  # noqa: PLC0415 - scipy is slow to import

        return run_until_decided(self, max_seeds, how)

    def find_rate(self, max_runs: int, **how: Any) -> Verdict:
        """Search the best rate: seeds for rates that are close, new rates where a curve over them promises more.

        Validation data decide. A third of the runs or more compare what is found with the baseline on fresh seeds.

        Args:
            max_runs: the most to train, with those that the study has.
            how: as for `run`.

        Raises:
            InvalidArgument: before any training, for too few runs, or a study that has no one rate to find.
        """
        from dropstudy.study.find_rate import find_rate  # noqa: PLC0415 - scipy is slow to import

        return find_rate(self, max_runs, how)

    def confirm(self, *, seeds: int | None = None, **how: Any) -> Verdict:
        """Train the arm that was chosen, and the baseline, on fresh seeds; the verdict has both estimates.

        Args:
            seeds: how many; by default as many as the study has.
            how: as for `run`.

        Raises:
            InvalidArgument: nothing was chosen, nothing may be, or the baseline was.
        """
        from dropstudy.study.further_runs import confirm_study  # noqa: PLC0415 - as above

        return confirm_study(self, seeds, how)

    def redraw(self, *sources: str, **how: Any) -> Verdict:
        """Train its seeds again with one source drawn anew; the verdict then tells where their spread comes from.

        Args:
            sources: `weights` (initial ones), `order` (of examples), `masks` (of dropout), `split`; by default all.
            how: as for `run`.

        Raises:
            InvalidArgument: no run draws such a source, or fewer than two seeds have finished.
        """
        from dropstudy.study.further_runs import redraw  # noqa: PLC0415 - as above

        return redraw(self, sources, how)

    def remove(
        self,
        *,
        seeds: Sequence[int] | None = None,
        train_sizes: Sequence[int | str] | None = None,
        arms: Sequence[str] | None = None,
        hidden: Sequence[Sequence[int]] | None = None,
    ) -> Study:
        """Remove a part of the study with its runs and their files, without confirmation.

        Args:
            seeds: which.
            train_sizes: counts of training examples, or "all".
            arms: names of arms, the baseline not among them.
            hidden: networks by their layer widths, `[[64], [512, 512]]`.

        Raises:
            InvalidArgument: the study has no such thing, or it is the baseline or the last of its kind.
            StudyLocked: a process runs the study.
        """
        removed = remove_part(self.folder, seeds=seeds, train_sizes=train_sizes, arms=arms, hidden=hidden)
        self.spec, self.unrequested = removed.remaining, []
        return self

    # Reading

    def results(self, *, mc: int = 0) -> Results:
        """Results of the study at this moment, read from its folder once.

        Args:
            mc: networks to sample by Monte-Carlo dropout for the report, 0 for none.

        Raises:
            StoreError: nothing was recorded yet, or the database cannot be used.
        """
        from dropstudy.report.snapshot import read_snapshot  # noqa: PLC0415 - pandas and scipy are slow to import
        from dropstudy.study.results import Results  # noqa: PLC0415 - as above

        snapshot = read_snapshot(self.folder, data_dir=self._data_dir, mc=mc)
        return Results(replace(snapshot, source=self._source))

    def answer(self) -> Answer:
        """`Results.answer` of this moment."""
        return self.results().answer()

    def verdict(self) -> Verdict:
        """`Results.verdict` of this moment."""
        return self.results().verdict()

    def summary(self) -> pd.DataFrame:
        """`Results.summary` of this moment."""
        return self.results().summary()

    def table(self) -> ResultTable:
        """`Results.table` of this moment."""
        return self.results().table()

    def history(self, arm: str | float | None = None, seed: int | None = None, **condition: Any) -> History:
        """`Results.history` of this moment."""
        return self.results().history(arm, seed, **condition)

    def model(self, arm: str | float | None = None, seed: int | None = None, **condition: Any) -> keras.Model:
        """`Results.model` of this moment."""
        return self.results().model(arm, seed, **condition)

    @property
    def plot(self) -> Plots:
        """`Results.plot` of this moment."""
        return self.results().plot

    def report(self, *, mc: int = 0, figures: bool = False) -> list[Path]:
        """`Results.report` of this moment; `mc` as for `results`."""
        return self.results(mc=mc).report(figures=figures)
