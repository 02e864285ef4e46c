"""Uncertainty of a test accuracy from both sources: other seeds, and other test examples from the same source."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from dropstudy.analysis.stats.estimate import Estimate
from dropstudy.analysis.stats.paired import paired_t
from dropstudy.analysis.stats.unseen import unseen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RESAMPLES = 2_000
_CHUNK = 250
_SEED = 20_070_901


@dataclass(frozen=True)
class NewData:
    """A difference of accuracies for other seeds and other examples; shares.

    Args:
        difference: mean, with an interval over seeds and examples.
        example_error: standard error from the choice of examples alone: deviation over examples of the mean over seeds,
            divided by sqrt(examples).
    """

    difference: Estimate
    example_error: float


def crossed_bootstrap(arms: Sequence[NDArray[np.int8]], level: float = 0.95) -> list[NewData]:
    """Resample seeds and, independently, test examples.

    Owen 2007 ("The pigeonhole bootstrap", Annals of Applied Statistics 1): the variance is that of the mean, plus at
    most three times the part of single answers. Percentiles over few seeds are too narrow, so the interval contains
    that of the paired t over seeds alone. It also reaches `unseen` to both sides at least, for kinds of examples that
    are not in the test set. All arms share the resampled examples.

    Args:
        arms: for each arm (seeds, examples): 1 where only the arm was right, -1 where only the baseline was, else 0.
        level: of the intervals.
    """
    if not arms:
        return []
    rng = np.random.default_rng(_SEED)
    examples = arms[0].shape[1]
    per_example = np.concatenate(arms).T.astype(np.float32)
    sums = np.concatenate([_counts(rng, _CHUNK, examples) @ per_example for _ in range(RESAMPLES // _CHUNK)])
    found, first = [], 0
    for arm in arms:
        n = len(arm)
        by_seed = sums[:, first : first + n] / examples
        first += n
        means = (_counts(rng, RESAMPLES, n) * by_seed).sum(axis=1) / n
        low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
        seeds_alone, room = paired_t(arm.mean(axis=1), level), unseen(examples, level)
        found.append(
            NewData(
                Estimate(
                    seeds_alone.value,
                    max(-1.0, float(np.fmin(min(low, seeds_alone.value - room), seeds_alone.low))),
                    min(1.0, float(np.fmax(max(high, seeds_alone.value + room), seeds_alone.high))),
                    n,
                    "crossed bootstrap over seeds and examples",
                    level,
                ),
                float(arm.mean(axis=0).std(ddof=1)) / sqrt(examples) if examples > 1 else np.nan,
            )
        )
    return found


def _counts(rng: np.random.Generator, resamples: int, size: int) -> NDArray[np.float32]:
    """Counts of each of `size` items in each resample, (resamples, size)."""
    drawn = rng.integers(0, size, (resamples, size)) + size * np.arange(resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=resamples * size)
    return counts.reshape(resamples, size).astype(np.float32)
