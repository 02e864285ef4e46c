"""Examples that stand in a dataset more than once, in training and in test above all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dropstudy.core.text import counted
from dropstudy.data.giveaways import giveaways

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dropstudy.core.dataset import Dataset

__all__ = ["Repeats", "leak", "repeats", "warned"]

_CHUNK = 1 << 24  # bytes that are compared at once
_ODD = np.uint64(0x9E3779B97F4A7C15)  # spreads labels over 64 bits


class Repeats(NamedTuple):
    """Counts of equal examples; labels are no part of an example.

    Args:
        training: training examples that equal an earlier one.
        shared: test examples that equal a training example.
        same_label: those of them that equal one with the same label.
    """

    training: int
    shared: int
    same_label: int


def repeats(dataset: Dataset) -> Repeats:
    """Count the equal examples of a dataset: those that are the same numbers for the network.

    Examples are compared by hashes of 64 bits. Among a million examples two different ones share theirs with a
    probability below 1 in 10 million.
    """
    train, test = _hashes(dataset.x_train), _hashes(dataset.x_test)
    distinct = np.unique(train)
    labelled = np.isin(_with_labels(test, dataset.y_test), _with_labels(train, dataset.y_train))
    return Repeats(
        len(train) - len(distinct),
        int(np.count_nonzero(np.isin(test, distinct))),
        int(np.count_nonzero(labelled)),
    )


def warned(dataset: Dataset) -> Dataset:
    """Return a dataset with warnings of what makes its test accuracy look better than it is."""
    found = (*leak(dataset), *giveaways(dataset))
    return dataset if found == dataset.warnings else replace(dataset, warnings=found)


def leak(dataset: Dataset) -> tuple[str, ...]:
    """Warn of test examples that stand in the training set too: a sentence with their number, or nothing."""
    found = repeats(dataset)
    if not found.shared:
        return ()
    example = "example" if dataset.table is None else "row"
    many = f"{found.shared:,} of {counted(len(dataset.y_test), f'test {example}')}"
    verb = "equals" if found.shared == 1 else "equal"
    labels = f"{found.same_label:,} with the same label, {found.shared - found.same_label:,} with another"
    if dataset.table is None:
        advice = "Test accuracy can look better than it is: leave them out of one of the two sets."
    else:
        advice = (
            "In a table of few columns this can be chance. If they are the same cases, test accuracy looks better than "
            "it is. Leave them out of one set, or keep them on one side with --group."
        )
    return (f"{many} {verb} a training {example}: {labels}. {advice}",)


def _hashes(x: NDArray[Any]) -> NDArray[np.uint64]:
    """Hash each example, (n, ...); equal numbers have equal hashes."""
    rows = x.reshape(len(x), -1)
    step = max(1, _CHUNK // max(1, rows[:1].nbytes))
    hashes = np.empty(len(rows), np.int64)
    for first in range(0, len(rows), step):
        part = np.ascontiguousarray(rows[first : first + step])
        if part.dtype.kind == "f":
            part = part + part.dtype.type(0)  # -0 becomes 0
            part[np.isnan(part)] = np.nan  # of one pattern
        values = part.view(np.dtype((np.void, part.shape[1] * part.itemsize))).ravel().tolist()
        hashes[first : first + step] = list(map(hash, values))
    return hashes.view(np.uint64)


def _with_labels(hashes: NDArray[np.uint64], labels: NDArray[np.int64]) -> NDArray[np.uint64]:
    return hashes + labels.astype(np.uint64) * _ODD
