"""Scores of each arm and the steps of its gap: counts and means, no comparison yet."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, sqrt
from typing import TYPE_CHECKING

import numpy as np

from dropstudy.analysis.stats import mean_over_seeds
from dropstudy.analysis.stats.estimate import ROUNDING
from dropstudy.analysis.verdict.types import ArmScores, Gap

if TYPE_CHECKING:
    from dropstudy.analysis.verdict.pairs import ShapeTables
    from dropstudy.core.types import Arm


def arm_scores(tables: ShapeTables, arm: Arm) -> ArmScores:
    """An arm's finished runs, and how many others it has."""
    runs = tables.of(arm.name)
    others = [status for (name, _), status in tables.unfinished.items() if name == arm.name]
    return ArmScores(
        arm=arm.name,
        rate=arm.rate,
        seeds=tuple(int(seed) for seed in runs.index),
        test_accuracy=tuple(float(accuracy) for accuracy in runs["test_accuracy"]),
        mean=mean_over_seeds(runs["test_accuracy"]),
        val_accuracy=mean_over_seeds(runs["val_accuracy"]),
        val_loss=mean_over_seeds(runs["val_loss"]),
        diverged=others.count("diverged"),
        failed=others.count("failed"),
        missing=sum(status not in {"diverged", "failed"} for status in others),
        still_falling=int(runs["still_falling"].sum()),
        seconds=mean_over_seeds(runs["seconds"]).value,
        epochs=mean_over_seeds(runs["epochs"]).value,
        most_epochs=int(runs["epochs"].max()) if len(runs) else 0,
        one_class=sum(name == arm.name for name, _ in tables.one_class),
    )


def gap(tables: ShapeTables, arm: Arm) -> Gap:
    """An arm's gap, from running training accuracy to test accuracy, in points."""
    runs = tables.of(arm.name)
    running, clean, test = runs["accuracy"], runs["clean_accuracy"], runs["test_accuracy"]
    noisy = (
        runs["noisy_accuracy"] if "noisy_accuracy" in runs and runs["noisy_accuracy"].notna().any() else None
    )
    return Gap(
        arm=arm.name,
        n=len(runs),
        printed=mean_over_seeds(100 * (running - runs["val_accuracy"])),
        moving=None if noisy is None else mean_over_seeds(100 * (running - noisy)),
        dropout=None if noisy is None else mean_over_seeds(100 * (noisy - clean)),
        artefact=mean_over_seeds(100 * (running - clean)),
        true=mean_over_seeds(100 * (clean - test)),
        validation=mean_over_seeds(100 * (test - runs["val_accuracy"])),
    )


@dataclass(frozen=True)
class Choice:
    """Choice that validation data made.

    Args:
        arm: its name.
        considered: how many arms it was chosen from.
        second: name of the next best arm.
        lead: over that, in points of validation accuracy; 0 where the loss settled it.
        sure: whether the lead is more than twice its standard error, paired by seed.
    """

    arm: str
    considered: int
    second: str
    lead: float
    sure: bool


def choose(scores: tuple[ArmScores, ...], tables: ShapeTables, seeds: int) -> Choice | None:
    """The arm of highest mean validation accuracy over the seeds that all of them finished; loss settles a tie.

    Accuracy and not loss, because the verdict is about accuracy: at the last epoch an overconfident network has the
    worse loss and may have the better accuracy. Arms with fewer than `seeds` seeds are not in the choice, nor are those
    that diverged in some, or whose validation accuracy is not a number. None where fewer than two arms or than `seeds`
    seeds are left, where the baseline is not among them, and where loss does not settle a tie either.

    Args:
        scores: of each arm, baseline first.
        tables: of the same condition.
        seeds: fewest that a choice may rest on.
    """
    candidates = [
        arm
        for arm in scores
        if len(arm.seeds) >= seeds and not arm.diverged and isfinite(arm.val_accuracy.value)
    ]
    if len(candidates) < 2 or candidates[0] is not scores[0]:  # noqa: PLR2004 - one is no choice
        return None
    shared = set.intersection(*(set(arm.seeds) for arm in candidates))
    if len(shared) < seeds:
        return None
    rows = [tables.of(arm.arm).loc[sorted(shared), ["val_accuracy", "val_loss"]] for arm in candidates]
    means = [(float(row["val_accuracy"].mean()), -float(row["val_loss"].mean())) for row in rows]
    order = sorted(range(len(means)), key=lambda place: means[place], reverse=True)
    best = max(accuracy for accuracy, _ in means)
    level = [place for place in order if best - means[place][0] <= ROUNDING]
    first = max(level, key=lambda place: means[place][1])
    second = next(place for place in (*level, *order) if place != first)
    lead = means[first][0] - means[second][0]
    if second in level:
        lead = 0.0
        if not means[first][1] - means[second][1] > ROUNDING:
            return None
    each = (rows[first]["val_accuracy"] - rows[second]["val_accuracy"]).to_numpy(dtype=np.float64)
    error = float(each.std(ddof=1)) / sqrt(len(each))
    return Choice(
        candidates[first].arm, len(candidates), candidates[second].arm, 100 * lead, lead > 2 * error
    )
