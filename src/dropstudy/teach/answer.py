"""The network's answer to a drawn digit: with dropout off, and with dropout on, sampled many times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dropstudy.core.types import Arm
from dropstudy.models.mc_dropout import noisy
from dropstudy.models.predict import hidden_activations, predict, softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dropstudy.core.types import Weights

SAMPLES = 100
"""Networks sampled by dropout."""


def answer(weights: Weights, example: NDArray[np.uint8], *, scale: float, rate: float) -> dict[str, Any]:
    """Return what the page shows of one example, as JSON has it.

    The same draws serve every rate, so that a higher rate drops more units and none of those dropped comes back.

    Args:
        weights: a network of relu with one hidden layer.
        example: (rows, columns).
        scale: the network sees `example / scale`.
        rate: share of units dropped, in [0, 1).

    Returns:
        `pixels`: rows of shares from 0 to 1, as the network sees them; `units`: activation of each hidden unit, as a
        share of the largest; `off`, `on`: probability of each class with dropout off, and on as the mean of the
        samples; `votes`: samples that answer each class; `samples`: of each the `dropped` units, "1" for each dropped
        one, its `label` and the `probability` of that.
    """
    x = example[None]
    off = predict(weights, x, activation="relu", scale=scale)[0]
    (hidden,) = hidden_activations(weights, x, activation="relu", scale=scale)
    factors = noisy(
        np.ones((SAMPLES, hidden.shape[1]), np.float32), rate, Arm(rate=rate), np.random.default_rng(0)
    )
    kept: NDArray[np.float32] = hidden * factors
    sampled = softmax(kept @ weights[1].kernel + weights[1].bias)
    labels = sampled.argmax(axis=1)
    return {
        "pixels": np.round(example / scale, 3).tolist(),
        "units": np.round(hidden[0] / max(hidden.max(), 1e-9), 3).tolist(),
        "off": off.tolist(),
        "on": sampled.mean(axis=0).tolist(),
        "votes": np.bincount(labels, minlength=len(off)).tolist(),
        "samples": [
            {
                "dropped": "".join("1" if factor == 0 else "0" for factor in row),
                "label": int(label),
                "probability": float(chances[label]),
            }
            for row, label, chances in zip(factors, labels, sampled, strict=True)
        ],
    }
