"""The two noises of a test accuracy: other seeds on this test set, and other test examples from the same source."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from dropstudy.stats.estimate import Estimate
from dropstudy.stats.paired import paired_t

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RESAMPLES = 2_000
_CHUNK = 250
_SEED = 20_070_901


@dataclass(frozen=True)
class NewData:
    """A difference of accuracies that is to hold for other seeds and other examples; shares.

    Args:
        difference: mean, with an interval over both noises.
        example_error: standard error of the mean from the choice of examples alone: deviation, over examples, of the
            mean over seeds, by sqrt(examples).
    """

    difference: Estimate
    example_error: float


def crossed_bootstrap(arms: Sequence[NDArray[np.int8]], level: float = 0.95) -> list[NewData]:
    """Resample seeds and, independently, test examples: every run met every example, so both repeat together.

    Owen 2007 ("The pigeonhole bootstrap", Annals of Applied Statistics 1): the variance found is that of the mean, plus
    at most three times the part that belongs to single answers. Percentiles of resampled seeds are too narrow where
    seeds are few and their noise is the larger one; so the interval is widened where needed to hold that of the paired
    t over seeds alone, which is what a second noise can only add to. All arms meet the same resampled examples.

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
        seeds_alone = paired_t(arm.mean(axis=1), level)
        found.append(
            NewData(
                Estimate(
                    seeds_alone.value,
                    float(np.fmin(low, seeds_alone.low)),
                    float(np.fmax(high, seeds_alone.high)),
                    n,
                    "crossed bootstrap over seeds and examples",
                    level,
                ),
                float(arm.mean(axis=0).std(ddof=1)) / sqrt(examples) if examples > 1 else np.nan,
            )
        )
    return found


def _counts(rng: np.random.Generator, resamples: int, size: int) -> NDArray[np.float32]:
    """How often each of `size` things is drawn in each resample, (resamples, size)."""
    drawn = rng.integers(0, size, (resamples, size)) + size * np.arange(resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=resamples * size)
    return counts.reshape(resamples, size).astype(np.float32)
