"""Classify examples with a study's networks, and say how many are right where their labels are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from dropstudy.core.dataset import table_from
from dropstudy.core.profile import DataProfile
from dropstudy.core.text import counted, first_of
from dropstudy.data.example_files import Target
from dropstudy.data.examples import read_examples, read_rows
from dropstudy.data.known_labels import MISSING, UNKNOWN, class_numbers
from dropstudy.data.leaks import among
from dropstudy.data.load import dataset_of
from dropstudy.data.preprocessing import from_tensors, transform
from dropstudy.engine.trainer import trainer_of
from dropstudy.errors import DropstudyError, InvalidArgument
from dropstudy.models.keras_model import predict_with
from dropstudy.models.predict import mean_probabilities, predict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from dropstudy.core.types import Run
    from dropstudy.data.examples import Examples
    from dropstudy.report.snapshot import Snapshot
    from dropstudy.study.selection import Selection

_NAMED = 5  # classes that a sentence names
FACTS = "facts"
"""Key of `DataFrame.attrs` with sentences on the network and on the accuracy."""


def classify(
    snapshot: Snapshot,
    selection: Selection,
    source: Any,
    *,
    target: str | None,
    labels: Any,
    scale: float | None,
    invert: bool,
    notify: Callable[[str], None],
) -> pd.DataFrame:
    """Classify examples by the mean probabilities of networks; arguments and result as of `Results.predict`."""
    classes = snapshot.metadata["classes"]
    examples = _read(snapshot, source, target=target, scale=scale, invert=invert)
    for note in examples.notes:
        notify(note)
    probabilities = mean_probabilities(_probabilities(snapshot, run, examples) for run in selection.runs)
    predicted = probabilities.argmax(axis=1)
    frame = pd.DataFrame({"example": examples.names, "label": [classes[number] for number in predicted]})
    facts = [str(selection)]
    if (known := examples.labels if labels is None else labels) is not None:
        truth = class_numbers(known, classes, len(frame))
        if (truth >= 0).any():
            frame["true label"] = [classes[number] if number >= 0 else "" for number in truth]
            facts += _accuracy(snapshot, examples, predicted, truth)
        elif (truth == UNKNOWN).any():
            facts.append("No accuracy: no label is a class of the study, which are " + _some(classes) + ".")
    shares = {f"p({name})": probabilities[:, number] for number, name in enumerate(classes)}
    frame = pd.concat([frame, pd.DataFrame(shares)], axis=1)
    frame.attrs[FACTS] = facts
    return frame


def _read(
    snapshot: Snapshot, source: Any, *, target: str | None, scale: float | None, invert: bool
) -> Examples:
    metadata, spec = snapshot.metadata, snapshot.spec
    if (table := table_from(metadata["table"])) is not None:
        for argument, value in (("scale", scale), ("invert", invert or None)):
            if value is not None:
                raise InvalidArgument(
                    argument,
                    expected="images or arrays, which it is for",
                    received=f"{value} and a study of a table",
                    next_step="Leave it out.",
                )
        return read_rows(source, table, target)
    profile = DataProfile(**metadata["profile"] | {"shape": tuple(metadata["profile"]["shape"])})
    without = [name for name in (spec.group, *spec.drop) if name is not None]
    return read_examples(
        source, profile, scale=scale, invert=invert, target=Target(spec.target, target), without=without
    )


def _probabilities(snapshot: Snapshot, run: Run, examples: Examples) -> NDArray[np.float32]:
    tensors = snapshot.files.read("weights", run.key)
    table, x = table_from(snapshot.metadata["table"]), examples.x
    if table is not None:
        x = transform(table, from_tensors(tensors, table), x)
    if run.condition.model is not None:
        return predict_with(snapshot.model_source, tensors, x, arm=run.arm, scale=snapshot.metadata["scale"])
    weights = trainer_of(run.condition).layers(run.condition, tensors)
    return predict(weights, x, activation=run.activation, scale=snapshot.metadata["scale"])


def _accuracy(
    snapshot: Snapshot, examples: Examples, predicted: NDArray[np.int64], truth: NDArray[np.int64]
) -> list[str]:
    """Sentences on the share of the labelled examples that are right, and on whether they are the study's own."""
    labelled, right = truth != MISSING, predicted == truth
    one, many = ("example", "examples") if table_from(snapshot.metadata["table"]) is None else ("row", "rows")
    rest, unknown = len(truth) - int(labelled.sum()), int((truth == UNKNOWN).sum())
    without = f" ({rest:,} more without a label)" if rest else ""
    sentence = f"Accuracy: {right[labelled].mean():.2%} of {counted(int(labelled.sum()), one)}{without}."
    if unknown:
        sentence += f" Labels of no class of the study count as wrong: {unknown:,}."
    own = _own(snapshot, examples)
    if own is None:
        return [sentence]
    test, training = (mask & labelled for mask in own)
    among_them = f"{right[test].mean():.2%} of the {test.sum():,} test {many} are right" if test.any() else ""
    if training.any():
        are = f"are training {many}" if training.sum() > 1 else f"is a training {one}"
        better = f"{training.sum():,} of them {are} of the study, which makes accuracy look better"
        return [sentence, f"{better}: {among_them}." if among_them else f"{better}."]
    if (test == labelled).all():
        return [sentence, f"All of them are test {many} of the study."]
    there = f"Of the study's test {many} there are {test.sum():,}" if test.any() else ""
    return [sentence, f"{there}: {among_them}." if there else f"None of them is one of the study's {many}."]


def _own(snapshot: Snapshot, examples: Examples) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Masks of the examples that are the study's, for test, and for training alone; None without its data."""
    metadata = snapshot.metadata
    try:
        dataset = dataset_of(snapshot.spec, data_dir=snapshot.data_dir, scale=metadata["scale"], warn=False)
    except DropstudyError:
        return None
    if dataset.sha256 != metadata["data_sha256"] or dataset.x_test.shape[1:] != examples.x.shape[1:]:
        return None
    test = among(examples.x, dataset.x_test)
    return test, among(examples.x, dataset.x_train) & ~test


def _some(names: Sequence[str]) -> str:
    return first_of([*map(repr, names)], _NAMED)
