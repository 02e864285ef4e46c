"""Results of a study at one moment: tables, verdict, histories, trained networks, charts, report."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropstudy import report
from dropstudy.core.streams import say, usable_streams
from dropstudy.core.types import CONDITION
from dropstudy.engine.trainer import trainer_of
from dropstudy.errors import InvalidArgument
from dropstudy.store.history import History
from dropstudy.store.paths import StudyPaths
from dropstudy.store.reader import MEASURED
from dropstudy.study.selection import select

if TYPE_CHECKING:
    import keras
    import pandas as pd
    from numpy.typing import NDArray

    from dropstudy.analysis.answered import Answer
    from dropstudy.analysis.verdict import Verdict
    from dropstudy.core.types import Run, Weights
    from dropstudy.report.paper.table import ResultTable
    from dropstudy.report.plots import Plots
    from dropstudy.report.snapshot import Snapshot

Network = str | Sequence[int]
"""A network by its hidden layers: `[512, 512]`, or "512-512" as tables have it."""


def _warn(note: str) -> None:
    warnings.warn(note, stacklevel=3)


@dataclass(frozen=True)
class Results:
    """Results of a study, all from one snapshot: runs that finish later are not in them.

    Where a method takes `arm`, `seed`, `hidden` and `train_size`, they choose one run. `arm` is a name, or a rate that
    one arm has; by default it is the arm that validation data chose, else the only one that helps, else the baseline.
    Of the others the study's first is the default. `hidden` is `[512, 512]` or "512-512". Tables have no `train_size`
    where a training function brings its own data.

    Attributes:
        snapshot: records of the study: specification, metadata, progress.
    """

    snapshot: Snapshot

    # Tables and claims

    def answer(self) -> Answer:
        """Answer in plain words: whether dropout helps, at which rate, how sure that is, and what to run next."""
        return self.snapshot.answer

    def verdict(self) -> Verdict:
        """Verdict: whether dropout helps, hurts or makes no difference that matters, with its evidence."""
        return self.snapshot.verdict

    def summary(self) -> pd.DataFrame:
        """One row per arm and condition: test accuracy, three training accuracies, the gaps between them."""
        return self.snapshot.known(report.summary_table(self.snapshot.summaries))

    def table(self) -> ResultTable:
        """Table for a paper: mean, interval, p, effect size and decision of each arm and condition.

        It shows itself in a notebook, has `to_latex()`, `to_markdown()` and `to_csv()`, and its numbers as `frame`.
        """
        from dropstudy.report.paper.table import result_table  # noqa: PLC0415 - as slow to import as the verdict

        return result_table(self.snapshot)

    def history_frame(self) -> pd.DataFrame:
        """All histories as one tidy table: arm, hidden, train_size, seed, epoch, then the metrics."""
        return self.snapshot.known(self.snapshot.history.copy())

    def test_scores(self) -> pd.DataFrame:
        """Test scores of every finished run, measured once.

        Columns: arm, rate, hidden, train_size, seed, test_loss, test_accuracy, brier.
        """
        columns = ["arm", "rate", *CONDITION, "seed", *MEASURED]
        return self.snapshot.known(self.snapshot.finals.reindex(columns=columns))

    def mcnemar(self) -> pd.DataFrame:
        """McNemar's test of every arm's run against the baseline's run of the same seed and condition.

        It compares two trained networks on new examples. The verdict compares arms over seeds.

        Returns:
            arm, hidden, train_size, seed, both_right, arm_only, baseline_only, both_wrong (examples), p_value.
        """
        return self.snapshot.known(self.snapshot.mcnemar())

    def failures(self) -> list[str]:
        """Runs that failed or diverged, with the cause; those on fresh seeds too."""
        return self.snapshot.all_failures

    # Single runs

    def history(
        self,
        arm: str | float | None = None,
        seed: int | None = None,
        *,
        hidden: Network | None = None,
        train_size: int | None = None,
    ) -> History:
        """History of a run as Keras users know it.

        Raises:
            InvalidArgument: the study has no such arm, network, size or seed.
        """
        run = self._run(arm, seed, hidden, train_size, network=False)
        condition = (run.condition.layers, run.condition.train_size)
        rows = self.snapshot.of_condition(self.snapshot.history, condition)
        return History(run, rows[(rows["arm"] == run.arm.name) & (rows["seed"] == run.seed)])

    def weights(
        self,
        arm: str | float | None = None,
        seed: int | None = None,
        *,
        hidden: Network | None = None,
        train_size: int | None = None,
    ) -> Weights:
        """Trained weights of a run.

        Raises:
            StoreError: the run has no weights, or their file is missing.
            DamagedFile: the file is not as written.
        """
        return self._weights(self._run(arm, seed, hidden, train_size))

    def model(
        self,
        arm: str | float | None = None,
        seed: int | None = None,
        *,
        hidden: Network | None = None,
        train_size: int | None = None,
    ) -> keras.Model:
        """A trained network as a compiled keras.Model.

        Its input is divided by the data's scale; its shape is (n, features), or that of the study's own model.
        """
        from dropstudy.models.keras import to_keras  # noqa: PLC0415 - slow to import and seldom needed
        from dropstudy.models.keras_model import trained_model  # noqa: PLC0415 - as above

        run = self._run(arm, seed, hidden, train_size)
        if run.condition.model is not None:
            return trained_model(self.snapshot.model_source, self._tensors(run), arm=run.arm)
        return to_keras(
            self._weights(run), arm=run.arm, activation=run.activation, name=self.snapshot.spec.name
        )

    def predict(
        self,
        source: Any,
        *,
        arm: str | float | None = None,
        seed: int | None = None,
        hidden: Network | None = None,
        train_size: int | None = None,
        ensemble: bool = False,
        target: str | None = None,
        labels: Any = None,
        scale: float | None = None,
        invert: bool = False,
        verbose: bool = True,
        notify: Callable[[str], None] = _warn,
    ) -> pd.DataFrame:
        """Classify examples: name, label, then the probability of each class.

        Where the labels are known, the accuracy is printed, and whether the examples are those of the study; the
        table then has the true labels too. Values are compared with the range of the training data, and converted to
        it where their units are clear.

        Args:
            source: an image, a folder of images, .npy, .npz, IDX, CSV or Parquet; an array, nested lists, a tensor on
                the CPU; or a data frame. Where the study's data are a table: rows with its columns, as they were in
                training.
            arm: of the run to use.
            seed: of the run to use; by default the first whose weights are stored.
            hidden: of the run to use.
            train_size: of the run to use.
            ensemble: average the probabilities of the networks of all seeds of the arm.
            target: column of a table with the labels; that of the study by default.
            labels: of the examples, where `source` does not have them.
            scale: the values are divided by this; found from the values by default.
            invert: invert light and dark, for black on white where the training data are white on black.
            verbose: print which network is used and the accuracy; they are in `attrs["facts"]` of the result, too.
            notify: called with each conversion and each doubt about the examples; warns by default.

        Raises:
            DataError: the examples cannot be used, or have another shape or range than the training data.
        """
        from dropstudy.study.prediction import FACTS, classify  # noqa: PLC0415 - as above

        frame = classify(
            self.snapshot,
            select(
                self.snapshot, arm=arm, seed=seed, hidden=hidden, train_size=train_size, ensemble=ensemble
            ),
            source,
            target=target,
            labels=labels,
            scale=scale,
            invert=invert,
            notify=notify,
        )
        if verbose:
            say("\n".join(frame.attrs[FACTS]))
        return frame

    def export(
        self,
        *,
        arm: str | float | None = None,
        seed: int | None = None,
        hidden: Network | None = None,
        train_size: int | None = None,
        file_format: str = "keras",
        out: str | Path | None = None,
    ) -> Path | str:
        """Write a trained network to a file, or the whole study to MLflow or TensorBoard.

        Args:
            arm: of the run to export; like the next three only for a network.
            seed: of the run to export.
            hidden: of the run to export.
            train_size: of the run to export.
            file_format: `keras`, which `keras.models.load_model` opens; `onnx`, whose input are raw examples;
                or `safetensors`, arrays alone. Or, for the whole study, `mlflow` or `tensorboard`.
            out: the file; `<study>/<arm>-seed<seed>.<format>` by default, with the condition before the seed where
                the study has several. For MLflow a URI, or a SQLite file; MLflow's own default is `mlflow.db` here.
                For TensorBoard a folder, by default `<study>/tensorboard`.

        Returns:
            The file, the URI of the MLflow store, or the log folder of TensorBoard.
        """
        from dropstudy.study.export import export  # noqa: PLC0415 - as above
        from dropstudy.study.tracking import TRACKERS, export_study  # noqa: PLC0415 - as above

        if file_format in TRACKERS:
            chosen = {"arm": arm, "seed": seed, "hidden": hidden, "train_size": train_size}
            return export_study(self.snapshot, file_format, out, **chosen)[0]
        run = self._run(arm, seed, hidden, train_size)
        return export(self.snapshot, run, file_format, None if out is None else Path(out)).path

    # Charts and report

    @property
    def plot(self) -> Plots:
        """Charts of the report, for a notebook, where `results.plot.rate_curve()` shows itself."""
        from dropstudy.report.plots import Plots  # noqa: PLC0415 - what draws is slow to import

        return Plots(self.snapshot)

    def report(self, *, figures: bool = False) -> list[Path]:
        """Write the page (HTML), figures (PNG, SVG, PDF), tables (CSV) and the conclusion into the study's folder.

        Args:
            figures: write every figure of the page; otherwise the accuracy curves and the notebook's figures.

        Returns:
            The files written, the page first.
        """
        from dropstudy.report.write import write_report  # noqa: PLC0415 - what draws is slow to import

        StudyPaths(self.snapshot.folder).refuse_links()
        with usable_streams():
            return write_report(self.snapshot, self.snapshot.folder, figures=figures)

    # Inside

    def _run(
        self,
        arm: str | float | None,
        seed: int | None,
        hidden: Network | None,
        train_size: int | None,
        *,
        network: bool = True,
    ) -> Run:
        """The run that these values select, as `select` has it."""
        selection = select(
            self.snapshot, arm=arm, seed=seed, hidden=hidden, train_size=train_size, network=network
        )
        return selection.runs[0]

    def _tensors(self, run: Run) -> dict[str, NDArray[Any]]:
        return self.snapshot.files.read("weights", run.key)

    def _weights(self, run: Run) -> Weights:
        if run.condition.model is not None:
            raise InvalidArgument(
                "weights",
                expected="a network of dense layers",
                received=f"the Keras model {run.condition.model.name!r}",
                next_step="Use model(...).get_weights(), or export it as safetensors.",
            )
        return trainer_of(run.condition).layers(run.condition, self._tensors(run))
