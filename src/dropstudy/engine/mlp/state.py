"""State of training, all that a resumed run needs: arrays of (lanes, ...) on the device, named arrays elsewhere.

By name, `weights/`, `m/` and `v/` hold the layers, `running/` the sums of an epoch that is under way, and `best/` the
weights of lowest validation loss where a run keeps them. Outside this room a kernel has Keras' layout, (in, out).
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

    from dropstudy.core.types import State as Named

WEIGHTS, BEST = "weights", "best"
_MOMENTS = ("m", "v")
_RUNNING = "running"
_SECONDS = "running/seconds"


class RunningSums(NamedTuple):
    """Sums over the steps of an epoch that is under way.

    Args:
        loss: summed cross-entropy, float32.
        lost: what rounding has kept out of it (Kahan 1965), so that a long epoch's sum is as good as a short one's.
        correct: number of correct answers, int32.
    """

    loss: Array
    lost: Array
    correct: Array


class State(NamedTuple):
    """All that a training step changes. The number of steps taken says where the draws stand."""

    params: Params
    moments: Moments
    running: RunningSums


def zero_sums() -> RunningSums:
    """The sums before an epoch's first step."""
    return RunningSums(jnp.float32(0), jnp.float32(0), jnp.int32(0))


def add_batch(running: RunningSums, sums: BatchScore) -> RunningSums:
    """The sums with one more batch."""
    loss = sums.loss - running.lost
    total = running.loss + loss
    return RunningSums(total, (total - running.loss) - loss, running.correct + sums.correct.astype(jnp.int32))


def reset_sums(state: State) -> State:
    """The state at the start of the next epoch."""
    return state._replace(running=jax.tree.map(jnp.zeros_like, state.running))


def pack(state: State, lane: int, seconds: float) -> Named:
    """One lane's state by name.

    Args:
        state: of the group.
        lane: which.
        seconds: that the epoch under way has taken so far.
    """
    arrays = pack_layers(WEIGHTS, state.params, lane)
    for part, layers in zip(_MOMENTS, state.moments, strict=True):
        arrays |= pack_layers(part, layers or (), lane)
    for name, values in state.running._asdict().items():
        arrays[f"{_RUNNING}/{name}"] = np.asarray(values[lane])
    arrays[_SECONDS] = np.asarray(seconds, np.float64)
    return arrays


def epoch_seconds(arrays: Named) -> float:
    """Seconds that the current epoch had taken when `pack` was called."""
    return float(arrays.get(_SECONDS, 0))


def pack_layers(part: str, layers: Params, lane: int) -> Named:
    """One lane's layers by name."""
    arrays: Named = {}
    for number, dense in enumerate(layers):
        arrays[f"{part}/dense_{number}/kernel"] = np.ascontiguousarray(np.asarray(dense.kernel_OxI[lane]).T)
        arrays[f"{part}/dense_{number}/bias"] = np.asarray(dense.bias_O[lane])
    return arrays


def unpack(lanes: Sequence[Named]) -> State:
    """The state of a group. Its arrays are copies, because training consumes them and the caller's are not ours to."""
    m, v = (unpack_layers(part, lanes) for part in _MOMENTS)
    # A state of an earlier version was taken at an epoch's end, where nothing is running.
    running = (
        jnp.array(np.stack([arrays.get(f"{_RUNNING}/{name}", np.asarray(zero)) for arrays in lanes]))
        for name, zero in zero_sums()._asdict().items()
    )
    return State(unpack_layers(WEIGHTS, lanes), Moments(m, v or None), RunningSums(*running))


def unpack_layers(part: str, lanes: Sequence[Named]) -> Params:
    """The layers of a group, none where they have no such part."""
    depth = sum(name.startswith(f"{part}/dense_") for name in lanes[0]) // 2
    return tuple(
        Dense(
            jnp.array(np.stack([arrays[f"{part}/dense_{number}/kernel"].T for arrays in lanes])),
            jnp.array(np.stack([arrays[f"{part}/dense_{number}/bias"] for arrays in lanes])),
        )
        for number in range(depth)
    )
