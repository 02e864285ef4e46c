"""Difference for other seeds and other test examples: two-way random effects, with an interval for all arms together.

A difference d[seed, example] has an effect of its seed, one of its example and a rest. Both are samples, so the mean
has the variance V = s2_seed / n + s2_example / m - s2_residual / (n m): of the n seeds' means, of the m examples' means
and of the rest, which both contain (Cornfield and Tukey 1956; Searle, Casella and McCulloch 1992, chapter 4). It is the
model of readers and cases by which radiology compares methods (Obuchowski and Rockette 1995; Gallas 2006).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from dropstudy.analysis.stats.equivalence import quantiles
from dropstudy.analysis.stats.estimate import ROUNDING, Estimate
from dropstudy.analysis.stats.simultaneous import DRAWS, sidak
from dropstudy.analysis.stats.unseen import unseen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_SEED = 19_460_601
_FEWEST = 2  # examples that differ, of which a variance can be had


@dataclass(frozen=True)
class NewData:
    """A mean difference over n seeds and m examples, and the parts of its variance.

    Args:
        difference: mean with an interval for other seeds and other examples, for all arms together; n is that of seeds.
        examples: m.
        seed: s2_seed, the variance of the seeds' means.
        example: s2_example, the variance of the examples' means; not a number with one example.
        residual: s2_residual, the mean square of what seed and example leave.
        error: sqrt(V).
        freedom: degrees of freedom of V (Satterthwaite 1946).
    """

    difference: Estimate
    examples: int
    seed: float
    example: float
    residual: float
    error: float
    freedom: float

    @property
    def example_error(self) -> float:
        """Standard error from the choice of the m examples, which no number of seeds removes."""
        both = self.residual / (self.difference.n * self.examples)
        return sqrt(max(0.0, self.example / self.examples - both)) if self.examples > 1 else nan

    def examples_needed(self, difference: float, *, level: float = 0.05, power: float = 0.8) -> float:
        """Test examples with which these seeds detect a true difference with that power.

        Of the variance (difference / (z(1 - level / 2) + z(power)))^2 (Cohen 1988, section 2.4, with normal quantiles)
        seeds take their part, half of it at most: where they take more, more seeds are needed as well.
        """
        allowed = (difference / quantiles(level, power)) ** 2
        of_seeds = max(0.0, self.seed - self.residual / self.examples) / self.difference.n
        return ceil(self.example / max(allowed - of_seeds, allowed / 2)) if self.examples > 1 else nan


def two_way(
    arms: Sequence[NDArray[np.generic]], level: float = 0.95, *, same_seeds: bool = True
) -> list[NewData]:
    """Mean of each arm ± c sqrt(V), V as above and never below the part of seeds or that of examples.

    c is the `level` quantile of the largest |t| among the arms, each with its own degrees of freedom (Satterthwaite
    1946; Hasler and Hothorn 2008), by simulation. It stays between that of one arm and Sidak's (1967). Of examples,
    only those count that differ in some seed: the others say nothing of how much examples vary. So where all seeds
    agree, an interval leaves out 0 just where McNemar's exact test (1947), which also counts these alone, finds a
    difference. Where none or one differs, the interval reaches `unseen` to both sides.

    Args:
        arms: for each (seeds, examples), two seeds or more: what the example adds to the difference of its seed, so
            that its mean over the examples is that difference; all of the same examples.
        level: of the intervals together.
        same_seeds: whether the rows of all arms are of the same seeds; if not, c is Sidak's.
    """
    tables = [_Table.of(arm) for arm in arms]
    varying = [table for table in tables if table.variance > ROUNDING**2]
    largest = _largest(varying) if same_seeds and len(varying) > 1 else None
    return [table.estimate(len(varying), largest, level) for table in tables]


@dataclass(frozen=True, eq=False)
class _Table:
    """Means and mean squares of a table (n, m), and the number of examples that differ in some seed."""

    seeds: NDArray[np.float64]
    examples: NDArray[np.float64]
    residual: float
    differing: int

    @classmethod
    def of(cls, arm: NDArray[np.generic]) -> _Table:
        n, m = arm.shape
        seeds, examples = (arm.mean(axis=axis, dtype=np.float64) for axis in (1, 0))
        rest = arm - seeds[:, None] - examples + seeds.mean()
        residual = float((rest**2).sum()) / ((n - 1) * (m - 1)) if m > 1 else nan
        return cls(seeds, examples, residual, int(np.any(arm != 0, axis=0).sum()))

    @property
    def parts(self) -> tuple[float, float, float]:
        """Variance of the mean from seeds, from examples, and what both of these contain."""
        n, m = len(self.seeds), len(self.examples)
        of_seeds = float(self.seeds.var(ddof=1)) / n
        of_examples = float(self.examples.var(ddof=1)) / m if m > 1 else nan
        return of_seeds, of_examples, min(of_seeds, of_examples, self.residual / (n * m))

    @property
    def variance(self) -> float:
        """V; it is never below the part of seeds or of examples, since what is subtracted is above neither."""
        of_seeds, of_examples, of_both = self.parts
        return of_seeds + of_examples - of_both

    @property
    def freedom(self) -> float:
        """Degrees of freedom of V (Satterthwaite 1946); not a number where fewer than two examples differ."""
        n, m = len(self.seeds), self.differing
        if m < _FEWEST:
            return nan
        squares = np.square(self.parts) / [n - 1, m - 1, (n - 1) * (m - 1)]
        return float(self.variance**2 / squares.sum())

    def estimate(self, arms: int, largest: NDArray[np.float64] | None, level: float) -> NewData:
        n, m = len(self.seeds), len(self.examples)
        mean, freedom = float(self.seeds.mean()), self.freedom
        reach = unseen(m, level)
        if freedom > 0 and self.variance > ROUNDING**2:
            reach = _critical(arms, freedom, largest, level) * sqrt(self.variance)
        return NewData(
            Estimate(mean, mean - reach, mean + reach, n, "two-way random effects, t", level),
            m,
            float(self.seeds.var(ddof=1)),
            float(self.examples.var(ddof=1)) if m > 1 else nan,
            self.residual,
            sqrt(self.variance) if m > 1 else nan,
            freedom if self.variance > ROUNDING**2 else nan,
        )


def _largest(tables: Sequence[_Table]) -> NDArray[np.float64]:
    """Draws of the largest |z| among arms with the correlations of their means, over seeds and examples."""
    n, m = len(tables[0].seeds), len(tables[0].examples)
    # Without the part of both, which is small, so that no correlation is above 1.
    covariance = (
        np.cov([table.seeds for table in tables]) / n + np.cov([table.examples for table in tables]) / m
    )
    deviation = np.sqrt(np.diag(covariance))
    rng = np.random.default_rng(_SEED)
    drawn = rng.multivariate_normal(
        np.zeros(len(tables)), covariance / np.outer(deviation, deviation), DRAWS, method="eigh"
    )
    return np.asarray(np.abs(drawn).max(axis=1))


def _critical(arms: int, freedom: float, largest: NDArray[np.float64] | None, level: float) -> float:
    most = sidak(arms, freedom + 1, level)
    if largest is None:
        return most
    chi = np.random.default_rng(_SEED).chisquare(freedom, len(largest))
    simulated = float(np.quantile(largest / np.sqrt(chi / freedom), level))
    return float(np.clip(simulated, stats.t.ppf((1 + level) / 2, freedom), most))
