"""Equivalence within a margin (TOST), and power: seeds needed, detectable difference."""

from __future__ import annotations

from math import inf, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, stats
from statsmodels.stats.weightstats import DescrStatsW

from dropstudy.analysis.stats.estimate import spread_out
from dropstudy.analysis.stats.least_seeds import least_seeds

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
    """Seeds that a two-sided paired t test needs to detect a true difference with that power; from noncentral t.

    At a deviation of 0.1 points, a difference of 0.1 needs 10 seeds and one of 0.05 needs 34.

    Args:
        deviation: of the paired difference from seed to seed.
        difference: the true one, not 0.
        level: of the test.
        power: probability of detecting it.

    Returns:
        A whole number of 2 or more, or infinity above 10,000.
    """
    effect = abs(difference) / deviation if deviation > 0 else inf
    if effect == inf:
        return 2
    return least_seeds(1, lambda n: _power(effect, n, level) >= power)


def deviation_interval(deviation: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of a deviation of n normal values: s sqrt((n - 1) / chi2); at n = 6, 0.62 to 2.45 times s."""
    tails = stats.chi2.ppf([(1 + level) / 2, (1 - level) / 2], n - 1)
    low, high = deviation * np.sqrt((n - 1) / tails)
    return float(low), float(high)


def detectable(deviation: float, n: int, *, level: float = 0.05, power: float = 0.8) -> float:
    """The smallest true difference that n seeds detect with that power, in the unit of the deviation."""
    if n < 2:  # noqa: PLR2004 - a deviation needs two
        return nan
    return deviation * float(
        optimize.brentq(lambda effect: _power(effect, n, level) - power, 1e-6, 1e3, xtol=1e-6)
    )


def quantiles(level: float, power: float = 0.8) -> float:
    """True difference over its standard error that a two-sided test detects with that power: z(1 - level/2) + z(power).

    Cohen 1988, section 2.4, with normal quantiles.
    """
    return float(stats.norm.ppf(1 - level / 2) + stats.norm.ppf(power))


def _power(effect: float, n: int, level: float) -> float:
    """Power of the two-sided paired t test: P(|T| > c), T noncentral t (Cohen 1988, section 2.4)."""
    critical, shift = stats.t.ppf(1 - level / 2, n - 1), effect * sqrt(n)
    # Far out in the other tail scipy gives NaN for a probability of 0.
    return float(stats.nct.sf(critical, n - 1, shift) + np.nan_to_num(stats.nct.cdf(-critical, n - 1, shift)))
