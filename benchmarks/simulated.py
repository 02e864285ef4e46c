"""Made-up studies for the scripts that hold the verdict against the truth: differences whose true mean is known."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from scipy import stats

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONDITIONS = ("normal", "skewed", "very skewed", "heavy tails")
"""Of the distribution: skewness 0, 1 and 2 (gamma of shape 4 and exponential), Student's t of 5 degrees."""


def differences(
    rng: np.random.Generator, n: int, arms: int, *, shape: str = "normal", correlation: float = 0.5
) -> NDArray[np.float64]:
    """Paired differences of one study, (n, arms): mean 0, deviation 1.

    Arms hang together, as differences from one baseline do: half of the variance is the baseline's where all runs vary
    alike.
    """
    shared, own = (_standard(rng, shape, (n, k)) for k in (1, arms))
    return sqrt(correlation) * shared + sqrt(1 - correlation) * own if arms > 1 else own


def share(hits: int, n: int) -> str:
    """A share in percent with its exact binomial 95% interval."""
    interval = stats.binomtest(hits, n).proportion_ci(0.95, method="exact")
    return f"{100 * hits / n:.1f} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def _standard(rng: np.random.Generator, shape: str, size: tuple[int, int]) -> NDArray[np.float64]:
    if shape == "normal":
        return rng.normal(size=size)
    if shape == "skewed":
        return (rng.gamma(4, size=size) - 4) / 2
    if shape == "very skewed":
        return rng.exponential(size=size) - 1
    return rng.standard_t(5, size=size) / sqrt(5 / 3)
