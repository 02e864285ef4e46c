"""Results of a study, read from its folder: tables, verdict, progress."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dropstudy import report
from dropstudy.core.streams import usable_streams
from dropstudy.core.types import CONDITION
from dropstudy.spec.study_file import is_study
from dropstudy.store import directory
from dropstudy.store.paths import StudyPaths
from dropstudy.store.reader import MEASURED
from dropstudy.store.store import Store
from dropstudy.study.one_run import Runs

if TYPE_CHECKING:
    import pandas as pd

    from dropstudy.analysis import stats
    from dropstudy.analysis.verdict import Verdict
    from dropstudy.report.plots import Plots
    from dropstudy.report.snapshot import Snapshot
    from dropstudy.store.reader import RunProgress


class Results(Runs):
    """The reading side of a study, for `Study` to add the running to.

    Each property reads the folder anew, once. Whoever needs several of one moment takes them from one `now()`.
    """

    _data_dir: Path | None = None

    def now(self, *, data_dir: str | Path | None = None, mc: int = 0) -> Snapshot:
        """The study as its folder holds it at this moment: what all that is said of it is made from.

        Args:
            data_dir: folder to look for the data in, before `$DROPSTUDY_DATA`.
            mc: networks to sample by Monte-Carlo dropout, 0 for none.

        Raises:
            StoreError: nothing has been recorded yet, or the database cannot be used.
        """
        from dropstudy.report.snapshot import read  # noqa: PLC0415 - pandas' tables are slow to import for a new study

        where = self._data_dir if data_dir is None else Path(data_dir)
        return read(self.folder, data_dir=where, mc=mc)

    @property
    def finished(self) -> bool:
        """True where every run of the plan has diverged, or is done and its results are there."""
        recorded = directory.recorded(self.folder)
        if recorded is None or not is_study(self.folder):  # a study file that was lost is written again
            return False
        asked = replace(self.spec, margin=recorded.margin)  # which no run depends on
        if replace(recorded, name=self.spec.name) != asked:  # more is asked for
            return False
        with Store(self.folder) as store:
            statuses = store.status().values()
            ended = bool(statuses) and all(status in {"done", "diverged"} for status in statuses)
            return ended and not store.lost()

    @property
    def reported(self) -> bool:
        """True where the report was written of all that is recorded now, to its end, and its files are as written."""
        from dropstudy.report.stamp import is_current  # noqa: PLC0415 - as above

        return is_current(self.now())

    def failures(self) -> list[str]:
        """Runs that failed or diverged, in words, with the cause; those on fresh seeds too."""
        return self.now().all_failures

    def frame(self) -> pd.DataFrame:
        """All histories as one tidy table: arm, hidden, train_size, seed, epoch, then the metrics."""
        return self.now().history

    def finals(self) -> pd.DataFrame:
        """Every finished run's one look at the test set.

        Columns: arm, rate, hidden, train_size, seed, test_loss, test_accuracy, brier.
        """
        return self.now().finals.reindex(columns=["arm", "rate", *CONDITION, "seed", *MEASURED])

    def summaries(self) -> tuple[stats.ArmSummary, ...]:
        """Summary of the finished runs of each arm, condition by condition."""
        return self.now().summaries

    def summary(self) -> pd.DataFrame:
        """One row per arm and condition: test accuracy, three training accuracies, the gaps between them."""
        return report.summary_table(self.summaries())

    def conclusion(self) -> list[str]:
        """Conclusion of the study in a few sentences: what it shows and what it does not show."""
        return list(self.verdict().sentences)

    def verdict(self) -> Verdict:
        """Whether dropout helps, hurts or makes no difference that matters, with all that stands behind it.

        What matters is the study's own `margin`, in percentage points.
        """
        return self.now().verdict

    def mcnemar(self) -> pd.DataFrame:
        """McNemar's test of every arm's run against the baseline's of its seed, on the same test examples.

        It speaks of two trained networks and of new examples; what other seeds do, the verdict tells.

        Returns:
            arm, hidden, train_size, seed, both_right, arm_only, baseline_only, both_wrong (examples), p_value.
        """
        return self.now().mcnemar()

    def outcomes(self) -> pd.DataFrame:
        """Outcome of every run of the plan: arm, hidden, train_size, seed, status."""
        return self.now().outcomes

    @property
    def charts(self) -> Plots:
        """The report's charts one by one, for a notebook: `study.charts.rate_curve()` shows itself there."""
        from dropstudy.report.plots import Plots  # noqa: PLC0415 - what draws is slow to import

        return Plots(self.now())

    def report(self, *, data_dir: str | Path | None = None, mc: int = 0, figures: bool = False) -> list[Path]:
        """Write the page (HTML), figures (PNG, SVG, PDF), tables (CSV) and the conclusion into the study's folder.

        Args:
            data_dir: folder to look for the data in, before `$DROPSTUDY_DATA`; the page shows test examples.
            mc: networks to sample by Monte-Carlo dropout, 0 for none.
            figures: write every figure of the page; otherwise the accuracy curves and the notebook's figures.

        Returns:
            The files written, the page first.
        """
        return self.write(self.now(data_dir=data_dir, mc=mc), figures=figures)

    def write(self, snapshot: Snapshot, *, figures: bool = False) -> list[Path]:
        """Write the report of a study as it stood at one moment; see `report`."""
        from dropstudy.report.write import write_report  # noqa: PLC0415 - what draws is slow to import

        StudyPaths(self.folder).refuse_links()
        with usable_streams():
            return write_report(snapshot, self.folder, figures=figures)

    def progress(self) -> list[RunProgress]:
        """Progress of every run, in the order of the plan, also while another process trains them."""
        with Store(self.folder) as store:
            return store.progress()

    def sizes(self) -> dict[str, int]:
        """Bytes on disk: `database`, `weights`, `predictions`, `checkpoints`, `tracebacks`."""
        with Store(self.folder) as store:
            return store.sizes()
