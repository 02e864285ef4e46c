"""Probabilities that a mean difference is better, makes no difference that matters, or is worse: a Bayesian t test."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from scipy import stats


@dataclass(frozen=True)
class Posterior:
    """Probabilities of one arm; their sum is 1.

    Args:
        better: by more than the margin.
        equal: within ±margin, the region of practical equivalence (ROPE).
        worse: by more than the margin.
        new_data: whether they allow for other test examples, too; else for other seeds alone.
    """

    better: float
    equal: float
    worse: float
    new_data: bool = False

    @property
    def most(self) -> float:
        """The largest of the three."""
        return max(self.better, self.equal, self.worse)


def posterior(
    mean: float, error: float, degrees: float, *, margin: float, sign: int = 1, new_data: bool = False
) -> Posterior | None:
    """Probabilities under the posterior of the true difference: mean + error t(degrees).

    That is the posterior of the mean of normal values with a flat prior of mean and log deviation (Gelman et al. 2013,
    section 3.2): "Bayesian correlated t test" of Benavoli, Corani, Demsar and Zaffalon 2017 at a correlation of 0,
    since runs of different seeds share no training.

    Args:
        mean: the measured difference.
        error: its standard error.
        degrees: of freedom.
        margin: in the same unit, above 0.
        sign: 1 where a difference above 0 is better, -1 where one below 0 is.
        new_data: whether the error allows for other test examples, too.

    Returns:
        None where there is no error to go by: with one seed, and where all differences are equal.
    """
    if not (isfinite(mean) and isfinite(error) and error > 0 and degrees > 0):
        return None
    gain = stats.t(degrees, loc=sign * mean, scale=error)
    better, worse = float(gain.sf(margin)), float(gain.cdf(-margin))
    return Posterior(better, max(0.0, 1 - better - worse), worse, new_data)
