"""The multilayer perceptron and its dropout: initial weights, forward pass, gradients. Pure functions.

Shapes are said in names: B examples of a batch, I inputs and O outputs of a layer. Weights are float32; `compute` is
the type of the matrix products' operands, which always accumulate in float32.

The gradients are written out rather than left to automatic differentiation, because after relu and dropout `h > 0` is
already both the gate and the mask: the backward pass needs nothing else from the forward pass, and no random number is
drawn or stored twice. tests/test_network.py holds them against jax.grad and finite differences.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike, DTypeLike

from dropstudy.engine import draws


class Dense(NamedTuple):
    """Weights of one layer, or anything of their shape: gradients, moments."""

    kernel_IxO: Array
    bias_O: Array


Params = tuple[Dense, ...]


class BatchScore(NamedTuple):
    """Sums over the examples of a batch, for means weighted by example."""

    loss: Array
    correct: Array


def glorot_limit(units_in: int, units_out: int) -> float:
    """Half-width of the uniform distribution of initial kernels: sqrt(6 / (in + out)) (Glorot and Bengio 2010)."""
    return float((6.0 / (units_in + units_out)) ** 0.5)


def init(seed: ArrayLike, widths: tuple[int, ...]) -> Params:
    """Glorot-uniform kernels and zero biases for layers of `widths`, for instance (784, 512, 512, 10)."""
    layers = []
    for layer, (units_in, units_out) in enumerate(zip(widths, widths[1:], strict=False)):
        u_IxO = draws.uniform(draws.derive(seed, draws.Purpose.INIT, layer=layer), (units_in, units_out))
        limit = jnp.float32(glorot_limit(units_in, units_out))
        layers.append(Dense((2 * u_IxO - 1) * limit, jnp.zeros(units_out, jnp.float32)))
    return tuple(layers)


def scaled(x: Array, scale: ArrayLike) -> Array:
    """Pixels as the network sees them: `x / scale` in float32."""
    return x.astype(jnp.float32) / jnp.asarray(scale, jnp.float32)


def matmul(a: Array, b: Array, axes: tuple[int, int], compute: DTypeLike) -> Array:
    """Product of two matrices over `axes` (one of each), operands of type `compute`, float32 result."""
    return lax.dot_general(
        a.astype(compute),
        b.astype(compute),
        (((axes[0],), (axes[1],)), ((), ())),
        precision=lax.Precision.HIGHEST,
        preferred_element_type=jnp.float32,
    )


def logits(params: Params, x_BxI: Array, compute: DTypeLike) -> Array:
    """The network at evaluation: dropout is the identity. (B, classes), float32."""
    h = x_BxI
    for dense in params[:-1]:
        h = jnp.maximum(matmul(h, dense.kernel_IxO, (1, 0), compute) + dense.bias_O, 0)
    return matmul(h, params[-1].kernel_IxO, (1, 0), compute) + params[-1].bias_O


def dropped_relu(z_BxO: Array, rate: ArrayLike, key: draws.Key) -> Array:
    """Relu, then inverted dropout: a unit is kept where u >= rate and scaled by 1 / (1 - rate)."""
    kept = draws.uniform(key, z_BxO.shape) >= rate
    return jnp.where(kept & (z_BxO > 0), z_BxO * (1 / (1 - jnp.float32(rate))), 0)


def score(logits_BxC: Array, y_B: Array, weight_B: Array) -> BatchScore:
    """Summed cross-entropy and number of correct answers, each example counted `weight` times."""
    log_p_BxC = jax.nn.log_softmax(logits_BxC)
    loss_B = -jnp.take_along_axis(log_p_BxC, y_B[:, None], axis=1)[:, 0]
    correct_B = logits_BxC.argmax(axis=1) == y_B
    return BatchScore((loss_B * weight_B).sum(), (correct_B * weight_B).sum())


def loss_and_gradients(
    params: Params,
    x_BxI: Array,
    y_B: Array,
    weight_B: Array,
    *,
    rate: ArrayLike,
    seed: ArrayLike,
    step: ArrayLike,
    compute: DTypeLike,
) -> tuple[BatchScore, Params]:
    """One batch with dropout on.

    Args:
        params: the network.
        x_BxI: examples, already scaled.
        y_B: labels.
        weight_B: 1 for an example, 0 for the padding of a short last batch.
        rate: share of hidden units dropped, traced, so that arms share one program.
        seed: of the masks.
        step: of the masks, from 0 over the whole run.
        compute: type of the products' operands.

    Returns:
        The batch's summed loss and correct answers, and the gradient of its mean loss.
    """
    h = x_BxI.astype(compute)
    activations = [h]
    for layer, dense in enumerate(params[:-1]):
        z = matmul(h, dense.kernel_IxO, (1, 0), compute) + dense.bias_O
        h = dropped_relu(z, rate, draws.derive(seed, draws.Purpose.MASK, step, layer)).astype(compute)
        activations.append(h)
    logits_BxC = matmul(h, params[-1].kernel_IxO, (1, 0), compute) + params[-1].bias_O

    batch = score(logits_BxC, y_B, weight_B)
    one_hot_BxC = jax.nn.one_hot(y_B, logits_BxC.shape[1], dtype=jnp.float32)
    mean_weight_Bx1 = (weight_B / weight_B.sum())[:, None]
    delta = (jax.nn.softmax(logits_BxC) - one_hot_BxC) * mean_weight_Bx1
    gradients: list[Dense] = []
    for layer in reversed(range(len(params))):
        h = activations[layer]
        gradients.append(Dense(matmul(h, delta, (0, 0), compute), delta.sum(axis=0)))
        if layer:
            delta = matmul(delta, params[layer].kernel_IxO, (1, 1), compute)
            delta = jnp.where(h > 0, delta * (1 / (1 - jnp.float32(rate))), 0)
    return batch, tuple(reversed(gradients))
