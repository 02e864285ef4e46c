"""Stratified splits: those of scikit-learn, in a tenth of its time for millions of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["stratified_split"]


def stratified_split(
    labels: NDArray[np.int64], held_out: int, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows to use and rows to hold out, each rising: those of scikit-learn's `train_test_split` with `stratify`.

    scikit-learn gathers the rows in lists and shuffles them. Here they are sorted, so that only the draws within the
    classes count.

    Args:
        labels: from 0 to c - 1, (n,); two or more of each class that occurs.
        held_out: number of rows to hold out.
        seed: of the draws.
    """
    counts = np.bincount(labels)
    draw = np.random.RandomState(seed)
    used = _shares(counts, len(labels) - held_out, draw)
    _shares(counts - used, held_out, draw)  # all that is left; where its shares are not exact, it draws
    # By radix, 16 bits at most.
    order = np.argsort(labels.astype(np.min_scalar_type(len(counts))), kind="stable")
    held = np.zeros(len(labels), bool)
    first = 0
    for count, kept in zip(counts.tolist(), used.tolist(), strict=True):
        held[order[first + draw.permutation(count)[kept:]]] = True
        first += count
    return np.flatnonzero(~held), np.flatnonzero(held)


def _shares(counts: NDArray[np.intp], drawn: int, draw: np.random.RandomState) -> NDArray[np.intp]:
    """Rows drawn of each class: its share rounded down, and one more to those of largest remainder.

    The seed decides between equal remainders.
    """
    exact = counts / counts.sum() * drawn
    shares = np.floor(exact)
    remainder, more = exact - shares, int(drawn - shares.sum())
    for value in np.unique(remainder[counts > 0])[::-1]:
        if not more:
            break
        alike = np.flatnonzero((remainder == value) & (counts > 0))
        chosen = draw.choice(alike, size=min(len(alike), more), replace=False)
        shares[chosen] += 1
        more -= len(chosen)
    whole: NDArray[np.intp] = shares.astype(np.intp)
    return whole
