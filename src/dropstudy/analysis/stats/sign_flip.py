"""The exact sign-flip test, for one arm and for several at once.

If an arm changes nothing, its runs and the baseline's could have been swapped at any seed, so each paired difference
could as well have had the other sign (Fisher 1935). No shape of distribution is assumed but symmetry under that
hypothesis. The smallest two-sided p is 2 / 2^n: 0.0625 at 5 pairs, 0.03125 at 6.
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
"""Pairs up to which all 2^n flips are gone through."""

SAMPLED = 131_072
_CHUNK = 16_384
_SEED = 19_350_101
_TIE = 1e-9
"""Relative; sums of the same differences in another order differ by rounding."""


@dataclass(frozen=True)
class SignFlips:
    """p values of arms against one baseline.

    Args:
        p_values: two-sided, of each arm alone, (k,); not a number where its differences are all equal.
        adjusted: the same, adjusted for looking at k arms at once, (k,).
        exact: true where all flips were gone through, false where they were sampled.
        flips: how many.
    """

    p_values: tuple[float, ...]
    adjusted: tuple[float, ...]
    exact: bool
    flips: int


def sign_flips(differences: NDArray[np.float64]) -> SignFlips:
    """Flip the sign of whole seeds, all arms of a seed together.

    The statistic of an arm is |sum x| / sqrt(sum x^2), which orders flips as |t| does and compares across arms that
    have different numbers of seeds. The adjusted p are Westfall and Young's (1993, algorithm 4.1, step-down maxT):
    an arm's statistic against the largest, in each flip, of those of the arms that do not stand out more. Because
    all arms of a seed flip together, what they have in common (baseline, batches, weights at the start) is allowed
    for, and the probability of any false claim among the k arms stays below the level. Holm's correction knows only
    the single p and cannot go below 2 k / 2^n.

    Above 20 pairs flips are sampled; the p then counts the observed one too, (b + 1) / (m + 1) (Phipson and Smyth
    2010).

    Args:
        differences: (n, k), seeds by arms; NaN where an arm has no pair at a seed. Columns that do not vary have no p
            and count for nothing: seeds that all agree do not say what another seed would do.
    """
    equal = np.array([not spread_out(column[~np.isnan(column)]) for column in differences.T])
    x = np.nan_to_num(differences[~np.isnan(differences).all(axis=1)], nan=0.0)
    n, k = x.shape
    x[:, equal] = 0.0
    length = np.sqrt((x**2).sum(axis=0))
    scaled = np.divide(x, length, out=np.zeros_like(x), where=length > 0)
    observed = np.abs(scaled.sum(axis=0))
    order = np.argsort(-observed, kind="stable")
    reached = observed * (1 - _TIE) - _TIE

    exact = n <= MOST_EXACT
    alone, together, flips = np.zeros(k), np.zeros(k), 0
    for sums in _all_sums(scaled) if exact else _sampled_sums(scaled):
        statistics = np.abs(sums)
        # Beside each arm the largest among itself and those that stand out less.
        largest = np.maximum.accumulate(statistics[:, order[::-1]], axis=1)[:, ::-1]
        alone += (statistics >= reached).sum(axis=0)
        together += (largest >= reached[order]).sum(axis=0)
        flips += len(sums)
    if not exact:
        alone, together, flips = alone + 1, together + 1, flips + 1
    adjusted = np.empty(k)
    adjusted[order] = np.maximum.accumulate(together / flips)
    alone[equal] = adjusted[equal] = np.nan
    return SignFlips(tuple((alone / flips).tolist()), tuple(adjusted.tolist()), exact, flips)


def _all_sums(x: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Sums of x (n, k) under every flip, (some, k) at a time, but those that turn all signs round: the first stays.

    Each is a sum under a flip of the first seeds plus one under a flip of the others, so 2^n sums take 2^n additions.
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
