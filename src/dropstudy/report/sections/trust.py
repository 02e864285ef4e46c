"""Section 7: whether confidence can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dropstudy import charts, stats
from dropstudy.report.parts import Figure, Section, Table
from dropstudy.stats.calibration import (
    BINS,
    entropy_shares,
    expected_calibration_error,
    predictive_entropy,
    reliability_bins,
)

if TYPE_CHECKING:
    from dropstudy.report.parts import Block
    from dropstudy.report.source import Source


FEWEST_IN_A_BIN = 10
"""Examples below which a bin's accuracy is chance, and is not drawn."""


def trust(source: Source) -> Section | None:
    """Reliability, log loss, Brier score and calibration error of each arm; entropies where networks were sampled."""
    test, shape = source.test_set, source.shapes[0] if source.shapes else None
    if test is None or shape is None:
        return None
    labels = charts.arm_labels(source.arms)
    bins, rows = [], []
    for arm in source.arms:
        runs = source.finished(arm.name, shape)
        read = source.predictions(runs)
        if read is None:
            continue
        right = read["labels"] == test.y
        filled = reliability_bins(read["confidence"], right)
        filled = filled[filled["count"] >= FEWEST_IN_A_BIN]
        bins.append(100 * filled[["confidence", "accuracy", "share"]])
        bins[-1].insert(0, "arm", labels[arm.name])
        errors = [expected_calibration_error(c, r) for c, r in zip(read["confidence"], right, strict=True)]
        finals = source.finals.set_index("key").loc[[run.key for run in runs]]
        rows.append(
            {
                "arm": labels[arm.name],
                "seeds": len(runs),
                "log loss, nats": stats.mean_over_seeds(finals["test_loss"]).value,
                "Brier": stats.mean_over_seeds(finals["brier"]).value,
                "ECE, points": 100 * stats.mean_over_seeds(errors).value,
                "mean confidence, %": 100 * float(read["confidence"].mean(dtype=np.float64)),
                "test accuracy, %": 100 * float(right.mean()),
            }
        )
    if not rows:
        return None
    table = pd.concat(bins, ignore_index=True)
    scores = pd.DataFrame(rows)
    paragraph = (
        "A network is calibrated where it is right as often as its confidence says. Log loss and Brier score (lower is "
        "better) reward accuracy and calibration together; ECE is the mean distance between confidence and accuracy "
        f"over {BINS} bins of confidence."
    )
    blocks: list[Block] = [
        Figure(
            name="reliability",
            title="Reliability",
            chart=charts.reliability(table, source.arms),
            caption="Above the dashed line a network is right more often than it says, below it less often. Bins hold "
            f"the test examples of all seeds, {FEWEST_IN_A_BIN} or more; the larger the point, the more of them.",
            table=table,
        ),
        Table(
            "Scores of each arm on the test set, means over seeds.",
            scores,
            {
                "log loss, nats": ".4f",
                "Brier": ".4f",
                "ECE, points": ".2f",
                "mean confidence, %": ".2f",
                "test accuracy, %": ".2f",
            },
        ),
        *_entropies(source),
    ]
    return Section("trust", "How far to trust it", (paragraph,), tuple(blocks))


def _entropies(source: Source) -> list[Figure]:
    """Monte-Carlo dropout, where it was asked for: one seed of each arm that drops anything."""
    test, shape = source.test_set, source.shapes[0]
    if not source.mc or test is None:
        return []
    labels = charts.arm_labels(source.arms)
    parts = []
    for arm in source.arms:
        if not arm.rate and not arm.input_rate:
            continue
        for run, weights in source.networks(source.finished(arm.name, shape), 1):
            sampled = source.sampled(run, weights, test)
            right = sampled.argmax(axis=1) == test.y
            shares = entropy_shares(predictive_entropy(sampled), right, classes=len(test.classes))
            parts.append(shares.assign(arm=labels[arm.name], share=100 * shares["share"]))
    if not parts:
        return []
    table = pd.concat(parts, ignore_index=True)
    return [
        Figure(
            name="entropy",
            title="Uncertainty under Monte-Carlo dropout",
            chart=charts.entropy(table),
            caption=f"Entropy of the mean prediction of {source.mc} networks sampled by dropout (Gal and Ghahramani "
            "2016), first seed. Where wrong answers lie to the right of right ones, uncertainty warns of mistakes.",
            table=table[["arm", "answer", "entropy", "share"]],
        )
    ]
