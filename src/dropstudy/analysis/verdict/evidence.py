"""Numbers of an arm that its interval does not show: probabilities, sources of the noise, the p of the interval."""

from __future__ import annotations

from math import exp, hypot, isfinite, log, nan, sqrt
from typing import TYPE_CHECKING, NamedTuple

from scipy import optimize, stats

from dropstudy.analysis.stats.anytime import anytime, evidence
from dropstudy.analysis.stats.estimate import spread_out
from dropstudy.analysis.stats.posterior import posterior
from dropstudy.analysis.stats.unseen import unseen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dropstudy.analysis.stats.posterior import Posterior
    from dropstudy.analysis.stats.two_way import NewData

_TAIL = 0.975
_SMALLEST = 1e-12  # p that is told apart


class Spread(NamedTuple):
    """Standard error of a mean difference, its degrees of freedom, and whether it allows for other test examples."""

    error: float
    degrees: float
    new_data: bool = False

    @property
    def reach(self) -> float:
        """Half of the 95% interval."""
        return float(stats.t.ppf(_TAIL, self.degrees)) * self.error

    def p(self, mean: float) -> float:
        """Two-sided p of no difference."""
        return float(2 * stats.t.sf(abs(mean) / self.error, self.degrees))


def spreads(x: NDArray[np.float64], found: NewData | None, factor: float) -> tuple[Spread, ...]:
    """Spread over seeds and, where it is known, over seeds and test examples; empty where differences do not vary.

    Args:
        x: paired differences, in the unit of the metric.
        found: of seeds and test examples, as stored; None where that is not known.
        factor: from stored values to that unit.
    """
    if not spread_out(x):
        return ()
    over_seeds = Spread(float(x.std(ddof=1)) / sqrt(len(x)), len(x) - 1)
    if found is None:
        return (over_seeds,)
    if isfinite(found.freedom):
        return over_seeds, Spread(factor * found.error, found.freedom, new_data=True)
    # Fewer than two examples differ: the interval reaches what these examples can miss, and so does this.
    error = unseen(found.examples) / float(stats.t.ppf(_TAIL, 1))
    return over_seeds, Spread(factor * error, 1, new_data=True)


def probabilities(
    x: NDArray[np.float64], spread: tuple[Spread, ...], *, margin: float, sign: int
) -> Posterior | None:
    """Probabilities by the wider spread."""
    if not spread:
        return None
    error, degrees, _ = max(spread, key=lambda each: each.reach)
    known = any(each.new_data for each in spread)
    return posterior(float(x.mean()), error, degrees, margin=margin, sign=sign, new_data=known)


def p_of_interval(
    x: NDArray[np.float64],
    spread: tuple[Spread, ...],
    *,
    family: int,
    always_valid: bool,
    example_error: float = 0.0,
) -> float:
    """Smallest level at which the interval that decides, for all arms of a condition, may exclude 0.

    By Sidak's correction (1967), which is never below that of the interval. With always-valid intervals half of theirs
    and the part of the examples, squared, sum up to the square of the mean; without that part it is one over the
    likelihood ratio, times the arms.
    """
    if not spread:
        return nan
    mean = float(x.mean())
    found = [1 - (1 - each.p(mean)) ** family for each in spread if each.new_data or not always_valid]
    if always_valid:
        found.append(min(1.0, family / evidence(x)))
        if example_error:
            found.append(_p_at_all_looks(x, family, example_error))
    return max(found)


def _p_at_all_looks(x: NDArray[np.float64], family: int, example_error: float) -> float:
    """Level at which an always-valid interval, widened by the choice of test examples, just excludes 0; at most 1."""

    def beyond_zero(log_level: float) -> float:
        level = exp(log_level) / family
        interval = anytime(x, 1 - level)
        of_examples = float(stats.norm.isf(level / 2)) * example_error
        return hypot((interval.high - interval.low) / 2, of_examples) - abs(float(x.mean()))

    low, high = log(_SMALLEST), 0.0
    if beyond_zero(high) > 0:
        return 1.0
    return _SMALLEST if beyond_zero(low) < 0 else exp(optimize.brentq(beyond_zero, low, high, xtol=1e-4))
