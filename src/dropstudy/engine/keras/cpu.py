"""What makes XLA's convolutions and max poolings fast on a CPU: an option of the compiler, and a pooling by slices.

In jax 0.10 XLA gives convolutions without padding and gradients of kernels to YNNPACK, whose programs take twice as
long as its own, and scatters the gradient of a max pooling number by number. On one core of an AMD EPYC with AVX-512,
a training step of the CNN of `benchmarks/keras_cnn.py` took 439 ms of processor time so, and takes 200 ms here, with
masks that are drawn once (`noise.py`).
"""

from __future__ import annotations

from functools import lru_cache, reduce
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import keras

if TYPE_CHECKING:
    from jax import Array

_OWN_CONVOLUTIONS = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}
"""YNNPACK multiplies matrices, where it is faster than XLA, and does nothing else."""


@lru_cache
def compiler_options() -> dict[str, str]:
    """Options of `jax.jit` where this process trains on a CPU, if its XLA knows them."""
    if jax.devices()[0].platform != "cpu":
        return {}
    try:
        jax.jit(lambda x: x, compiler_options=_OWN_CONVOLUTIONS).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:  # an experimental option: another version may not have it
        return {}
    return _OWN_CONVOLUTIONS


def use_fast_pooling(model: Any) -> None:
    """Replace the max poolings of a model, where this process trains on a CPU."""
    if jax.devices()[0].platform != "cpu":
        return
    for layer in model._flatten_layers():  # noqa: SLF001 - `layers` misses those inside a layer
        if type(layer) is keras.layers.MaxPooling2D and layer.data_format == "channels_last":
            layer.call = _max_pooling(tuple(layer.pool_size), tuple(layer.strides), layer.padding)


def _max_pooling(window: tuple[int, int], strides: tuple[int, int], padding: str) -> Any:
    """Max pooling as the largest of one strided slice for each place in a window.

    Where places are equal the first one gets the gradient, as in XLA's own.
    """

    def pool(inputs: Any) -> Array:
        x = jnp.asarray(inputs)
        sides = jax.lax.padtype_to_pads(x.shape[1:3], window, strides, padding.upper())
        x = jnp.pad(x, ((0, 0), *sides, (0, 0)), constant_values=-jnp.inf)
        ends = [(n - w) // s * s + 1 for n, w, s in zip(x.shape[1:3], window, strides, strict=True)]
        places = [
            x[:, a : a + ends[0] : strides[0], b : b + ends[1] : strides[1]]
            for a in range(window[0])
            for b in range(window[1])
        ]
        return reduce(lambda most, at: jnp.where((at > most) | jnp.isnan(at), at, most), places)

    return pool
