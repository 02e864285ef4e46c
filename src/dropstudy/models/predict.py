"""Predictions of trained networks: dropout off, float32, with NumPy and SciPy alone."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.special

from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from dropstudy.core.types import Activation, Weights

__all__ = ["activate", "hidden_activations", "mean_probabilities", "predict", "softmax"]

_BATCH = 8192
"""Examples per matrix product: 16 MB of activations for 512 units, and few enough calls to keep BLAS busy."""


def predict(weights: Weights, x: ArrayLike, *, activation: Activation, scale: float) -> NDArray[np.float32]:
    """Return the probabilities of the classes, (n, classes), each row with a sum of 1.

    Args:
        weights: the network.
        x: examples, (n, *input_shape), as the dataset holds them: not yet divided by `scale`.
        activation: of the hidden layers.
        scale: the network sees `x / scale`.

    Raises:
        InvalidArgument: `x` has the wrong shape, or numbers that are not finite or too large.
    """
    examples = np.asarray(x)
    features = weights[0].kernel.shape[0]
    if examples.dtype.kind not in "biuf":
        raise InvalidArgument("x", expected="an array of numbers", received=f"type {examples.dtype}")
    if examples.ndim == 0 or prod(examples.shape[1:]) != features:
        raise InvalidArgument(
            "x",
            expected=f"examples of {features} numbers each, in the shape (n, ...)",
            received=f"shape {examples.shape}",
        )
    examples = examples.reshape(-1, features)
    probabilities = np.empty((len(examples), weights[-1].bias.size), np.float32)
    usable = np.empty(len(examples), bool)
    # A number that float32 cannot hold becomes infinite and is reported below, without NumPy's warning.
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(examples), _BATCH):
            rows = slice(start, start + _BATCH)
            layers = _layers(weights, examples[rows], activation, scale)
            logits = layers[-1] @ weights[-1].kernel + weights[-1].bias
            usable[rows] = np.isfinite(layers[0]).all(axis=1) & np.isfinite(logits).all(axis=1)
            probabilities[rows] = softmax(logits)
    if not usable.all():
        raise InvalidArgument(
            "x",
            expected="finite numbers of the size that the network was trained on",
            received=f"NaN, infinite or too large ones in {(~usable).sum()} examples, the first in example "
            f"{int(np.argmin(usable))}",
        )
    return probabilities


def mean_probabilities(members: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Average the probabilities of several networks: the prediction of a deep ensemble.

    Lakshminarayanan, Pritzel and Blundell 2017, "Simple and Scalable Predictive Uncertainty Estimation using Deep
    Ensembles": networks that differ in their random numbers alone, weighted equally, as one mixture.

    Args:
        members: of each network, (n, classes); one or more.
    """
    total, count = np.zeros(1), 0
    for probabilities in members:
        total, count = total + probabilities, count + 1  # in float64
    mean: NDArray[np.float32] = (total / count).astype(np.float32)
    return mean


def hidden_activations(
    weights: Weights, x: ArrayLike, *, activation: Activation, scale: float
) -> list[NDArray[np.float32]]:
    """Return the activations of each hidden layer, (n, units) each; arguments as for `predict`."""
    examples = np.asarray(x)
    return _layers(weights, examples.reshape(len(examples), -1), activation, scale)[1:]


def _layers(
    weights: Weights, examples: NDArray[Any], activation: Activation, scale: float
) -> list[NDArray[np.float32]]:
    """Inputs as the network sees them, then the activations of each hidden layer."""
    layers: list[NDArray[np.float32]] = [examples.astype(np.float32) / np.float32(scale)]
    for layer in weights[:-1]:
        layers.append(activate(layers[-1] @ layer.kernel + layer.bias, activation))
    return layers


def activate(z: NDArray[np.float32], activation: Activation) -> NDArray[np.float32]:
    """Apply a hidden layer's activation."""
    if activation == "tanh":
        return np.tanh(z)
    if activation == "sigmoid":
        sigmoid: NDArray[np.float32] = scipy.special.expit(z)
        return sigmoid
    return np.maximum(z, np.float32(0))


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities of logits, (n, classes)."""
    # Less the largest, so that no exponential overflows.
    exponentials: NDArray[np.float32] = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return shares
