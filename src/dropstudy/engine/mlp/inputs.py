"""Examples on the device, without the inputs that are 0 in every training example.

The gradient of a weight behind such an input is 0, so the weight never changes. Training skips these columns, which
changes numbers only by the order of sums. For other data, where the inputs may not be 0, the weights are restored. All
columns are trained if a penalty or constraint changes every weight, or if noise is drawn for each input.
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
    from dropstudy.engine.mlp.rules import ArraysInMemory
    from dropstudy.engine.mlp.state import State


def can_skip_zero_inputs(static: StaticConfig) -> bool:
    """True if weights behind inputs of 0 never change."""
    return not (static.l2 or static.max_norm or static.input_noise)


@dataclass(frozen=True, eq=False)
class InputColumns:
    """Columns of the first layer's kernels that a group trains.

    Args:
        used: indices of the trained columns, (u,), int32; None for all.
        kernels_LxOxI: first-layer kernels of all lanes, which hold the columns that are not trained.
    """

    used: Array | None
    kernels_LxOxI: Array

    def gather(self, state: State) -> State:
        """Reduce a state to the trained columns."""
        if self.used is None:
            return state
        m, v = state.moments
        moments = state.moments._replace(m=_gather(m, self.used), v=v and _gather(v, self.used))
        return state._replace(params=self.gather_params(state.params), moments=moments)

    def scatter(self, state: State) -> State:
        """Put the other columns back into a state; their moments are 0."""
        if self.used is None:
            return state
        zeros = jnp.zeros_like(self.kernels_LxOxI)
        m, v = state.moments
        moments = state.moments._replace(
            m=_scatter(m, self.used, zeros), v=v and _scatter(v, self.used, zeros)
        )
        return state._replace(params=self.scatter_params(state.params), moments=moments)

    def gather_params(self, params: Params) -> Params:
        """Reduce weights to the trained columns."""
        return params if self.used is None else _gather(params, self.used)

    def scatter_params(self, params: Params) -> Params:
        """Put the other columns back into weights."""
        return params if self.used is None else _scatter(params, self.used, self.kernels_LxOxI)


@lru_cache(maxsize=4)
def train_examples(data: DataReference, *, skip_zero_inputs: bool) -> tuple[Examples, Array | None]:
    """Training examples and the indices of their columns; None for all columns."""
    arrays = map_arrays(data)
    if skip_zero_inputs and len(arrays.used) < arrays.x_train[0].size:
        return device_examples(arrays.x_used, arrays.y_train, data.scale), jnp.asarray(arrays.used)
    return device_examples(arrays.x_train, arrays.y_train, data.scale), None


@lru_cache(maxsize=2)
def test_examples(data: DataReference) -> Examples:
    """Test examples with all columns."""
    arrays = map_arrays(data)
    return device_examples(arrays.x_test, arrays.y_test, data.scale)


def given_examples(arrays: ArraysInMemory) -> tuple[Examples, Examples]:
    """Training and test examples with all columns."""
    train, test = (device_examples(*part, 1.0) for part in ((arrays.x, arrays.y), arrays.tested))
    return train._replace(weight=None if arrays.weight is None else jnp.asarray(arrays.weight)), test


def device_examples(x: NDArray[Any], y: NDArray[np.integer[Any]], scale: float) -> Examples:
    """Put examples on the device."""
    # On a CPU device_put, unlike asarray, uses the mapped file in place, so that all workers share one copy.
    return Examples(jax.device_put(x.reshape(len(x), -1)), jnp.asarray(y, jnp.int32), np.float32(scale))


@jax.jit
def _gather(layers: Params, used: Array) -> Params:
    first, *rest = layers
    return first._replace(kernel_OxI=first.kernel_OxI[:, :, used]), *rest


@jax.jit
def _scatter(layers: Params, used: Array, kernels_LxOxI: Array) -> Params:
    first, *rest = layers
    return first._replace(kernel_OxI=kernels_LxOxI.at[:, :, used].set(first.kernel_OxI)), *rest
