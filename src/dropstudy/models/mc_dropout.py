"""Monte-Carlo dropout: many networks sampled from one by dropping units at prediction time.

Gal and Ghahramani 2016 ("Dropout as a Bayesian Approximation"): the mean of the sampled predictions is the prediction,
their entropy its uncertainty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dropstudy.models.predict import activate, softmax

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from dropstudy.core.types import Activation, Arm, Weights

_BATCH = 2048
"""Examples per matrix product; small enough for masks to stay in the processor's cache."""


def sampled_probabilities(
    weights: Weights, x: ArrayLike, *, arm: Arm, activation: Activation, scale: float, samples: int, seed: int
) -> NDArray[np.float32]:
    """Return the mean probabilities of `samples` networks, each with its own mask for each example.

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
    examples = np.asarray(x)
    examples = examples.reshape(len(examples), -1)
    total = np.zeros((len(examples), weights[-1].bias.size), np.float32)
    for start in range(0, len(examples), _BATCH):
        batch: NDArray[np.float32] = examples[start : start + _BATCH].astype(np.float32) / np.float32(scale)
        rng = np.random.default_rng([seed, start])
        # All samples share the first layer's sums unless inputs are dropped.
        first = batch @ weights[0].kernel + weights[0].bias
        for _ in range(samples):
            z = first
            if arm.input_rate:
                z = noisy(batch, arm.input_rate, arm, rng) @ weights[0].kernel + weights[0].bias
            for layer, rate in zip(weights[1:], arm.layer_rates(len(weights) - 1), strict=True):
                h = noisy(activate(z, activation), rate, arm, rng)
                z = h @ layer.kernel + layer.bias
            total[start : start + _BATCH] += softmax(z)
    return total / np.float32(samples)


def noisy(h: NDArray[np.float32], rate: float, arm: Arm, rng: np.random.Generator) -> NDArray[np.float32]:
    """Multiply activations by dropout's factors, 0 or 1 / (1 - rate), or by Gaussian ones of the same variance."""
    if rate == 0:
        return h
    if arm.noise == "gaussian":
        deviation = np.float32(np.sqrt(rate / (1 - rate)))
        factors: NDArray[np.float32] = 1 + deviation * rng.standard_normal(h.shape, np.float32)
        return h * factors
    active = rng.random(h.shape, np.float32) >= np.float32(rate)
    return np.where(active, h / np.float32(1 - rate), np.float32(0))
