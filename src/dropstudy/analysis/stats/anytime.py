"""Always-valid inference for sequential testing: a t test and a confidence sequence.

A 5% test repeated each time seeds are added finds an effect in far more than 5% of studies without one (Armitage,
McPherson and Rowe 1969). This test and its intervals stay valid after every seed, without a planned number of looks.

The evidence at n seeds is a likelihood ratio of the t statistic: effect sizes (mean / deviation) normal around 0 with
deviation `SPREAD`, against an effect of 0. Without an effect, and with normal differences, it is a nonnegative
martingale of mean 1, whatever their deviation; so it exceeds 1 / alpha, ever, in at most a share alpha of studies
(Ville 1939). Lai 1976; Wang and Ramdas 2025, "Anytime-valid t-tests and confidence sequences for Gaussian means with
unknown variance", Sequential Analysis 44; Perez-Ortiz, Lardy, de Heide and Grunwald 2024, "E-statistics, group
invariance and anytime-valid testing", Annals of Statistics 52. The closed form is that of Rouder et al. 2009 with the
prior of Gonen et al. 2005.
"""

from __future__ import annotations

from math import exp, inf, log, log1p, sqrt
from typing import TYPE_CHECKING

from scipy import stats

from dropstudy.analysis.stats.estimate import mean_interval, spread_out
from dropstudy.analysis.stats.least_seeds import least_seeds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dropstudy.analysis.stats.estimate import Estimate

SPREAD = 1.0
"""Prior scale of the standardised effect: evidence grows fastest for effects of this size."""


def evidence(differences: NDArray[np.float64]) -> float:
    """Likelihood ratio for an effect against none; above 20 it shows an effect at 5%, at any look.

    (1 + n g)^(-1/2) [(1 + t^2 / v) / (1 + t^2 / (v (1 + n g)))]^(n / 2), v = n - 1, g = SPREAD^2.

    It is 1 below two differences and where they are all equal, since there is no t.
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

    The means whose `evidence` stays below 1 / alpha: mean ± sqrt(v u / n) s with u = (A - 1) / (1 - A / (1 + n g)) and
    A = ((1 + n g)^(1/2) / alpha)^(2 / n). With few seeds the bounds are infinite.
    """
    return mean_interval(differences, level, "always-valid t", lambda s, n: s * half_width(n, 1 - level))


def seeds_for(deviation: float, difference: float, *, level: float = 0.05, power: float = 0.8) -> float:
    """Approximate number of seeds until the interval excludes 0, for a true difference, with that power.

    The first n at which half the interval plus the `power` quantile of the mean's noise is below the difference;
    infinity above 10,000.
    """
    noise = float(stats.norm.ppf(power))
    return least_seeds(1, lambda n: deviation * (half_width(n, level) + noise / sqrt(n)) <= abs(difference))


def half_width(n: int, alpha: float) -> float:
    """Half the width of the interval, in deviations."""
    spread = 1 + n * SPREAD**2
    a = (sqrt(spread) / alpha) ** (2 / n)
    return sqrt((n - 1) / n * (a - 1) / (1 - a / spread)) if a < spread else inf
