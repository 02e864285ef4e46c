"""Noise on the units of a layer, and the schedule of its rate.

Dropout (Srivastava et al. 2014) in the inverted form: a unit is kept if u >= rate and scaled by 1 / (1 - rate).
Gaussian dropout (the same paper, section 10): a factor of mean 1 and the same variance, rate / (1 - rate).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import erfinv

from dropstudy.engine.mlp import rng
from dropstudy.engine.mlp.rules import CURRICULUM_SPEED, Purpose

if TYPE_CHECKING:
    from jax.typing import ArrayLike

    from dropstudy.engine.mlp.config import NoiseConfig, StaticConfig, TracedConfig


class Rates(NamedTuple):
    """Noise rates at one step, of each hidden layer, (layers,), and of the inputs."""

    hidden: Array
    inputs: Array


def keep_scale(rate: ArrayLike) -> Array:
    """Scale of a kept unit, 1 / (1 - rate), which keeps the mean."""
    return 1 / (1 - jnp.asarray(rate, jnp.float32))


def noise_factors(u: Array, rate: ArrayLike, noise: NoiseConfig, static: StaticConfig) -> Array:
    """Factors of mean 1 and variance rate / (1 - rate), one for each draw `u`, uniform in [0, 1)."""
    dropout = jnp.where(u >= rate, keep_scale(rate), 0)
    if not static.gaussian:
        return dropout
    # Draws are multiples of 2**-24. Half a step more makes them symmetric and keeps them from 0 and 1, whose quantiles
    # are infinite. It is added after the doubling, where float32 can represent it.
    normal = jnp.sqrt(jnp.float32(2)) * erfinv(2 * u - 1 + jnp.float32(2.0**-24))
    deviation = jnp.sqrt(jnp.asarray(rate) * keep_scale(rate))
    return jnp.where(jnp.asarray(noise.gaussian), 1 + deviation * normal, dropout)


def input_noise_factors(
    shape: tuple[int, ...], rate: ArrayLike, traced: TracedConfig, static: StaticConfig, step: ArrayLike
) -> Array:
    """Factors on the inputs of a batch of `shape` (B, I)."""
    key = rng.derive(traced.seeds.masks, Purpose.INPUT_MASK, step)
    return noise_factors(rng.uniform(key, shape), rate, traced.noise, static)


def rates_at(step: ArrayLike, noise: NoiseConfig, static: StaticConfig) -> Rates:
    """Noise rates at a step of the whole run."""
    scale = schedule_scale(step, noise, static)
    return Rates(jnp.asarray(noise.hidden) * scale, jnp.asarray(noise.inputs) * scale)


def schedule_scale(step: ArrayLike, noise: NoiseConfig, static: StaticConfig) -> Array:
    """Schedule multiplier of the noise rate at a step, in [0, 1].

    `early`, `early-linear` and `late`: Liu et al. 2023, "Dropout reduces underfitting". `curriculum`: Morerio et al.
    2017, "Curriculum dropout", rate (1 - exp(-gamma t)) with gamma = 10 / steps. `ramp` is its linear relative.
    """
    if not static.scheduled:
        return jnp.ones((), jnp.float32)
    progress = jnp.asarray(step).astype(jnp.float32) / noise.steps
    before = progress < noise.switch
    scales = (
        jnp.ones_like(progress),
        before.astype(jnp.float32),
        1 - before.astype(jnp.float32),
        jnp.minimum(progress / noise.switch, 1),
        1 - jnp.exp(-CURRICULUM_SPEED * progress),
        jnp.maximum(1 - progress / noise.switch, 0),
    )
    scale: Array = jnp.stack(scales)[jnp.asarray(noise.schedule)]
    return scale
