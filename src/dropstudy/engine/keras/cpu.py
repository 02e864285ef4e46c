"""Convolutions of Keras in a form that XLA runs faster on a CPU: one matrix product of all patches.

The function is the same; sums have another order. On one core of an AMD EPYC with AVX-512, a training step of the CNN
of `benchmarks/keras_cnn.py` took 358 ms of processor time so, and 439 ms as XLA has it (the least of 3 measurements
of 5 steps).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import keras

_MOST_PATCH = 512
"""Numbers in a patch: with more, the patches take more memory than the product saves time."""


def use_fast_convolutions(model: Any) -> None:
    """Replace the convolutions with few numbers in a patch, where this process trains on a CPU."""
    if jax.devices()[0].platform != "cpu":
        return
    for layer in model._flatten_layers():  # noqa: SLF001 - `layers` misses those inside a layer
        if type(layer) is keras.layers.Conv2D and _is_plain(layer):
            layer.convolution_op = _convolution(layer.padding, layer.convolution_op)


def _is_plain(layer: Any) -> bool:
    ones = (tuple(layer.strides), tuple(layer.dilation_rate), layer.groups) == ((1, 1), (1, 1), 1)
    return ones and layer.padding in {"valid", "same"} and layer.data_format == "channels_last"


def _convolution(padding: str, original: Any) -> Any:
    def convolve(inputs: Any, kernel: Any) -> Any:
        x, k = jnp.asarray(inputs), jnp.asarray(kernel)
        height, width, channels, filters = k.shape
        if height * width * channels > _MOST_PATCH:
            return original(inputs, kernel)
        if padding == "same":
            sides = [((n - 1) // 2, n // 2) for n in (height, width)]
            x = jnp.pad(x, ((0, 0), *sides, (0, 0)))
        out = (x.shape[0], x.shape[1] - height + 1, x.shape[2] - width + 1, filters)
        patches = jnp.concatenate(
            [x[:, a : a + out[1], b : b + out[2]] for a in range(height) for b in range(width)], axis=-1
        )
        return (patches.reshape(-1, height * width * channels) @ k.reshape(-1, filters)).reshape(out)

    return convolve
