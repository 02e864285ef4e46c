"""Estimates behind a verdict as printed tables, one row per arm, and as HTML for a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import pandas as pd

from dropstudy.analysis.verdict.phrases import interval, probability
from dropstudy.analysis.verdict.rule import SEEDS
from dropstudy.core.text import plain_name, rounded, signed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dropstudy.analysis.stats import Estimate, Mean
    from dropstudy.analysis.verdict.types import ArmComparison, ConditionVerdict, Verdict
    from dropstudy.core.metrics import Metric

CONDITION_COLUMNS = ("network", "training examples")
"""Columns of `answer_cells` that name the condition of an arm, behind its name."""


def answer_cells(verdict: Verdict) -> tuple[pd.DataFrame, list[ArmComparison | None]]:
    """The few numbers that an answer rests on, a row for each arm, and the comparison of each row.

    Columns and rows without information are left out: one network has no name, one seed no interval.
    """
    metric = verdict.measure
    unit = f" ({metric.short})" if metric.short else ""
    rows, compared = [], []
    every = [c for condition in verdict.conditions for c in condition.comparisons]
    heading = interval_heading(every)
    for condition in verdict.conditions:
        found: dict[str, ArmComparison | None] = {c.arm: c for c in condition.comparisons}
        for scores in condition.arms:
            comparison = found.get(scores.arm)
            known = comparison is not None and comparison.n >= SEEDS
            rows.append(
                {
                    "arm": plain_name(scores.arm),
                    "network": condition.hidden,
                    "training examples": f"{condition.train_size:,}",
                    metric.on_test: metric.value(scores.mean.value) if scores.seeds else "",
                    f"difference{unit}": signed(comparison.difference.value, places=metric.places)
                    if comparison and comparison.n
                    else "",
                    heading: _span(comparison.deciding, metric) if comparison and known else "",
                    "verdict": comparison.state if comparison else "",
                }
            )
            compared.append(comparison)
    cells = pd.DataFrame(rows)
    dull = {name for name in CONDITION_COLUMNS if len(set(cells[name])) == 1}
    # Of one condition the answer has it.
    if len(verdict.conditions) == 1 and len({each.state for each in compared if each}) == 1:
        dull.add("verdict")
    return cells[[name for name in cells if name not in dull and set(cells[name]) - {"", "-"}]], compared


def comparison_cells(condition: ConditionVerdict) -> pd.DataFrame:
    """Each arm's difference from the baseline, in the unit of the metric.

    Empty columns are left out: with one seed there are no intervals. So are numbers for all arms together where there
    is one arm besides the baseline: they are those of this arm.
    """
    cells = pd.DataFrame([_comparison_row(comparison) for comparison in condition.comparisons])
    return cells.loc[:, (cells != "-").any()]


def gap_cells(condition: ConditionVerdict) -> pd.DataFrame:
    """Gap of each arm as Keras measures it, and its parts; percentage points, means over seeds.

    From running training accuracy to the end of the epoch with dropout on, then off, then to the test set.
    """
    measured = any(gap.moving is not None for gap in condition.gaps)
    watched = all(not gap.validation.known or gap.validation.value == 0 for gap in condition.gaps)
    rows = []
    for gap in condition.gaps:
        row = {"arm": plain_name(gap.arm), "gap as Keras measures it": _points(gap.printed)}
        if measured:
            row |= {"moving weights": _points(gap.moving), "dropout on": _points(gap.dropout)}
        row |= {"artefact": _points(gap.artefact), "true gap": _points(gap.true)}
        if not watched:
            row["test - validation"] = _points(gap.validation)
        rows.append(row)
    return pd.DataFrame(rows)


def _comparison_row(comparison: ArmComparison) -> dict[str, str]:
    p, several, metric = probability(comparison.p_value), comparison.family > 1, comparison.measure
    return {
        "arm": plain_name(comparison.arm),
        "decision": comparison.state,
        "n": str(comparison.n),
        "difference": signed(comparison.difference.value, places=metric.places) if comparison.n else "-",
        **_intervals(comparison),
        "p": p if comparison.exact or p == "-" else f"{p} (sampled)",
        "p, all arms": probability(comparison.p_adjusted) if several else "-",
        "p, Holm": probability(comparison.p_holm) if several else "-",
        "p, all conditions": probability(comparison.p_everywhere),
        "q, all conditions": probability(comparison.q_everywhere),
        "P(better)": _share(comparison.improvement) if comparison.n >= SEEDS else "-",
        "effect size": rounded(comparison.effect_size.value, 1),
        "better / same / worse": _likely(comparison),
    }


def _intervals(comparison: ArmComparison) -> dict[str, str]:
    """The interval that decides comes first."""
    metric = comparison.measure
    new_data = "-" if comparison.new_data is None else _span(comparison.new_data, metric)
    alone = _span(comparison.difference, metric)
    together = _span(comparison.simultaneous, metric) if comparison.family > 1 else "-"
    if comparison.over_seeds is comparison.anytime:
        return {
            "new data": new_data,
            "over seeds, at every look": _span(comparison.over_seeds, metric),
            "single look": alone,
            "single look, all arms": together,
        }
    return {"new data": new_data, "over seeds, all arms": together, "over seeds": alone}


def interval_heading(comparisons: Iterable[ArmComparison]) -> str:
    """Heading of the intervals that decide."""
    decided = [c for c in comparisons if c.deciding.known]
    return f"95% interval, {'new data' if any(c.new_data for c in decided) else 'over seeds'}"


def _span(estimate: Estimate, metric: Metric) -> str:
    return interval(estimate, metric) if estimate.known else "-"


def _share(estimate: Estimate) -> str:
    return (
        f"{rounded(estimate.value)} ({rounded(estimate.low)} to {rounded(estimate.high)})"
        if estimate.known
        else "-"
    )


def _likely(comparison: ArmComparison) -> str:
    found = comparison.posterior
    if found is None:
        return "-"
    return " / ".join(rounded(100 * share, 0) for share in (found.better, found.equal, found.worse)) + "%"


def _points(mean: Mean | None) -> str:
    return signed(mean.value) if mean is not None and mean.known else "-"


def html(verdict: Verdict) -> str:
    """The headline in bold, what must be disclosed with it, and the few numbers behind it."""
    cells, _ = answer_cells(verdict)
    table = cells.to_html(index=False, border=0) if verdict.measure.on_test in cells else ""
    disclosures = (f"<p>{escape(sentence)}</p>" for sentence in verdict.disclosures)
    more = "<p><small>All sentences: <code>print(verdict)</code></small></p>"
    return "\n".join((f"<p><b>{escape(verdict.headline)}</b></p>", *disclosures, table, more))
