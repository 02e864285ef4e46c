"""The multilayer perceptron and its dropout: initial weights, forward pass, gradients. Pure functions.

Names state shapes: B examples of a batch, I inputs and O outputs of a layer, C classes. Weights are float32. `compute`
is the type of the matrix products' operands; sums are float32.

All arrays but the input are feature-major: kernels (out, in) and activations (units, batch), the transpose of Keras'
layout. Then only one of a layer's three products has a transposed left side, W^T delta. The optimiser's pass makes
that transpose once a step. In Keras' layout it would be h^T delta, the largest product of all, and XLA's fast bfloat16
kernels for CPUs do not support a transposed left side.

The gradients are written out in place of automatic differentiation. After relu and dropout, `h > 0` is both the slope
of relu and the dropout mask. So the backward pass needs no other array of the forward pass, and no random number is
drawn or stored twice. tests/engine/test_network.py compares them with jax.grad and finite differences.

In all functions `kernels` are `operands(params, static.compute)`, `x_BxI` are scaled examples, `traced` is the
configuration of the run, `static` that of its group, and `step` counts from 0 over the whole run.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax import Array, lax

from dropstudy.engine.mlp import dropout, rng
from dropstudy.engine.mlp.rules import Purpose, glorot_limit

if TYPE_CHECKING:
    from jax.typing import ArrayLike, DTypeLike

    from dropstudy.engine.mlp.config import StaticConfig, TracedConfig

KERAS_EPSILON = 1e-7
"""`keras.config.epsilon()`, which Keras adds to a divisor."""


class Dense(NamedTuple):
    """Weights of one layer, or arrays of their shape: gradients, moments."""

    kernel_OxI: Array
    bias_O: Array


Params = tuple[Dense, ...]


class Operands(NamedTuple):
    """A layer's kernel in the type of the products.

    Args:
        forward_OxI: for the forward pass; None if the kernel itself serves.
        backward_IxO: the transpose, for the backward pass; None for the first layer, whose inputs need no gradient.
    """

    forward_OxI: Array | None
    backward_IxO: Array | None


class Forward(NamedTuple):
    """Activations of a batch in the forward pass.

    Args:
        x_BxI: the inputs with noise.
        layers: each hidden layer's output, (units, B), and dh/dz; None if dh/dz follows from `h > 0`.
        logits_CxB: scores of the classes.
    """

    x_BxI: Array
    layers: list[tuple[Array, Array | None]]
    logits_CxB: Array


class GradientFactors(NamedTuple):
    """The two factors whose product over the examples is the gradient of a layer's kernel.

    Args:
        delta_OxB: dL/dz.
        inputs: inputs of the layer, (B, I) for the first and (I, B) for the others, in the products' type.
    """

    delta_OxB: Array
    inputs: Array


class BatchScore(NamedTuple):
    """Sums over the examples of a batch, for means weighted by example."""

    loss: Array
    correct: Array


def init(seed: ArrayLike, widths: tuple[int, ...]) -> Params:
    """Glorot-uniform kernels and zero biases for layers of `widths`, for instance (784, 512, 512, 10)."""
    layers = []
    for layer, (units_in, units_out) in enumerate(itertools.pairwise(widths)):
        u_IxO = rng.uniform(rng.derive(seed, Purpose.INIT, layer=layer), (units_in, units_out))
        limit = jnp.float32(glorot_limit(units_in, units_out))
        layers.append(Dense(((2 * u_IxO - 1) * limit).T, jnp.zeros(units_out, jnp.float32)))
    return tuple(layers)


def operands(params: Params, compute: DTypeLike) -> tuple[Operands, ...]:
    """Each layer's kernel in type `compute`, for the forward and the backward pass."""
    kernels = [dense.kernel_OxI.astype(compute) for dense in params]
    return tuple(
        Operands(None if compute == "float32" else kernel, kernel.T if layer else None)
        for layer, kernel in enumerate(kernels)
    )


