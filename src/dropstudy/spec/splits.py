"""Split of the training examples into training and validation rows, and nested subsets of the former."""

from __future__ import annotations

import warnings
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from dropstudy.core.bounds import other_seed
from dropstudy.core.stratified import stratified_split
from dropstudy.core.text import counted
from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dropstudy.core.types import StudySpec

FIXED_SEED = 0
"""Seed of the common split of a study with `fixed_validation`."""

_NAMED = 3
"""Classes that a message names."""

_SUBSET = 0x5B5E7
"""Key of the draw of subsets, so that it differs from other draws of a seed."""


def training_sizes(spec: StudySpec, n: int) -> tuple[int, ...]:
    """Number of training examples, of n, for each of a study's training sizes.

    Raises:
        InvalidArgument: a size exceeds the available examples, or two sizes are equal.
    """
    available = n - validation_count(spec, n)
    sizes = tuple(available if size == "all" else size for size in spec.train_sizes)
    if max(sizes) > available:
        held = f" that validation leaves of {n:,}" if available < n else ""
        raise InvalidArgument(
            "train_sizes",
            expected=f"at most the {available:,} training examples{held}",
            received=str(max(sizes)),
            next_step='Use a smaller size, or "all".',
        )
    if len(set(sizes)) < len(sizes):
        raise InvalidArgument(
            "train_sizes",
            expected="different sizes",
            received=f'{available} and "all", which is the same here',
            next_step="Leave one of them out.",
        )
    return sizes


def validation_count(spec: StudySpec, n: int) -> int:
    """Number of training examples held out, of n; 0 where the study watches the test set."""
    if spec.validation_split == "test":
        return 0
    share_or_count = spec.validation_split
    count = round(share_or_count * n) if isinstance(share_or_count, float) else share_or_count
    if not 0 < count < n:
        raise InvalidArgument(
            "validation_split",
            expected=f"fewer than the {n} training examples, and at least one",
            received=str(count) if share_or_count == count else f"{share_or_count}, that is {count}",
        )
    return count


