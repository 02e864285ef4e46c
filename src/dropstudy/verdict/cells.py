"""The estimates behind a verdict as tables for the eye, one row an arm."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

import pandas as pd

from dropstudy.names import plain_name
from dropstudy.verdict.words import probability, signed, span

if TYPE_CHECKING:
    from dropstudy.stats import Estimate, Mean
    from dropstudy.verdict.records import ArmComparison, ShapeVerdict


def comparison_cells(shape: ShapeVerdict) -> pd.DataFrame:
    """Each arm's difference from the baseline: test accuracy, percentage points.

    Columns that no arm has anything in are left out: with one seed there are no intervals.
    """
    cells = pd.DataFrame([_comparison_row(comparison) for comparison in shape.comparisons])
    return cells.loc[:, (cells != "-").any()]


def gap_cells(shape: ShapeVerdict) -> pd.DataFrame:
    """Each arm's gap as Keras prints it, taken apart; percentage points, means over seeds.

    From running training accuracy to the epoch's end with dropout on, then off, then to the test set.
    """
    taken_apart = any(gap.moving is not None for gap in shape.gaps)
    watched = all(not gap.validation.known or gap.validation.value == 0 for gap in shape.gaps)
    rows = []
    for gap in shape.gaps:
        row = {"arm": plain_name(gap.arm), "gap as Keras prints it": _points(gap.printed)}
        if taken_apart:
            row |= {"moving weights": _points(gap.moving), "dropout on": _points(gap.dropout)}
        row |= {"artefact": _points(gap.artefact), "true gap": _points(gap.true)}
        if not watched:
            row["test - validation"] = _points(gap.validation)
        rows.append(row)
    return pd.DataFrame(rows)


def _comparison_row(comparison: ArmComparison) -> dict[str, str]:
    p = probability(comparison.p_value) if comparison.n else "-"
    return {
        "arm": plain_name(comparison.arm),
        "decision": comparison.decision,
        "n": str(comparison.n),
        "difference": _value(comparison.difference),
        "95% interval": _span(comparison.difference),
        "all arms together": _span(comparison.simultaneous),
        "new test data too": "-" if comparison.new_data is None else _span(comparison.new_data),
        "p": p if comparison.exact else f"{p} (sampled)",
        "p, all arms": probability(comparison.p_adjusted) if comparison.n else "-",
        "p, Holm": probability(comparison.p_holm) if comparison.n else "-",
        "P(better)": _share(comparison.improvement),
        "effect size": f"{comparison.effect_size.value:.1f}"
        if isfinite(comparison.effect_size.value)
        else "-",
    }


def _value(estimate: Estimate) -> str:
    return signed(estimate.value) if estimate.n else "-"


def _span(estimate: Estimate) -> str:
    return span(estimate) if estimate.known else "-"


def _share(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})" if estimate.known else "-"


def _points(mean: Mean | None) -> str:
    return signed(mean.value) if mean is not None and mean.known else "-"
