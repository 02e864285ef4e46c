"""Optimisers in Keras' form: same formula, same order, same place for epsilon."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax import Array

from dropstudy.engine.mlp.network import Dense, Operands, examples_axis
from dropstudy.engine.native import ffi

if TYPE_CHECKING:
    from dropstudy.engine.mlp.config import Hyperparameters, StaticConfig, TracedConfig
    from dropstudy.engine.mlp.network import GradientFactors, Params


class Moments(NamedTuple):
    """State of an optimiser, each part of the shape of the weights.

    Args:
        m: Adam's first moment, or SGD's last step.
        v: Adam's second moment; SGD has none.
    """

    m: Params
    v: Params | None


class _Weights(NamedTuple):
    """Some weights and their moments, all of one shape."""

    w: Array
    m: Array
    v: Array


def start(params: Params, name: str) -> Moments:
    """Moments before the first step: zeros."""
    zeros = jax.tree.map(jnp.zeros_like, params)
    return Moments(zeros, jax.tree.map(jnp.copy, zeros) if name == "adam" else None)


def update(
    params: Params,
    moments: Moments,
    gradients: Params,
    *,
    step: Array,
    epoch: Array,
    hyper: Hyperparameters,
) -> tuple[Params, Moments]:
    """One step; Adam where there is a second moment, else SGD.

    Args:
        params: weights.
        moments: as `start` or the last step left them.
        gradients: of the mean loss.
        step: from 0 over the whole run.
        epoch: from 0; the learning rate is `learning_rate * decay ** epoch`.
        hyper: the optimiser's numbers.
    """
    if moments.v is None:
        learning_rate = _learning_rate(epoch, hyper)
        return sgd(params, moments, gradients, learning_rate=learning_rate, hyper=hyper)
    return adam(params, moments, gradients, alpha=_alpha(step, epoch, hyper), hyper=hyper)


def adam(
    params: Params, moments: Moments, gradients: Params, *, alpha: Array, hyper: Hyperparameters
) -> tuple[Params, Moments]:
    """W -= alpha * m / (sqrt(v) + eps), with alpha = lr * sqrt(1 - b2^t) / (1 - b1^t) and t = step + 1.

    Kingma and Ba 2015, section 2, last paragraph: the efficient order, in which epsilon is added to the root of the
    uncorrected v. Keras and TensorFlow use it; PyTorch and optax add epsilon to the corrected root.
    """
    leaves = zip(*map(jax.tree.leaves, (params, *moments, gradients)), strict=True)
    made = [_adam(_Weights(w, m, v), g, alpha, hyper) for w, m, v, g in leaves]
    w, m, v = (jax.tree.unflatten(jax.tree.structure(params), part) for part in zip(*made, strict=True))
    return w, Moments(m, v)


def sgd(
    params: Params,
    moments: Moments,
    gradients: Params,
    *,
    learning_rate: Array,
    hyper: Hyperparameters,
) -> tuple[Params, Moments]:
    """M = momentum * m - lr * g; w += m. Keras' SGD without Nesterov (Polyak 1964)."""
    m = jax.tree.map(lambda m, g: m * hyper.momentum - g * learning_rate, moments.m, gradients)
    return jax.tree.map(jnp.add, params, m), Moments(m, None)


def fused_adam(
    params: Params,
    moments: Moments,
    operands: tuple[Operands, ...],
    factors: tuple[GradientFactors, ...],
    *,
    step: Array,
    epoch: Array,
    traced: TracedConfig,
    static: StaticConfig,
) -> tuple[Params, Moments, tuple[Operands, ...]]:
    """Adam by kernels of our own, which make a kernel's gradient and use it before it has left the cache.

    Args:
        params: weights.
        moments: as `start` or the last step left them.
        operands: the weights as this step's products took them.
        factors: what makes the gradients.
        step: from 0 over the whole run.
        epoch: from 0.
        traced: of the run.
        static: what is compiled in.

    Returns:
        Weights and moments after the step, and the weights as the next step's products take them.
    """
    numbers = traced.optimizer
    alpha = _alpha(step, epoch, numbers)
    penalty = 2 * jnp.asarray(traced.l2)
    told = jnp.stack([alpha, numbers.gain_1, numbers.gain_2, numbers.epsilon, penalty]).astype(jnp.float32)
    kernels, biases, copies = [], [], []
    layers = zip(params, moments.m, cast("Params", moments.v), operands, factors, strict=True)
    for layer, (dense, m, v, copied, (delta_OxB, inputs)) in enumerate(layers):
        made = ffi.update(
            delta_OxB.astype(static.compute),
            inputs,
            examples_axis(layer),
            before=ffi.Layer(dense.kernel_OxI, m.kernel_OxI, v.kernel_OxI, *copied),
            numbers=told,
            after=(factors[layer - 1].delta_OxB,) if layer else (),
        )
        kernels.append(made[:3])
        biases.append(
            _adam(_Weights(dense.bias_O, m.bias_O, v.bias_O), delta_OxB.sum(axis=1), alpha, numbers)
        )
        copies.append(Operands(*made[3:]))
    by_part = zip(zip(*kernels, strict=True), zip(*biases, strict=True), strict=True)
    w, m_new, v_new = (tuple(map(Dense, *part)) for part in by_part)
    return w, Moments(m_new, v_new), tuple(copies)


def _alpha(step: Array, epoch: Array, hyper: Hyperparameters) -> Array:
    """Adam's step size, the bias of its moments at this step taken into account."""
    t = (step + 1).astype(jnp.float32)
    unbias = jnp.sqrt(1 - jnp.asarray(hyper.beta_2) ** t) / (1 - jnp.asarray(hyper.beta_1) ** t)
    return _learning_rate(epoch, hyper) * unbias


def _adam(before: _Weights, g: Array, alpha: Array, hyper: Hyperparameters) -> _Weights:
    w, m, v = before
    m = m + (g - m) * hyper.gain_1
    v = v + (g * g - v) * hyper.gain_2
    return _Weights(w - m * alpha / (jnp.sqrt(v) + hyper.epsilon), m, v)


def _learning_rate(epoch: Array, hyper: Hyperparameters) -> Array:
    decayed = jnp.asarray(hyper.decay) ** epoch.astype(jnp.float32)
    return jnp.asarray(hyper.learning_rate) * decayed
