"""Section 3: learning curves of accuracy and loss, and the notebook's two figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dropstudy.analysis import stats
from dropstudy.analysis.stats.over_epochs import settled
from dropstudy.analysis.verdict import SEEDS
from dropstudy.analysis.verdict.over_epochs import over_epochs
from dropstudy.core.types import METRICS
from dropstudy.report import charts
from dropstudy.report.assessed import featured
from dropstudy.report.sections import conditions
from dropstudy.report.sections.blocks import Figure, Group, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from dropstudy.report.sections.blocks import Block
    from dropstudy.report.snapshot import Snapshot


_MOST_EPOCHS = 25
"""Numbers of epochs in the chart of differences."""
_MOST_BANDS = 3
_MEANS = " Lines are means over seeds; bands reach from the lowest to the highest seed."


def curves(snapshot: Snapshot) -> Section | None:
    """Accuracy and loss over epochs, then the notebook's two figures."""
    if not _known(snapshot.finished_history, METRICS):
        return None
    blocks: list[Block] = [
        figure
        for make in (all_arms, answer_over_epochs, learning_curves)
        for condition in snapshot.conditions
        for figure in make(snapshot, condition)
    ]
    notebook = [
        figure for condition in snapshot.conditions for figure in notebook_figures(snapshot, condition)
    ]
    if notebook:
        blocks.append(Group("Loss and accuracy in one chart", tuple(notebook)))
    purpose = "How the arms learn, and whether more epochs may change their order."
    return Section("curves", "Learning curves", purpose, blocks=tuple(blocks))


def all_arms(snapshot: Snapshot, condition: tuple[str, int]) -> list[Figure]:
    """Accuracy of all arms of one condition over each other, on test or validation data."""
    rows = snapshot.of_condition(snapshot.finished_history, condition)
    curves = stats.mean_curves(rows, "val_accuracy", fewest=SEEDS)
    if curves.empty:
        return []
    labels = charts.arm_labels(snapshot.arms)
    curves[["mean", "low", "high"]] *= 100
    curves["arm"] = curves["arm"].map(labels)
    measure = f"{'Test' if snapshot.spec.watches_test else 'Validation'} accuracy"
    caption = "The axis begins near the best arm, so that a difference of 0.3 points can be seen."
    if curves["low"].notna().any():
        caption += " Bands are 95% t intervals of each mean."
        caption += " The answer compares seed by seed, so it is surer than these bands."
    caption += _fewer_seeds(rows)
    figure = Figure(
        name="all-arms",
        title=f"{measure} of all arms",
        chart=charts.all_arms(curves, snapshot.arms, measure=measure),
        caption=caption,
        table=curves,
    )
    return [conditions.of_condition(snapshot, condition, figure)]


def answer_over_epochs(snapshot: Snapshot, condition: tuple[str, int]) -> list[Figure]:
    """Difference of each arm to the baseline after each number of epochs; none where histories lack the metric."""
    history = snapshot.of_condition(snapshot.finished_history, condition)
    metric, last = snapshot.metric, 0 if history.empty else int(history["epoch"].max())
    if last < 2:  # noqa: PLR2004 - one epoch has no course
        return []
    epochs = sorted({int(epoch) for epoch in np.linspace(1, last, min(last, _MOST_EPOCHS))})
    best = snapshot.verdict.tested_weights == "best"
    rows = over_epochs(history, snapshot.arms, metric, epochs, best=best)
    if rows["low"].notna().sum() == 0:
        return []
    labels = charts.arm_labels(snapshot.arms)
    rows["arm"] = rows["arm"].map(labels)
    measure = metric.on_test if snapshot.spec.watches_test else metric.on_validation
    sides = {str(arm): settled(ours) for arm, ours in rows.groupby("arm", sort=False)}
    told = [f"{arm} from epoch {epoch} on" for arm, epoch in sides.items() if epoch is not None]
    stays = f"On one side of 0 to the end: {', '.join(told)}. " if told else "None stays on one side of 0. "
    first = featured(snapshot, condition)
    bands = [*labels.values()][1:]
    if len(bands) > _MOST_BANDS:
        bands = [labels[first.name]] if first else []
    banded = f"The band of {bands[0]} is the" if len(bands) == 1 else "Bands are the"
    caption = f"What a study of fewer epochs would have measured. {stays}"
    if bands:
        caption += f"{banded} 95% interval for all arms together, at that number of epochs alone."
    figure = Figure(
        name="over-epochs",
        title="The difference over the epochs",
        chart=charts.over_epochs(
            rows,
            snapshot.arms,
            metric=metric,
            margin=snapshot.margin,
            measure=f"{measure[:1].upper()}{measure[1:]}",
            baseline=labels[snapshot.arms[0].name],
            bands=bands,
        ),
        caption=caption,
        table=rows,
        sample=conditions.sample(rows["n"], "paired seed"),
    )
    return [conditions.of_condition(snapshot, condition, figure)]


