"""Centres of paired differences that few bad runs hardly move: trimmed mean and median; and the values that lie apart.

They are centres of other kinds than the mean: where differences are skewed, a trimmed mean of 0 goes with a mean that
is not 0. So they stand beside the mean and do not decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from dropstudy.analysis.stats.estimate import ROUNDING, Estimate, spread_out, unknown

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRIMMED = 0.2
"""Share of values that is cut off at each end."""

APART = 3.5
"""Largest distance from the median, in deviations that the median distance estimates, of a value that does not lie
apart (Iglewicz and Hoaglin 1993, "How to detect and handle outliers")."""

_NORMAL = float(stats.norm.ppf(0.75))
"""Median distance from the median of standard normal values: 0.6745."""


@dataclass(frozen=True)
class RobustCentres:
    """Centres of the differences of one arm, at a single look, for other seeds on the same test examples.

    Args:
        trimmed_mean: mean without the lowest and the highest fifth.
        median: with an interval between two of the values.
        apart: values that lie far from all others.
        mean_without: mean of the others.
    """

    trimmed_mean: Estimate
    median: Estimate
    apart: tuple[float, ...]
    mean_without: float

    def disagrees(self, mean: Estimate) -> bool:
        """True where values lie apart, and the trimmed mean's interval is on another side of 0 than the mean's."""
        return bool(self.apart) and _side(mean) != _side(self.trimmed_mean)


def robust_centres(differences: NDArray[np.float64], level: float = 0.95) -> RobustCentres:
    """All of them, of differences (n,) in any unit."""
    apart = lies_apart(differences)
    return RobustCentres(
        trimmed_mean(differences, level),
        median(differences, level),
        tuple(differences[apart].tolist()),
        float(differences[~apart].mean()) if len(differences) else np.nan,
    )


def _side(estimate: Estimate) -> int:
    return int(estimate.above_zero) - int(estimate.below_zero)


def trimmed_mean(values: NDArray[np.float64], level: float = 0.95) -> Estimate:
    """Mean without the lowest and highest g = floor(0.2 n) values, ± t(n - 2g - 1) s_w / (0.6 sqrt(n)).

    s_w is the deviation of the values with the outer g replaced by the next ones (Tukey and McLaughlin 1963; Yuen 1974
    for two samples), by `scipy.stats.mstats`. No interval where those are all equal.
    """
    n, method = len(values), "trimmed mean"
    if not n:
        return unknown(n, method, level=level)
    value = float(stats.trim_mean(values, TRIMMED))
    cut = int(TRIMMED * n)
    if not spread_out(np.sort(values)[cut : n - cut]):
        return unknown(n, method, value=value, level=level)
    low, high = stats.mstats.trimmed_mean_ci(values, limits=(TRIMMED, TRIMMED), alpha=1 - level)
    return Estimate(value, float(low), float(high), n, method, level)


def median(values: NDArray[np.float64], level: float = 0.95) -> Estimate:
    """Median with the interval that the exact sign test gives, between two of the values, by `scipy.stats`.

    It covers at least its level whatever the distribution (Thompson 1936). Below 6 values there is none at 95%, nor
    where its ends are equal.
    """
    n, method = len(values), "median, sign test"
    if not n:
        return unknown(n, method, level=level)
    value = float(np.median(values))
    low, high = stats.quantile_test(values, q=value, p=0.5).confidence_interval(level)
    if not high - low > ROUNDING:
        return unknown(n, method, value=value, level=level)
    return Estimate(value, float(low), float(high), n, method, level)


def lies_apart(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """True for each value further than `APART` deviations from the median, as its distances' median estimates them.

    No value where half of them are equal.
    """
    if not len(values):
        return np.zeros(0, dtype=bool)
    distance = np.abs(values - np.median(values))
    usual = float(np.median(distance))
    return (usual > ROUNDING) & (distance * _NORMAL > APART * usual)
