"""Estimates: a value with its interval, and a mean with its deviation over seeds."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

ROUNDING = 1e-9
"""Values no further apart than this are equal but for rounding, in points, nats or shares: far below one example."""


@dataclass(frozen=True)
class Estimate:
    """A number with its interval.

    Args:
        value: the estimate, not a number where n is 0.
        low: lower end of the interval, not a number where n does not allow one.
        high: its upper end.
        n: sample size, most often seeds.
        method: name of the interval.
        level: its coverage, for instance 0.95.
    """

    value: float
    low: float
    high: float
    n: int
    method: str
    level: float = 0.95

    @property
    def known(self) -> bool:
        """True where there is an interval."""
        return isfinite(self.low) and isfinite(self.high)

    @property
    def above_zero(self) -> bool:
        """True where the whole interval lies above 0."""
        return self.low > 0

    @property
    def below_zero(self) -> bool:
        """True where the whole interval lies below 0."""
        return self.high < 0

    def within(self, margin: float) -> bool:
        """True where the whole interval lies strictly between -margin and margin."""
        return -margin < self.low and self.high < margin


@dataclass(frozen=True)
class Mean:
    """A mean over seeds.

    Args:
        value: the mean, not a number where n is 0.
        sd: standard deviation over the seeds (divided by n - 1); None below two seeds.
        n: seeds.
    """

    value: float
    sd: float | None
    n: int

    @property
    def known(self) -> bool:
        """True where there is a value."""
        return self.n > 0


def mean_over_seeds(values: ArrayLike) -> Mean:
    """Mean and standard deviation of one number per seed, (n,), of the finite ones alone."""
    array = np.asarray(values, dtype=np.float64)
    finite = array[np.isfinite(array)]
    n = int(finite.size)
    return Mean(float(finite.mean()) if n else nan, float(finite.std(ddof=1)) if n > 1 else None, n)


def mean_interval(
    values: NDArray[np.float64], level: float, method: str, half_width: Callable[[float, int], float]
) -> Estimate:
    """Mean ± half_width(deviation, n); no interval below two values and where all are equal.

    Args:
        values: (n,).
        level: of the interval.
        method: its name.
        half_width: of the standard deviation and n.
    """
    n = len(values)
    if not spread_out(values):
        return unknown(n, method, value=float(values.mean()) if n else nan, level=level)
    mean, reach = float(values.mean()), half_width(float(values.std(ddof=1)), n)
    return Estimate(mean, mean - reach, mean + reach, n, method, level)


def t_half_width(critical: float, deviation: float, n: int) -> float:
    """Half the width of a t interval: critical s / sqrt(n)."""
    return critical * deviation / sqrt(n)


def unknown(n: int, method: str, *, value: float = nan, level: float = 0.95) -> Estimate:
    """An estimate without an interval."""
    return Estimate(value, nan, nan, n, method, level)


def spread_out(values: NDArray[np.float64]) -> bool:
    """True where values differ by more than rounding; equal ones do not say how much another one may differ."""
    return len(values) > 1 and float(np.ptp(values)) > ROUNDING
