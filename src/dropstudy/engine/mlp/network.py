"""The multilayer perceptron and its dropout: initial weights, forward pass, gradients. Pure functions.

Shapes are said in names: B examples of a batch, I inputs and O outputs of a layer, C classes. Weights are float32;
`compute` is the type of the matrix products' operands, which always accumulate in float32.

Everything but the input lies feature by feature: kernels are (out, in) and activations (units, batch), the transpose of
Keras' layout. So of the three products of a layer only one has a transposed left side, W^T delta, and that one is of
weights, whose transpose can be made once a step by the optimiser's own pass. In Keras' layout it would be h^T delta,
the largest product of all, and XLA's fast bfloat16 kernels on a CPU do not take a transposed left side.

The gradients are written out rather than left to automatic differentiation, because after relu and dropout `h > 0` is
already both the gate and the mask: the backward pass needs nothing else from the forward pass, and no random number is
drawn or stored twice. tests/engine/test_network.py holds them against jax.grad and finite differences.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax import Array, lax

from dropstudy.engine.mlp import dropout, rng
from dropstudy.engine.native import ffi

if TYPE_CHECKING:
    from jax.typing import ArrayLike, DTypeLike

    from dropstudy.engine.mlp.config import Products, StaticConfig, TracedConfig

KERAS_EPSILON = 1e-7
"""`keras.config.epsilon()`, where Keras guards a division with it."""


class Dense(NamedTuple):
    """Weights of one layer, or anything of their shape: gradients, moments."""

    kernel_OxI: Array
    bias_O: Array


Params = tuple[Dense, ...]


class Operands(NamedTuple):
    """A layer's kernel as the products take it, in their type.

    Args:
        forward_OxI: None where it is the kernel itself.
        backward_IxO: transposed, for the way back; None for the first layer, which nothing goes back through.
    """

    forward_OxI: Array | None
    backward_IxO: Array | None


class Forward(NamedTuple):
    """Activations of a batch in the forward pass.

    Args:
        x_BxI: the inputs as multiplied, noise on.
        layers: each hidden layer's output, (units, B), and dh/dz, None where `h > 0` says it.
        logits_CxB: of the classes.
    """

    x_BxI: Array
    layers: list[tuple[Array, Array | None]]
    logits_CxB: Array


class GradientFactors(NamedTuple):
    """A layer's gradient before it is made: a kernel's is the product of the two over the examples.

    Args:
        delta_OxB: dL/dz.
        inputs: what the layer was given, (B, I) for the first and (I, B) for the others, in the products' type.
    """

    delta_OxB: Array
    inputs: Array


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
    for layer, (units_in, units_out) in enumerate(itertools.pairwise(widths)):
        u_IxO = rng.uniform(rng.derive(seed, rng.Purpose.INIT, layer=layer), (units_in, units_out))
        limit = jnp.float32(glorot_limit(units_in, units_out))
        layers.append(Dense(((2 * u_IxO - 1) * limit).T, jnp.zeros(units_out, jnp.float32)))
    return tuple(layers)


def operands(params: Params, compute: DTypeLike) -> tuple[Operands, ...]:
    """Each layer's kernel in type `compute`, as the ways there and back take it."""
    kernels = [dense.kernel_OxI.astype(compute) for dense in params]
    return tuple(
        Operands(None if compute == "float32" else kernel, kernel.T if layer else None)
        for layer, kernel in enumerate(kernels)
    )


def scaled(x: Array, scale: ArrayLike) -> Array:
    """Inputs as the network sees them: `x / scale` in float32."""
    return x.astype(jnp.float32) / jnp.asarray(scale, jnp.float32)


def examples(x: Array, rows: Array, scale: ArrayLike, products: Products) -> Array:
    """Some rows of the data as the network sees them, (rows, features), in the products' type."""
    if products.native and x.dtype == jnp.uint8:
        return ffi.gather(x, rows, scale, products.compute)
    return scaled(x[rows], scale).astype(products.compute)


def matmul(a: Array, b: Array, axes: tuple[int, int], compute: DTypeLike) -> Array:
    """Product of two matrices over `axes` (one of each), operands of type `compute`, float32 result."""
    return lax.dot_general(
        a.astype(compute),
        b.astype(compute),
        (((axes[0],), (axes[1],)), ((), ())),
        precision=lax.Precision.HIGHEST,
        preferred_element_type=jnp.float32,
    )


def product(left: Array, right: Array, axis: int, products: Products) -> Array:
    """Product of a matrix over its second axis with another over `axis`; float32."""
    if products.native:
        return ffi.multiply(left.astype(products.compute), right.astype(products.compute), axis)
    return matmul(left, right, (1, axis), products.compute)


def examples_axis(layer: int) -> int:
    """Axis of the examples in a layer's inputs: the data lie example by example, all else feature by feature."""
    return 1 if layer else 0


def logits(params: Params, x_BxI: Array, products: Products, activation: str) -> Array:
    """The network at evaluation: noise is the identity. (classes, B), float32."""
    h = x_BxI
    for layer, dense in enumerate(params):
        h = product(dense.kernel_OxI, h, 1 - examples_axis(layer), products) + dense.bias_O[:, None]
        if layer < len(params) - 1:
            h = activated(h, activation)[0]
    return h


def activated(z: Array, activation: str) -> tuple[Array, Array]:
    """A hidden layer's activation and its slope, dh/dz, at `z`."""
    if activation == "tanh":
        h = jnp.tanh(z)
        return h, 1 - h * h
    if activation == "sigmoid":
        h = jax.nn.sigmoid(z)
        return h, h * (1 - h)
    return jnp.maximum(z, 0), (z > 0).astype(jnp.float32)


