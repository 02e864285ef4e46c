"""Calibration of a network's confidence: reliability bins and the expected calibration error.

Confidence is the probability of the predicted class. A network is calibrated where a share p of the examples predicted
with confidence p is right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

BINS = 15
"""Bins of equal width, as in Guo, Pleiss, Sun, Weinberger 2017 ("On Calibration of Modern Neural Networks")."""


def reliability_bins(confidence: ArrayLike, right: ArrayLike, bins: int = BINS) -> pd.DataFrame:
    """Mean confidence and accuracy in each bin of confidence that has examples.

    Args:
        confidence: probability of the predicted class, (n,), in [0, 1].
        right: whether it is the true one, (n,).
        bins: how many, of equal width, each without its lower end and with its upper.

    Returns:
        confidence, accuracy and share of the examples (all in [0, 1]) and count, a row for each bin from low to high.
    """
    count, confidences, hits = _sums(confidence, right, bins)
    filled = np.flatnonzero(count)
    return pd.DataFrame(
        {
            "confidence": confidences[filled] / count[filled],
            "accuracy": hits[filled] / count[filled],
            "share": count[filled] / max(1, count.sum()),
            "count": count[filled],
        }
    )


def expected_calibration_error(confidence: ArrayLike, right: ArrayLike, bins: int = BINS) -> float:
    """Mean over examples of |accuracy - confidence| of their bin, in [0, 1] (Naeini, Cooper, Hauskrecht 2015).

    Args:
        confidence: probability of the predicted class, (n,), in [0, 1].
        right: whether it is the true one, (n,).
        bins: how many, of equal width.
    """
    count, confidences, hits = _sums(confidence, right, bins)
    return float(np.abs(hits - confidences).sum() / max(1, count.sum()))


def _sums(
    confidence: ArrayLike, right: ArrayLike, bins: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Sums over each bin: examples, confidences and right answers."""
    probability, hit = _flat(confidence, right)
    place = np.clip(np.ceil(probability * bins).astype(np.int64) - 1, 0, bins - 1)
    return (
        np.bincount(place, minlength=bins),
        np.bincount(place, probability, bins),
        np.bincount(place, hit, bins),
    )


def predictive_entropy(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Entropy of each distribution in nats: -sum p log p, from 0 to log(classes).

    Args:
        probabilities: (n, classes), each row with a sum of 1.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    entropy: NDArray[np.float64] = -np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis=1)
    return entropy


def entropy_shares(entropy: ArrayLike, right: ArrayLike, *, classes: int, bins: int = 20) -> pd.DataFrame:
    """Histograms of the entropies of right and of wrong predictions, in bins of equal width.

    Args:
        entropy: (n,), in nats.
        right: whether each prediction is right, (n,).
        classes: their number, which bounds the entropy.
        bins: how many.

    Returns:
        answer ("right" or "wrong"), entropy (middle of the bin) and share (of that kind), a row for each bin of each
        kind that occurs.
    """
    values, hit = _flat(entropy, right)
    edges = np.linspace(0, np.log(classes), bins + 1)
    parts = []
    for answer, chosen in (("right", hit > 0), ("wrong", hit == 0)):
        if chosen.any():
            count, _ = np.histogram(np.clip(values[chosen], 0, edges[-1]), edges)
            middle = (edges[1:] + edges[:-1]) / 2
            parts.append(pd.DataFrame({"answer": answer, "entropy": middle, "share": count / chosen.sum()}))
    return pd.concat(parts, ignore_index=True)


def _flat(values: ArrayLike, right: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.asarray(values, dtype=np.float64).ravel(), np.asarray(right, dtype=np.float64).ravel()
