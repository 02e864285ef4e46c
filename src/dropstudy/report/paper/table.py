"""Table of a study's results in the form of a journal: LaTeX, Markdown, CSV, HTML."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, replace
from html import escape
from math import nan
from typing import TYPE_CHECKING, Any

import pandas as pd

from dropstudy.analysis.stats.estimate import ROUNDING
from dropstudy.analysis.verdict.phrases import SMALLEST_P, listed, probability
from dropstudy.core import tables
from dropstudy.core.metrics import METRICS
from dropstudy.core.text import decimals, plain_name, rounded, signed, span
from dropstudy.errors import InvalidArgument
from dropstudy.report.paper.methods import methods
from dropstudy.report.tables import file_stems
from dropstudy.report.title import data_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dropstudy.analysis.verdict.types import ArmComparison, ArmScores, ConditionVerdict, Verdict
    from dropstudy.core.metrics import Metric
    from dropstudy.core.types import MetricName
    from dropstudy.report.snapshot import Snapshot

FORMATS = {"latex": ".tex", "markdown": ".md", "csv": ".csv"}
"""Suffix of a file in each format."""

DIGITS = 10
"""Significant digits of a number in CSV."""

_TABLE = r"""% \usepackage[T1]{{fontenc}} \usepackage{{booktabs,graphicx}}
\begin{{table}}[htbp]
\centering
\caption{{{caption}}}
\label{{tab:{label}}}
\small\setlength{{\tabcolsep}}{{4pt}}
\resizebox{{\ifdim\width>\linewidth\linewidth\else\width\fi}}{{!}}{{%
{tabular}}}
\par\medskip
\parbox{{\linewidth}}{{\footnotesize {notes}}}
\end{{table}}
"""
"""Table in LaTeX: scaled down only where it is wider than the text."""

_MEANS: dict[MetricName, str] = {
    "accuracy": "test_accuracy_percent",
    "balanced-accuracy": "test_balanced_accuracy_percent",
    "log-loss": "test_log_loss_nats",
    "auc": "test_auc",
}
"""Columns of the means, by metric."""

_IN_UNIT = ("sd", "difference", "low", "high")
"""Columns in the unit of the study's metric; `numbers` adds it to their names."""

COLUMNS = (
    "arm",
    "rate",
    "hidden",
    "train_size",
    "fresh_seeds",
    "n",
    *_MEANS.values(),
    "metric",
    "sd",
    "pairs",
    "difference",
    "low",
    "high",
    "interval",
    "family",
    "p",
    "p_adjusted",
    "effect_size",
    "effect_size_low",
    "effect_size_high",
    "decision",
)
"""Columns of the numbers, see `numbers`."""

_WIDTH = 80
"""Characters in a line of text."""

_LEFT = ("network", "arm", "decision")
"""Columns of text."""

