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


def auc(probabilities: NDArray[np.floating[Any]], y: NDArray[np.integer[Any]]) -> float:
    """Area under the ROC curve: of class 1 where there are two, else the mean of each class against all others.

    Equal to `sklearn.metrics.roc_auc_score` with `multi_class="ovr"`. Classes that are absent do not count; NaN where
    a single class is present.

    Args:
        probabilities: of each class, (n, c).
        y: true classes, (n,).
    """
    return auc_and_misranked(probabilities, y)[0]


def auc_and_misranked(
    probabilities: NDArray[np.floating[Any]], y: NDArray[np.integer[Any]]
) -> tuple[float, NDArray[np.float16] | None]:
    """`auc`, and what each example takes from it, (n,): 1 - auc is the mean; None where a single class is present.

    Of each class the influence of an example on its area: 1 minus its placement value, the share of the other side that
    it is ranked right against (DeLong, DeLong and Clarke-Pearson 1988), weighted so that the variance of the mean is
    theirs, s10^2 / n1 + s01^2 / n0; then the mean over the classes. It is near 0 for good networks, where 16 bits are
    fine.
    """
    present = np.unique(y)
    if len(present) < 2:  # noqa: PLR2004 - two are ranked against each other
        return nan, None
    ranked = [1] if probabilities.shape[1] == 2 else present  # noqa: PLR2004 - class 1 against class 0
    areas, lost = [], np.zeros(len(y))
    for label in ranked:
        positive = y == label
        right = _placements(probabilities[:, label], positive)
        area = float(right[positive].mean())
        weights = len(y) / np.where(positive, positive.sum(), (~positive).sum())
        areas.append(area)
        lost += (1 - area - weights * (right - area)) / len(ranked)
    most = np.finfo(np.float16).max
    return float(np.mean(areas)), lost.clip(-most, most).astype(np.float16)


def _placements(scores: NDArray[np.floating[Any]], positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of the negative examples below each positive one, and of the positive ones above each negative one.

    Ties count half (Mann and Whitney 1947; Hanley and McNeil 1982).
    """
    _, place = np.unique(scores, return_inverse=True)
    ours, others = np.bincount(place, positive), np.bincount(place, ~positive)
    below = (np.cumsum(others) - others / 2) / others.sum()
    above = 1 - (np.cumsum(ours) - ours / 2) / ours.sum()
    return np.asarray(np.where(positive, below[place], above[place]), np.float64)
