"""All metrics: each arm against the baseline over the same seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from dropstudy.analysis.stats.paired import paired_t
from dropstudy.core.metrics import METRICS

if TYPE_CHECKING:
    from dropstudy.analysis.stats import Estimate
    from dropstudy.analysis.verdict.pairs import PairedRuns
    from dropstudy.core.types import Arm, MetricName


@dataclass(frozen=True)
class MetricDifference:
    """Another metric of an arm and the baseline, over the seeds of the comparison.

    Args:
        metric: its name, for instance "log loss".
        unit: "points", "nats" or "".
        better: whether lower or higher is better, or neither.
        baseline: mean of the baseline.
        arm: mean of the arm.
        difference: arm - baseline, paired t.
    """

    metric: str
    unit: str
    better: Literal["lower", "higher", "neither"]
    baseline: float
    arm: float
    difference: Estimate


_Row = tuple[str, str, str, float, Literal["lower", "higher", "neither"]]


def _judged(*names: MetricName) -> tuple[_Row, ...]:
    found = (METRICS[name] for name in names)
    return tuple((m.title, m.column, m.short, m.factor, m.better) for m in found)


# Name, column, unit, factor to that unit, better direction. Log loss and Brier score come first, since both are proper
# scores. The calibration error is not, and depends on its bins.
_METRICS: tuple[_Row, ...] = (
    *_judged("log-loss"),
    ("Brier score", "brier", "", 1.0, "lower"),
    *_judged("accuracy", "balanced-accuracy", "auc"),
    ("error", "error", "points", 100.0, "lower"),
    ("ECE, 15 equal-width bins", "ece", "points", 100.0, "lower"),
    ("true gap", "true_gap", "points", 100.0, "lower"),
    ("artefact", "artefact", "points", 100.0, "neither"),
)


def metric_differences(runs: PairedRuns, arm: Arm) -> tuple[MetricDifference, ...]:
    """Each measured metric: means of both arms over their shared seeds, and the difference.

    Accuracy and error in percent, their differences in percentage points. Intervals are not adjusted for several
    metrics.
    """
    seeds = runs.pairs(arm.name)
    if not seeds:
        return ()
    baseline, other = (runs.of(name).loc[seeds] for name in (runs.arms[0].name, arm.name))
    found = []
    for metric, column, unit, factor, better in _METRICS:
        ours = factor * other[column].to_numpy(dtype=np.float64)
        theirs = factor * baseline[column].to_numpy(dtype=np.float64)
        both = np.isfinite(ours) & np.isfinite(theirs)
        if both.any():
            difference = paired_t(ours[both] - theirs[both])
            means = float(theirs[both].mean()), float(ours[both].mean())
            found.append(MetricDifference(metric, unit, better, *means, difference))
    return tuple(found)