_LATEX = str.maketrans(
    {
        **{mark: f"\\{mark}" for mark in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
        "±": r"$\pm$",
    }
)
"""Characters with a meaning in LaTeX. pandas escapes only some of them, and no caption."""


@dataclass(frozen=True, eq=False, repr=False)
class ResultTable:
    """Results of a study, one row for each arm and condition, the baseline first; then those on fresh seeds.

    It shows itself in a notebook, and as Markdown elsewhere.

    Attributes:
        frame: numbers, see `numbers`.
        cells: the same as text, rounded, without empty columns; the columns' names are headings.
        caption: what the table shows.
        notes: what each column is, and what may not be concluded; a sentence each.
        methods: sentences for the methods section of a paper.
        label: name of the table in LaTeX.
    """

    frame: pd.DataFrame
    cells: pd.DataFrame
    caption: str
    notes: tuple[str, ...]
    methods: tuple[str, ...]
    label: str

    def to_latex(self) -> str:
        """LaTeX: a `table` environment, as wide as the text at most. Its first line names the packages."""
        cells = self.cells.map(_latex_cell)
        cells = cells.rename(columns=lambda name: re.sub(r"\b([pnd])\b", r"$\1$", latex(name)))
        columns = "".join("l" if name in _LEFT else "r" for name in self.cells)
        tabular: str = cells.style.hide(axis="index").to_latex(
            hrules=True, column_format=f"@{{}}{columns}@{{}}"
        )
        return _TABLE.format(
            caption=_wrapped(latex(self.caption)),
            label=self.label,
            tabular=tabular,
            notes=_wrapped(latex(" ".join(self.notes))),
        )

    def to_markdown(self) -> str:
        """Markdown: the caption, the table, the notes."""
        cells = self.cells.map(_markdown)
        widths = {name: max(3, len(str(name)), *cells[name].str.len()) for name in cells}
        rows = [list(cells), *cells.to_numpy().tolist()]
        lines = [
            " | ".join(
                cell.ljust(width) if name in _LEFT else cell.rjust(width)
                for cell, (name, width) in zip(row, widths.items(), strict=True)
            )
            for row in rows
        ]
        rule = " | ".join(
            f":{'-' * (n - 1)}" if name in _LEFT else f"{'-' * (n - 1)}:" for name, n in widths.items()
        )
        table = "\n".join(f"| {line} |" for line in (lines[0], rule, *lines[1:]))
        caption, notes = (_wrapped(_markdown(text)) for text in (self.caption, " ".join(self.notes)))
        return f"{caption}\n\n{table}\n\n{notes}\n"

    def to_csv(self) -> str:
        """CSV of the numbers in `frame`, unrounded."""
        return tables.csv(self.frame, DIGITS)

    def text(self, file_format: str, *, methods: bool = False) -> str:
        """Table, or the sentences for a methods section, in one of `FORMATS`.

        Raises:
            InvalidArgument: another format.
        """
        if file_format not in FORMATS:
            raise InvalidArgument(
                "format", expected=f"one of {', '.join(FORMATS)}", received=repr(file_format)
            )
        if methods:
            text = " ".join(self.methods)
            return f"{latex(text) if file_format == 'latex' else text}\n"
        forms = {"latex": self.to_latex, "markdown": self.to_markdown, "csv": self.to_csv}
        return forms[file_format]()

    def __repr__(self) -> str:
        return self.to_markdown()

    def _repr_html_(self) -> str:
        table = self.cells.to_html(index=False, border=0)
        return f"<p>{escape(self.caption)}</p>\n{table}\n<p><small>{escape(' '.join(self.notes))}</small></p>"


def latex(text: str) -> str:
    """A text in which LaTeX's special characters stand for themselves."""
    return text.translate(_LATEX)


def result_table(snapshot: Snapshot) -> ResultTable:
    """Table of a study's results."""
    on = "" if snapshot.has_own_data else f" on {data_name(snapshot)}"
    table = verdict_table(snapshot.verdict, on, file_stems([snapshot.spec.name])[0])
    notes, frame = (*table.notes, *_notes_of_study(snapshot)), snapshot.known(table.frame)
    return replace(table, frame=frame, notes=notes, methods=tuple(methods(snapshot)))


def verdict_table(verdict: Verdict, where: str = "", label: str = "scores") -> ResultTable:
    """Table of a verdict, without sentences on methods; `where` is the part of its caption that names the data."""
    metric, rows, (condition, *_) = verdict.measure, _rows(verdict), verdict.conditions
    unit, baseline = f" in {metric.unit}" if metric.unit else "", plain_name(condition.baseline)
    against = f", and its difference from the baseline ({baseline}){unit}" if condition.comparisons else ""
    return ResultTable(
        frame=_with_units(rows, metric),
        cells=_cells(rows, metric, verdict.margin),
        caption=f"{metric.subject} of each arm{where}{against}.",
        notes=tuple(_notes(verdict, rows)),
        methods=(),
        label=label,
    )


def numbers(verdict: Verdict) -> pd.DataFrame:
    """All numbers of the table, one row for each arm and condition, those on fresh seeds last.

    Returns:
        arm, rate, hidden, train_size, fresh_seeds; n (finished seeds), test_accuracy_percent,
        test_balanced_accuracy_percent, test_log_loss_nats and test_auc (means); metric (the study's), then of it sd;
        pairs, difference (mean of arm - baseline), low and high (ends of the interval that decides); interval (its
        name), family (arms that interval and p_adjusted allow for), p, p_adjusted, effect_size, effect_size_low,
        effect_size_high, decision. The unit of the metric is part of the names: sd_points, sd_nats, of AUC sd. Empty
        where a number is not known, and for the baseline.
    """
    return _with_units(_rows(verdict), verdict.measure)


def _with_units(rows: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    return rows.rename(columns={name: f"{name}_{metric.short}".strip("_") for name in _IN_UNIT})


def _rows(verdict: Verdict) -> pd.DataFrame:
    parts = [(verdict, False), *((confirmation, True) for confirmation in verdict.confirmations)]
    rows = [
        {**_scores(condition, scores), **_comparison(condition, scores), "fresh_seeds": fresh}
        for part, fresh in parts
        for condition in part.conditions
        for scores in condition.arms
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"pairs": "Int64", "family": "Int64"})


def _scores(condition: ConditionVerdict, scores: ArmScores) -> dict[str, Any]:
    return {
        "arm": scores.arm,
        "rate": scores.rate,
        "hidden": condition.hidden,
        "train_size": condition.train_size,
        "n": scores.mean.n,
        **{column: METRICS[name].factor * scores.means[name] for name, column in _MEANS.items()},
        "metric": condition.metric,
        "sd": nan if scores.mean.sd is None else condition.measure.factor * scores.mean.sd,
    }


def _comparison(condition: ConditionVerdict, scores: ArmScores) -> dict[str, Any]:
    found = [comparison for comparison in condition.comparisons if comparison.arm == scores.arm]
    if not found:
        return {"decision": "baseline"}
    (comparison,) = found
    deciding, effect = comparison.deciding, comparison.effect_size
    return {
        "pairs": comparison.n,
        "difference": comparison.difference.value,
        "low": deciding.low if deciding.known else nan,
        "high": deciding.high if deciding.known else nan,
        "interval": comparison.deciding_label,
        "family": comparison.family,
        "p": comparison.p_value,
        "p_adjusted": comparison.p_adjusted,
        "effect_size": effect.value,
        "effect_size_low": effect.low,
        "effect_size_high": effect.high,
        "decision": comparison.state,
    }


def _cells(frame: pd.DataFrame, metric: Metric, margin: float) -> pd.DataFrame:
    """Numbers as text, rounded by the smallest uncertainty; columns without information left out."""
    half_widths = (frame["high"] - frame["low"]) / 2
    places = _places(pd.concat([half_widths, frame["sd"]]), metric.places)
    heading = f"{metric.title}, {metric.axis_unit}" if metric.axis_unit else metric.title
    rows = []
    for row in frame.fillna({"pairs": 0}).to_dict(orient="records"):
        mean = rounded(row[_MEANS[metric.name]], places) if row["n"] else ""
        sd = "" if pd.isna(row["sd"]) else f" ({rounded(row['sd'], places)})"
        ends = (row["low"], row["high"])
        rows.append(
            {
                "network": row["hidden"],
                "examples": f"{row['train_size']:,}",
                "arm": f"{plain_name(row['arm'])}{' (fresh)' if row['fresh_seeds'] else ''}",
                heading: f"{mean}{sd}",
                "n": str(row["n"]),
                "pairs": str(row["pairs"]) if row["pairs"] else "",
                "difference": signed(row["difference"], places=places) if row["pairs"] else "",
                "95% interval": "" if pd.isna(ends[0]) else span(*ends, margin=margin, places=places),
                "p": _p(row["p"]),
                "adj. p": _p(row["p_adjusted"]),
                "d": "" if pd.isna(row["effect_size"]) else rounded(row["effect_size"], 1),
                "decision": row["decision"],
            }
        )
    cells = pd.DataFrame(rows)
    where = cells[["network", "examples"]]
    cells[["network", "examples"]] = where.where(where.ne(where.shift()).any(axis=1), "", axis=0)
    compared = frame[frame["pairs"] > 0]
    left_out = {
        *(name for name in where if len(set(where[name])) == 1),
        *(name for name in cells if (cells[name] == "").all()),
        *(["pairs"] if (compared["pairs"] == compared["n"]).all() else []),
        *([] if (frame["family"] > 1).any() else ["adj. p"]),
    }
    return cells.drop(columns=left_out)


def _places(uncertainties: pd.Series[float], usual: int) -> int:
    """Decimal places by the smallest of some uncertainties; the usual ones where there is none but rounding errors."""
    known = uncertainties[uncertainties > ROUNDING]
    return decimals(float(known.min())) if len(known) else usual


def _p(p: float) -> str:
    return "" if pd.isna(p) else f"<{SMALLEST_P}" if p < SMALLEST_P else probability(p)


def _latex_cell(text: str) -> str:
    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", latex(text))


def _wrapped(text: str) -> str:
    """A paragraph in lines that a terminal and an editor show whole; both formats join them."""
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|~])", r"\\\1", text)


