"""Section 4: the gap between training and test accuracy, taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from dropstudy import charts, stats
from dropstudy.report.differences import shape_words
from dropstudy.report.parts import Figure, Section

if TYPE_CHECKING:
    from dropstudy.report.source import Source


def gap(source: Source) -> Section | None:
    """From the running to the clean training accuracy, and from there to the test accuracy, arm by arm."""
    blocks = []
    labels = charts.arm_labels(source.arms)
    for number, shape in enumerate(source.shapes):
        summaries = stats.summarise(
            source.of_shape(source.history, shape), source.of_shape(source.finals, shape), source.arms
        )
        rows = pd.DataFrame(
            [
                {
                    "arm": labels[s.arm],
                    "seeds": s.n,
                    "running": 100 * s.keras_accuracy.value,
                    "clean": 100 * s.clean_accuracy.value,
                    "test": 100 * s.test_accuracy.value,
                    "artefact": 100 * s.artefact.value,
                    "true_gap": 100 * s.true_gap.value,
                }
                for s in summaries
                if s.true_gap.known and s.artefact.known
            ]
        )
        if rows.empty:
            continue
        several = len(source.shapes) > 1
        blocks.append(
            Figure(
                name=f"gap-{number + 1}" if several else "gap",
                title="The gap, step by step" + (f": {shape_words(shape)}" if several else ""),
                chart=charts.gap(rows),
                caption="Upper step of an arm: running minus clean, what the way of measuring adds, in points. Lower "
                "step: clean minus test, the true gap. Means over seeds at the last epoch.",
                table=rows.assign(hidden=shape[0], train_size=shape[1]),
                folded=number > 0,
            )
        )
    if not blocks:
        return None
    paragraph = (
        "The training accuracy that Keras prints is a mean over the epoch: with dropout on, and with weights that were "
        "still moving. Set beside a test accuracy it mixes two things, what that way of measuring adds and how much "
        "better the finished network knows its training examples than new ones; only the second is overfitting."
    )
    return Section("gap", "The gap, taken apart", (paragraph,), tuple(blocks))
