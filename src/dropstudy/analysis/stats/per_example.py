"""What each test example adds to a metric of a run; its mean over the examples is the metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dropstudy.analysis.stats.mcnemar import right_answers
from dropstudy.engine.class_scores import influence, influence_on_auc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from dropstudy.core.types import MetricName

NEEDS_TRUTH: frozenset[MetricName] = frozenset({"balanced-accuracy", "auc"})
"""Metrics by class, for which the true classes must be known."""

_LEAST = np.finfo(np.float16).smallest_subnormal  # stored probabilities have 16 bits


def per_example(
    predictions: Mapping[str, NDArray[Any]], metric: MetricName, truth: NDArray[np.integer[Any]] | None
) -> NDArray[np.generic] | None:
    """Values of the test examples, (examples,); None where they are not known.

    Accuracy: 1 where the answer is right, else 0. Log loss: that of each example. Balanced accuracy: its influence,
    so that the variance of the mean is that of a mean over classes, sum of s2_c / m_c over the K classes by K^2. AUC of
    two classes: its influence likewise (`engine.class_scores`); of more classes it is stored, since the probabilities
    of all classes are not.

    Args:
        predictions: of a run.
        metric: its name.
        truth: true classes, (examples,).
    """
    if metric == "accuracy":
        return right_answers(predictions).astype(np.int8)
    likelihood = predictions.get("likelihood")
    if metric == "log-loss":
        return None if likelihood is None else -np.log(np.maximum(likelihood, _LEAST).astype(np.float32))
    if metric == "balanced-accuracy":
        if truth is None:
            return None
        return influence(right_answers(predictions).astype(np.float64), truth).astype(np.float32)
    return _ranking(predictions, truth)


def _ranking(
    predictions: Mapping[str, NDArray[Any]], truth: NDArray[np.integer[Any]] | None
) -> NDArray[np.float32] | None:
    """Of AUC: as stored, or by the probability of class 1 where there are two."""
    misranked, likelihood = predictions.get("misranked"), predictions.get("likelihood")
    if misranked is not None:
        return np.asarray(1 - misranked.astype(np.float32))
    if truth is None or likelihood is None or set(np.unique(truth)) != {0, 1}:
        return None
    of_one = np.where(truth == 1, likelihood, 1 - likelihood.astype(np.float64))
    return influence_on_auc(of_one, truth == 1)[1].astype(np.float32)
