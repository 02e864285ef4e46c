"""Section 4: the gap between training and test accuracy, taken apart."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import pandas as pd

from dropstudy.report import charts
from dropstudy.report.sections import conditions
from dropstudy.report.sections.blocks import Figure, Section

if TYPE_CHECKING:
    from dropstudy.report.snapshot import Snapshot


def gap(snapshot: Snapshot) -> Section | None:
    """Steps from the running to the clean training accuracy, and on to the test accuracy, arm by arm."""
    blocks = []
    for condition in snapshot.conditions:
        rows = gap_rows(snapshot, condition)
        if rows.empty:
            continue
        figure = Figure(
            name="gap",
            title="The gap, step by step",
            chart=charts.gap(rows),
            caption=_caption(rows),
            table=rows.assign(hidden=condition[0], train_size=condition[1]),
        )
        blocks.append(conditions.of_condition(snapshot, condition, figure))
    if not blocks:
        return None
    paragraph = (
        "The training accuracy that Keras prints is a mean over the epoch: with dropout on, and with weights that were "
        "still moving. Set beside a test accuracy it mixes two things, what that way of measuring adds and how much "
        "better the finished network knows its training examples than new ones; only the second is overfitting."
    )
    return Section("gap", "The gap, taken apart", (paragraph,), tuple(blocks))


def gap_rows(snapshot: Snapshot, condition: tuple[str, int]) -> pd.DataFrame:
    """A row for each arm of which a run finished, from the verdict: accuracies in percent, steps in points.

    `noisy` is the accuracy on all training examples with the tested weights and dropout on; empty where it was not
    measured.
    """
    told = snapshot.condition_verdict(condition)
    labels = charts.arm_labels(snapshot.arms)
    tests = {scores.arm: 100 * scores.mean.value for scores in told.arms}
    rows = []
    for part in told.gaps:
        if not part.artefact.known or not part.true.known:
            continue
        test = tests[part.arm]
        clean = test + part.true.value
        running = clean + part.artefact.value
        rows.append(
            {
                "arm": labels[part.arm],
                "seeds": part.n,
                "running": running,
                "noisy": nan if part.moving is None else running - part.moving.value,
                "clean": clean,
                "test": test,
                "artefact": part.artefact.value,
                "true_gap": part.true.value,
            }
        )
    return pd.DataFrame(rows)


def _caption(rows: pd.DataFrame) -> str:
    text = (
        "Upper step of an arm: running minus clean, what the way of measuring adds, in points. Lower step: clean minus "
        "test, the true gap. Means over seeds."
    )
    if rows["noisy"].notna().any():
        text += " The diamond parts the upper step: up to it weights that moved while the mean was taken, then dropout."
    return text
