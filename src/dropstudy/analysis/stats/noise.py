"""Where the noise of a mean difference comes from: seeds, the choice of test examples, and both together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy import stats

from dropstudy.analysis.stats.estimate import ROUNDING, Estimate

if TYPE_CHECKING:
    from dropstudy.analysis.stats.two_way import NewData


@dataclass(frozen=True)
class Noise:
    """Variance of a mean difference over n seeds and m examples, by its sources.

    Args:
        seeds: what other seeds would change on endlessly many test examples; as a share of the sum of the three.
        examples: what other test examples would change with endlessly many seeds; likewise.
        both: how single examples are answered from seed to seed: it falls with more of either.
        of_spread: share of the spread over seeds that is the choice of test examples, since each seed is measured on
            the same few; with a 95% interval.
    """

    seeds: float
    examples: float
    both: float
    of_spread: Estimate


def noise(found: NewData, level: float = 0.95) -> Noise | None:
    """Variance components of a table of seeds by examples (Searle, Casella and McCulloch 1992, section 4.3).

    The variance of the seeds' means is s2_seed = seed + single / m, that of the examples' means s2_example = example +
    single / n, and s2_residual estimates `single`. A component that comes out below 0 is 0. The share of the spread
    over seeds, s2_residual / (m s2_seed), has the exact interval of a ratio of mean squares, by F(n - 1, (n - 1)(m -
    1)); no share is above 1.

    Returns:
        None where seeds or examples do not vary.
    """
    n, m = found.difference.n, found.examples
    if n < 2 or m < 2 or found.seed <= ROUNDING**2 or found.residual <= ROUNDING**2:  # noqa: PLR2004 - a variance takes two
        return None
    seeds = max(0.0, found.seed - found.residual / m) / n
    examples = max(0.0, found.example - found.residual / n) / m
    both = found.residual / (n * m)
    total = seeds + examples + both
    share = found.residual / m / found.seed
    ends = (
        share * float(q) for q in stats.f.ppf([(1 - level) / 2, (1 + level) / 2], n - 1, (n - 1) * (m - 1))
    )
    low, high = (min(1.0, end) for end in ends)
    of_spread = Estimate(min(1.0, share), low, high, n, "ratio of mean squares, F", level)
    return Noise(seeds / total, examples / total, both / total, of_spread)
