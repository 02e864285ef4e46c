"""Section 3: learning curves of accuracy and loss, and the notebook's own two figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy import charts, stats
from dropstudy.names import plain_name
from dropstudy.records import METRICS
from dropstudy.report.differences import shape_words
from dropstudy.report.parts import Figure, Group, Section
from dropstudy.report.summary import file_stems

if TYPE_CHECKING:
    import pandas as pd

    from dropstudy.report.parts import Block
    from dropstudy.report.source import Source

MOST_NOTEBOOK_ARMS = 4
"""Arms whose notebook figures are drawn, the first ones."""


def curves(source: Source) -> Section | None:
    """Accuracy and loss over epochs, arm beside arm; then the two figures that the notebook drew."""
    if source.drawn.empty:
        return None
    blocks: list[Block] = [figure for shape in source.shapes for figure in learning_curves(source, shape)]
    if drawn := notebook_figures(source)[: 2 * MOST_NOTEBOOK_ARMS]:
        blocks.append(Group("As the notebook drew it", tuple(drawn)))
    seen = "test" if source.spec.watches_test else "validation"
    paragraph = (
        f"Three measures of every epoch: {seen} data, training data measured cleanly (the weights of the epoch's end, "
        "dropout off), and what Keras prints as training accuracy (the mean over the epoch, dropout on, while the "
        "weights move). Only the first two can be compared."
    )
    return Section("curves", "Learning curves", (paragraph,), tuple(blocks))


def learning_curves(source: Source, shape: tuple[str, int]) -> list[Figure]:
    """Accuracy and loss of one shape."""
    rows = source.of_shape(source.drawn, shape)
    if rows.empty:
        return []
    number = source.shapes.index(shape)
    several = len(source.shapes) > 1
    ending = f"-{number + 1}" if several else ""
    where = f", {shape_words(shape)}" if several else ""
    table = stats.learning_curves(rows, METRICS)
    several_seeds = len(rows["seed"].unique()) > 1
    caption = "Clean: on a fixed sample of the training data each epoch, on all of it at the last."
    if several_seeds:
        caption += " Lines are means over seeds; bands reach from the lowest to the highest seed."
    caption += " Numbers at the lines are those of the last epoch. Click a line of the key to see it alone."
    make = {"side_by_side": ("Accuracy", charts.side_by_side), "losses": ("Loss", charts.losses_side_by_side)}
    return [
        Figure(
            name=f"{name}{ending}",
            title=f"{title} while training{where}",
            chart=draw(rows, source.arms, watches_test=source.spec.watches_test, subtitle=source.subtitle),
            caption=caption,
            table=_of_quantity(table, title.lower()),
            folded=name == "losses" or number > 0,
        )
        for name, (title, draw) in make.items()
    ]


def notebook_figures(source: Source) -> list[Figure]:
    """The notebook's two figures of each arm, of the study's first shape."""
    rows = source.of_shape(source.drawn, source.shapes[0])
    watched = "test" if source.spec.watches_test else "validation"
    figures = []
    for arm, stem in zip(source.arms, file_stems([arm.name for arm in source.arms]), strict=True):
        of_arm = rows[rows["arm"] == arm.name]
        if of_arm.empty:
            continue
        name = plain_name(arm.name)
        seen = charts.notebook_test(of_arm, arm, watches_test=source.spec.watches_test)
        trained = charts.notebook_training(of_arm, arm)
        for kind, chart, title in ((watched, seen, watched.title()), ("training", trained, "Training")):
            metrics = ["loss", "accuracy"] if kind == "training" else ["val_loss", "val_accuracy"]
            figures.append(
                Figure(
                    name=f"{kind}_data_{stem}",
                    title=f"{title} Data, {name}",
                    chart=chart,
                    caption="Loss times 100 and accuracy in percent on one axis, as the notebook has them.",
                    table=stats.learning_curves(of_arm, metrics),
                )
            )
    return figures


def _of_quantity(table: pd.DataFrame, quantity: str) -> pd.DataFrame:
    rows: pd.DataFrame = table[table["metric"].str.endswith(quantity)]
    return rows