def _notes(verdict: Verdict, frame: pd.DataFrame) -> Iterator[str]:
    """What each column is, and what may not be concluded."""
    own, fresh = _compared([verdict]), _compared(verdict.confirmations)
    sd = " (standard deviation)" if frame["sd"].notna().any() else ""
    metric = verdict.measure
    yield f"{metric.title[:1].upper()}{metric.title[1:]}: mean{sd} over n seeds."
    if metric.better == "lower" and any(c.n for c in own):
        yield "Lower is better."
    if any(c.n for c in own):
        yield "Difference: an arm minus the baseline, paired by seed."
    known = [c for c in (*own, *fresh) if c.deciding.known]
    if known:
        yield f"Interval: {_intervals(own)}{f'; on fresh seeds, {_intervals(fresh)}' if fresh else ''}. It decides."
        yield from _tests(known, single_look=verdict.anytime)
        yield f"Equivalent: the interval lies within ±{metric.brief(f'{verdict.margin:g}')}."
    if any(c.decision == "undecided" for c in (*own, *fresh)):
        yield "Undecided does not mean that there is no difference."
    if fresh:
        yield "Fresh: on fresh seeds, which had no part in the choice of the arm."
    if verdict.watches_test and own:
        yield "The test set was evaluated after every epoch, so no rate and no epoch may be chosen on it."


