"""Ranks of arms over several data sets: Friedman's test, and Nemenyi's critical difference of mean ranks."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL = 0.05
_TWO = 2
_MOST_SETS = 1_000
_PLACES = 12
"""Decimal places after which two means are equal but for rounding."""


@dataclass(frozen=True)
class Ranks:
    """Ranks of k arms over N data sets.

    Args:
        ranks: of each arm on each data set, 1 the best, ties averaged, (N, k).
        test: name of the test that no arm differs.
        p_value: of it; not a number where all arms are equal on all data sets.
        critical_difference: smallest difference of mean ranks that shows two arms to differ; not a number with two
            arms, which the test compares itself.
    """

    ranks: NDArray[np.float64]
    test: str
    p_value: float
    critical_difference: float

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean rank of each arm, (k,)."""
        mean: NDArray[np.float64] = self.ranks.mean(axis=0)
        return mean

    @property
    def shown(self) -> bool:
        """True where the test shows that arms differ."""
        return bool(self.p_value <= LEVEL)

    def differ(self, one: int, other: int) -> bool:
        """Whether two arms, by their columns, are shown to differ; none are where the test shows nothing."""
        if not self.shown or len(self.means) == _TWO:
            return self.shown
        return bool(abs(self.means[one] - self.means[other]) >= self.critical_difference)

    @property
    def groups(self) -> list[list[int]]:
        """Runs of arms in the order of their mean ranks of which no two are shown to differ; none within another."""
        order = [int(arm) for arm in np.argsort(self.means, kind="stable")]
        found: list[list[int]] = []
        last = 0
        for first in range(len(order)):
            end = max(i for i in range(first, len(order)) if not self._apart(order[first], order[i]))
            if end > max(first, last):
                found.append(order[first : end + 1])
                last = end
        return found

    def _apart(self, one: int, other: int) -> bool:
        return one != other and self.differ(one, other)


def rank_arms(scores: NDArray[np.float64], *, sign: int = 1) -> Ranks:
    """Rank arms on each data set and test whether they differ (Demsar 2006).

    With three arms or more: Friedman's test (1937), Nemenyi's critical difference (1963) q sqrt(k (k + 1) / (6 N)),
    q the quantile of the studentized range of k values over sqrt(2). With two: Wilcoxon's signed-rank test (1945).

    Args:
        scores: (data sets, arms), two of each at least.
        sign: 1 where a higher score is better, -1 where a lower one is.
    """
    n, k = scores.shape
    rounded = np.round(scores, _PLACES)
    ranks = stats.rankdata(-sign * rounded, axis=1)
    equal = bool((ranks == ranks[:, :1]).all())
    if k == _TWO:
        p = nan if equal else float(stats.wilcoxon(rounded[:, 1] - rounded[:, 0]).pvalue)
        return Ranks(ranks, "Wilcoxon's signed-rank test", p, nan)
    p = nan if equal else float(stats.friedmanchisquare(*rounded.T).pvalue)
    return Ranks(ranks, "Friedman's test", p, critical_difference(k, n))


def critical_difference(arms: int, sets: float) -> float:
    """Nemenyi's critical difference of mean ranks, at `LEVEL`."""
    q = float(stats.studentized_range.ppf(1 - LEVEL, arms, inf)) / sqrt(2)
    return q * sqrt(arms * (arms + 1) / (6 * sets))


def fewest_sets(arms: int) -> int:
    """Fewest data sets on which these tests can show a difference: one arm is the best on each, another the worst."""
    if arms == _TWO:
        return next(n for n in range(1, _MOST_SETS) if 2 / 2**n <= LEVEL)
    widest = critical_difference(arms, 1) / (arms - 1)  # falls as 1 / sqrt(sets)
    return next(
        n
        for n in range(2, _MOST_SETS)
        if stats.chi2.sf(n * (arms - 1), arms - 1) <= LEVEL and widest <= sqrt(n)
    )
