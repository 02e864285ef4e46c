"""Scores that treat classes alike however frequent they are: balanced accuracy, area under the ROC curve.

Equal to scikit-learn's (tested), which takes a worker more than a second to import and 3 times as long to compute.
"""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def balanced_accuracy(labels: NDArray[np.integer[Any]], y: NDArray[np.integer[Any]]) -> float:
    """Mean recall over the classes that are present: `sklearn.metrics.balanced_accuracy_score`.

    Args:
        labels: predicted classes, (n,).
        y: true classes, (n,).
    """
    present = np.bincount(y)
    hits = np.bincount(y[labels == y], minlength=len(present))
    return float((hits[present > 0] / present[present > 0]).mean())


def auc_and_misranked(
    probabilities: NDArray[np.floating[Any]], y: NDArray[np.integer[Any]]
) -> tuple[float, NDArray[np.float16] | None]:
    """Area under the ROC curve, and what each example takes from it, (n,): 1 - area is its mean.

    Of class 1 where there are two, else the mean of each class against all others: equal to
    `sklearn.metrics.roc_auc_score` with `multi_class="ovr"`. Classes that are absent do not count; NaN and None where a
    single class is present. What an example takes is 1 minus its influence, near 0 for good networks, where 16 bits are
    fine.

    Args:
        probabilities: of each class, (n, c).
        y: true classes, (n,).
    """
    present = np.unique(y)
    if len(present) < 2:  # noqa: PLR2004 - two are ranked against each other
        return nan, None
    ranked = [1] if probabilities.shape[1] == 2 else present  # noqa: PLR2004 - class 1 against class 0
    areas, lost = [], np.zeros(len(y))
    for label in ranked:
        area, values = influence_on_auc(probabilities[:, label], y == label)
        areas.append(area)
        lost += (1 - values) / len(ranked)
    most = np.finfo(np.float16).max
    return float(np.mean(areas)), lost.clip(-most, most).astype(np.float16)


def influence_on_auc(
    scores: NDArray[np.floating[Any]], positive: NDArray[np.bool_]
) -> tuple[float, NDArray[np.float64]]:
    """Area under the ROC curve of two classes, and the influence of each example on it, (n,).

    The variance of the mean influence is that of DeLong, DeLong and Clarke-Pearson 1988, s10^2 / n1 + s01^2 / n0: the
    area is the mean of the placement values of either class.
    """
    right = placements(scores, positive)
    return float(right[positive].mean()), influence(right, positive, scale=2)


def influence(
    values: NDArray[np.float64], truth: NDArray[np.integer[Any]] | NDArray[np.bool_], scale: float = 1
) -> NDArray[np.float64]:
    """Mean over classes, plus what makes the variance over examples that of this mean, times `scale`^2."""
    _, place, counts = np.unique(truth, return_inverse=True, return_counts=True)
    means = np.bincount(place, values) / counts
    weights = scale * len(values) / (len(counts) * counts)
    return np.asarray(means.mean() + weights[place] * (values - means[place]), np.float64)


def placements(scores: NDArray[np.floating[Any]], positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of the other class that each example is ranked right against.

    Ties count half (Mann and Whitney 1947; Hanley and McNeil 1982).
    """
    _, place = np.unique(scores, return_inverse=True)
    ours, others = np.bincount(place, positive), np.bincount(place, ~positive)
    below = (np.cumsum(others) - others / 2) / others.sum()
    above = 1 - (np.cumsum(ours) - ours / 2) / ours.sum()
    return np.asarray(np.where(positive, below[place], above[place]), np.float64)
