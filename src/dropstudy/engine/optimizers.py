"""Optimisers in Keras' form: same formula, same order, same place for epsilon."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from dropstudy.engine.network import Params
from dropstudy.records import Optimizer


class AdamSettings(NamedTuple):
    """Float32 scalars, traced, so that runs of different settings share one program."""

    learning_rate: ArrayLike
    beta_1: ArrayLike
    beta_2: ArrayLike
    gain_1: ArrayLike
    gain_2: ArrayLike
    epsilon: ArrayLike


def adam_settings(optimizer: Optimizer) -> AdamSettings:
    """Settings as the program takes them.

    `gain` is 1 - beta, subtracted in double precision as Keras does: in float32, 1 - 0.999 is off by 1.3e-5 of itself.
    """
    o = optimizer
    values = (o.learning_rate, o.beta_1, o.beta_2, 1 - o.beta_1, 1 - o.beta_2, o.epsilon)
    return AdamSettings(*(np.float32(value) for value in values))


class AdamState(NamedTuple):
    """First and second moments, of the shape of the weights."""

    m: Params
    v: Params


def adam_start(params: Params) -> AdamState:
    """Moments before the first step: zeros."""
    zeros = jax.tree.map(jnp.zeros_like, params)
    return AdamState(zeros, jax.tree.map(jnp.copy, zeros))


def adam_step(
    params: Params, state: AdamState, gradients: Params, step: Array, settings: AdamSettings
) -> tuple[Params, AdamState]:
    """w -= lr * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + eps), with t = step + 1.

    Kingma and Ba 2015, section 2, last paragraph: the efficient order, in which epsilon is added to the root of the
    uncorrected v. Keras and TensorFlow use it; PyTorch and optax add epsilon to the corrected root.
    """
    t = (step + 1).astype(jnp.float32)
    unbias = jnp.sqrt(1 - jnp.asarray(settings.beta_2) ** t) / (1 - jnp.asarray(settings.beta_1) ** t)
    alpha = settings.learning_rate * unbias
    m = jax.tree.map(lambda m, g: m + (g - m) * settings.gain_1, state.m, gradients)
    v = jax.tree.map(lambda v, g: v + (g * g - v) * settings.gain_2, state.v, gradients)
    moved = jax.tree.map(lambda w, m, v: w - m * alpha / (jnp.sqrt(v) + settings.epsilon), params, m, v)
    return moved, AdamState(m, v)
