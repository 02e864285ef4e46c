"""Optimisers as in Keras: same formula, same order of operations, epsilon in the same place."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

if TYPE_CHECKING:
    from dropstudy.engine.mlp.config import Hyperparameters
    from dropstudy.engine.mlp.network import Params


class Moments(NamedTuple):
    """State of an optimiser; each part has the shapes of the weights.

    Args:
        m: Adam's first moment, or SGD's velocity.
        v: Adam's second moment; None for SGD.
    """

    m: Params
    v: Params | None


class _Weights(NamedTuple):
    """Some weights and their moments, all of one shape."""

    w: Array
    m: Array
    v: Array


def start(params: Params, name: str) -> Moments:
    """Zeros, the moments before the first step."""
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
    """Take one step, by Adam if there is a second moment, else by SGD.

    Args:
        params: weights.
        moments: from `start` or the last step.
        gradients: of the mean loss.
        step: from 0 over the whole run.
        epoch: from 0; the learning rate is `learning_rate * decay ** epoch`.
        hyper: hyperparameters.
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
    updated = [_adam(_Weights(w, m, v), g, alpha, hyper) for w, m, v, g in leaves]
    w, m, v = (jax.tree.unflatten(jax.tree.structure(params), part) for part in zip(*updated, strict=True))
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


def _alpha(step: Array, epoch: Array, hyper: Hyperparameters) -> Array:
    """Adam's step size, corrected for the bias of the moments at this step."""
    t = (step + 1).astype(jnp.float32)
    unbias = jnp.sqrt(1 - jnp.asarray(hyper.beta_2) ** t) / (1 - jnp.asarray(hyper.beta_1) ** t)
    return _learning_rate(epoch, hyper) * unbias


def _adam(before: _Weights, g: Array, alpha: Array, hyper: Hyperparameters) -> _Weights:
    w, m, v = before
    m = m + (g - m) * hyper.one_minus_beta_1
    v = v + (g * g - v) * hyper.one_minus_beta_2
    return _Weights(w - m * alpha / (jnp.sqrt(v) + hyper.epsilon), m, v)


def _learning_rate(epoch: Array, hyper: Hyperparameters) -> Array:
    decayed = jnp.asarray(hyper.decay) ** epoch.astype(jnp.float32)
    return jnp.asarray(hyper.learning_rate) * decayed
