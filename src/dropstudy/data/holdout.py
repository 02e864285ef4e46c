"""Set examples aside for the test where data come without a test set."""

from __future__ import annotations

import warnings
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from dropstudy.core.stratified import stratified_split
from dropstudy.core.text import counted
from dropstudy.errors import DataError, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["DEFAULT_TEST_SIZE", "hold_out"]

DEFAULT_TEST_SIZE = 0.2


def hold_out(
    labels: NDArray[np.int64],
    test_size: float | None,
    *,
    source: str,
    groups: NDArray[np.int64] | None = None,
    classes: Sequence[str] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
    """Split rows into training and test rows, the same way every time: for all seeds, on every machine.

    The split is stratified: both parts have the same share of each class, to within rounding. With groups it
    keeps whole groups together, and the shares are as near as the groups allow.

    Args:
        labels: from 0 to c - 1, (n,).
        test_size: share (below 1) or count of the rows to hold out; None for a fifth.
        source: origin of the rows, for errors.
        groups: number of the group of each row, (n,); None for rows that are independent.
        classes: their names, for errors.

    Returns:
        Training rows and test rows, each rising, and a sentence on the split for users.

    Raises:
        DataError: too few rows of a class, or too few groups of one, for both parts.
    """
    n = len(labels)
    wanted = DEFAULT_TEST_SIZE if test_size is None else test_size
    if not (0 < wanted < 1 or (1 <= wanted < n and wanted == int(wanted))):
        raise InvalidArgument(
            "test_size",
            expected=f"a share above 0 and below 1, or a whole number below {n:,}, the number of examples",
            received=f"{wanted:g}",
        )
    count = max(1, round(wanted * n)) if wanted < 1 else int(wanted)
    counts = np.bincount(labels)
    rarest = int(np.flatnonzero(counts)[np.argmin(counts[counts > 0])])
    present = int(np.count_nonzero(counts))
    which = "the rarest class" if classes is None else f"class {classes[rarest]!r}"
    if counts[rarest] < 2 or not present <= count <= n - present:  # noqa: PLR2004 - one on each side
        raise DataError(
            source,
            expected="examples of every class for training and for the test",
            received=f"{counts[rarest]} of {which}, and {count:,} of {n:,} examples to set aside",
            next_step=f"Give a test set with --test, or another --test-size, or leave {which} out of the data.",
        )
    if groups is None:
        train, test = stratified_split(labels, count, seed=0)
        how = "with the same share of every class"
    else:
        folds = max(2, round(n / count))
        if (many := len(np.unique(groups))) < folds:
            raise DataError(
                source,
                expected=f"{folds} groups or more, to hold out {count:,} of {n:,} examples",
                received=f"{many}",
                next_step=(
                    f"Hold out more, such as --test-size {ceil(100 / many) / 100:g}, or give a test set with --test."
                    if many > 1
                    else "Leave --group out, or give a test set with --test."
                ),
            )
        # Imported here: scikit-learn is slow to import, and few data have groups.
        from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415

        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # fewer rows of a class than folds: looked at below
            parts = list(splitter.split(np.arange(n), labels, groups))
        train, test = max(parts, key=lambda part: [len(np.unique(labels[side])) for side in part])
        if len(np.unique(labels[train])) < present:
            raise DataError(
                source,
                expected="examples of every class in two groups or more, for training and for the test",
                received=f"{counted(many, 'group')}, of which no part for training has every class",
                next_step="Give a test set with test, or leave classes out that only one group has.",
            )
        how = "whole groups, with nearly the same share of every class"
    note = (
        f"No test set: {len(test):,} of {n:,} examples are set aside for it ({how}), the same for all seeds."
    )
    return train, test, note
