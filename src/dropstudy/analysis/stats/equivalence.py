"""No difference that matters: two one-sided tests, and how many seeds a question takes."""

from __future__ import annotations

from math import inf, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, stats
from statsmodels.stats.weightstats import DescrStatsW

from dropstudy.analysis.stats.estimate import spread_out

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_SEEDS = 10_000


def tost(differences: NDArray[np.float64], margin: float) -> float:
    """The p of two one-sided t tests that the mean lies within ±margin (Schuirmann 1987).

    The larger of the p for "the mean is above -margin" and for "the mean is below margin"; at most 0.05 exactly
    where the 90% t interval lies inside. Not a number below two differences, and where all are equal.

    Args:
        differences: (n,).
        margin: in their unit, above 0.
    """
    if not spread_out(differences):
        return nan
    return float(DescrStatsW(differences).ttost_mean(-margin, margin)[0])


def seeds_needed(deviation: float, difference: float, *, level: float = 0.05, power: float = 0.8) -> float:
    """Seeds with which a two-sided paired t test finds a true difference with that power; from noncentral t.

    A deviation of 0.1 points takes 10 seeds for a difference of 0.1 and 34 for 0.05.

    Args:
        deviation: of the paired difference from seed to seed.
        difference: to be found, not 0.
        level: of the test.
        power: probability of finding it.

    Returns:
        A whole number of 2 or more, or infinity where even `MOST_SEEDS` are too few.
    """
    effect = abs(difference) / deviation if deviation > 0 else inf
    if effect == inf:
        return 2
    low, high = 1, 2  # low is too few, high is enough
    while _power(effect, high, level) < power:
        low, high = high, 2 * high
        if low > MOST_SEEDS:
            return inf
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _power(effect, middle, level) >= power else (middle, high)
    return high


def deviation_interval(deviation: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Bounds of a deviation estimated from n normal values: s sqrt((n - 1) / chi2), by both quantiles of chi2.

    At n = 6 they are 0.62 and 2.45 times the estimate: a number of seeds that rests on it is as unsure.
    """
    tails = stats.chi2.ppf([(1 + level) / 2, (1 - level) / 2], n - 1)
    low, high = deviation * np.sqrt((n - 1) / tails)
    return float(low), float(high)


def detectable(deviation: float, n: int, *, level: float = 0.05, power: float = 0.8) -> float:
    """The smallest true difference that n seeds find with that power, in the unit of the deviation."""
    if n < 2:  # noqa: PLR2004 - a deviation takes two
        return nan
    return deviation * float(
        optimize.brentq(lambda effect: _power(effect, n, level) - power, 1e-6, 1e3, xtol=1e-6)
    )


def _power(effect: float, n: int, level: float) -> float:
    """Power of the two-sided paired t test: P(|T| > c), T noncentral t (Cohen 1988, section 2.4)."""
    critical, shift = stats.t.ppf(1 - level / 2, n - 1), effect * sqrt(n)
    # Far out in the tail that the difference leads away from, scipy gives NaN for what is nothing.
    return float(stats.nct.sf(critical, n - 1, shift) + np.nan_to_num(stats.nct.cdf(-critical, n - 1, shift)))
