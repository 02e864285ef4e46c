"""Which training examples a run trains on and which are held out: counts, rows, nested subsets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dropstudy.records import StudySpec

FIXED_SEED = 0
"""Whose split every seed has where the validation split is fixed."""

_SUBSET = 0x5B5E7  # tells the draw of subsets from the other draws of a seed


def training_sizes(spec: StudySpec, n: int) -> tuple[int, ...]:
    """Examples trained on, of n, for each of a study's training sizes.

    Raises:
        InvalidArgument: more are asked for than there are, or one size twice.
    """
    available = n - validation_count(spec, n)
    sizes = tuple(available if size == "all" else size for size in spec.train_sizes)
    if max(sizes) > available:
        held = f" that validation leaves of {n:,}" if available < n else ""
        raise InvalidArgument(
            "train_sizes",
            expected=f"at most the {available:,} training examples{held}",
            received=str(max(sizes)),
            next_step='`"all"` stands for as many as there are.',
        )
    if len(set(sizes)) < len(sizes):
        raise InvalidArgument(
            "train_sizes",
            expected="sizes that differ",
            received=f'{available} and "all", which is the same here',
            next_step="Leave one of them out.",
        )
    return sizes


def validation_count(spec: StudySpec, n: int) -> int:
    """Training examples held out for validation, of n; 0 where the study watches the test set."""
    if spec.validation == "test":
        return 0
    share_or_count = spec.validation
    count = round(share_or_count * n) if isinstance(share_or_count, float) else share_or_count
    if not 0 < count < n:
        raise InvalidArgument(
            "validation",
            expected=f"fewer than the {n} training examples, and at least one",
            received=str(count) if share_or_count == count else f"{share_or_count}, that is {count}",
        )
    return count


def split(
    labels: NDArray[np.int64], held_out: int, seed: int
) -> tuple[NDArray[np.int32], NDArray[np.int32] | None]:
    """Rows to train on and rows held out, each in rising order; stratified, the same for every arm of a seed.

    Args:
        labels: of the training examples, (n,).
        held_out: how many to hold out; 0 for none.
        seed: the run's.

    Raises:
        InvalidArgument: too few are held out, or left, to have every class in both parts.
    """
    rows = np.arange(len(labels), dtype=np.int32)
    if held_out == 0:
        return rows, None
    # Imported here: scikit-learn takes most of a second, and who watches the test set needs none of it.
    from sklearn.model_selection import train_test_split  # noqa: PLC0415

    try:
        train, held = train_test_split(rows, test_size=held_out, stratify=labels, random_state=seed)
    except ValueError as error:
        raise InvalidArgument(
            "validation",
            expected="enough examples for every class to be in both parts",
            received=f"{held_out} of {len(labels)} ({error})",
        ) from error
    return np.sort(train), np.sort(held)


def subset(labels: NDArray[np.int64], rows: NDArray[np.int32], size: int, seed: int) -> NDArray[np.int32]:
    """As many of a seed's training rows as are asked for, in rising order: stratified, and nested.

    Smaller sizes are contained in larger ones, whatever sizes a study has, so that a learning curve adds examples
    and exchanges none. scikit-learn's stratified splits are not nested, so the order is our own: rows are shuffled
    within each class, the j-th of a class of m stands at (j - 1/2) / m, and the first `size` are taken. That is the
    method of Webster and Sainte-Lague: each class has its share to within rounding, and one more example never
    takes another away (Balinski and Young 1982, Fair Representation).

    Args:
        labels: of all training examples, (n,).
        rows: those that may be trained on, (m,).
        size: how many to take, from 1 to m.
        seed: the run's.

    Raises:
        InvalidArgument: too few for every class to be among them.
    """
    if size == len(rows):
        return np.sort(rows)
    # RandomState, whose numbers are the same in every version of NumPy; a Generator's need not be.
    draw = np.random.RandomState([seed, _SUBSET])
    shuffled = draw.permutation(rows)
    place = np.empty(len(rows))
    firsts = []
    for label in np.unique(labels[rows]):
        members = np.flatnonzero(labels[shuffled] == label)
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
        firsts.append(members[0])
    order = np.argsort(place, kind="stable")
    least = 1 + int(np.flatnonzero(np.isin(order, firsts))[-1])
    if size < least:
        raise InvalidArgument(
            "train_sizes",
            expected=f"{least} examples or more, so that every class is among them",
            received=str(size),
        )
    return np.sort(shuffled[order[:size]])
