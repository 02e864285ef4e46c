"""The compiled programs of a Keras network: one training step, and the evaluation of a batch.

A step is a call of its own, so that any cut of a run gives the same bits. A loop of steps inside one program, as in
`engine/mlp/programs.py`, would save a fraction of a millisecond in each. The last batch of an epoch may be smaller. It
is not padded, since batch statistics would count the padding: the program is compiled for both sizes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dropstudy.engine.keras.cpu import compiler_options
from dropstudy.engine.keras.network import Values
from dropstudy.engine.keras.noise import Draws
from dropstudy.engine.mlp import rng
from dropstudy.engine.mlp.dropout import schedule_scale
from dropstudy.engine.mlp.network import BatchScore
from dropstudy.engine.mlp.rules import AFTER_TRAINING, Purpose
from dropstudy.engine.mlp.state import RunningSums, add_batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jax import Array
    from numpy.typing import NDArray

    from dropstudy.engine.keras.network import Network
    from dropstudy.engine.mlp.config import NoiseConfig, StaticConfig

EVALUATION_ROWS = 256
"""Examples per evaluation batch, the last one padded: a convolution's outputs of more would leave the cache."""


class Examples(NamedTuple):
    """Examples on the device: inputs as stored, (n, ...), labels, and the scale that inputs are divided by."""

    x: Array
    y: Array
    scale: Array


class State(NamedTuple):
    """All arrays that a training step changes."""

    values: Values
    optimizer: list[Array]
    running: RunningSums


class Noise(NamedTuple):
    """Noise of a run.

    Args:
        seed: of the draws.
        rates: of each noise layer, (layers,).
        moved: layers whose rate the arm sets, and its schedule changes, (layers,).
        schedule: of the arm.
    """

    seed: Array
    rates: Array
    moved: Array
    schedule: NoiseConfig


class Programs:
    """Programs of one network, the same ones for all rates, also for 0: a study compiles them once.

    Args:
        network: whose model they call.
        static: of the runs; only the schedule counts.
        batch_size: examples per step.
    """

    def __init__(self, network: Network, static: StaticConfig, batch_size: int) -> None:
        self._network, self._static, self._batch = network, static, batch_size
        options = compiler_options()
        self._step = jax.jit(self._train, donate_argnums=0, compiler_options=options)
        self._clean = jax.jit(self._evaluated, compiler_options=options)
        self._noisy = jax.jit(self._evaluated_with_noise, compiler_options=options)

    def train(
        self,
        state: State,
        data: Examples,
        index: Array,
        noise: Noise,
        *,
        seed: int,
        epoch: int,
        first: int,
        count: int,
    ) -> State:
        """Take some steps of an epoch, a pass over the shuffled training examples.

        Args:
            state: its memory is reused.
            data: rows to train on, among others.
            index: rows of the training examples, (n,) int32.
            noise: of the run.
            seed: of the order of examples.
            epoch: from 0.
            first: steps of this epoch that were taken before.
            count: steps to take, at most the rest of the epoch.
        """
        steps = -(-len(index) // self._batch)
        order = np.asarray(_order(jnp.uint32(seed), jnp.int32(epoch), index))
        for number in range(first, first + count):
            rows = order[number * self._batch : (number + 1) * self._batch]
            state = self._step(state, data, rows, noise, np.int32(epoch * steps + number))
        return state

    def log_probabilities(
        self, values: Values, data: Examples, index: Array, noise: Noise | None = None, step: int = 0
    ) -> NDArray[np.float32]:
        """Logarithms of the probabilities of the classes for the rows `index`, (n, classes).

        Args:
            values: of the network.
            data: rows, among others.
            index: which.
            noise: evaluate with this noise, at the rates of `step`; its draws are ones that training never reaches.
            step: of training.
        """
        found = []
        for number, rows in enumerate(_batches(np.asarray(index))):
            x = _load(data, rows)
            if noise is None:
                found.append(self._clean(values, x))
            else:
                draws_at = jnp.uint32(AFTER_TRAINING + number)
                found.append(self._noisy(values, x, noise, jnp.int32(step), draws_at))
        return np.concatenate(jax.device_get(found))[: len(index)]

    # Inside

    def _train(self, state: State, data: Examples, rows: Array, noise: Noise, step: Array) -> State:
        x, y = _load(data, rows), data.y[rows]
        draws = Draws(noise.seed, step, self._rates(noise, step))

        def loss(trainable: list[Array]) -> tuple[Array, tuple[Array, list[Array]]]:
            values = Values(trainable, state.values.other)
            outputs, other, penalty = self._network.outputs(values, x, draws, training=True)
            return self._network.loss(y, outputs) + penalty, (outputs, other)

        gradients, (outputs, other) = jax.grad(loss, has_aux=True)(state.values.trainable)
        trainable, optimizer = self._network.optimizer.stateless_apply(
            state.optimizer, gradients, state.values.trainable
        )
        log_p = self._network.log_probabilities(outputs)
        sums = BatchScore(
            -jnp.take_along_axis(log_p, y[:, None], axis=1).sum(),
            (log_p.argmax(axis=1) == y).astype(jnp.float32).sum(),
        )
        return State(Values(list(trainable), other), list(optimizer), add_batch(state.running, sums))

    def _rates(self, noise: Noise, step: Array) -> Array:
        """Rates of the noise layers at a step of the whole run."""
        scale = schedule_scale(step, noise.schedule, self._static)
        return jnp.where(noise.moved, noise.rates * scale, noise.rates)

    def _evaluated(self, values: Values, x: Array) -> Array:
        return self._network.log_probabilities(self._network.outputs(values, x, None, training=False)[0])

    def _evaluated_with_noise(
        self, values: Values, x: Array, noise: Noise, step: Array, draws_at: Array
    ) -> Array:
        draws = Draws(noise.seed, draws_at, self._rates(noise, step), always=True)
        return self._network.log_probabilities(self._network.outputs(values, x, draws, training=False)[0])


@jax.jit
def _order(seed: Array, epoch: Array, index: Array) -> Array:
    """The rows of `index` in the order of an epoch."""
    return index[rng.permutation(rng.derive(seed, Purpose.SHUFFLE, epoch), index.shape[0])]


@jax.jit
def _load(data: Examples, rows: Array) -> Array:
    return data.x[rows].astype(jnp.float32) / data.scale


def _batches(index: NDArray[np.int32]) -> Iterator[NDArray[np.int32]]:
    """Evaluation batches of an index; the first row fills the last one up, so that all have one shape."""
    padding = -len(index) % EVALUATION_ROWS
    padded = np.concatenate([index, np.broadcast_to(index[:1], padding)])
    yield from padded.reshape(-1, EVALUATION_ROWS)