def scaled(x: Array, scale: ArrayLike) -> Array:
    """Inputs of the network: `x / scale` in float32."""
    return x.astype(jnp.float32) / jnp.asarray(scale, jnp.float32)


def load_rows(x: Array, rows: Array, scale: ArrayLike, compute: DTypeLike) -> Array:
    """Some rows of the data as inputs of the network, (rows, features), in the products' type."""
    return scaled(x[rows], scale).astype(compute)


def matmul(a: Array, b: Array, axes: tuple[int, int], compute: DTypeLike) -> Array:
    """Product of two matrices over `axes` (one of each), operands of type `compute`, float32 result."""
    return lax.dot_general(
        a.astype(compute),
        b.astype(compute),
        (((axes[0],), (axes[1],)), ((), ())),
        precision=lax.Precision.HIGHEST,
        preferred_element_type=jnp.float32,
    )


def examples_axis(layer: int) -> int:
    """Axis of the examples in a layer's inputs: the data are example-major, activations feature-major."""
    return 1 if layer else 0


def logits(params: Params, x_BxI: Array, compute: DTypeLike, activation: str) -> Array:
    """Forward pass without noise. Returns (classes, B), float32."""
    h = x_BxI
    for layer, dense in enumerate(params):
        h = matmul(dense.kernel_OxI, h, (1, 1 - examples_axis(layer)), compute) + dense.bias_O[:, None]
        if layer < len(params) - 1:
            h = activated(h, activation)[0]
    return h


def activated(z: Array, activation: str) -> tuple[Array, Array]:
    """Activation of a hidden layer and its slope, dh/dz, at `z`."""
    if activation == "tanh":
        h = jnp.tanh(z)
        return h, 1 - h * h
    if activation == "sigmoid":
        h = jax.nn.sigmoid(z)
        return h, h * (1 - h)
    return jnp.maximum(z, 0), (z > 0).astype(jnp.float32)


def hidden_layer(
    z_OxB: Array, layer: int, rate: Array, *, traced: TracedConfig, static: StaticConfig, step: ArrayLike
) -> tuple[Array, Array | None]:
    """Activation and noise of a hidden layer.

    Returns:
        The layer's output h, and dh/dz; None if dh/dz follows from `h > 0` and the rate.
    """
    # Counted example by example, so that an example's mask does not depend on the size of its batch.
    key = rng.derive(traced.seeds.masks, Purpose.MASK, step, layer)
    u_OxB = rng.uniform(key, z_OxB.shape, transposed=True)
    if static.relu_dropout:
        return jnp.where((u_OxB >= rate) & (z_OxB > 0), z_OxB * dropout.keep_scale(rate), 0), None
    h, slope = activated(z_OxB, static.activation)
    factor = dropout.noise_factors(u_OxB, rate, traced.noise, static)
    return h * factor, slope * factor


def noisy_forward(
    params: Params,
    kernels: tuple[Operands, ...],
    x_BxI: Array,
    *,
    rates: dropout.Rates,
    traced: TracedConfig,
    static: StaticConfig,
    step: ArrayLike,
) -> Forward:
    """Forward pass of one batch with noise of `rates`, whose draws are keyed by `step`."""
    compute = static.compute
    if static.input_noise:
        x_BxI = x_BxI * dropout.input_noise_factors(x_BxI.shape, rates.inputs, traced, static, step)
    x_BxI = x_BxI.astype(compute)
    layers: list[tuple[Array, Array | None]] = []
    forward = [
        dense.kernel_OxI if kernel.forward_OxI is None else kernel.forward_OxI
        for dense, kernel in zip(params, kernels, strict=True)
    ]
    z = matmul(forward[0], x_BxI, (1, 1 - examples_axis(0)), compute) + params[0].bias_O[:, None]
    for layer in range(1, len(params)):
        h, slope = hidden_layer(
            z, layer - 1, rates.hidden[layer - 1], traced=traced, static=static, step=step
        )
        layers.append((h.astype(compute), slope))
        z = matmul(forward[layer], layers[-1][0], (1, 1 - examples_axis(layer)), compute)
        z = z + params[layer].bias_O[:, None]
    return Forward(x_BxI, layers, z)


