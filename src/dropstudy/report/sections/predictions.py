"""Section 6: predictions that differ between two arms, and their confusion matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dropstudy.analysis.stats.confusion import confusion, flips
from dropstudy.core.text import plain_name
from dropstudy.data.images import CLEAR, visible
from dropstudy.models.predict import mean_probabilities, predict
from dropstudy.report import charts
from dropstudy.report.assessed import featured
from dropstudy.report.sections import conditions
from dropstudy.report.sections.blocks import Figure, Picture, Pictures, Section
from dropstudy.report.sections.images import data_address

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dropstudy.analysis.stats.confusion import Flip
    from dropstudy.core.types import Arm
    from dropstudy.report.sections.blocks import Block
    from dropstudy.report.snapshot import Snapshot
    from dropstudy.report.test_set import TestSet

MOST_PICTURES = 24
MOST_PRODUCTS = 10**11
"""Multiplications that networks are averaged with: some seconds."""
SIDE = 72
"""Pixels of a picture's longer side on the page."""


def predictions(snapshot: Snapshot) -> Section | None:
    """Predictions of the baseline and of the featured arm of each condition."""
    test = snapshot.test_set
    if test is None:
        return None
    paragraphs: list[str] = []
    blocks: list[Block] = []
    for condition in snapshot.conditions[: conditions.MOST]:
        compared = _of_condition(snapshot, test, condition)
        if compared is not None:
            paragraphs += compared[0]
            blocks += compared[1]
    if not paragraphs:
        return None
    purpose = "Which test examples and classes one arm gets right and the other wrong."
    seeds = max(len(snapshot.finished(arm.name, c)) for arm in snapshot.arms for c in snapshot.conditions)
    paragraphs.append(
        "An arm counts as right, or as wrong, where most of its seeds are."
        if seeds > 1
        else "With one seed, most of that may be chance."
    )
    paragraphs += conditions.left_out(snapshot)
    return Section("predictions", "What changed for whom", purpose, tuple(paragraphs), tuple(blocks))


def _of_condition(
    snapshot: Snapshot, test: TestSet, condition: tuple[str, int]
) -> tuple[list[str], list[Block]] | None:
    """Paragraphs, the examples that differ (of the first condition alone) and the confusion matrices."""
    arm = featured(snapshot, condition)
    if arm is None:
        return None
    labels = charts.arm_labels(snapshot.arms)
    names = labels[snapshot.arms[0].name], labels[arm.name]
    read = [
        snapshot.predictions(snapshot.finished(name, condition)) for name in (snapshot.arms[0].name, arm.name)
    ]
    if read[0] is None or read[1] is None:
        return None
    before, after = read[0]["labels"], read[1]["labels"]
    gained, lost = flips(before, after, test.y)
    place = f"{conditions.short_words(snapshot, condition)}: of" if len(snapshot.conditions) > 1 else "Of"
    paragraph = (
        f"{place} {len(test.y):,} test examples, {names[1]} alone gets {len(gained):,} right, and {names[0]} alone "
        f"{len(lost):,}."
        if gained or lost
        else f"{place} {len(test.y):,} test examples, none is right with only one of {names[1]} and {names[0]}."
    )
    where = conditions.title_suffix(snapshot, condition)
    blocks: list[Block] = []
    if test.image_shape and not conditions.folded(snapshot, condition):
        titles = (
            f"Right with {names[1]}, wrong with {names[0]}{where}",
            f"Right with {names[0]}, wrong with {names[1]}{where}",
        )
        blocks += [
            _pictures(title, rows, test, test.image_shape, names, ink=_is_ink(snapshot, test.image_shape))
            for title, rows in zip(titles, (gained, lost), strict=True)
            if rows
        ]
    if len(test.classes) <= charts.MOST_CLASSES:
        blocks.append(conditions.of_condition(snapshot, condition, _confusion(before, after, test, names)))
    return [paragraph, *_ensemble(snapshot, test, condition, arm, names[1])], blocks


