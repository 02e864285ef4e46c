"""Paired differences between arms, as tables for charts."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import pandas as pd

from dropstudy.analysis.verdict import SEEDS
from dropstudy.report import charts

if TYPE_CHECKING:
    from dropstudy.report.assessed import Assessed

FRESH = ", fresh seeds"
COLUMNS = ("arm", "n", "mean", "low", "high", "all_low", "all_high")


def fresh_differences(snapshot: Assessed, condition: tuple[str, int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Differences of the studies that confirm a condition on fresh seeds, with `FRESH` after each arm."""
    tables = [
        differences(study, condition) for study in snapshot.confirmations if condition in study.conditions
    ]
    parts = [
        [table.assign(arm=[f"{arm}{FRESH}" for arm in table["arm"]]) for table in pair] for pair in tables
    ]
    empty = [pd.DataFrame(columns=list(COLUMNS)), pd.DataFrame(columns=["arm", "seed", "difference"])]
    rows, pairs = (
        (pd.concat(column, ignore_index=True) for column in zip(*parts, strict=True)) if parts else empty
    )
    return rows, pairs


def differences(snapshot: Assessed, condition: tuple[str, int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The metric of each arm minus that of the baseline, paired by seed, in its unit, as the verdict has them.

    Returns:
        A row for each arm that shares a seed with the baseline: arm (a label), n, mean, low and high (of this arm alone
        at a single look), all_low and all_high (of the interval that decides). A row for each pair: arm, seed,
        difference. Ends are NaN with fewer seeds than a verdict needs, and where all seeds agree.
    """
    labels = charts.arm_labels(snapshot.arms)
    compared = [
        comparison for comparison in snapshot.condition_verdict(condition).comparisons if comparison.n
    ]
    rows = [
        (
            labels[c.arm],
            c.n,
            c.difference.value,
            *(
                (c.difference.low, c.difference.high, c.deciding.low, c.deciding.high)
                if c.n >= SEEDS
                else (nan,) * 4
            ),
        )
        for c in compared
    ]
    pairs = [
        (labels[c.arm], seed, value)
        for c in compared
        for seed, value in zip(c.seeds, c.differences, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)), pd.DataFrame(
        pairs, columns=["arm", "seed", "difference"]
    )