def _notes_of_study(snapshot: Snapshot) -> Iterator[str]:
    """What is left out, and which data stand in for others."""
    unfinished = len(snapshot.runs) - len(snapshot.finals)
    if unfinished:
        yield f"{unfinished:,} of {len(snapshot.runs):,} runs diverged, failed or are not finished; they are left out."
    if snapshot.fallback_note:
        yield snapshot.fallback_note


def _compared(verdicts: Iterable[Verdict]) -> list[ArmComparison]:
    return [c for verdict in verdicts for condition in verdict.conditions for c in condition.comparisons]


def _intervals(comparisons: Iterable[ArmComparison]) -> str:
    """Names and methods of the intervals that decide."""
    names = []
    for c in comparisons:
        alone = c.family == 1 and c.deciding is c.simultaneous
        names.append(f"{c.deciding_label} ({c.difference.method if alone else c.deciding.method})")
    return listed(list(dict.fromkeys(names)))


def _tests(known: Iterable[ArmComparison], *, single_look: bool) -> Iterator[str]:
    kinds = listed(sorted({"exact" if c.exact else "sampled" for c in known}))
    yield f"p: {kinds} sign-flip test, two-sided{', valid for a single look' if single_look else ''}."
    families = sorted({c.family for c in known if c.family > 1})
    if families:
        arms = listed([str(family) for family in families])
        yield f"Adj. p: adjusted for {arms} arms together (step-down max-t)."
    yield "d: mean over standard deviation of the paired differences."
