"""Inputs that are 0 in every training example: left out of the products, and kept for other data.

Behind such an input no weight ever moves: its gradient is 0 times something. So training takes the other columns
alone, which changes no number but by the order of a sum. The weights that were left out come back, as the network was
given them, for any data that may not be 0 there, a test set for instance. Where a penalty or a limit moves every
weight, or draws of noise are counted along the inputs, all columns are trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from dropstudy.data.arrays import map_arrays
from dropstudy.engine.mlp.programs import Examples

if TYPE_CHECKING:
    from jax import Array
    from numpy.typing import NDArray

    from dropstudy.core.types import DataReference
    from dropstudy.engine.mlp.config import StaticConfig
    from dropstudy.engine.mlp.network import Params
    from dropstudy.engine.mlp.state import State


def can_skip_zero_inputs(static: StaticConfig) -> bool:
    """Whether a static leaves the weights behind inputs of 0 where they are."""
    return not (static.l2 or static.max_norm or static.input_noise)


@dataclass(frozen=True, eq=False)
class InputColumns:
    """The columns of the first kernels that a group trains.

    Args:
        used: their numbers, (u,), int32; None for all of them.
        kernels_LxOxI: the first kernels of its lanes as training found them, of which the other columns count.
    """

    used: Array | None
    kernels_LxOxI: Array

    def narrow(self, state: State) -> State:
        """The state with the used columns alone."""
        if self.used is None:
            return state
        m, v = state.moments
        moments = state.moments._replace(m=_gather(m, self.used), v=v and _gather(v, self.used))
        return state._replace(params=self.gather_params(state.params), moments=moments)

    def scatter(self, state: State) -> State:
        """The state with all columns; an unused one has its weights, and moments of 0."""
        if self.used is None:
            return state
        zeros = jnp.zeros_like(self.kernels_LxOxI)
        m, v = state.moments
        moments = state.moments._replace(
            m=_scatter(m, self.used, zeros), v=v and _scatter(v, self.used, zeros)
        )
        return state._replace(params=self.scatter_params(state.params), moments=moments)

    def gather_params(self, params: Params) -> Params:
        """The networks with the used columns alone."""
        return params if self.used is None else _gather(params, self.used)

    def scatter_params(self, params: Params) -> Params:
        """The networks with all columns."""
        return params if self.used is None else _scatter(params, self.used, self.kernels_LxOxI)


@lru_cache(maxsize=4)
def train_examples(data: DataReference, *, narrow: bool) -> tuple[Examples, Array | None]:
    """The training examples, and which of their columns these are; None for all."""
    arrays = map_arrays(data)
    if narrow and len(arrays.used) < arrays.x_train[0].size:
        return examples(arrays.x_used, arrays.y_train, data.scale), jnp.asarray(arrays.used)
    return examples(arrays.x_train, arrays.y_train, data.scale), None


@lru_cache(maxsize=2)
def test_examples(data: DataReference) -> Examples:
    """The test examples, every column."""
    arrays = map_arrays(data)
    return examples(arrays.x_test, arrays.y_test, data.scale)


def examples(x: NDArray[Any], y: NDArray[np.int64], scale: float) -> Examples:
    """Examples on the device, which reads mapped arrays in place where it can."""
    # device_put, not asarray: on a CPU it takes the mapped file as it lies, so that all workers share one copy.
    return Examples(jax.device_put(x.reshape(len(x), -1)), jnp.asarray(y, jnp.int32), np.float32(scale))


@jax.jit
def _gather(layers: Params, used: Array) -> Params:
    first, *rest = layers
    return first._replace(kernel_OxI=first.kernel_OxI[:, :, used]), *rest


@jax.jit
def _scatter(layers: Params, used: Array, kernels_LxOxI: Array) -> Params:
    first, *rest = layers
    return first._replace(kernel_OxI=kernels_LxOxI.at[:, :, used].set(first.kernel_OxI)), *rest
