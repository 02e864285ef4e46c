"""Monte-Carlo dropout: many networks sampled from one by dropping units at prediction time.

Gal and Ghahramani 2016 ("Dropout as a Bayesian Approximation"): the mean of the sampled predictions is the prediction,
their entropy its uncertainty. NumPy alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dropstudy.models import keras

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from dropstudy.core.types import Arm, Weights

_BATCH = 2048
"""Examples a product; small enough for masks to stay in the cache."""


def sampled_probabilities(
    weights: Weights, x: ArrayLike, *, arm: Arm, activation: str, scale: float, samples: int, seed: int
) -> NDArray[np.float32]:
    """Mean probabilities of `samples` networks, each with masks of its own for each example.

    Args:
        weights: the network.
        x: examples, (n, *input_shape), as the dataset holds them.
        arm: its rates and its noise; a schedule's full rate.
        activation: of the hidden layers.
        scale: the network sees `x / scale`.
        samples: networks sampled, 1 or more.
        seed: of the masks.

    Returns:
        Probabilities, (n, classes), each row with a sum of 1.
    """
    examples = np.asarray(x).reshape(len(np.asarray(x)), -1)
    total = np.zeros((len(examples), weights[-1].bias.size), np.float32)
    for start in range(0, len(examples), _BATCH):
        batch: NDArray[np.float32] = examples[start : start + _BATCH].astype(np.float32) / np.float32(scale)
        rng = np.random.default_rng([seed, start])
        first = (
            batch @ weights[0].kernel + weights[0].bias
        )  # the same for all samples unless inputs are dropped
        for _ in range(samples):
            z = first
            if arm.input_rate:
                z = noisy(batch, arm.input_rate, arm, rng) @ weights[0].kernel + weights[0].bias
            for layer in weights[1:]:
                h = noisy(keras.activated(z, activation), arm.rate, arm, rng)
                z = h @ layer.kernel + layer.bias
            total[start : start + _BATCH] += keras.softmax(z)
    return total / np.float32(samples)


def noisy(h: NDArray[np.float32], rate: float, arm: Arm, rng: np.random.Generator) -> NDArray[np.float32]:
    """Activations under an arm's noise: dropout's factors 0 and 1 / (1 - rate), or Gaussian ones of that variance."""
    if rate == 0:
        return h
    if arm.noise == "gaussian":
        deviation = np.float32(np.sqrt(rate / (1 - rate)))
        factors: NDArray[np.float32] = 1 + deviation * rng.standard_normal(h.shape, np.float32)
        return h * factors
    kept = rng.random(h.shape, np.float32) >= np.float32(rate)
    return np.where(kept, h / np.float32(1 - rate), np.float32(0))
