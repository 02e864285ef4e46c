"""Section 1: the verdict, and the paired differences behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from dropstudy.analysis.verdict import SEEDS
from dropstudy.analysis.verdict.phrases import interval, p_value
from dropstudy.core.text import plain_name, signed
from dropstudy.report import charts
from dropstudy.report.differences import differences, fresh_differences
from dropstudy.report.sections import conditions
from dropstudy.report.sections.blocks import Figure, Headline, Section

if TYPE_CHECKING:
    from dropstudy.report.snapshot import Snapshot

TONES = {"helps": "good", "hurts": "bad", "equivalent": "even"}
"""Tone of the headline, by decision; `open` for all others."""


def verdict(snapshot: Snapshot) -> Section:
    """Verdict, and the paired difference of each arm to the baseline in each condition."""
    labels = charts.arm_labels(snapshot.arms)
    baseline = labels[snapshot.arms[0].name]
    blocks = []
    for condition in snapshot.conditions:
        tables = [differences(snapshot, condition), fresh_differences(snapshot, condition)]
        rows, seeds = (
            pd.concat([table for table in column if len(table)] or list(column), ignore_index=True)
            for column in zip(*tables, strict=True)
        )
        if rows.empty:
            continue
        chart = charts.intervals(rows, seeds, margin=snapshot.verdict.margin, baseline=baseline)
        figure = Figure(
            name="difference",
            title=f"Test accuracy against {baseline}",
            chart=chart,
            caption=_caption(
                rows,
                snapshot.verdict.margin,
                label=_label(snapshot, condition),
                fresh=bool(snapshot.confirmations),
            ),
            table=rows.assign(hidden=condition[0], train_size=condition[1]),
        )
        blocks.append(conditions.of_condition(snapshot, condition, figure))
    found = snapshot.verdict
    others = tuple(sentence for sentence in found.sentences if sentence != found.headline)
    headline = Headline(found.label, found.headline, _certainty(snapshot), TONES.get(found.decision, "open"))
    return Section("verdict", "Verdict", others, tuple(blocks), headline)


def _certainty(snapshot: Snapshot) -> str:
    """Numbers behind the decision on the featured arm; empty without an interval."""
    if len(snapshot.conditions) != 1:
        return ""
    arm, condition = (
        snapshot.featured(snapshot.conditions[0]),
        snapshot.condition_verdict(snapshot.conditions[0]),
    )
    if arm is None:
        return ""
    compared = next(c for c in condition.comparisons if c.arm == arm.name)
    if compared.n < SEEDS or not compared.deciding.known:
        return ""
    estimate, count = compared.deciding, compared.family
    return (
        f"{plain_name(arm.name)}: {signed(estimate.value)} points, {compared.deciding_label} "
        f"{interval(estimate, snapshot.verdict.margin)}; {compared.n} seeds; {p_value(compared.p_adjusted)}, "
        f"adjusted for {'one arm' if count == 1 else f'{count} arms'}"
    )


def _label(snapshot: Snapshot, condition: tuple[str, int]) -> str:
    """Name of the interval that decides at a condition."""
    comparisons = snapshot.condition_verdict(condition).comparisons
    labels = [c.deciding_label for c in comparisons if c.n >= SEEDS]
    return labels[0] if labels else "95% interval"


def _caption(rows: pd.DataFrame, margin: float, *, label: str, fresh: bool) -> str:
    parts = ["Circles are means over seeds of the paired difference, small dots below them are single seeds."]
    if rows["low"].notna().any():
        parts.append("Thick bars are 95% intervals of each arm alone at a single look (paired t).")
    if rows["all_low"].notna().any():
        parts.append(f"Thin bars and numbers are what decides: the {label}.")
    else:
        parts.append(f"There are no intervals below {SEEDS} seeds, nor where all seeds agree.")
    if fresh:
        parts.append("Fresh seeds had no part in choosing the arm.")
    if margin:
        parts.append(f"On the grey ground a difference is below the margin of {margin:g} points.")
    return " ".join(parts)
