"""Statistics of a trained network: norms of its weights, share of active units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


def unit_norms(kernel: ArrayLike) -> NDArray[np.float64]:
    """Euclidean norm of the weights into each unit, (out,), as a max-norm limit bounds it.

    Args:
        kernel: a dense layer's weights, (in, out).
    """
    norms: NDArray[np.float64] = np.linalg.norm(np.asarray(kernel, dtype=np.float64), axis=0)
    return norms


def active_shares(activations: Sequence[ArrayLike]) -> list[float]:
    """Share of a layer's units above zero, a mean over examples, for each hidden layer.

    Srivastava et al. 2014, section 7.2: with dropout fewer units are active.

    Args:
        activations: of each hidden layer, (n, units).
    """
    return [float((np.asarray(layer) > 0).mean()) for layer in activations]


def strongest_units(kernel: ArrayLike, count: int) -> NDArray[np.int64]:
    """Units with the largest norms, largest first.

    Args:
        kernel: a dense layer's weights, (in, out).
        count: how many; all where there are fewer.
    """
    order: NDArray[np.int64] = np.argsort(-unit_norms(kernel), kind="stable")
    return order[:count]
