"""The two compiled programs of a run: one epoch of training, and one evaluation.

Everything that differs between arms is traced (rate, seed, learning rate), so the arms of one shape share both. Pixels
stay uint8 in memory, one copy for all, and are scaled a batch at a time.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike, DTypeLike

from dropstudy.engine import draws, network
from dropstudy.engine.network import BatchScore, Operands, Params
from dropstudy.engine.optimizers import AdamSettings, AdamState, adam_start, adam_step

EVALUATION_ROWS = 1000
"""Examples per evaluation batch: large enough for the matrix products, small enough for a core's cache."""


class State(NamedTuple):
    """All that training changes. Epochs done say where the draws stand."""

    params: Params
    moments: AdamState


class Settings(NamedTuple):
    """What differs between the runs of one shape, as traced scalars."""

    rate: ArrayLike
    seed: ArrayLike
    adam: AdamSettings


class Examples(NamedTuple):
    """Rows of the data, (n, features) uint8 or float32, their labels, (n,) int32, and the scale of the inputs."""

    x: Array
    y: Array
    scale: ArrayLike


class Answers(NamedTuple):
    """What the network says about each example evaluated: probabilities reduced to what is kept of them, (n,) each."""

    label: Array
    confidence: Array
    likelihood: Array
    brier: Array


@partial(jax.jit, static_argnames="widths")
def start(seed: ArrayLike, widths: tuple[int, ...]) -> State:
    """The state before the first epoch."""
    params = network.init(seed, widths)
    return State(params, adam_start(params))


def _in_batches(index: Array, rows: int) -> tuple[Array, Array]:
    """Cut an index into batches of `rows`, the last padded: (batches, rows) indices and weights, 1 or 0."""
    batches = -(-index.shape[0] // rows)
    padding = batches * rows - index.shape[0]
    weight = jnp.pad(jnp.ones(index.shape[0], jnp.float32), (0, padding))
    return jnp.pad(index, (0, padding)).reshape(batches, rows), weight.reshape(batches, rows)


@partial(jax.jit, static_argnames=("batch_size", "compute"), donate_argnames="state")
def train_epoch(
    state: State,
    data: Examples,
    index: Array,
    epoch: ArrayLike,
    settings: Settings,
    *,
    batch_size: int,
    compute: DTypeLike,
) -> tuple[State, BatchScore]:
    """One pass over the training examples in a fresh order, the smaller last batch included.

    Args:
        state: weights and moments, consumed.
        data: rows to train on, among others.
        index: which rows are the training examples, (n,) int32.
        epoch: from 0; with the batch number it gives the step that keys the masks.
        settings: of this run.
        batch_size: examples per step.
        compute: type of the products' operands.

    Returns:
        The new state, and mean loss and accuracy as Keras reports them: while the weights move, dropout on, each
        batch weighted by its size.
    """
    order = draws.permutation(draws.derive(settings.seed, draws.Purpose.SHUFFLE, epoch), index.shape[0])
    batches, weights = _in_batches(index[order], batch_size)
    first_step = jnp.asarray(epoch, jnp.int32) * batches.shape[0]

    # In bfloat16 the kernels' operands travel from step to step: made in the optimiser's pass, while the weights are in
    # the cache, and transposed there, where XLA cannot fold the transposition into the product (see network.py).
    carried = compute != jnp.float32

    def step(
        carry: tuple[State, tuple[Operands, ...] | None], batch: tuple[Array, Array, Array]
    ) -> tuple[tuple[State, tuple[Operands, ...] | None], BatchScore]:
        state, kernels = carry
        rows, weight, number = batch
        sums, gradients = network.loss_and_gradients(
            state.params,
            kernels or network.operands(state.params, compute),
            network.scaled(data.x[rows], data.scale),
            data.y[rows],
            weight,
            rate=settings.rate,
            seed=settings.seed,
            step=number,
            compute=compute,
        )
        state = State(*adam_step(state.params, state.moments, gradients, number, settings.adam))
        return (state, network.operands(state.params, compute) if carried else None), sums

    numbers = first_step + jnp.arange(batches.shape[0], dtype=jnp.int32)
    first = (state, network.operands(state.params, compute) if carried else None)
    (state, _), sums = lax.scan(step, first, (batches, weights, numbers))
    return state, BatchScore(sums.loss.sum() / index.shape[0], sums.correct.sum() / index.shape[0])


@partial(jax.jit, static_argnames="compute")
def evaluate(params: Params, data: Examples, index: Array, *, compute: DTypeLike) -> BatchScore:
    """Mean loss and accuracy on the rows that `index` names, dropout off."""

    def batch(_: None, rows_and_weight: tuple[Array, Array]) -> tuple[None, BatchScore]:
        rows, weight = rows_and_weight
        logits = network.logits(params, network.scaled(data.x[rows], data.scale), compute)
        return None, network.score(logits, data.y[rows], weight)

    _, sums = lax.scan(batch, None, _in_batches(index, min(EVALUATION_ROWS, index.shape[0])))
    return BatchScore(sums.loss.sum() / index.shape[0], sums.correct.sum() / index.shape[0])


@jax.jit
def answer(params: Params, data: Examples) -> Answers:
    """What the network says about every row, in float32, dropout off."""
    n = data.x.shape[0]

    def batch(_: None, rows_and_weight: tuple[Array, Array]) -> tuple[None, Answers]:
        rows, _weight = rows_and_weight
        y = data.y[rows]
        logits = network.logits(params, network.scaled(data.x[rows], data.scale), jnp.float32)
        p_CxB = jax.nn.softmax(logits, axis=0)
        one_hot_CxB = jax.nn.one_hot(y, p_CxB.shape[0], axis=0)
        return None, Answers(
            label=p_CxB.argmax(axis=0),
            confidence=p_CxB.max(axis=0),
            likelihood=jnp.take_along_axis(p_CxB, y[None, :], axis=0)[0],
            brier=jnp.square(p_CxB - one_hot_CxB).sum(axis=0),
        )

    _, answers = lax.scan(batch, None, _in_batches(jnp.arange(n), min(EVALUATION_ROWS, n)))
    return Answers(*(values.reshape(-1)[:n] for values in answers))
