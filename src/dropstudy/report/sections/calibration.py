"""Section 7: calibration of each arm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dropstudy.analysis import stats
from dropstudy.analysis.stats.calibration import (
    BINS,
    entropy_shares,
    expected_calibration_error,
    predictive_entropy,
    reliability_bins,
)
from dropstudy.core.text import percent
from dropstudy.report import charts
from dropstudy.report.sections import conditions
from dropstudy.report.sections.blocks import Figure, Section, Table

if TYPE_CHECKING:
    from dropstudy.report.sections.blocks import Block
    from dropstudy.report.snapshot import Snapshot
    from dropstudy.report.test_set import TestSet


FORMS = {
    "log loss, nats": ".4f",
    "Brier": ".4f",
    "ECE, points": ".2f",
    "mean confidence, %": ".2f",
    "test accuracy, %": ".2f",
    "balanced, %": ".2f",
    "AUC": ".4f",
}
FEWEST_IN_A_BIN = 10
"""Fewest test examples of a bin that is drawn: the accuracy of fewer is chance."""


def calibration(snapshot: Snapshot) -> Section | None:
    """Reliability, log loss, Brier score and calibration error; entropies where networks were sampled."""
    test = snapshot.test_set
    if test is None:
        return None
    figures, scores = [], []
    for condition in snapshot.conditions[: conditions.MOST]:
        bins, rows = _measured(snapshot, test, condition)
        if len(rows):
            figures.append(conditions.of_condition(snapshot, condition, _reliability(snapshot, bins)))
            scores.append(rows)
    if not scores:
        return None
    table = Table(
        "Scores of each arm on the test set",
        "Means over seeds. Log loss and Brier score reward accuracy and calibration together; lower is better. "
        f"ECE is the mean distance between confidence and accuracy over {BINS} bins of confidence.",
        _all_scores(scores),
        FORMS,
    )
    blocks: list[Block] = [*figures[:1], table, *figures[1:], *_entropies(snapshot, test)]
    purpose = "Calibration: whether a network is right as often as the probability that it predicts."
    return Section(
        "calibration",
        "Are predicted probabilities right?",
        purpose,
        conditions.left_out(snapshot),
        tuple(blocks),
    )


def _measured(
    snapshot: Snapshot, test: TestSet, condition: tuple[str, int]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Reliability bins, in percent, and scores of each arm of a condition."""
    labels = charts.arm_labels(snapshot.arms)
    bins, rows = [], []
    for arm in snapshot.arms:
        runs = snapshot.finished(arm.name, condition)
        read = snapshot.predictions(runs)
        if read is None or "confidence" not in read:  # a training function may give classes alone
            continue
        right = read["labels"] == test.y
        filled = reliability_bins(read["confidence"], right)
        filled = filled[filled["count"] >= FEWEST_IN_A_BIN]
        bins.append(100 * filled[["confidence", "accuracy", "share"]])
        bins[-1].insert(0, "arm", labels[arm.name])
        errors = [expected_calibration_error(c, r) for c, r in zip(read["confidence"], right, strict=True)]
        finals = snapshot.finals.set_index("key").loc[[run.key for run in runs]]
        rows.append(
            {
                "units": condition[0],
                "training examples": condition[1],
                "arm": labels[arm.name],
                "seeds": len(runs),
                "log loss, nats": stats.mean_over_seeds(finals["test_loss"]).value,
                "Brier": stats.mean_over_seeds(finals["brier"]).value,
                "ECE, points": 100 * stats.mean_over_seeds(errors).value,
                "mean confidence, %": 100 * float(read["confidence"].mean(dtype=np.float64)),
                "test accuracy, %": 100 * float(right.mean()),
                "balanced, %": 100 * stats.mean_over_seeds(finals["test_balanced_accuracy"]).value,
                "AUC": stats.mean_over_seeds(finals["test_auc"]).value,
            }
        )
    return pd.concat(bins, ignore_index=True) if bins else pd.DataFrame(), pd.DataFrame(rows)


def _reliability(snapshot: Snapshot, bins: pd.DataFrame) -> Figure:
    return Figure(
        name="reliability",
        title="Reliability",
        chart=charts.reliability(bins, snapshot.arms),
        caption="Above the dashed line a network is right more often than it says, below it less often. "
        f"A point is a bin of {FEWEST_IN_A_BIN} or more test examples; the larger, the more of them.",
        table=bins,
    )


def _all_scores(scores: list[pd.DataFrame]) -> pd.DataFrame:
    """One table of all conditions, without the columns that are equal in all."""
    table = pd.concat(scores, ignore_index=True)
    return table.drop(columns=[c for c in ("units", "training examples") if len(set(table[c])) == 1])


def _entropies(snapshot: Snapshot, test: TestSet) -> list[Figure]:
    """Entropies under Monte-Carlo dropout, if sampled: the first seed of each arm with dropout, first condition."""
    if not snapshot.mc:
        return []
    condition = snapshot.conditions[0]
    labels = charts.arm_labels(snapshot.arms)
    parts, errors = [], []
    for arm in snapshot.arms:
        if not arm.rate and not arm.input_rate:
            continue
        for run, weights in snapshot.networks(snapshot.finished(arm.name, condition), 1):
            sampled = snapshot.sampled(run, weights, test)
            right = sampled.argmax(axis=1) == test.y
            (without,) = snapshot.finals.loc[snapshot.finals["key"] == run.key, "test_accuracy"]
            errors.append(f"{labels[arm.name]} {percent(1 - float(right.mean()))} ({percent(1 - without)})")
            shares = entropy_shares(predictive_entropy(sampled), right, classes=len(test.classes))
            parts.append(shares.assign(arm=labels[arm.name], share=100 * shares["share"]))
    if not parts:
        return []
    table = pd.concat(parts, ignore_index=True)
    return [
        Figure(
            name="entropy",
            title=f"Uncertainty under Monte-Carlo dropout{conditions.title_suffix(snapshot, condition)}",
            chart=charts.entropy(table),
            caption=f"Entropy of the mean prediction of {snapshot.mc} networks sampled by dropout, first seed "
            "(Gal and Ghahramani 2016). Where wrong answers lie to the right of right ones, uncertainty warns of "
            f"mistakes. Their test error (without sampling): {', '.join(errors)}.",
            table=table[["arm", "answer", "entropy", "share"]],
            sample=conditions.sample([1]),
        )
    ]
