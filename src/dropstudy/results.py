"""What is recorded in the folder of a study, read: its tables, what they show, how far it is."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from threadpoolctl import threadpool_limits

from dropstudy import folder, report, stats, values
from dropstudy.files import write_text
from dropstudy.history import tidy
from dropstudy.one_run import Runs
from dropstudy.recorded import MEASURED
from dropstudy.records import SHAPE
from dropstudy.store import Store
from dropstudy.streams import usable_streams

if TYPE_CHECKING:
    from dropstudy.recorded import Standing
    from dropstudy.records import Run
    from dropstudy.report.gallery import Gallery
    from dropstudy.verdict import Verdict

_STAMP = "report.stamp"
"""Says of which records the report was made. Times of files would not do: a clock may be set back."""


class Results(Runs):
    """The reading side of a study, for `Study` to add the running to."""

    _data_dir: Path | None = None

    @classmethod
    def read(cls, where: Path) -> Results:
        """The results of a study that has begun, by its folder."""
        spec = folder.recorded(where)
        assert spec is not None, "callers ask whether it has begun"  # noqa: S101
        found = Results()
        found.folder, found.spec = where, spec
        return found

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
        """True where the report was written to its end, of all that is recorded now."""
        stamp = self.folder / _STAMP
        with Store(self.folder) as store:
            return stamp.is_file() and stamp.read_text(encoding="utf-8", errors="replace") == store.digest

    def told(self) -> str:
        """The conclusion as the last report wrote it, for a study that is `reported`."""
        return (self.folder / "conclusion.txt").read_text(encoding="utf-8").rstrip("\n")

    def failures(self) -> list[str]:
        """Runs that failed or diverged, in words, with the cause."""
        with Store(self.folder) as store:
            return store.failures()

    def frame(self) -> pd.DataFrame:
        """All histories as one tidy table: arm, hidden, train_size, seed, epoch, then the metrics."""
        with Store(self.folder) as store:
            rows = store.history_rows()
            return tidy((run, rows.get(run.key, ())) for run in store.runs())

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
        return list(self.verdict().sentences)

    def verdict(self, margin: float = 0.1) -> Verdict:
        """Whether dropout helps, hurts or makes no difference that matters, with all that stands behind it.

        Args:
            margin: differences of test accuracy within ±margin do not matter, in percentage points.

        Raises:
            InvalidArgument: the margin is no number above 0.
        """
        # scipy and statsmodels are slow to import, and not every command needs them.
        from dropstudy.confirming import with_confirmations  # noqa: PLC0415
        from dropstudy.judge import judge  # noqa: PLC0415

        margin = values.margin(margin)
        with Store(self.folder) as store:
            first = judge(store, self.spec, self.frame(), self.finals(), margin=margin)
        fresh = [
            Results.read(path).verdict(margin)
            for path in folder.confirmations(self.folder)
            if folder.begun(path)
        ]
        return with_confirmations(first, fresh)

    def mcnemar(self) -> pd.DataFrame:
        """McNemar's test of every arm's run against the baseline's of its seed, on the same test examples.

        It speaks of two trained networks and of new examples; what other seeds do, the verdict tells.

        Returns:
            arm, hidden, train_size, seed, both_right, arm_only, baseline_only, both_wrong (examples), p_value.
        """
        from dropstudy.judge import pairs_of_runs  # noqa: PLC0415 - as above

        with Store(self.folder) as store:
            return pairs_of_runs(store, self.spec)

    def outcomes(self) -> pd.DataFrame:
        """What became of every run of the plan: arm, hidden, train_size, seed, status."""
        from dropstudy.judge import outcomes  # noqa: PLC0415 - as above

        with Store(self.folder) as store:
            return outcomes(store)

    @property
    def charts(self) -> Gallery:
        """The report's charts one by one, for a notebook: `study.charts.rate_curve()` shows itself there."""
        from dropstudy.report.gallery import Gallery  # noqa: PLC0415 - what draws is slow to import
        from dropstudy.report.source import read  # noqa: PLC0415 - as above

        return Gallery(read(self.folder, self.spec, self.verdict, data_dir=self._data_dir))

    def report(self, *, data_dir: str | Path | None = None, mc: int = 0, margin: float = 0.1) -> list[Path]:
        """Write the page (HTML), figures (PNG, SVG, PDF), tables (CSV) and the conclusion into the study's folder.

        Args:
            data_dir: folder to look for the data in, before `$DROPSTUDY_DATA`; the page shows test examples.
            mc: networks to sample by Monte-Carlo dropout, 0 for none.
            margin: differences of test accuracy within ±margin do not matter, in percentage points.

        Returns:
            The files written, the page first.
        """
        from dropstudy.pictures import Drawing  # noqa: PLC0415 - what draws is slow to import

        where = self._data_dir if data_dir is None else Path(data_dir)
        with Store(self.folder) as store:
            reported = store.digest  # before it is read: more may be recorded meanwhile
        # Threads of matrix products wait by turning in circles, on the cores that draw.
        with usable_streams(), Drawing() as drawing, threadpool_limits(1, user_api="blas"):
            from dropstudy.report.files import write_report  # noqa: PLC0415 - as above, while the processes start
            from dropstudy.report.source import read  # noqa: PLC0415 - as above

            source = read(self.folder, self.spec, partial(self.verdict, margin), data_dir=where, mc=mc)
            files = write_report(source, self.folder, drawing)
        write_text(self.folder / _STAMP, reported)
        return files

    def standings(self) -> list[Standing]:
        """How far every run is, in the order of the plan; while another process trains them, too."""
        with Store(self.folder) as store:
            return store.standings()

    def sizes(self) -> dict[str, int]:
        """Bytes on disk: `database`, `weights`, `predictions`, `checkpoints`, `tracebacks`."""
        with Store(self.folder) as store:
            return store.sizes()


def _place(run: Run) -> dict[str, Any]:
    return {"rate": run.arm.rate, "hidden": run.shape.layers, "train_size": run.shape.train_size}
