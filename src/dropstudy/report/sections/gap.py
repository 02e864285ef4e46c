"""Section 4: the gap between training and test accuracy, in two steps."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import pandas as pd

from dropstudy.report import charts
from dropstudy.report.sections import conditions
from dropstudy.report.sections.blocks import Figure, Section

if TYPE_CHECKING:
    from dropstudy.report.snapshot import Snapshot


_DRAWN = {"mnist", "digits"}
_LIVE = "To see it happen in seconds, on digits that you draw, run: dropstudy teach"


def gap(snapshot: Snapshot) -> Section | None:
    """Steps from the running to the clean training accuracy, and to the test accuracy, of each arm."""
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
    purpose = "How much of the gap between training and test is overfitting, and how much is Keras' way of measuring."
    live = (_LIVE,) if snapshot.metadata["data"] in _DRAWN else ()
    return Section("gap", "The gap, taken apart", purpose, live, tuple(blocks))


def gap_rows(snapshot: Snapshot, condition: tuple[str, int]) -> pd.DataFrame:
    """A row for each arm with a finished run, from the verdict: accuracies in percent, steps in points.

    `noisy` is the accuracy on all training examples with the tested weights and dropout on; empty where it was not
    measured.
    """
    verdict = snapshot.condition_verdict(condition)
    labels = charts.arm_labels(snapshot.arms)
    tests = {scores.arm: 100 * scores.means["accuracy"] for scores in verdict.arms}
    rows = []
    for part in verdict.gaps:
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
        "Upper bar of an arm: from accuracy as Keras measures it to clean accuracy, the artefact of measuring. "
        "Lower bar: from clean to test accuracy, the true gap, which is overfitting. "
        "Numbers are percentage points, means over seeds."
    )
    if rows["noisy"].notna().any():
        text += " The diamond parts the upper bar: moving weights before it, dropout after it."
    return text