def check(
    spec: StudySpec,
    labels: NDArray[np.int64],
    classes: Sequence[str],
    groups: NDArray[np.int64] | None = None,
) -> None:
    """Refuse a study in which any seed could train without examples of a class.

    The check is independent of the study's seeds, so that an accepted study can be given any other seed later. With
    groups this is not known in advance: the seeds of the study are checked.

    Args:
        spec: the study.
        labels: of the training examples, (n,), from 0 to c - 1.
        classes: their names, (c,).
        groups: as for `split`.

    Raises:
        InvalidArgument: too few examples are held out or left, or a training size is too small.
    """
    n, held_out = len(labels), validation_count(spec, len(labels))
    if groups is not None:
        _check_groups(spec, labels, classes, groups)
        return
    counts = np.bincount(labels, minlength=len(classes))
    low, high = class_bounds(counts, held_out)
    present = np.flatnonzero(counts)
    rarest = min(present.tolist(), key=lambda label: (low[label], counts[label]))
    rare = f"{counted(int(counts[rarest]), 'example')} of class {classes[rarest]!r}"
    if held_out and counts[present].min() == 1:
        raise InvalidArgument(
            "validation_split",
            expected="two training examples or more of each class, to hold some out",
            received=f"1 example of class {classes[int(np.flatnonzero(counts == 1)[0])]!r}",
            next_step="Add examples of that class, or take it out of the data.",
        )
    if 0 < held_out < len(present):
        raise InvalidArgument(
            "validation_split",
            expected=f"{len(present)} examples or more, as many as there are classes",
            received=str(held_out),
            next_step="Hold out more.",
        )
    if not low[rarest]:
        most = n - -(-n // int(counts[rarest]))
        raise InvalidArgument(
            "validation_split",
            expected="training examples of every class with every seed",
            received=f"{held_out:,} of {n:,} held out, which may leave none of the {rare}",
            next_step=f"Hold out {most:,} or fewer.",
        )
    least, smallest = _least_size(low[present], high[present]), min(training_sizes(spec, n))
    if smallest < least and smallest < n - held_out:
        raise InvalidArgument(
            "train_sizes",
            expected=f"{least:,} examples or more, so that they contain every class with every seed",
            received=f"{smallest}, of {n:,} with {rare}",
            next_step=f"Use {least:,} or more.",
        )


def _check_groups(
    spec: StudySpec, labels: NDArray[np.int64], classes: Sequence[str], groups: NDArray[np.int64]
) -> None:
    held_out, smallest = validation_count(spec, len(labels)), min(training_sizes(spec, len(labels)))
    for seed in spec.seeds:
        drawn = other_seed(seed) if spec.redraw == "split" else seed
        train, _ = split(labels, held_out, FIXED_SEED if spec.fixed_validation else drawn, groups)
        kept = subset(labels, train, smallest, drawn)
        absent = np.setdiff1d(labels, labels[kept])
        if absent.size:
            raise InvalidArgument(
                "validation_split",
                expected="training examples of every class with every seed",
                received=f"none of class {classes[absent[0]]!r} with seed {seed}",
                next_step="Hold out less, use larger --train-sizes, or leave seed and --group out.",
            )


def missing_classes(spec: StudySpec, labels: NDArray[np.int64], classes: Sequence[str]) -> list[str]:
    """Sentence on classes without validation examples, with any or some seeds; empty where there are none.

    Arguments as for `check`.
    """
    n, held_out = len(labels), validation_count(spec, len(labels))
    counts = np.bincount(labels, minlength=len(classes))
    low, high = class_bounds(counts, held_out)
    rare = np.flatnonzero((counts > 0) & (high == counts))
    if not held_out or not rare.size:
        return []
    named = [f"{classes[place]!r} ({counts[place]:,} of {n:,} training examples)" for place in rare[:_NAMED]]
    named += [f"{rare.size - _NAMED:,} more"] if rare.size > _NAMED else []
    when = "any seed" if np.all(low[rare] == counts[rare]) else "some seeds"
    enough = -(-n // int(counts[rare].min()))
    what = "a class" if rare.size == 1 else "classes"
    sentence = (
        f"Validation data lack {what}: with {when}, none of the {held_out:,} examples held out is of class "
        f"{', '.join(named)}. Validation accuracy does not measure it. "
        f"With validation_split = {enough} every class has some."
    )
    return [sentence]


def class_bounds(counts: NDArray[np.int64], held_out: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Smallest and largest number of training examples of each class that a split leaves, over all seeds.

    scikit-learn gives each class its share rounded down, and one more to those of largest remainder; where remainders
    are alike, the seed decides (the method of Hare and Hamilton: Balinski and Young 1982, Fair Representation).

    Args:
        counts: training examples of each class, (c,).
        held_out: number of examples held out.

    Returns:
        Two arrays, (c,) each.
    """
    n = int(counts.sum())
    least, remainder = np.divmod(counts * (n - held_out), n)
    extra = n - held_out - int(least.sum())
    if not extra:
        return least, least
    last = np.sort(remainder)[-extra]
    drawn = np.count_nonzero(remainder >= last) > extra  # among those whose remainder is the last to count
    return least + (remainder > last if drawn else remainder >= last), least + (remainder >= last)


def _least_size(low: NDArray[np.int64], high: NDArray[np.int64]) -> int:
    """Size of the smallest subset that contains every class with every seed.

    In the order of `subset`, the first row of the smallest class, of m rows, has position 1/2m. Counted are the rows of
    all classes up to it.
    """
    return int(((high + low.min()) // (2 * low.min())).sum())


def split(
    labels: NDArray[np.int64], held_out: int, seed: int, groups: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int32], NDArray[np.int32] | None]:
    """Training rows and validation rows, each in rising order; stratified, and equal for all arms of a seed.

    With groups, whole groups are held out, with at most `held_out` rows; the training rows are then at least as many
    as without.

    Args:
        labels: of the training examples, (n,).
        held_out: number of rows to hold out; 0 for none.
        seed: the run's.
        groups: number of the group of each row, (n,); None for rows that are independent.

    Raises:
        InvalidArgument: there are too few groups to hold out so few rows.
    """
    if held_out == 0:
        return np.arange(len(labels), dtype=np.int32), None
    if groups is not None:
        return _split_groups(labels, held_out, seed, groups)
    train, held = stratified_split(labels, held_out, seed)
    return train.astype(np.int32), held.astype(np.int32)


def _split_groups(
    labels: NDArray[np.int64], held_out: int, seed: int, groups: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Hold out the largest of scikit-learn's folds that has at most the wanted number of rows.

    The folds have that many rows on average or fewer, so that one of them has.
    """
    # Imported here: scikit-learn takes most of a second, and only studies with groups need it.
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415

    rows = np.arange(len(labels), dtype=np.int32)
    count, number = -(-len(labels) // held_out), len(np.unique(groups))
    folds: list[NDArray[np.int32]] = []
    if 2 <= count <= number:  # noqa: PLR2004 - one on each side
        # Fewer rows of a class than folds: `check` decides whether that matters.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
            folds = [held.astype(np.int32) for _, held in splitter.split(rows, labels, groups)]
    held = max((fold for fold in folds if len(fold) <= held_out), key=len, default=rows[:0])
    if not held.size:
        raise InvalidArgument(
            "validation_split",
            expected="rows enough to hold out a whole group",
            received=f"{held_out:,} of {len(labels):,} rows, in {counted(number, 'group')}",
            next_step=f"Hold out more, such as --validation-split {ceil(100 / number) / 100:g}."
            if number > 1
            else "Leave --group out.",
        )
    return np.setdiff1d(rows, held), np.sort(held)


def subset(labels: NDArray[np.int64], rows: NDArray[np.int32], size: int, seed: int) -> NDArray[np.int32]:
    """Draw training rows of a seed, in rising order: stratified, and nested.

    Larger sizes contain smaller ones, so that along a learning curve examples are added and none exchanged.
    scikit-learn's stratified splits are not nested. Here rows are shuffled within each class, the j-th of a class of m
    gets position (j - 1/2) / m, and the first `size` are drawn. This is the method of Webster and Sainte-Lague: each
    class has its share to within rounding, and a larger size removes no row (Balinski and Young 1982).

    Args:
        labels: of all training examples, (n,).
        rows: training rows, (m,).
        size: number of rows to draw, from 1 to m.
        seed: the run's.
    """
    if size == len(rows):
        return np.sort(rows)
    # RandomState has the same numbers in every version of NumPy; a Generator may change.
    draw = np.random.RandomState([seed, _SUBSET])
    shuffled = draw.permutation(rows)
    place = np.empty(len(rows))
    for label in np.unique(labels[rows]):
        members = np.flatnonzero(labels[shuffled] == label)
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.sort(shuffled[np.argsort(place, kind="stable")[:size]])
