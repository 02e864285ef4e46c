"""McNemar's test: compare two runs' answers on the same test examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from statsmodels.stats.contingency_tables import mcnemar as mcnemar_test

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class McNemar:
    """Two runs on the same examples.

    Args:
        both: examples that both get right.
        first_only: that the first alone gets right.
        second_only: that the second alone gets right.
        neither: that both get wrong.
        p_value: two-sided, exact: are the two equally often alone in being right?
    """

    both: int
    first_only: int
    second_only: int
    neither: int
    p_value: float


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> McNemar:
    """McNemar's test (1947), exact binomial, of two runs' right answers, each (examples,).

    It is about these two trained networks and new examples, not about other seeds.
    """
    counts = [
        [int((first & second).sum()), int((first & ~second).sum())],
        [int((~first & second).sum()), int((~first & ~second).sum())],
    ]
    result: Any = mcnemar_test(counts, exact=True)
    # Without discordant examples the p value is 1 by definition.
    p = min(1.0, float(result.pvalue)) if counts[0][1] + counts[1][0] else 1.0
    return McNemar(counts[0][0], counts[0][1], counts[1][0], counts[1][1], p)


def right_answers(predictions: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """Mask of right answers, (examples,).

    Args:
        predictions: of a run: `right` where that is stored; else `confidence` and `likelihood`, the probabilities of
            the answer and of the true class, which are equal where it is right. In float16 a wrong class may tie with
            the true one, in about one of 100,000 examples.
    """
    right: NDArray[np.bool_] = (
        predictions["right"] == 1
        if "right" in predictions
        else predictions["confidence"] == predictions["likelihood"]
    )
    return right
