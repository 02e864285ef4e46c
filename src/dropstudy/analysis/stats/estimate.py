"""Estimate: a value with its bounds, sample size and method."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUNDING = 1e-9
"""Values no further apart than this are one value and rounding, in points, nats or shares: far below one example."""


@dataclass(frozen=True)
class Estimate:
    """A number with the interval that says how sure it is.

    Args:
        value: the estimate, not a number where n is 0.
        low: lower end of the interval, not a number where n does not allow one.
        high: its upper end.
        n: what it rests on, most often seeds.
        method: how the interval was made, in words.
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

    def scaled(self, factor: float) -> Estimate:
        """The same in other units; factor above 0."""
        return Estimate(
            factor * self.value, factor * self.low, factor * self.high, self.n, self.method, self.level
        )


def unknown(n: int, method: str, *, value: float = nan, level: float = 0.95) -> Estimate:
    """An estimate that has no interval, because n is too small for one."""
    return Estimate(value, nan, nan, n, method, level)


def spread_out(values: NDArray[np.float64]) -> bool:
    """True where values differ by more than rounding, so that they say how much another one may differ.

    One value, and equal ones, give no interval: seeds that all agree carry no information about other seeds.
    """
    return len(values) > 1 and float(np.ptp(values)) > ROUNDING
