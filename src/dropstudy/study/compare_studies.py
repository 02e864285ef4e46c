"""Arms ranked over several studies, each of its own data: `dropstudy.compare_studies`."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dropstudy.analysis.across_studies import sentences_on_ranks
from dropstudy.analysis.stats.ranks import Ranks, rank_arms
from dropstudy.analysis.stats.runs import is_finite
from dropstudy.analysis.verdict.phrases import listed, quoted
from dropstudy.core.streams import usable_streams
from dropstudy.core.text import counted, plain_name, rounded
from dropstudy.errors import InvalidArgument
from dropstudy.study.study import Study

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dropstudy.core.metrics import Metric
    from dropstudy.core.types import Arm
    from dropstudy.report.charts import Chart
    from dropstudy.report.snapshot import Snapshot

_TWO = 2
_ARGUMENT = "studies"


@dataclass(frozen=True, eq=False)
class ComparedStudies:
    """Arms ranked over several studies.

    Attributes:
        frame: a row for each study, a column for each arm: the metric on the test set, a mean over seeds, in percent
            or the metric's unit.
        metric: the metric of all studies.
        ranks: ranks of the arms, with the tests of their differences.
        notes: what to know besides, a sentence each.
    """

    frame: pd.DataFrame
    metric: Metric
    ranks: Ranks
    notes: tuple[str, ...] = ()

    @property
    def mean_ranks(self) -> pd.Series[float]:
        """Mean rank of each arm, the best first; 1 is the best."""
        return pd.Series(self.ranks.means, index=self.frame.columns).sort_values(kind="stable")

    @property
    def groups(self) -> list[list[str]]:
        """Arms in the order of their ranks of which no two are shown to differ."""
        return [[str(self.frame.columns[place]) for place in group] for group in self.ranks.groups]

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the ranks show, then the notes."""
        return (*sentences_on_ranks(self.ranks, [*self.frame.columns]), *self.notes)

    @property
    def cells(self) -> pd.DataFrame:
        """The table as text, with the mean ranks below."""
        metric = self.metric
        shown = self.frame.map(lambda value: metric.value(value / metric.factor))
        shown.loc["mean rank"] = [rounded(rank) for rank in self.ranks.means]
        shown.columns = [plain_name(str(arm)) for arm in shown.columns]
        return shown.rename_axis("study").reset_index()

    def chart(self) -> Chart:
        """Critical-difference picture (Demsar 2006)."""
        from dropstudy.report import charts  # noqa: PLC0415 - what draws is slow to import

        return charts.critical_difference(
            self.mean_ranks,
            self.groups,
            distance=self.ranks.critical_difference,
            sets=len(self.frame),
        )

    def save(self, path: str | Path) -> None:
        """Write the picture; the suffix of the path (.svg, .png, .pdf) names the format."""
        from dropstudy.report.charts.render import save  # noqa: PLC0415 - what draws is slow to import

        with usable_streams():
            save(self.chart().to_dict(validate=False), Path(path))

    def to_dict(self) -> dict[str, Any]:
        """All of it as dicts, lists, text and numbers, for JSON."""
        numbers = {"p": self.ranks.p_value, "critical_difference": self.ranks.critical_difference}
        return {
            "metric": self.metric.name,
            "scores": {str(study): row for study, row in self.frame.to_dict(orient="index").items()},
            "mean_ranks": self.mean_ranks.to_dict(),
            "test": self.ranks.test,
            **{name: value if isfinite(value) else None for name, value in numbers.items()},
            "not_shown_to_differ": self.groups,
            "sentences": list(self.sentences),
        }

    def __str__(self) -> str:
        return "\n".join((self.cells.to_string(index=False), *self.sentences))

    def _repr_html_(self) -> str:
        sentences = (f"<p>{escape(sentence)}</p>" for sentence in self.sentences)
        return "\n".join((self.cells.to_html(index=False, border=0), *sentences))