def hidden(
    z_OxB: Array, layer: int, rate: Array, *, traced: TracedConfig, static: StaticConfig, step: ArrayLike
) -> tuple[Array, Array | None]:
    """A hidden layer behind its product: activation and noise.

    Returns:
        The layer's output h and dh/dz, None where `h > 0` and the rate say it already.
    """
    # Drawn example by example, so that an example's mask does not depend on how many share its batch.
    key = rng.derive(traced.seed, rng.Purpose.MASK, step, layer)
    u_OxB = rng.uniform_transposed(key, z_OxB.shape[::-1])
    if static.relu_dropout:
        return jnp.where((u_OxB >= rate) & (z_OxB > 0), z_OxB * dropout.gain(rate), 0), None
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
    """One batch through the network with noise on.

    Args:
        params: the network.
        kernels: `operands(params, static.compute)`.
        x_BxI: examples, already scaled.
        rates: of the noise.
        traced: of the run.
        static: what is compiled in.
        step: keys the draws.
    """
    products = static.products
    if static.input_noise:
        x_BxI = x_BxI * dropout.input_noise_factors(x_BxI.shape, rates.inputs, traced, static, step)
    x_BxI = x_BxI.astype(products.compute)
    layers: list[tuple[Array, Array | None]] = []
    forward = [
        dense.kernel_OxI if made.forward_OxI is None else made.forward_OxI
        for dense, made in zip(params, kernels, strict=True)
    ]
    z = product(forward[0], x_BxI, 1 - examples_axis(0), products) + params[0].bias_O[:, None]
    for layer in range(1, len(params)):
        h, slope = hidden(z, layer - 1, rates.hidden, traced=traced, static=static, step=step)
        layers.append((h.astype(products.compute), slope))
        z = product(forward[layer], layers[-1][0], 1 - examples_axis(layer), products)
        z = z + params[layer].bias_O[:, None]
    return Forward(x_BxI, layers, z)


def score(logits_CxB: Array, y_B: Array, weight_B: Array) -> BatchScore:
    """Summed cross-entropy and number of correct answers, each example counted `weight` times."""
    log_p_CxB = jax.nn.log_softmax(logits_CxB, axis=0)
    loss_B = -jnp.take_along_axis(log_p_CxB, y_B[None, :], axis=0)[0]
    correct_B = logits_CxB.argmax(axis=0) == y_B
    return BatchScore((loss_B * weight_B).sum(), (correct_B * weight_B).sum())


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
    """One batch with noise on.

    Args:
        params: the network.
        kernels: `operands(params, static.compute)`.
        x_BxI: examples, already scaled.
        y_B: labels.
        weight_B: 1 for an example, 0 for the padding of a short last batch.
        traced: of the run, traced, so that arms share one program.
        static: what is compiled in.
        step: from 0 over the whole run.

    Returns:
        The batch's summed cross-entropy and correct answers, and what makes the gradient of its mean loss, layer by
        layer.
    """
    rates = dropout.rates_at(step, traced.noise, static)
    x_BxI, layers, z = noisy_forward(
        params, kernels, x_BxI, rates=rates, traced=traced, static=static, step=step
    )
    batch = score(z, y_B, weight_B)
    one_hot_CxB = jax.nn.one_hot(y_B, z.shape[0], dtype=jnp.float32, axis=0)
    delta = (jax.nn.softmax(z, axis=0) - one_hot_CxB) * (weight_B / weight_B.sum())
    factors: list[GradientFactors] = []
    for layer in range(len(params) - 1, 0, -1):
        (h_IxB, slope), transposed = layers[layer - 1], kernels[layer].backward_IxO
        factors.append(GradientFactors(delta, h_IxB))
        delta = product(cast("Array", transposed), delta, 0, static.products)
        gate = jnp.where(h_IxB > 0, dropout.gain(rates.hidden), 0) if slope is None else slope
        delta = delta * gate
    factors.append(GradientFactors(delta, x_BxI))
    return batch, tuple(reversed(factors))


def gradients(
    params: Params, factors: tuple[GradientFactors, ...], *, traced: TracedConfig, static: StaticConfig
) -> Params:
    """The gradient of a batch's mean loss, the L2 penalty included."""
    made = tuple(
        Dense(matmul(delta, inputs, (1, examples_axis(layer)), static.compute), delta.sum(axis=1))
        for layer, (delta, inputs) in enumerate(factors)
    )
    if not static.l2:
        return made
    return tuple(
        Dense(g.kernel_OxI + 2 * jnp.asarray(traced.l2) * dense.kernel_OxI, g.bias_O)
        for g, dense in zip(made, params, strict=True)
    )


def apply_max_norm(params: Params, max_norm: ArrayLike) -> Params:
    """Hidden units' incoming weights cut to length `max_norm`, as Keras' MaxNorm; 0 leaves them as they are.

    Srivastava et al. 2014, section 5.1: w <- w min(1, c / |w|) after each update.
    """

    def cut(dense: Dense) -> Dense:
        norm_Ox1 = jnp.linalg.norm(dense.kernel_OxI, axis=1, keepdims=True)
        shorter = dense.kernel_OxI * (jnp.minimum(norm_Ox1, max_norm) / (norm_Ox1 + KERAS_EPSILON))
        return Dense(jnp.where(jnp.asarray(max_norm) > 0, shorter, dense.kernel_OxI), dense.bias_O)

    return (*(cut(dense) for dense in params[:-1]), params[-1])
