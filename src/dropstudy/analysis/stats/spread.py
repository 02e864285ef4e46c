"""Spread over seeds: of all that a run draws together, and of one source drawn anew."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from dropstudy.analysis.stats.estimate import ROUNDING, Estimate, unknown

if TYPE_CHECKING:
    from numpy.typing import NDArray


def deviation(values: NDArray[np.float64], level: float = 0.95) -> Estimate:
    """Standard deviation of one value per seed, (n,), with the chi-square interval of normal values."""
    squares = float(np.square(values - values.mean()).sum()) if len(values) else 0.0
    return _estimate(squares, len(values), len(values) - 1, level)


def deviation_redrawn(
    values: NDArray[np.float64], anew: NDArray[np.float64], level: float = 0.95
) -> Estimate:
    """Standard deviation that one source makes where all others are held, averaged over what these are held at.

    Two runs that differ in one source alone differ by twice its variance in the mean of squares, so that the variance
    is sum (y - x)^2 / 2n: Jansen's estimator of a total effect (Jansen 1999, Computer Physics Communications 117; table
    2 of Saltelli and others 2010, Computer Physics Communications 181). The interval is exact for normal differences.

    Args:
        values: of n runs, (n,).
        anew: of runs with the same seeds but another draw of the source, (n,).
        level: of the interval.
    """
    return _estimate(float(np.square(anew - values).sum()) / 2, len(values), len(values), level)


def _estimate(squares: float, n: int, freedom: int, level: float) -> Estimate:
    """Root of a sum of squares over its degrees of freedom; no interval where nothing differs."""
    if freedom < 1:
        return unknown(n, "chi-square", level=level)
    value = sqrt(squares / freedom)
    if value <= ROUNDING:
        return unknown(n, "chi-square", value=value, level=level)
    low, high = (sqrt(squares / q) for q in stats.chi2.ppf([(1 + level) / 2, (1 - level) / 2], freedom))
    return Estimate(value, low, high, n, "chi-square", level)
