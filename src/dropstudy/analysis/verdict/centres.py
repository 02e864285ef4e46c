"""Mean, trimmed mean and median of each arm side by side, and a caution where a few seeds pull the mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from dropstudy.analysis.verdict.phrases import interval, listed, quoted
from dropstudy.analysis.verdict.rule import SEEDS
from dropstudy.core.text import counted, plain_name, signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.analysis.stats import Estimate
    from dropstudy.analysis.verdict.types import ArmComparison, ConditionVerdict

TITLE = "Mean, trimmed mean and median of the paired differences"
EXPLANATION = (
    "Of each arm alone, with 95% intervals for other seeds on these test examples. The trimmed mean leaves out the "
    "lowest and the highest fifth. The decision rests on the mean: it counts bad runs, too."
)

_MOST_NAMED = 6


def centre_cells(condition: ConditionVerdict) -> pd.DataFrame:
    """The three centres of each arm, and the seeds that lie apart; empty below the seeds of a verdict."""
    rows = [
        {
            "arm": plain_name(c.arm),
            "mean": _with_interval(c.difference, c),
            "trimmed mean": _with_interval(c.robust.trimmed_mean, c),
            "median": _with_interval(c.robust.median, c),
            "seeds apart": ", ".join(map(str, _seeds_apart(c))) or "-",
        }
        for c in condition.comparisons
        if c.n >= SEEDS
    ]
    cells = pd.DataFrame(rows)
    return cells.loc[:, (cells != "-").any()] if rows else cells


def on_seeds_apart(comparisons: Sequence[ArmComparison]) -> str:
    """Which seeds pull the mean of the arm with the most of them, where the trimmed mean tells something else."""
    pulled = [c for c in comparisons if c.n >= SEEDS and c.robust.disagrees(c.difference)]
    if not pulled:
        return ""
    most = max(pulled, key=lambda c: len(c.robust.apart) / c.n)
    metric, robust, seeds = most.measure, most.robust, _seeds_apart(most)
    named = f" ({listed([str(seed) for seed in seeds])})" if len(seeds) <= _MOST_NAMED else ""
    others = signed(robust.mean_without, places=metric.places)
    mean = metric.amount(signed(most.difference.value, places=metric.places))
    trimmed = robust.trimmed_mean
    if trimmed.above_zero or trimmed.below_zero:
        better = trimmed.above_zero == (metric.sign > 0)
        tells = f"would call it {'better' if better else 'worse'}"
    else:
        tells = "would not tell it from the baseline"
    lie, pull, those = (
        ("lies", "It pulls", "that run") if len(seeds) == 1 else ("lie", "They pull", "those runs")
    )
    return (
        f"{len(seeds)} of {counted(most.n, 'seed')}{named} {lie} far from the others. "
        f"{pull} the mean of {quoted(most.arm)} from {others} to {mean}. A trimmed mean {tells}; look at {those}."
    )


def _seeds_apart(comparison: ArmComparison) -> list[int]:
    return [
        seed
        for seed, difference in zip(comparison.seeds, comparison.differences, strict=True)
        if difference in comparison.robust.apart
    ]


def _with_interval(estimate: Estimate, comparison: ArmComparison) -> str:
    metric = comparison.measure
    value = signed(estimate.value, places=metric.places)
    return f"{value} ({interval(estimate, metric)})" if estimate.known else value
