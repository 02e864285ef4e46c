"""Set examples aside for the test where data come without a test set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dropstudy.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DEFAULT_TEST_SIZE", "hold_out"]

DEFAULT_TEST_SIZE = 0.2


def hold_out(
    labels: NDArray[np.int64],
    test_size: float | None,
    *,
    source: str,
    groups: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
    """Split rows into training and test rows, the same way every time: for all seeds, on every machine.

    The split is stratified: both parts have the same share of each class, to within rounding. With groups it
    keeps whole groups together, and the shares are as near as the groups allow.

    Args:
        labels: from 0 to c - 1, (n,).
        test_size: share (below 1) or count of the rows to hold out; None for a fifth.
        source: origin of the rows, for errors.
        groups: number of the group of each row, (n,); None for rows that are independent.

    Returns:
        Training rows and test rows, each rising, and a sentence on the split for users.

    Raises:
        DataError: too few rows of a class, or too few groups, for both parts.
    """
    # Imported here: scikit-learn is slow to import, and most data come with a test set.
    from sklearn.model_selection import StratifiedGroupKFold, train_test_split  # noqa: PLC0415

    n = len(labels)
    wanted = DEFAULT_TEST_SIZE if test_size is None else test_size
    count = max(1, round(wanted * n)) if wanted < 1 else int(wanted)
    rows = np.arange(n)
    counts = np.bincount(labels)
    rarest = int(np.flatnonzero(counts)[np.argmin(counts[counts > 0])])
    present = int(np.count_nonzero(counts))
    if counts[rarest] < 2 or not present <= count <= n - present:  # noqa: PLR2004 - one on each side
        raise DataError(
            source,
            expected="examples of every class for training and for the test",
            received=f"{counts[rarest]} of the rarest class, and {count:,} of {n:,} examples to set aside",
            next_step="Give a test set with test, or another test_size, or leave the rarest class out of the file.",
        )
    if groups is None:
        train, test = train_test_split(rows, test_size=count, stratify=labels, random_state=0)
        how = "with the same share of every class"
    else:
        folds = max(2, round(n / count))
        if len(np.unique(groups)) < folds:
            raise DataError(
                source,
                expected=f"{folds} groups or more, to hold out {count:,} of {n:,} examples",
                received=f"{len(np.unique(groups))}",
                next_step="Hold out more with test_size, or give a test set with test.",
            )
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
        train, test = next(iter(splitter.split(rows, labels, groups)))
        how = "whole groups, with nearly the same share of every class"
    note = (
        f"No test set: {len(test):,} of {n:,} examples are set aside for it ({how}), the same for all seeds."
    )
    return np.sort(train), np.sort(test), note