def learning_curves(snapshot: Snapshot, condition: tuple[str, int]) -> list[Figure]:
    """Accuracy and loss of one condition."""
    rows = snapshot.of_condition(snapshot.finished_history, condition)
    if rows.empty:
        return []
    table = stats.learning_curves(rows, METRICS)
    several_seeds = len(rows["seed"].unique()) > 1
    seen = "test" if snapshot.spec.watches_test else "validation"
    caption = (
        f"Compare only clean and {seen}: Keras measures with dropout on, while the weights move. "
        "Clean is measured on a sample of the training data, and on all of it at the end."
    )
    if not rows["clean_accuracy"].notna().any():  # a training function need not measure it
        caption = f"Training accuracy is as the function gave it; compare the curves of {seen} data."
    if several_seeds:
        caption += _MEANS + _fewer_seeds(rows)
    make = {"accuracy": ("Accuracy", charts.accuracy_curves), "loss": ("Loss", charts.loss_curves)}
    figures = [
        Figure(
            name=name,
            title=f"{title} while training, arm by arm",
            chart=draw(
                rows, snapshot.arms, watches_test=snapshot.spec.watches_test, subtitle=snapshot.subtitle
            ),
            caption=caption,
            table=_of_quantity(table, title.lower()),
            folded=name == "loss",
            always_a_file=name == "accuracy",
        )
        for name, (title, draw) in make.items()
        if _known(rows, [metric for metric in METRICS if metric.endswith(name)])
    ]
    return [conditions.of_condition(snapshot, condition, figure) for figure in figures]


def notebook_figures(snapshot: Snapshot, condition: tuple[str, int]) -> list[Figure]:
    """The notebook's two figures of one condition."""
    rows = snapshot.of_condition(snapshot.finished_history, condition)
    if rows.empty:
        return []
    watched = "test" if snapshot.spec.watches_test else "validation"
    figures = [
        Figure(
            name=f"notebook-{name}",
            title=f"{name.title()} Data",
            chart=chart,
            caption="Loss times 100 and accuracy in percent on one axis."
            + (_MEANS if len(rows["seed"].unique()) > 1 else ""),
            table=stats.learning_curves(rows, metrics),
            always_a_file=True,
        )
        for name, chart, metrics in (
            (
                watched,
                charts.notebook_test(rows, snapshot.arms, watches_test=snapshot.spec.watches_test),
                ["val_loss", "val_accuracy"],
            ),
            ("training", charts.notebook_training(rows, snapshot.arms), ["loss", "accuracy"]),
        )
        if _known(rows, metrics)
    ]
    return [conditions.of_condition(snapshot, condition, figure) for figure in figures]


def _known(rows: pd.DataFrame, metrics: Sequence[str]) -> bool:
    """True where any of the metrics was measured; a training function may leave some out."""
    return bool(rows[[*metrics]].notna().any(axis=None))


def _fewer_seeds(rows: pd.DataFrame) -> str:
    """Sentence on early stopping, where some runs of an arm end before others."""
    last = rows.groupby(["arm", "seed"])["epoch"].max().groupby("arm")
    if (last.min() == last.max()).all():
        return ""
    return " Some runs stop early: from there on, a mean is over the seeds that still train."


def _of_quantity(table: pd.DataFrame, quantity: str) -> pd.DataFrame:
    rows: pd.DataFrame = table[table["metric"].str.endswith(quantity)]
    return rows
