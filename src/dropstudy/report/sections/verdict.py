"""Section 1: the answer and a picture of it. Section 2, where there are several conditions: each one's comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from dropstudy.analysis.verdict import SEEDS
from dropstudy.analysis.verdict.conditions import on_all_conditions
from dropstudy.analysis.verdict.tables import comparison_cells
from dropstudy.core.text import rounded
from dropstudy.report import charts
from dropstudy.report.assessed import featured
from dropstudy.report.differences import FRESH, differences, fresh_differences
from dropstudy.report.sections import conditions
from dropstudy.report.sections.blocks import Figure, Head, Section

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dropstudy.analysis.verdict import Verdict
    from dropstudy.report.assessed import Assessed

TONES = {"helps": "good", "hurts": "bad", "equivalent": "even"}
"""Tone of the head, by decision; `open` for all others."""

MOST_ROWS = 12
"""Most conditions in the picture of the answer."""


def verdict(snapshot: Assessed) -> Section:
    """Answer to the three questions, what to do next, and the differences behind it."""
    answer, found = snapshot.answer, snapshot.verdict
    head = Head(
        lines=answer.lines,
        cautions=(*answer.cautions, *found.disclosures),
        steps=tuple((step.lead, step.command) for step in answer.steps),
        tone=TONES.get(found.decision, "open"),
    )
    several = len(snapshot.conditions) > 1
    picture = _of_all(snapshot) if several else _of_one(snapshot, snapshot.conditions[0])
    blocks = () if picture is None else (picture,)
    return Section("verdict", "The answer", "", blocks=blocks, head=head)


def each_condition(snapshot: Assessed) -> Section | None:
    """Paired difference of each arm to the baseline in each of several conditions."""
    if len(snapshot.conditions) == 1:
        return None
    figures = [(condition, _of_one(snapshot, condition)) for condition in snapshot.conditions]
    blocks = tuple(
        conditions.of_condition(snapshot, condition, figure)
        for condition, figure in figures
        if figure is not None
    )
    purpose = "All arms in each network and training size, against the baseline."
    everywhere = on_all_conditions(snapshot.verdict.conditions)
    told = (everywhere,) if everywhere else ()
    return Section("conditions", "One by one", purpose, told, blocks) if blocks else None


def _of_one(snapshot: Assessed, condition: tuple[str, int]) -> Figure | None:
    """Difference of each arm at one condition; None where no seeds are paired."""
    labels = charts.arm_labels(snapshot.arms)
    baseline = labels[snapshot.arms[0].name]
    tables = [differences(snapshot, condition), fresh_differences(snapshot, condition)]
    rows, seeds = (
        pd.concat([table for table in column if len(table)] or list(column), ignore_index=True)
        for column in zip(*tables, strict=True)
    )
    if rows.empty:
        return None
    comparisons = snapshot.condition_verdict(condition).comparisons
    cells = comparison_cells(snapshot.condition_verdict(condition))
    if not snapshot.verdict.anytime:  # it is that of a single look
        detectable = [rounded(c.detectable, snapshot.metric.places) for c in comparisons]
        cells = cells.assign(**{"detectable by these (80% power)": detectable})
    return Figure(
        name="difference",
        title=f"{snapshot.metric.subject} against {baseline}",
        chart=charts.intervals(
            rows, seeds, metric=snapshot.metric, margin=snapshot.margin, baseline=baseline
        ),
        caption=_caption(snapshot, rows),
        table=conditions.of_table(rows, condition),
        sample=conditions.sample(rows["n"], "paired seed"),
        cells=cells.loc[:, (cells != "-").any()],
    )


def _of_all(snapshot: Assessed) -> Figure | None:
    """Difference of one arm at each of the conditions: the chosen arm, or the one of highest mean."""
    labels = charts.arm_labels(snapshot.arms)
    baseline = labels[snapshot.arms[0].name]
    shown = {c: arm for c in snapshot.conditions[:MOST_ROWS] if (arm := featured(snapshot, c)) is not None}
    if not shown:
        return None
    one = len({arm.name for arm in shown.values()}) == 1
    parts = []
    for condition, arm in shown.items():
        rows, seeds = differences(snapshot, condition)
        name = conditions.short_words(snapshot, condition) + ("" if one else f": {labels[arm.name]}")
        parts.append([table[table["arm"] == labels[arm.name]].assign(arm=name) for table in (rows, seeds)])
    rows, seeds = (pd.concat(column, ignore_index=True) for column in zip(*parts, strict=True))
    what = f"of {labels[next(iter(shown.values())).name]} " if one else ""
    more = len(snapshot.conditions) - len(shown)
    return Figure(
        name="differences",
        title=f"{snapshot.metric.subject} {what}against {baseline}",
        chart=charts.intervals(
            rows, seeds, metric=snapshot.metric, margin=snapshot.margin, baseline=baseline
        ),
        caption=_caption(snapshot, rows)
        + ("" if one else " The arm is the chosen one, or else the one of the best mean.")
        + (f" {more} more networks and sizes are not in this picture." if more else ""),
        table=rows,
        sample=conditions.sample(rows["n"], "paired seed"),
    )


def _caption(snapshot: Assessed, rows: pd.DataFrame) -> str:
    own, fresh = _intervals([snapshot.verdict]), _intervals(snapshot.verdict.confirmations)
    if rows["all_low"].notna().any():
        also = f" (on fresh seeds, the {fresh})" if fresh and fresh != own else ""
        parts = [
            f"Circles are means over seeds, bars the {own}{also}, dots single seeds.",
            "95% assumes differences that are not strongly skewed.",
        ]
        if "new data" in own:
            parts.insert(1, "New data are other seeds and other test examples.")
    else:
        parts = [
            f"Circles are means over seeds, dots single seeds. From {SEEDS} seeds on there are intervals."
        ]
    if snapshot.margin:
        within = snapshot.metric.amount(f"{snapshot.margin:g}")
        parts.append(f"On grey a difference is within ±{within}: too small to matter.")
        if snapshot.metric.better == "lower":
            parts.append("Left of 0 is better.")
    if rows["arm"].str.endswith(FRESH).any():
        parts.append("Fresh seeds had no part in choosing the arm.")
    return " ".join(parts)


def _intervals(verdicts: Iterable[Verdict]) -> str:
    """Names of the intervals that decide; empty where none does."""
    found = [c for verdict in verdicts for each in verdict.conditions for c in each.comparisons]
    return " or ".join(dict.fromkeys(c.deciding_label for c in found if c.n >= SEEDS))