def compare_studies(studies: Iterable[Study | str | Path]) -> ComparedStudies:
    """Rank the arms that several studies share, each study a data set; nothing is trained.

    Three arms or more: Friedman's test, then Nemenyi's critical difference; two: Wilcoxon's signed ranks (Demsar 2006,
    "Statistical comparisons of classifiers over multiple data sets"). An arm's score on a study is the mean of the
    study's metric on its test set, over the seeds that all shared arms finished.

    Args:
        studies: two or more, or their folders; each of one network and one training size, all by one metric.

    Raises:
        InvalidArgument: the studies cannot be compared; the message names what differs.
        StoreError: a folder holds no study.

    Example:
        >>> compare_studies(["studies/digits", "studies/wine"]).frame  # doctest: +SKIP
    """
    found = {}
    for each in studies:
        snapshot = (each if isinstance(each, Study) else Study.open(each)).results().snapshot
        found[str(snapshot.folder)] = snapshot
    if len(found) < _TWO:
        raise _refused("two studies or more", f"{counted(len(found), 'study') if found else 'none'}")
    metric = _metric(found)
    arms, notes = _shared_arms(found)
    rows = {name: _means(name, snapshot, arms, metric) for name, snapshot in found.items()}
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=arms).rename_axis("study")
    return ComparedStudies(
        metric.factor * frame,
        metric,
        rank_arms(frame.to_numpy(), sign=metric.sign),
        (*notes, *_same_data(found)),
    )


def _refused(expected: str, received: str, next_step: str = "") -> InvalidArgument:
    return InvalidArgument(_ARGUMENT, expected=expected, received=received, next_step=next_step)


def _metric(found: Mapping[str, Snapshot]) -> Metric:
    metrics = {name: snapshot.metric for name, snapshot in found.items()}
    first, *others = metrics.values()
    if any(other is not first for other in others):
        each = "; ".join(f"{name}: {metric.name}" for name, metric in metrics.items())
        raise _refused(
            "studies by one metric",
            each,
            "Another --metric on a finished study trains nothing.",
        )
    return first


def _shared_arms(found: Mapping[str, Snapshot]) -> tuple[list[str], list[str]]:
    """Names of the arms that all studies have with the same settings, and a note on the others."""
    first, *others = found.values()
    shared = [arm for arm in first.arms if all(arm in other.arms for other in others)]
    if len(shared) < _TWO:
        each = "; ".join(f"{name}: {_names(snapshot.arms)}" for name, snapshot in found.items())
        raise _refused("two arms or more that all studies have, with the same settings", each)
    left = {name: [arm for arm in snapshot.arms if arm not in shared] for name, snapshot in found.items()}
    named = listed([f"{_names(arms)} of {name}" for name, arms in left.items() if arms])
    notes = [f"Left out, because not all studies have them: {named}."] if named else []
    return [arm.name for arm in shared], notes


def _names(arms: Iterable[Arm]) -> str:
    return ", ".join(quoted(arm.name) for arm in arms)


def _means(name: str, snapshot: Snapshot, arms: list[str], metric: Metric) -> list[float]:
    """Mean of each arm over the seeds that all of them finished."""
    if len(snapshot.conditions) != 1:
        raise _refused(
            "studies of one network and one training size",
            f"{len(snapshot.conditions)} networks or sizes in {name}",
            "Networks and sizes of one study are not separate data sets: leave it out, or train one of them in a "
            "folder of its own.",
        )
    finals = snapshot.finals[is_finite(snapshot.finals)]
    scores = (
        finals.pivot_table(index="seed", columns="arm", values=metric.column).reindex(columns=arms).dropna()
    )
    if scores.empty:
        raise _refused("a finished seed of every arm in each study", f"none in {name}")
    return [float(mean) for mean in scores.mean()]


def _same_data(found: Mapping[str, Snapshot]) -> list[str]:
    """Note on studies of the same data, which are no data sets of their own."""
    by_data: dict[str, list[str]] = {}
    for name, snapshot in found.items():
        by_data.setdefault(str(snapshot.metadata["data_sha256"]), []).append(name)
    return [
        f"{listed(names)} are of the same data: as one data set each they make the test too sure."
        for names in by_data.values()
        if len(names) > 1
    ]