def _ensemble(
    snapshot: Snapshot, test: TestSet, condition: tuple[str, int], arm: Arm, name: str
) -> list[str]:
    """Sentence on what averaging the networks of an arm gains; none without two networks."""
    runs = snapshot.finished(arm.name, condition)
    if snapshot.spec.of_function:  # it keeps its networks to itself
        return []
    one = len(test.y) * runs[0].condition.parameters
    found = snapshot.networks(runs, min(len(runs), MOST_PRODUCTS // one))
    if len(found) < 2:  # noqa: PLR2004 - of one there is no mean
        return []
    shares = [
        predict(weights, snapshot.test_inputs(run, test), activation=run.activation, scale=test.scale)
        for run, weights in found
    ]
    single = float(np.mean([p.argmax(axis=1) == test.y for p in shares]))
    averaged = float(np.mean(mean_probabilities(shares).argmax(axis=1) == test.y))
    sentence = f"With probabilities averaged over {len(found)} seeds, {name} gets {averaged:.2%} right"
    alone = "as one network" if f"{single:.2%}" == f"{averaged:.2%}" else f"one network, {single:.2%}"
    return [f"{sentence}; {alone} on average (predict --ensemble)."]


def _pictures(
    title: str,
    rows: list[Flip],
    test: TestSet,
    shape: tuple[int, int, int],
    names: tuple[str, str],
    *,
    ink: bool,
) -> Pictures:
    classes = [plain_name(name, 14) for name in test.classes]
    scale = SIDE / max(shape[:2])
    height, width = (max(1, round(side * scale)) for side in shape[:2])
    pictures = tuple(
        Picture(
            data_address(visible(test.x[flip.example], test.scale), width, height),
            width,
            height,
            f"Test example {flip.example}, true class {classes[flip.truth]}: {names[0]} says {classes[flip.before]}, "
            f"{names[1]} says {classes[flip.after]}.",
            (f"is {classes[flip.truth]}", f"{classes[flip.before]} → {classes[flip.after]}"),
        )
        for flip in rows[:MOST_PICTURES]
    )
    shown = f"{len(pictures)} of {len(rows)}" if len(rows) > len(pictures) else f"All {len(rows)}"
    shown = f"{shown}, the clearest first." if len(rows) > 1 else "The only one."
    caption = f"{shown} The arrow leads from {names[0]} to {names[1]}; a mistake is the most frequent one."
    return Pictures(title, pictures, caption, ink=ink)


def _is_ink(snapshot: Snapshot, shape: tuple[int, int, int]) -> bool:
    """True for grey on a dark background, as of MNIST; a photograph in negative would be hard to recognise."""
    profile = snapshot.metadata["profile"]
    background, white = profile["background"], profile["white"] or profile["scale"]
    plain = background is not None and profile["background_share"] >= CLEAR
    return shape[2] == 1 and plain and 2 * background < white


def _confusion(
    before: NDArray[np.integer], after: NDArray[np.integer], test: TestSet, names: tuple[str, str]
) -> Figure:
    count = len(test.classes)
    classes = [plain_name(name, 14) for name in test.classes]
    tables = [confusion(labels, test.y, count) for labels in (before, after)]
    true, predicted = np.divmod(np.arange(count * count), count)
    cells = pd.DataFrame(
        {
            "true": [classes[i] for i in true],
            "predicted": [classes[i] for i in predicted],
            "first": tables[0].ravel(),
            "second": tables[1].ravel(),
        }
    )
    return Figure(
        name="confusion",
        title="Which class is taken for which",
        chart=charts.confusion(cells, first=names[0], second=names[1]),
        caption="Mistakes alone, examples a run, means over seeds. In the last table blue is fewer, orange more.",
        table=cells.rename(columns={"first": names[0], "second": names[1]}),
    )
