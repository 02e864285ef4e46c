"""What each arm reached, and the steps of its gap: counts and means, no comparison yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.stats import mean_over_seeds
from dropstudy.verdict.records import ArmScores, Gap

if TYPE_CHECKING:
    from dropstudy.records import Arm
    from dropstudy.verdict.paired import ShapeTables


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
        epoch_seconds=mean_over_seeds(runs["epoch_seconds"]).value,
        epochs=mean_over_seeds(runs["epochs"]).value,
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


def choose(scores: tuple[ArmScores, ...], tables: ShapeTables, seeds: int) -> str | None:
    """The arm of highest mean validation accuracy over the seeds that all of them finished; loss settles a tie.

    Accuracy and not loss, because the verdict is about accuracy: at the last epoch an overconfident network has the
    worse loss and may have the better accuracy. Arms with fewer than `seeds` seeds are not in the choice; None where
    fewer than that are shared, or the baseline has fewer.

    Args:
        scores: of each arm, baseline first.
        tables: of the same shape.
        seeds: fewest that a choice may rest on.
    """
    candidates = [arm for arm in scores if len(arm.seeds) >= seeds]
    if len(candidates) < 2 or candidates[0] is not scores[0]:  # noqa: PLR2004 - one is no choice
        return None
    shared = set.intersection(*(set(arm.seeds) for arm in candidates))
    if len(shared) < seeds:
        return None
    rows = tables.runs[tables.runs["seed"].isin(shared)]
    means = rows.groupby("arm", sort=False)[["val_accuracy", "val_loss"]].mean()
    names = [arm.arm for arm in candidates]
    ranks = {name: (accuracy, -loss) for name, accuracy, loss in means.itertuples(name=None)}
    return max(names, key=lambda name: ranks[name])
