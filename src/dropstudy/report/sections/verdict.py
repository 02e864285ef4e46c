"""Section 1: what the study shows, and the paired differences behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from dropstudy import charts
from dropstudy.names import plain_name
from dropstudy.report import shapes
from dropstudy.report.differences import differences, fresh_differences
from dropstudy.report.parts import Figure, Headline, Section

if TYPE_CHECKING:
    from dropstudy.report.source import Source

DECISIONS = {
    "helps": ("Dropout helps", "good"),
    "hurts": ("Dropout hurts", "bad"),
    "equivalent": ("No difference that matters", "even"),
    "undecided": ("Undecided", "open"),
    "too few seeds": ("Too few seeds to decide", "open"),
    "nothing to compare": ("Nothing to compare", "open"),
    "depends on the shape": ("It depends on the network and its data", "open"),
}
"""Each decision as the page says it, and its tone."""


def verdict(source: Source) -> Section:
    """The paired difference of each arm to the baseline, shape by shape."""
    labels = charts.arm_labels(source.arms)
    baseline = labels[source.arms[0].name]
    blocks = []
    for shape in source.shapes:
        tables = [differences(source, shape), fresh_differences(source, shape)]
        rows, seeds = (
            pd.concat([table for table in column if len(table)] or list(column), ignore_index=True)
            for column in zip(*tables, strict=True)
        )
        if rows.empty:
            continue
        chart = charts.intervals(rows, seeds, margin=source.verdict.margin, baseline=baseline)
        figure = Figure(
            name="difference",
            title=f"Test accuracy against {baseline}",
            chart=chart,
            caption=_caption(rows, source.verdict.margin, fresh=bool(source.confirmations)),
            table=rows.assign(hidden=shape[0], train_size=shape[1]),
        )
        blocks.append(shapes.of_shape(source, shape, figure))
    told = source.verdict
    words, tone = DECISIONS[told.decision]
    others = tuple(sentence for sentence in told.sentences if sentence != told.headline)
    headline = Headline(words, told.headline, _certainty(source), tone)
    return Section("verdict", "Verdict", others, tuple(blocks), headline)


def _certainty(source: Source) -> str:
    """The figures behind the decision on the arm that the page sets beside the baseline; empty below two seeds."""
    if len(source.shapes) != 1:
        return ""
    arm, shape = source.featured(source.shapes[0]), source.shape_verdict(source.shapes[0])
    if arm is None or shape is None:
        return ""
    compared = next(c for c in shape.comparisons if c.arm == arm.name)
    if compared.n < 2:  # noqa: PLR2004 - no interval
        return ""
    estimate, count = compared.difference, len(shape.comparisons)
    return (
        f"{plain_name(arm.name)}: {estimate.value:+.2f} points, 95% interval {estimate.low:+.2f} to "
        f"{estimate.high:+.2f}; {compared.n} seeds; p = {compared.p_adjusted:.2g}, adjusted for "
        f"{'one arm' if count == 1 else f'{count} arms'}"
    )


def _caption(rows: pd.DataFrame, margin: float, *, fresh: bool) -> str:
    parts = ["Circles are means over seeds of the paired difference, small dots below them are single seeds."]
    if rows["low"].notna().any():
        parts.append("Thick bars are 95% intervals of each arm alone (paired t).")
    if rows["all_low"].notna().any():
        parts.append("Thin bars hold for all arms at once (max-t).")
    if fresh:
        parts.append("Fresh seeds had no part in choosing the arm.")
    if margin:
        parts.append(f"On the grey ground a difference is below the margin of {margin:g} points.")
    return " ".join(parts)
