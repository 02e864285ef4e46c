"""Optimisers in Keras' form: same formula, same order, same place for epsilon."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

if TYPE_CHECKING:
    from dropstudy.engine.network import Params
    from dropstudy.engine.recipe import OptimizerSettings


class Moments(NamedTuple):
    """What an optimiser remembers, each of the shape of the weights.

    Args:
        m: Adam's first moment, or SGD's last step.
        v: Adam's second moment; SGD has none.
    """

    m: Params
    v: Params | None


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
    settings: OptimizerSettings,
) -> tuple[Params, Moments]:
    """One step; Adam where there is a second moment, else SGD.

    Args:
        params: weights.
        moments: as `start` or the last step left them.
        gradients: of the mean loss.
        step: from 0 over the whole run.
        epoch: from 0; the learning rate is `learning_rate * decay ** epoch`.
        settings: the optimiser's numbers.
    """
    decayed = jnp.asarray(settings.decay) ** epoch.astype(jnp.float32)
    learning_rate = jnp.asarray(settings.learning_rate) * decayed
    if moments.v is None:
        return sgd(params, moments, gradients, learning_rate=learning_rate, settings=settings)
    return adam(params, moments, gradients, step=step, learning_rate=learning_rate, settings=settings)


def adam(
    params: Params,
    moments: Moments,
    gradients: Params,
    *,
    step: Array,
    learning_rate: Array,
    settings: OptimizerSettings,
) -> tuple[Params, Moments]:
    """W -= lr * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + eps), with t = step + 1.

    Kingma and Ba 2015, section 2, last paragraph: the efficient order, in which epsilon is added to the root of the
    uncorrected v. Keras and TensorFlow use it; PyTorch and optax add epsilon to the corrected root.
    """
    t = (step + 1).astype(jnp.float32)
    unbias = jnp.sqrt(1 - jnp.asarray(settings.beta_2) ** t) / (1 - jnp.asarray(settings.beta_1) ** t)
    alpha = learning_rate * unbias
    m = jax.tree.map(lambda m, g: m + (g - m) * settings.gain_1, moments.m, gradients)
    v = jax.tree.map(lambda v, g: v + (g * g - v) * settings.gain_2, moments.v, gradients)
    moved = jax.tree.map(lambda w, m, v: w - m * alpha / (jnp.sqrt(v) + settings.epsilon), params, m, v)
    return moved, Moments(m, v)


def sgd(
    params: Params,
    moments: Moments,
    gradients: Params,
    *,
    learning_rate: Array,
    settings: OptimizerSettings,
) -> tuple[Params, Moments]:
    """M = momentum * m - lr * g; w += m. Keras' SGD without Nesterov (Polyak 1964)."""
    m = jax.tree.map(lambda m, g: m * settings.momentum - g * learning_rate, moments.m, gradients)
    return jax.tree.map(jnp.add, params, m), Moments(m, None)
