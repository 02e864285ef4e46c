"""Paired differences, one per seed: mean with intervals, effect size, probability of improvement.

All functions take differences, (n,), in any unit, and return Estimates in that unit unless their docstring names
another.
"""

from __future__ import annotations

import warnings
from functools import partial
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import optimize, stats
from statsmodels.stats.proportion import proportion_confint

from dropstudy.analysis.stats.estimate import Estimate, mean_interval, spread_out, t_half_width, unknown

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 20_000
_SEED = 20_140_601
"""Seed of every bootstrap: equal differences give equal intervals."""
_SURE = 1_000.0
"""Value of |t| above which the limit is right to 4 digits; scipy's noncentral t is NaN from 100,000 on."""


def paired_t(differences: NDArray[np.float64], level: float = 0.95) -> Estimate:
    """Mean difference with Student's interval: mean ± t(n - 1) s / sqrt(n).

    Exact where differences are normal (Student 1908). Differences that are all equal give no interval.
    """
    critical = float(stats.t.ppf((1 + level) / 2, len(differences) - 1))
    return mean_interval(differences, level, "paired t", partial(t_half_width, critical))


def bca(differences: NDArray[np.float64], level: float = 0.95) -> Estimate:
    """Mean difference with a bootstrap interval: bias-corrected and accelerated, widened for few seeds.

    BCa (Efron 1987, by `scipy.stats.bootstrap`) is too narrow on few values, as any percentile of resampled means is.
    Its level is therefore the one that makes a percentile interval of normal data as wide as Student's:
    Phi(-sqrt(n / (n - 1)) t(n - 1)) in each tail (Hesterberg 2015, "What teachers should know about the bootstrap",
    The American Statistician 69, section 5.3, "expanded percentile intervals").
    """
    n, method = len(differences), "BCa bootstrap, expanded for few seeds"
    if not spread_out(differences):
        return unknown(n, method, value=float(differences.mean()) if n else np.nan, level=level)
    mean = float(differences.mean())
    tail = float(stats.norm.cdf(-sqrt(n / (n - 1)) * stats.t.ppf((1 + level) / 2, n - 1)))
    # BCa gives NaN for some data, such as most pairs of seeds; `known` is then False.
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        interval: Any = stats.bootstrap(
            (differences,),
            np.mean,
            confidence_level=1 - 2 * tail,
            n_resamples=RESAMPLES,
            method="BCa",
            rng=np.random.default_rng(_SEED),
        ).confidence_interval
    return Estimate(mean, float(interval.low), float(interval.high), n, method, level)


def effect_size(differences: NDArray[np.float64], level: float = 0.95) -> Estimate:
    """Mean difference over its deviation from seed to seed (Cohen's d of paired data), no unit.

    The interval is that of the noncentrality whose quantiles are the observed t, over sqrt(n) (Cumming and Finch 2001);
    exact where differences are normal. At very large |t| the noise of the mean is negligible beside that of the
    deviation: the noncentrality is then |t| times a quantile of chi over sqrt(n - 1).
    """
    n, method = len(differences), "noncentral t"
    if not spread_out(differences):
        return unknown(n, method, level=level)
    deviation = float(differences.std(ddof=1))
    d = float(differences.mean()) / deviation
    t, tail = abs(d) * sqrt(n), (1 - level) / 2

    def noncentrality(quantile: float) -> float:
        if t > _SURE:
            return t * sqrt(float(stats.chi2.ppf(1 - quantile, n - 1)) / (n - 1))
        start = float(stats.norm.ppf(1 - quantile)) * sqrt(1 + t**2 / (2 * n))  # approximate distance from t
        low, high = t + start - 1, t + start + 1
        while stats.nct.cdf(t, n - 1, low) < quantile:
            low -= high - low
        while stats.nct.cdf(t, n - 1, high) > quantile:
            high += high - low
        return float(optimize.brentq(lambda c: stats.nct.cdf(t, n - 1, c) - quantile, low, high, xtol=1e-6))

    ends = [noncentrality(1 - tail) / sqrt(n), noncentrality(tail) / sqrt(n)]
    low, high = ends if d > 0 else (-ends[1], -ends[0])
    return Estimate(d, low, high, n, method, level)


def improvement(differences: NDArray[np.float64], level: float = 0.95) -> Estimate:
    """Probability that the arm beats the baseline at a seed, ties counted as half: P(A > B) + P(A = B) / 2.

    Recommended by Bouthillier et al. 2021 ("Accounting for variance in machine learning benchmarks"). The interval is
    Clopper and Pearson's (1934), which never covers less than its level; that paper's percentiles of resampled seeds
    have no width where every seed agrees.
    """
    n, method = len(differences), "Clopper-Pearson"
    if not n:
        return unknown(n, method, level=level)
    wins = float((differences > 0).sum() + (differences == 0).sum() / 2)
    low, high = proportion_confint(wins, n, alpha=1 - level, method="beta")
    return Estimate(wins / n, float(low), float(high), n, method, level)
