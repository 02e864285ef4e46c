"""Scores of each arm, and its gap in steps: no comparison yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from dropstudy.analysis.stats.estimate import mean_over_seeds
from dropstudy.analysis.verdict.types import ArmScores, Gap
from dropstudy.core.metrics import METRICS

if TYPE_CHECKING:
    from dropstudy.analysis.verdict.pairs import PairedRuns
    from dropstudy.core.metrics import Metric
    from dropstudy.core.types import Arm


def arm_scores(runs: PairedRuns, arm: Arm, metric: Metric) -> ArmScores:
    """Scores of an arm's finished runs by a metric, and counts of the others."""
    finished = runs.of(arm.name)
    others = [status for (name, _), status in runs.unfinished.items() if name == arm.name]
    return ArmScores(
        arm=arm.name,
        rate=arm.common_rate,
        seeds=tuple(int(seed) for seed in finished.index),
        test_accuracy=tuple(float(accuracy) for accuracy in finished["test_accuracy"]),
        mean=mean_over_seeds(finished[metric.column]),
        means={name: mean_over_seeds(finished[each.column]).value for name, each in METRICS.items()},
        validation=mean_over_seeds(finished[metric.validation]),
        val_loss=mean_over_seeds(finished["val_loss"]),
        diverged=others.count("diverged"),
        failed=others.count("failed"),
        missing=sum(status not in {"diverged", "failed"} for status in others),
        still_falling=int(finished["still_falling"].sum()),
        seconds=mean_over_seeds(finished["seconds"]).value,
        epochs=mean_over_seeds(finished["epochs"]).value,
        most_epochs=int((finished["epochs"] * finished["told"]).max()) if len(finished) else 0,
        one_class=sum(name == arm.name for name, _ in runs.one_class),
    )


def gap(runs: PairedRuns, arm: Arm) -> Gap:
    """Gap of an arm, from running training accuracy to test accuracy, in points."""
    finished = runs.of(arm.name)
    running, clean, test = finished["accuracy"], finished["clean_accuracy"], finished["test_accuracy"]
    noisy = finished.get("noisy_accuracy", default=pd.Series(dtype=float))
    measured = noisy.notna().any()
    return Gap(
        arm=arm.name,
        n=len(finished),
        printed=mean_over_seeds(100 * (running - finished["val_accuracy"])),
        moving=mean_over_seeds(100 * (running - noisy)) if measured else None,
        dropout=mean_over_seeds(100 * (noisy - clean)) if measured else None,
        artefact=mean_over_seeds(100 * (running - clean)),
        true=mean_over_seeds(100 * (clean - test)),
        validation=mean_over_seeds(100 * (test - finished["val_accuracy"])),
    )
