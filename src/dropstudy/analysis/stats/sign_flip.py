"""Sign-flip test, exact up to 20 pairs, for one arm and for several at once.

If an arm changes nothing, its run and the baseline's could be swapped at any seed, so each paired difference could have
the other sign (Fisher 1935). The only assumption is symmetry under that hypothesis. The smallest two-sided p is 2 /
2^n: 0.0625 at 5 pairs, 0.03125 at 6.

Several arms are flipped together. That takes more: the differences of all arms without an effect are to be symmetric
together, as they are where the noise of a run is. Arms that only swap with their baseline are not enough: where its
noise is skewed, they are all low, or all high, together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dropstudy.analysis.stats.estimate import spread_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MOST_EXACT = 20
"""Most pairs with all 2^n flips enumerated."""

SAMPLED = 131_072
_CHUNK = 16_384
_SEED = 19_350_101
_TIE = 1e-9
"""Relative rounding error of sums of the same differences in another order."""


@dataclass(frozen=True)
class SignFlips:
    """p values of arms against one baseline.

    Args:
        p_values: two-sided, of each arm alone, (k,); not a number where its differences are all equal.
        adjusted: the same, adjusted for looking at k arms at once, (k,).
        exact: true where all flips were enumerated, false where they were sampled.
    """

    p_values: tuple[float, ...]
    adjusted: tuple[float, ...]
    exact: bool


def sign_flips(differences: NDArray[np.float64]) -> SignFlips:
    """Flip the sign of whole seeds, all arms of a seed together.

    The statistic of an arm is |sum x| / sqrt(sum x^2), which orders flips as |t| does and compares across arms with
    different numbers of seeds. The adjusted p are Westfall and Young's (1993, algorithm 4.1, step-down maxT): each
    arm's statistic against the largest, in each flip, of the arms with the same or a smaller one. All arms of a seed
    flip together, which allows for what they share (baseline, batches, initial weights). With symmetry the probability
    of any false claim is at most the level, whatever the arms with an effect do, since no flip of the others depends on
    them (Romano and Wolf 2005). Holm's correction cannot go below 2 k / 2^n.

    Above 20 pairs flips are sampled, and p = (b + 1) / (m + 1) (Phipson and Smyth 2010).

    Args:
        differences: (n, k), seeds by arms; NaN where an arm has no pair at a seed. Columns that do not vary have no p
            and do not count.
    """
    equal = np.array([not spread_out(column[~np.isnan(column)]) for column in differences.T])
    x = np.nan_to_num(differences[~np.isnan(differences).all(axis=1)], nan=0.0)
    n, k = x.shape
    exact = n <= MOST_EXACT
    if equal.all():
        return SignFlips((np.nan,) * k, (np.nan,) * k, exact)
    x[:, equal] = 0.0
    length = np.sqrt((x**2).sum(axis=0))
    scaled = np.divide(x, length, out=np.zeros_like(x), where=length > 0)
    observed = np.abs(scaled.sum(axis=0))
    order = np.argsort(-observed, kind="stable")
    reached = observed * (1 - _TIE) - _TIE

    alone, together, flips = np.zeros(k), np.zeros(k), 0
    for sums in _all_sums(scaled) if exact else _sampled_sums(scaled):
        statistics = np.abs(sums)
        # For each arm, the largest statistic among itself and the arms ordered after it.
        largest = np.maximum.accumulate(statistics[:, order[::-1]], axis=1)[:, ::-1]
        alone += (statistics >= reached).sum(axis=0)
        together += (largest >= reached[order]).sum(axis=0)
        flips += len(sums)
    if not exact:
        alone, together, flips = alone + 1, together + 1, flips + 1
    adjusted = np.empty(k)
    adjusted[order] = np.maximum.accumulate(together / flips)
    alone[equal] = adjusted[equal] = np.nan
    return SignFlips(tuple((alone / flips).tolist()), tuple(adjusted.tolist()), exact)


def _all_sums(x: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Sums of x (n, k) under every flip, in chunks (m, k); the first sign is fixed, since |sum| is the same without.

    Each is a sum over the first seeds plus one over the others, so 2^n sums take 2^n additions.
    """
    first, others = _flipped(x[1 : len(x) // 2]) + x[:1], _flipped(x[max(1, len(x) // 2) :])
    rows = max(1, _CHUNK // len(others))
    for start in range(0, len(first), rows):
        yield (first[start : start + rows, None] + others).reshape(-1, x.shape[1])


def _flipped(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums under all 2^n flips, (2^n, k)."""
    sums = np.zeros((1, x.shape[1]))
    for row in x:
        sums = np.concatenate([sums + row, sums - row])
    return sums


def _sampled_sums(x: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    rng = np.random.default_rng(_SEED)
    for _ in range(SAMPLED // _CHUNK):
        yield np.where(rng.random((_CHUNK, len(x))) < 0.5, -1.0, 1.0) @ x  # noqa: PLR2004 - a fair coin
