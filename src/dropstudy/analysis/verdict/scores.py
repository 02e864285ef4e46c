"""Scores of each arm, its gap in steps, and the choice on validation data: no comparison yet."""

from __future__ import annotations

from math import isfinite, sqrt
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dropstudy.analysis.stats.estimate import ROUNDING, mean_over_seeds
from dropstudy.analysis.verdict.rule import SEEDS
from dropstudy.analysis.verdict.types import ArmScores, Choice, Gap
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
        most_epochs=int(finished["epochs"].max()) if len(finished) else 0,
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


def choose(scores: tuple[ArmScores, ...], runs: PairedRuns, metric: Metric) -> Choice | None:
    """The arm of the best mean on the validation data over the seeds that all of them finished; loss breaks a tie.

    By the metric that the verdict is about: at the last epoch an overconfident network has the worse loss and may have
    the better accuracy. Excluded are arms with fewer than `SEEDS` seeds, with diverged runs, or whose mean is not a
    number. None where fewer than two arms or than `SEEDS` shared seeds remain, where the baseline is excluded, and
    where loss does not break a tie either.

    Args:
        scores: of each arm, baseline first.
        runs: of the same condition.
        metric: to choose by.
    """
    candidates = [
        arm
        for arm in scores
        if len(arm.seeds) >= SEEDS and not arm.diverged and isfinite(arm.validation.value)
    ]
    if len(candidates) < 2 or candidates[0] is not scores[0]:  # noqa: PLR2004 - one is no choice
        return None
    shared = sorted(set.intersection(*(set(arm.seeds) for arm in candidates)))
    if len(shared) < SEEDS:
        return None
    finished = [runs.of(arm.arm).loc[shared] for arm in candidates]
    values = [metric.sign * rows[metric.validation] for rows in finished]
    means = [
        (float(better.mean()), -float(rows["val_loss"].mean()))
        for better, rows in zip(values, finished, strict=True)
    ]
    order = sorted(range(len(means)), key=lambda place: means[place], reverse=True)
    best = max(mean for mean, _ in means)
    tied = [place for place in order if best - means[place][0] <= ROUNDING]
    first = max(tied, key=lambda place: means[place][1])
    second = next(place for place in (*tied, *order) if place != first)
    lead = means[first][0] - means[second][0]
    if second in tied:
        lead = 0.0
        if not means[first][1] - means[second][1] > ROUNDING:
            return None
    each = (values[first] - values[second]).to_numpy(dtype=np.float64)
    error = float(each.std(ddof=1)) / sqrt(len(each))
    return Choice(
        candidates[first].arm, len(candidates), candidates[second].arm, metric.factor * lead, lead > 2 * error
    )
