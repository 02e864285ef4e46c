"""What a test set of m examples leaves open: the share of examples of other kinds, the range of one accuracy."""

from __future__ import annotations

from math import ceil, log, log1p

from statsmodels.stats.proportion import proportion_confint


def unseen(examples: int, level: float = 0.95) -> float:
    """Largest share of other examples that may behave as none of these did: 1 - ((1 - level) / 2)^(1 / examples).

    The upper end of Clopper and Pearson's interval (1934) at 0 of m: 0.088 at 40 examples, 0.0004 at 10,000. Two
    networks that agree on the whole test set may still differ by as much on other examples.
    """
    return float(1 - ((1 - level) / 2) ** (1 / examples))


def examples_to_see(share: float, level: float = 0.95) -> int:
    """Fewest examples at which `unseen` is at most this share: 3,688 for 0.001."""
    return ceil(log((1 - level) / 2) / log1p(-share)) if share < 1 else 1


def accuracy_interval(accuracy: float, examples: int, level: float = 0.95) -> tuple[float, float]:
    """Binomial interval of one accuracy for the choice of examples alone (Wilson 1927), by statsmodels; shares.

    98.5% on 10,000 examples is 98.2 to 98.7; all right on 10 is 72 to 100, where the plain standard error would be 0.

    Args:
        accuracy: p, in [0, 1].
        examples: m, above 0.
        level: of the interval.
    """
    low, high = proportion_confint(accuracy * examples, examples, alpha=1 - level, method="wilson")
    return float(low), float(high)
