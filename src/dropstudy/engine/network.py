"""The multilayer perceptron and its dropout: initial weights, forward pass, gradients. Pure functions.

Shapes are said in names: B examples of a batch, I inputs and O outputs of a layer, C classes. Weights are float32;
`compute` is the type of the matrix products' operands, which always accumulate in float32.

Everything but the input lies feature by feature: kernels are (out, in) and activations (units, batch), the transpose of
Keras' layout. So of the three products of a layer only one has a transposed left side, W^T delta, and that one is of
weights, whose transpose can be made once a step by the optimiser's own pass. In Keras' layout it would be h^T delta,
the largest product of all, and XLA's fast bfloat16 kernels on a CPU do not take a transposed left side.

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

    kernel_OxI: Array
    bias_O: Array


Params = tuple[Dense, ...]


class Operands(NamedTuple):
    """A layer's kernel as the products take it, in their type: forward, and transposed for the way back."""

    forward_OxI: Array
    backward_IxO: Array


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
        layers.append(Dense(((2 * u_IxO - 1) * limit).T, jnp.zeros(units_out, jnp.float32)))
    return tuple(layers)


def operands(params: Params, compute: DTypeLike) -> tuple[Operands, ...]:
    """Each layer's kernel in type `compute`, both ways round."""
    kernels = [dense.kernel_OxI.astype(compute) for dense in params]
    return tuple(Operands(kernel, kernel.T) for kernel in kernels)


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
    """The network at evaluation: dropout is the identity. (classes, B), float32."""
    h = x_BxI
    for layer, dense in enumerate(params):
        h = matmul(dense.kernel_OxI, h, (1, 0 if layer else 1), compute) + dense.bias_O[:, None]
        if layer < len(params) - 1:
            h = jnp.maximum(h, 0)
    return h


def dropped_relu(z_OxB: Array, rate: ArrayLike, key: draws.Key) -> Array:
    """Relu, then inverted dropout: a unit is kept where u >= rate and scaled by 1 / (1 - rate)."""
    # Drawn example by example, so that an example's mask does not depend on how many share its batch.
    kept = draws.uniform_transposed(key, z_OxB.shape[::-1]) >= rate
    return jnp.where(kept & (z_OxB > 0), z_OxB * (1 / (1 - jnp.float32(rate))), 0)


def score(logits_CxB: Array, y_B: Array, weight_B: Array) -> BatchScore:
    """Summed cross-entropy and number of correct answers, each example counted `weight` times."""
    log_p_CxB = jax.nn.log_softmax(logits_CxB, axis=0)
    loss_B = -jnp.take_along_axis(log_p_CxB, y_B[None, :], axis=0)[0]
    correct_B = logits_CxB.argmax(axis=0) == y_B
    return BatchScore((loss_B * weight_B).sum(), (correct_B * weight_B).sum())


def loss_and_gradients(
    params: Params,
    kernels: tuple[Operands, ...],
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
        kernels: `operands(params, compute)`.
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
    x_BxI = x_BxI.astype(compute)
    activations: list[Array] = []
    z = matmul(kernels[0].forward_OxI, x_BxI, (1, 1), compute) + params[0].bias_O[:, None]
    for layer in range(1, len(params)):
        key = draws.derive(seed, draws.Purpose.MASK, step, layer - 1)
        h_IxB = dropped_relu(z, rate, key).astype(compute)
        activations.append(h_IxB)
        z = matmul(kernels[layer].forward_OxI, h_IxB, (1, 0), compute) + params[layer].bias_O[:, None]

    batch = score(z, y_B, weight_B)
    one_hot_CxB = jax.nn.one_hot(y_B, z.shape[0], dtype=jnp.float32, axis=0)
    delta = (jax.nn.softmax(z, axis=0) - one_hot_CxB) * (weight_B / weight_B.sum())
    gradients: list[Dense] = []
    for layer in range(len(params) - 1, 0, -1):
        h_IxB = activations[layer - 1]
        gradients.append(Dense(matmul(delta, h_IxB, (1, 1), compute), delta.sum(axis=1)))
        delta = matmul(kernels[layer].backward_IxO, delta, (1, 0), compute)
        delta = jnp.where(h_IxB > 0, delta * (1 / (1 - jnp.float32(rate))), 0)
    gradients.append(Dense(matmul(delta, x_BxI, (1, 0), compute), delta.sum(axis=1)))
    return batch, tuple(reversed(gradients))
