"""Dropout layers of a Keras model, with a rate that is traced and draws that are keyed.

A layer of Keras has a fixed rate and a generator with state. Here its `call` is replaced: it takes rate, seed and step
from the `Draws` of the program that is traced, so that one program serves all rates, and a draw is a function of
(seed, step, layer) as in `engine/mlp/rng.py`. Masks of one seed are nested over the rates. Outside of a program, the
layer's own `call` is used.
"""

from __future__ import annotations

import functools
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import keras
from jax.scipy.special import erfinv

from dropstudy.engine.keras.build import noise_layers
from dropstudy.engine.mlp import rng
from dropstudy.engine.mlp.rules import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jax import Array

    from dropstudy.engine.keras.build import NoiseLayer

_CALLS = 1 << 16
"""Distance of the layer numbers of two calls of one layer in a step."""

_SELU_FLOOR = -1.7580993408473766
"""Value of a dropped unit of AlphaDropout: -scale * alpha of SELU (Klambauer et al. 2017)."""


@dataclass
class Draws:
    """Noise of a program that is traced.

    Args:
        seed: of the draws.
        step: of the run, or of an evaluation.
        rates: of each noise layer, (layers,).
        always: noise is on, whether the model is called in training or not.
    """

    seed: Array
    step: Array
    rates: Array
    always: bool = False
    calls: dict[int, int] = field(default_factory=dict)

    def uniform(self, number: int, shape: tuple[int, ...]) -> Array:
        """Draws of layer `number`, uniform in [0, 1); others for each call of it in a step; 0 where its rate is 0.

        A conditional keeps its result in memory. Without it XLA draws again wherever a mask is used: in a CNN four
        times for each place of a max pooling.
        """
        call = self.calls[number] = self.calls.get(number, -1) + 1
        key = rng.derive(self.seed, Purpose.MASK, self.step, number + _CALLS * call)
        draw = functools.partial(rng.uniform, key, shape)
        draws: Array = jax.lax.cond(self.rates[number] > 0, draw, lambda: jnp.zeros(shape, jnp.float32))
        return draws


_draws: ContextVar[Draws | None] = ContextVar("draws", default=None)


@contextmanager
def drawing(draws: Draws | None) -> Iterator[None]:
    """Take the noise of all models called inside from `draws`; None for a program that evaluates without noise."""
    token = _draws.set(draws)
    try:
        yield
    finally:
        _draws.reset(token)


def take_over(model: Any) -> list[NoiseLayer]:
    """Replace the draws of a model's noise layers by those of `Draws`; returns the layers, numbered as its rates."""
    layers = noise_layers(model)
    cells: dict[int, dict[str, int]] = {}
    for number, (_, _, layer, attribute, _) in enumerate(layers):
        if attribute == "rate":
            layer.call = _call(number, layer, layer.call)
            continue
        numbers = cells.setdefault(id(layer), {})
        numbers[attribute] = number
        if len(numbers) == 1:
            _take_over_cell(layer, numbers)
    if cells:
        for layer in model._flatten_layers():  # noqa: SLF001 - as above
            if hasattr(layer, "inner_loop"):
                layer.inner_loop = _inner_loop(layer.inner_loop)
    return layers


def _call(number: int, layer: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    def call(inputs: Any, training: bool = False) -> Any:
        draws = _draws.get()
        if draws is None:
            return original(inputs, training=training)
        if not (training or draws.always):
            return inputs
        return _noisy(layer, jnp.asarray(inputs), draws, number)

    return call


def _noisy(layer: Any, x: Array, draws: Draws, number: int) -> Array:
    rate = draws.rates[number]
    u = draws.uniform(number, _noise_shape(layer, x))
    if isinstance(layer, keras.layers.GaussianDropout):
        # As in engine/mlp/dropout.py: half a step more keeps the draws from 0 and 1, whose quantiles are infinite.
        normal = jnp.sqrt(jnp.float32(2)) * erfinv(2 * u - 1 + jnp.float32(2.0**-24))
        return x * (1 + jnp.sqrt(rate / (1 - rate)) * normal).astype(x.dtype)
    if isinstance(layer, keras.layers.AlphaDropout):
        scale = ((1 - rate) * (1 + rate * _SELU_FLOOR**2)) ** -0.5
        kept = (u >= rate).astype(x.dtype)
        return scale.astype(x.dtype) * (x * kept + _SELU_FLOOR * (1 - kept) - rate * _SELU_FLOOR).astype(
            x.dtype
        )
    return x * _factors(u, rate, x.dtype)


def _factors(u: Array, rate: Array, dtype: Any) -> Array:
    return jnp.where(u >= rate, 1 / (1 - rate), 0).astype(dtype)


def _noise_shape(layer: Any, x: Array) -> tuple[int, ...]:
    """Shape of the draws: 1 where a draw is shared, as in SpatialDropout or by `noise_shape`."""
    spatial = getattr(layer, "_get_noise_shape", None)
    shape = getattr(layer, "noise_shape", None) if spatial is None else spatial(x)
    if shape is None:
        return tuple(x.shape)
    return tuple(int(n if given is None else given) for given, n in zip(shape, x.shape, strict=True))


def _inner_loop(original: Callable[..., Any]) -> Callable[..., Any]:
    def inner_loop(*args: Any, training: bool = False, **kwargs: Any) -> Any:
        draws = _draws.get()
        return original(*args, training=training or (draws is not None and draws.always), **kwargs)

    return inner_loop


def _take_over_cell(cell: Any, numbers: dict[str, int]) -> None:
    """Replace the draws of a recurrent cell, which it makes once for all time steps of a batch.

    Args:
        cell: of LSTM, GRU or the like.
        numbers: of its noise layers, by attribute.
    """
    create = cell._create_dropout_mask  # noqa: SLF001 - where Keras draws

    def masks(attribute: str, step_input: Any) -> Any:
        draws = _draws.get()
        if draws is None:
            return create(step_input, getattr(cell, attribute))
        number, shape = numbers[attribute], tuple(step_input.shape)
        count = getattr(cell, "dropout_mask_count", None)
        made = [
            _factors(draws.uniform(number, shape), draws.rates[number], step_input.dtype)
            for _ in range(count or 1)
        ]
        return made if count else made[0]

    def getter(attribute: str, kept: str) -> Callable[[Any], Any]:
        def get(step_input: Any) -> Any:
            # Kept until the layer's call resets it: a draw serves all time steps.
            if getattr(cell, kept, None) is None:
                setattr(cell, kept, masks(attribute, step_input))
            return getattr(cell, kept)

        return get

    if "dropout" in numbers:
        cell.get_dropout_mask = getter("dropout", "_dropout_mask")
    if "recurrent_dropout" in numbers:
        cell.get_recurrent_dropout_mask = getter("recurrent_dropout", "_recurrent_dropout_mask")
