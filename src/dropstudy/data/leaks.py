"""Examples that stand in a dataset more than once, in training and in test above all."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dropstudy.core.text import counted
from dropstudy.data.giveaways import giveaways

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dropstudy.core.dataset import Dataset

__all__ = ["Repeats", "among", "leak", "repeats", "warned"]

_CHUNK = 1 << 22  # bytes that are hashed at once
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
    ordered = np.sort(train)
    shared, same_label = np.zeros(len(test), bool), 0
    if _is_in(np.sort(test), ordered).any():  # in order, millions take a fifth of the time
        shared = _is_in(test, ordered)
        labelled = _with_labels(train, dataset.y_train)
        of_shared = _with_labels(test[shared], dataset.y_test[shared])
        same_label = int(_is_in(of_shared, np.sort(labelled)).sum())
    return Repeats(int((ordered[1:] == ordered[:-1]).sum()), int(shared.sum()), same_label)


def among(x: NDArray[Any], others: NDArray[Any]) -> NDArray[np.bool_]:
    """True for each example, (n, ...), that equals one of the others; compared by hashes, as in `repeats`."""
    kind = np.result_type(x, others)
    return _is_in(_hashes(x.astype(kind)), np.sort(_hashes(others.astype(kind))))


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
    hashes = np.empty(len(rows), np.uint64)

    def hash_part(first: int) -> None:
        part = rows[first : first + step]
        if part.dtype.kind == "f":
            part = part + part.dtype.type(0)  # -0 becomes 0
            part[np.isnan(part)] = np.nan  # of one pattern
        hashes[first : first + step] = _mixed(_words(part))

    with ThreadPoolExecutor() as pool:
        deque(pool.map(hash_part, range(0, len(rows), step)), maxlen=0)
    return hashes


def _words(part: NDArray[Any]) -> NDArray[np.uint64]:
    """Rows as words of 8 bytes, with zeros at their ends where they are not as long."""
    if part.itemsize == np.dtype(np.uint64).itemsize:
        return part.view(np.uint64)
    values = np.ascontiguousarray(part).view(np.uint8)
    words = np.zeros((len(part), -(-values.shape[1] // 8) * 8), np.uint8)
    words[:, : values.shape[1]] = values
    return words.view(np.uint64)


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hash rows of words, (n, w), word after word, each by the last steps of SplitMix64 (Steele et al. 2014)."""
    mixed = np.full(len(words), _ODD)
    for column in np.ascontiguousarray(words.T):
        mixed += column
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed ^= mixed >> np.uint64(shift)
            mixed *= np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
    return mixed


def _is_in(values: NDArray[np.uint64], ordered: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """True for each value that is among ordered ones; many times as fast as `numpy.isin` on millions."""
    places = np.searchsorted(ordered, values)
    found: NDArray[np.bool_] = ordered[np.minimum(places, len(ordered) - 1)] == values
    return found


def _with_labels(hashes: NDArray[np.uint64], labels: NDArray[np.int64]) -> NDArray[np.uint64]:
    return hashes + labels.astype(np.uint64) * _ODD
