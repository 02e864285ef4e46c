"""Projection: seeds at which `--until-decided` has probably decided, given the differences so far."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from dropstudy.analysis.stats.anytime import half_width
from dropstudy.analysis.stats.estimate import spread_out
from dropstudy.analysis.stats.least_seeds import least_seeds

if TYPE_CHECKING:
    from numpy.typing import NDArray

PROBABLY = 0.9
"""Probability of a decision within the projected seeds."""

_QUANTILES = (np.arange(50) + 0.5) / 50
"""Of the deviation, to average probabilities over."""


def seeds_to_decide(
    differences: NDArray[np.float64],
    margin: float,
    *,
    example_error: float = 0.0,
    unseen: float = 0.0,
    level: float = 0.05,
    probability: float = PROBABLY,
) -> float:
    """Total number of seeds by which the always-valid interval, and that for new data, decide with this probability.

    The probability is predictive (Spiegelhalter, Freedman and Blackburn 1986): true mean and deviation are as uncertain
    as n normal differences leave them, with flat priors. At a deviation s the mean of N seeds is normal around the
    present one, with variance s^2 (1 / n - 1 / N). Power at the observed difference promises too much, since that may
    be the lucky side of a smaller one.

    Args:
        differences: (n,), so far.
        margin: in their unit.
        example_error: standard error from the choice of test examples, in their unit; no seed removes it.
        unseen: smallest margin within which the test examples can show a difference to lie, in their unit.
        level: of the interval: 5% divided by the arms.
        probability: of a decision.

    Returns:
        A whole number above n, or infinity above 10,000; not a number where the differences are all equal.
    """
    n = len(differences)
    if not spread_out(differences):
        return nan
    mean, deviation = float(differences.mean()), float(differences.std(ddof=1))
    normal = float(stats.norm.ppf(1 - level / 2))
    deviations = deviation * np.sqrt((n - 1) / stats.chi2.ppf(_QUANTILES, n - 1))

    def is_enough(seeds: int) -> bool:
        new_data = normal * np.hypot(deviations / np.sqrt(seeds), example_error)
        ends = np.maximum(deviations * half_width(seeds, level), new_data)
        moves = deviations * np.sqrt(1 / n - 1 / seeds)
        inside = np.maximum(margin - ends, 0) * (unseen <= margin)  # means below it are equivalent

        def below(bound: NDArray[np.float64]) -> NDArray[np.float64]:
            """Probability that the mean of all seeds lies within ±bound."""
            sides = np.array([bound, -bound])
            upper, lower = np.asarray(stats.norm.cdf((sides - mean) / moves))
            return np.asarray(upper - lower)

        # Undecided are the means whose interval contains 0 and a margin.
        undecided = below(np.maximum(ends, inside)) - below(inside)
        return float(undecided.mean()) <= 1 - probability

    return float(least_seeds(n, is_enough))
