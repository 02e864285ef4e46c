"""The verdict on scores of runs that others trained, with its page: `dropstudy.verdict(frame)`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dropstudy.analysis.given_scores import ScoresAssessed, assess_scores
from dropstudy.analysis.verdict.types import Verdict
from dropstudy.core.metrics import ACCURACY
from dropstudy.core.streams import usable_streams

if TYPE_CHECKING:
    from pathlib import Path

    from narwhals.typing import IntoFrame

    from dropstudy.analysis.answered import Answer
    from dropstudy.core.types import MetricName
    from dropstudy.report.paper.table import ResultTable

__all__ = ["ScoresVerdict", "verdict"]


@dataclass(frozen=True, repr=False)
class ScoresVerdict(Verdict):
    """Verdict on scores, with the answer, table and page that a study has.

    Args:
        scores: the scores that it is about.
    """

    scores: ScoresAssessed = field(kw_only=True, compare=False)

    def answer(self) -> Answer:
        """Answer in plain words: whether an arm helps, which, how sure that is, and what to do next."""
        return self.scores.answer

    def table(self) -> ResultTable:
        """Table for a paper; its sentences for the methods section are `table().methods`."""
        from dropstudy.report.paper.methods import methods_on_scores  # noqa: PLC0415 - slow to import, seldom needed
        from dropstudy.report.paper.table import verdict_table  # noqa: PLC0415 - as above

        return replace(verdict_table(self), methods=tuple(methods_on_scores(self.scores)))

    def report(self, out: str | Path | None = None) -> Path:
        """Write the page, one HTML file without a network. A file that is no such page is not replaced.

        Args:
            out: its path; by default `scores.verdict.html` beside `scores.csv`. Needed for a data frame.

        Returns:
            Its path.

        Raises:
            InvalidArgument: the page may not be written there.
            StoreError: the disk is full, or the folder cannot be written.
        """
        from dropstudy.report.score_page import write_score_page  # noqa: PLC0415 - what draws is slow to import

        with usable_streams():
            return write_score_page(self.scores, out)

    def to_dict(self) -> dict[str, Any]:
        """As `Verdict.to_dict`, without the scores."""
        return self.scores.verdict.to_dict()


def verdict(
    scores: IntoFrame | str | Path,
    *,
    arm_column: str | None = None,
    seed_column: str | None = None,
    score_column: str | None = None,
    validation_column: str | None = None,
    baseline: str | float | None = None,
    metric: MetricName = ACCURACY.name,
    margin: float | None = None,
    test_examples: int | None = None,
) -> ScoresVerdict:
    """Verdict on scores of runs that others trained, as a study gives it; nothing is trained.

    It shows itself in a notebook. `report()` writes its page, `table()` is the table for a paper.

    Args:
        scores: a data frame, or the path of a CSV or Parquet file: a row for each run with the columns arm, seed and
            score; or a row for each seed and a column for each arm.
        arm_column: name of the column with the arms; "arm" by default.
        seed_column: of the seeds; "seed" by default.
        score_column: of the scores on the test set; "score" by default.
        validation_column: of the scores on validation data, which then choose an arm; none by default.
        baseline: arm that the others are compared with; by default "no dropout" where it is there, else the first.
        metric: what the scores are: accuracy or balanced accuracy (shares or per cent), log loss in nats, or AUC.
        margin: differences within ±margin do not matter, in the unit of the metric; None for its default.
        test_examples: examples in the test set: with few, a difference cannot be shown to be within the margin.

    Raises:
        DataError: the table cannot be used; it names line and column.
        InvalidArgument: another argument is wrong.

    Example:
        >>> import pandas as pd
        >>> runs = [("plain", seed, 0.970 + seed / 1e4) for seed in range(6)]
        >>> runs += [("dropout 0.2", seed, 0.974 + seed / 2e4) for seed in range(6)]
        >>> verdict(pd.DataFrame(runs, columns=["arm", "seed", "score"])).decision
        'helps'
    """
    assessed = assess_scores(
        scores,
        arm_column=arm_column,
        seed_column=seed_column,
        score_column=score_column,
        validation_column=validation_column,
        baseline=baseline,
        metric=metric,
        margin=margin,
        test_examples=test_examples,
    )
    return ScoresVerdict(**vars(assessed.verdict), scores=assessed)
