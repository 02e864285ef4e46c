"""Always-valid inference for sequential testing: a t test and a confidence sequence.

A test at 5% that is repeated each time seeds are added claims an effect far more often than in 5% of studies without
one (Armitage, McPherson and Rowe 1969). What follows may be looked at after every seed, without a plan made
beforehand and without an end.

The evidence at n seeds is the ratio of two likelihoods of the t statistic: effect sizes mean / deviation spread
normally around 0 with deviation `SPREAD`, against an effect of 0. As a likelihood ratio of what is invariant to the
unit of measurement it is a nonnegative martingale of mean 1 where there is no effect and differences are normal,
whatever their deviation; so it ever exceeds 1 / alpha in at most a share alpha of such studies (Ville 1939). Lai 1976;
Wang and Ramdas 2025, "Anytime-valid t-tests and confidence sequences for Gaussian means with unknown variance",
Sequential Analysis 44; Perez-Ortiz, Lardy, de Heide and Grunwald 2024, "E-statistics, group invariance and
anytime-valid testing", Annals of Statistics 52. The closed form is that of Rouder et al. 2009 with the prior of Gonen
et al. 2005.
"""

from __future__ import annotations

from math import exp, inf, log, log1p, sqrt
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from dropstudy.analysis.stats.estimate import Estimate, spread_out, unknown

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPREAD = 1.0
"""Prior scale of the standardised effect: evidence grows fastest for effects of this size."""

MOST_SEEDS = 10_000


def evidence(differences: NDArray[np.float64]) -> float:
    """Likelihood ratio for an effect against none; above 20 may be called an effect at 5%, whenever it is seen.

    (1 + n g)^(-1/2) [(1 + t^2 / v) / (1 + t^2 / (v (1 + n g)))]^(n / 2), v = n - 1, g = SPREAD^2.

    Returns:
        1 below two differences and where they are all equal: without a spread there is no t.
    """
    n = len(differences)
    if not spread_out(differences):
        return 1.0
    mean, error = float(differences.mean()), float(differences.std(ddof=1)) / sqrt(n)
    spread, u = 1 + n * SPREAD**2, (mean / error) ** 2 / (n - 1)
    logarithm = n / 2 * (log1p(u) - log1p(u / spread)) - log(spread) / 2
    return exp(logarithm) if logarithm < 700 else inf  # noqa: PLR2004 - the largest that a float holds


def anytime(differences: NDArray[np.float64], level: float = 0.95) -> Estimate:
    """Mean difference with the interval of a confidence sequence: it covers at all n at once with that probability.

    The means that `evidence` does not speak against: mean ± sqrt(v u / n) s with u = (A - 1) / (1 - A / (1 + n g)) and
    A = ((1 + n g)^(1/2) / alpha)^(2 / n). With few seeds there is none, and the bounds are infinite.
    """
    n, method = len(differences), "always-valid t"
    if not spread_out(differences):
        return unknown(n, method, value=float(differences.mean()) if n else np.nan, level=level)
    mean, reach = float(differences.mean()), float(differences.std(ddof=1)) * _reach(n, 1 - level)
    return Estimate(mean, mean - reach, mean + reach, n, method, level)


def seeds_for(deviation: float, difference: float, *, level: float = 0.05, power: float = 0.8) -> float:
    """About how many seeds it takes until the interval leaves out 0, of a true difference and with that power.

    The first n at which the interval's reach and the `power` quantile of the mean's noise stay below the difference
    together; infinity where `MOST_SEEDS` are too few.
    """
    noise = float(stats.norm.ppf(power))
    for n in range(2, MOST_SEEDS):
        if deviation * (_reach(n, level) + noise / sqrt(n)) <= abs(difference):
            return n
    return inf


def _reach(n: int, alpha: float) -> float:
    """Half the width of the interval, in deviations."""
    spread = 1 + n * SPREAD**2
    a = (sqrt(spread) / alpha) ** (2 / n)
    return sqrt((n - 1) / n * (a - 1) / (1 - a / spread)) if a < spread else inf