def score(logits_CxB: Array, y_B: Array, weight_B: Array) -> BatchScore:
    """Summed cross-entropy, each example's times its weight, and number of correct predictions.

    Examples of weight 0 do not count.
    """
    log_p_CxB = jax.nn.log_softmax(logits_CxB, axis=0)
    loss_B = -jnp.take_along_axis(log_p_CxB, y_B[None, :], axis=0)[0]
    correct_B = logits_CxB.argmax(axis=0) == y_B
    return BatchScore((loss_B * weight_B).sum(), (correct_B * (weight_B > 0)).sum(dtype=jnp.float32))


def loss_and_gradient_factors(
    params: Params,
    kernels: tuple[Operands, ...],
    x_BxI: Array,
    y_B: Array,
    weight_B: Array,
    *,
    traced: TracedConfig,
    static: StaticConfig,
    step: ArrayLike,
) -> tuple[BatchScore, tuple[GradientFactors, ...]]:
    """Scores of one batch with noise, and for each layer the factors of the mean loss's gradient.

    `weight_B` is the weight of an example's loss, 0 for the padding of a short last batch.
    """
    rates = dropout.rates_at(step, traced.noise, static)
    x_BxI, layers, z = noisy_forward(
        params, kernels, x_BxI, rates=rates, traced=traced, static=static, step=step
    )
    batch = score(z, y_B, weight_B)
    one_hot_CxB = jax.nn.one_hot(y_B, z.shape[0], dtype=jnp.float32, axis=0)
    delta = (jax.nn.softmax(z, axis=0) - one_hot_CxB) * (weight_B / (weight_B > 0).sum(dtype=jnp.float32))
    factors: list[GradientFactors] = []
    for layer in range(len(params) - 1, 0, -1):
        (h_IxB, slope), transposed = layers[layer - 1], kernels[layer].backward_IxO
        factors.append(GradientFactors(delta, h_IxB))
        delta = matmul(cast("Array", transposed), delta, (1, 0), static.compute)
        gate = (
            jnp.where(h_IxB > 0, dropout.keep_scale(rates.hidden[layer - 1]), 0) if slope is None else slope
        )
        delta = delta * gate
    factors.append(GradientFactors(delta, x_BxI))
    return batch, tuple(reversed(factors))


def gradients(
    params: Params, factors: tuple[GradientFactors, ...], *, traced: TracedConfig, static: StaticConfig
) -> Params:
    """Gradient of a batch's mean loss, including the L2 penalty."""
    products = tuple(
        Dense(matmul(delta, inputs, (1, examples_axis(layer)), static.compute), delta.sum(axis=1))
        for layer, (delta, inputs) in enumerate(factors)
    )
    if not static.l2:
        return products
    return tuple(
        Dense(g.kernel_OxI + 2 * jnp.asarray(traced.l2) * dense.kernel_OxI, g.bias_O)
        for g, dense in zip(products, params, strict=True)
    )


def apply_max_norm(params: Params, max_norm: ArrayLike) -> Params:
    """Scale each hidden unit's incoming weights to at most length `max_norm`, as Keras' MaxNorm; 0 for no limit.

    Srivastava et al. 2014, section 5.1: w <- w min(1, c / |w|) after each update.
    """

    def scale_down(dense: Dense) -> Dense:
        norm_Ox1 = jnp.linalg.norm(dense.kernel_OxI, axis=1, keepdims=True)
        shorter = dense.kernel_OxI * (jnp.minimum(norm_Ox1, max_norm) / (norm_Ox1 + KERAS_EPSILON))
        return Dense(jnp.where(jnp.asarray(max_norm) > 0, shorter, dense.kernel_OxI), dense.bias_O)

    return (*(scale_down(dense) for dense in params[:-1]), params[-1])
