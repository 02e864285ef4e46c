"""State of training, all that a resumed run needs: arrays of (lanes, ...) on the device, named arrays in checkpoints.

In a checkpoint `weights/`, `m/` and `v/` are the layers, `running/` the sums of the current epoch, and `best/` the
weights of lowest validation loss, if a run keeps them. A checkpoint's kernels have Keras' layout, (in, out).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from dropstudy.engine.mlp.network import BatchScore, Dense, Params
from dropstudy.engine.mlp.optimizers import Moments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.types import State as NamedArrays

WEIGHTS, BEST = "weights", "best"
_MOMENTS = ("m", "v")
_RUNNING = "running"
_SECONDS = "running/seconds"


class RunningSums(NamedTuple):
    """Sums over the steps of the current epoch.

    Args:
        loss: summed cross-entropy, float32.
        lost: rounding error of `loss` (Kahan 1965), so that the sum of a long epoch is as exact as that of a short one.
        correct: number of correct predictions, int32.
    """

    loss: Array
    lost: Array
    correct: Array


class State(NamedTuple):
    """All arrays that a training step changes."""

    params: Params
    moments: Moments
    running: RunningSums


def zero_sums() -> RunningSums:
    """Sums before the first step of an epoch."""
    return RunningSums(jnp.float32(0), jnp.float32(0), jnp.int32(0))


def add_batch(running: RunningSums, sums: BatchScore) -> RunningSums:
    """Add one batch to the sums."""
    loss = sums.loss - running.lost
    total = running.loss + loss
    return RunningSums(total, (total - running.loss) - loss, running.correct + sums.correct.astype(jnp.int32))


def reset_sums(state: State) -> State:
    """Set the sums to zero for the next epoch."""
    return state._replace(running=jax.tree.map(jnp.zeros_like, state.running))


def pack(state: State, lane: int, seconds: float) -> NamedArrays:
    """One lane's state as named arrays.

    Args:
        state: of the group.
        lane: index of the lane.
        seconds: duration of the current epoch so far.
    """
    arrays = pack_layers(WEIGHTS, state.params, lane)
    for part, layers in zip(_MOMENTS, state.moments, strict=True):
        arrays |= pack_layers(part, layers or (), lane)
    for name, values in state.running._asdict().items():
        arrays[f"{_RUNNING}/{name}"] = np.asarray(values[lane])
    arrays[_SECONDS] = np.asarray(seconds, np.float64)
    return arrays


def epoch_seconds(arrays: NamedArrays) -> float:
    """Duration of the current epoch when `pack` was called."""
    return float(arrays[_SECONDS])


def pack_layers(part: str, layers: Params, lane: int) -> NamedArrays:
    """One lane's layers as named arrays."""
    arrays: NamedArrays = {}
    for number, dense in enumerate(layers):
        arrays[f"{part}/dense_{number}/kernel"] = np.ascontiguousarray(np.asarray(dense.kernel_OxI[lane]).T)
        arrays[f"{part}/dense_{number}/bias"] = np.asarray(dense.bias_O[lane])
    return arrays


def unpack(lanes: Sequence[NamedArrays]) -> State:
    """State of a group from its lanes' named arrays, which are copied because training overwrites the state."""
    m, v = (unpack_layers(part, lanes) for part in _MOMENTS)
    running = (
        jnp.array(np.stack([arrays[f"{_RUNNING}/{name}"] for arrays in lanes]))
        for name in RunningSums._fields
    )
    return State(unpack_layers(WEIGHTS, lanes), Moments(m, v or None), RunningSums(*running))


def unpack_layers(part: str, lanes: Sequence[NamedArrays]) -> Params:
    """Layers of a group from its lanes' named arrays; none if they have no such part."""
    depth = sum(name.startswith(f"{part}/dense_") for name in lanes[0]) // 2
    return tuple(
        Dense(
            jnp.array(np.stack([arrays[f"{part}/dense_{number}/kernel"].T for arrays in lanes])),
            jnp.array(np.stack([arrays[f"{part}/dense_{number}/bias"] for arrays in lanes])),
        )
        for number in range(depth)
    )
