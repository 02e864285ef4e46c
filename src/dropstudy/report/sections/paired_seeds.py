"""Section 5: the metric of each seed with the baseline and with an arm, and three centres of the differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from dropstudy.analysis.verdict import SEEDS
from dropstudy.analysis.verdict.centres import EXPLANATION, TITLE, centre_cells
from dropstudy.report import charts
from dropstudy.report.sections import conditions
from dropstudy.report.sections.blocks import Figure, Section, Table
from dropstudy.report.sections.noise import noise_table, redrawn_table

if TYPE_CHECKING:
    from dropstudy.report.assessed import Assessed
    from dropstudy.report.sections.blocks import Block


def paired_seeds(snapshot: Assessed) -> Section | None:
    """Paired lines: a line for each seed, a panel for each arm."""
    labels = charts.arm_labels(snapshot.arms)
    baseline, metric = snapshot.arms[0].name, snapshot.metric
    blocks: list[Block] = []
    fewest = SEEDS
    for condition in snapshot.conditions:
        finals = snapshot.of_condition(snapshot.finals, condition)
        values = finals.pivot_table(index="seed", columns="arm", values=metric.column) * metric.factor
        if baseline not in values:
            continue
        parts = [
            pd.DataFrame({"arm": labels[arm.name], "before": values[baseline], "after": values[arm.name]})
            for arm in snapshot.arms[1:]
            if arm.name in values
        ]
        pairs = pd.concat(parts).dropna().reset_index() if parts else pd.DataFrame()
        if pairs.empty:
            continue
        fewest = min(fewest, *pairs["arm"].value_counts())
        figure = Figure(
            name="seeds",
            title="Seed by seed",
            chart=charts.paired_lines(pairs, metric=metric, baseline=labels[baseline]),
            caption=f"Each line is a seed: its {metric.on_test} with the baseline on the left, with the arm on the "
            "right.",
            table=conditions.of_table(pairs, condition),
            sample=conditions.sample(pairs["arm"].value_counts(), "paired seed"),
        )
        blocks.append(conditions.of_condition(snapshot, condition, figure))
        cells = centre_cells(snapshot.condition_verdict(condition))
        if len(cells):
            title = f"{TITLE}{conditions.title_suffix(snapshot, condition)}"
            blocks.append(Table(title, EXPLANATION, cells, {}, sortable=False))
        if (sources := noise_table(snapshot, condition)) is not None:
            blocks.append(sources)
        if (anew := redrawn_table(snapshot, condition)) is not None:
            blocks.append(anew)
    if not blocks:
        return None
    paragraph = snapshot.pairing
    if fewest >= SEEDS:
        paragraph += (
            " Where all lines of an arm rise or all fall, its effect exceeds the effect of another seed."
        )
    else:
        paragraph += f" Fewer than {SEEDS} lines can all rise or all fall by chance."
    purpose = "Whether the effect of an arm exceeds that of chance."
    return Section("paired-seeds", "Seeds, pair by pair", purpose, (paragraph,), tuple(blocks))
