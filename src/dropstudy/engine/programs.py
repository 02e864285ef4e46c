"""The compiled programs of a group of runs: one epoch of training, one evaluation, the answers on a test set.

A group's runs have one shape and train side by side; a run's place is its lane. State, settings and rows carry a
leading axis of lanes. Several lanes are vectorised; a single one is compiled as if there were no such axis, because
on a CPU a batched product of one is slower than a product. Pixels stay uint8 in memory, one copy for all lanes, and
are scaled a batch at a time.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import jax
import jax.numpy as jnp
from jax import Array, lax

from dropstudy.engine import draws, network, optimizers
from dropstudy.engine.network import BatchScore, Operands, Params

if TYPE_CHECKING:
    from collections.abc import Callable

    from jax.typing import ArrayLike

    from dropstudy.engine.optimizers import Moments
    from dropstudy.engine.recipe import Recipe, Settings

T = TypeVar("T")

EVALUATION_ROWS = 1000
"""Examples per evaluation batch: large enough for the matrix products, small enough for a core's cache."""


class State(NamedTuple):
    """All that training changes. Epochs done say where the draws stand."""

    params: Params
    moments: Moments


class Examples(NamedTuple):
    """Rows of the data, (n, features) uint8 or float32, their labels, (n,) int32, and the scale of the inputs."""

    x: Array
    y: Array
    scale: ArrayLike


class Answers(NamedTuple):
    """What the network says about each example, reduced to what is kept of its probabilities: (lanes, n) each."""

    loss: Array
    label: Array
    confidence: Array
    likelihood: Array
    brier: Array


@partial(jax.jit, static_argnames=("widths", "optimizer"))
def start(seeds: Array, *, widths: tuple[int, ...], optimizer: str) -> State:
    """The states of runs with `seeds`, (lanes,) uint32, before the first epoch."""

    def one(seed: Array) -> State:
        params = network.init(seed, widths)
        return State(params, optimizers.start(params, optimizer))

    return _over_lanes(one, seeds)


@partial(jax.jit, static_argnames="recipe", donate_argnames="state")
def train_epoch(
    state: State, data: Examples, index: Array, epoch: ArrayLike, settings: Settings, *, recipe: Recipe
) -> tuple[State, BatchScore]:
    """One pass over the training examples in a fresh order, the smaller last batch included.

    Args:
        state: weights and moments, consumed.
        data: rows to train on, among others.
        index: which rows are the training examples of each lane, (lanes, n) int32.
        epoch: from 0; with the batch number it gives the step that keys the masks.
        settings: of each lane.
        recipe: what is compiled in.

    Returns:
        The new state, and summed loss and number of correct answers, (lanes,): while the weights move, noise on, as
        Keras' running means have them.
    """
    one = partial(_train_epoch, data=data, epoch=jnp.asarray(epoch, jnp.int32), recipe=recipe)
    return _over_lanes(one, state, index, settings)


@partial(jax.jit, static_argnames=("compute", "activation"))
def evaluate(params: Params, data: Examples, index: Array, *, compute: str, activation: str) -> BatchScore:
    """Summed loss and correct answers, (lanes,), on the rows that `index`, (lanes, n), names; noise off."""

    def one(params: Params, index: Array) -> BatchScore:
        def batch(_: None, rows_and_weight: tuple[Array, Array]) -> tuple[None, BatchScore]:
            rows, weight = rows_and_weight
            x_BxI = network.scaled(data.x[rows], data.scale)
            return None, network.score(
                network.logits(params, x_BxI, compute, activation), data.y[rows], weight
            )

        _, sums = lax.scan(batch, None, _in_batches(index, min(EVALUATION_ROWS, index.shape[0])))
        return BatchScore(sums.loss.sum(), sums.correct.sum())

    return _over_lanes(one, params, index)


@partial(jax.jit, static_argnames="activation")
def answer(params: Params, data: Examples, *, activation: str) -> Answers:
    """What each lane's network says about every row, in float32, noise off."""
    n = data.x.shape[0]

    def one(params: Params) -> Answers:
        def batch(_: None, rows_and_weight: tuple[Array, Array]) -> tuple[None, Answers]:
            rows, _weight = rows_and_weight
            y = data.y[rows]
            x_BxI = network.scaled(data.x[rows], data.scale)
            logits_CxB = network.logits(params, x_BxI, "float32", activation)
            log_p_CxB = jax.nn.log_softmax(logits_CxB, axis=0)
            p_CxB = jnp.exp(log_p_CxB)
            one_hot_CxB = jax.nn.one_hot(y, p_CxB.shape[0], axis=0)
            return None, Answers(
                loss=-jnp.take_along_axis(log_p_CxB, y[None, :], axis=0)[0],
                label=logits_CxB.argmax(axis=0),
                confidence=p_CxB.max(axis=0),
                likelihood=jnp.take_along_axis(p_CxB, y[None, :], axis=0)[0],
                brier=jnp.square(p_CxB - one_hot_CxB).sum(axis=0),
            )

        _, answers = lax.scan(batch, None, _in_batches(jnp.arange(n), min(EVALUATION_ROWS, n)))
        return Answers(*(values.reshape(-1)[:n] for values in answers))

    return _over_lanes(one, params)


@partial(jax.jit, static_argnames="count")
def sample(seeds: Array, index: Array, *, count: int) -> Array:
    """`count` rows of each lane's `index`, (lanes, n), drawn without replacement: the same in every epoch and arm."""

    def one(seed: Array, index: Array) -> Array:
        key = draws.derive(seed, draws.Purpose.SAMPLE)
        return index[draws.permutation(key, index.shape[0])[:count]]

    return _over_lanes(one, seeds, index)


def _train_epoch(
    state: State, index: Array, settings: Settings, *, data: Examples, epoch: Array, recipe: Recipe
) -> tuple[State, BatchScore]:
    order = draws.permutation(draws.derive(settings.seed, draws.Purpose.SHUFFLE, epoch), index.shape[0])
    batches, weights = _in_batches(index[order], recipe.batch_size)
    numbers = epoch * batches.shape[0] + jnp.arange(batches.shape[0], dtype=jnp.int32)

    # In bfloat16 the kernels' operands travel from step to step: made in the optimiser's pass, while the weights are in
    # the cache, and transposed there, where XLA cannot fold the transposition into the product (see network.py).
    def carried(params: Params) -> tuple[Operands, ...] | None:
        return None if recipe.compute == "float32" else network.operands(params, recipe.compute)

    def step(
        carry: tuple[State, tuple[Operands, ...] | None], batch: tuple[Array, Array, Array]
    ) -> tuple[tuple[State, tuple[Operands, ...] | None], BatchScore]:
        (params, moments), kernels = carry
        rows, weight, number = batch
        sums, gradients = network.loss_and_gradients(
            params,
            kernels or network.operands(params, recipe.compute),
            network.scaled(data.x[rows], data.scale),
            data.y[rows],
            weight,
            settings=settings,
            recipe=recipe,
            step=number,
        )
        params, moments = optimizers.update(
            params, moments, gradients, step=number, epoch=epoch, settings=settings.optimizer
        )
        if recipe.max_norm:
            params = network.limited(params, settings.max_norm)
        return (State(params, moments), carried(params)), sums

    (state, _), sums = lax.scan(step, (state, carried(state.params)), (batches, weights, numbers))
    return state, BatchScore(sums.loss.sum(), sums.correct.sum())


def _in_batches(index: Array, rows: int) -> tuple[Array, Array]:
    """Cut an index into batches of `rows`, the last padded: (batches, rows) indices and weights, 1 or 0."""
    batches = -(-index.shape[0] // rows)
    padding = batches * rows - index.shape[0]
    weight = jnp.pad(jnp.ones(index.shape[0], jnp.float32), (0, padding))
    return jnp.pad(index, (0, padding)).reshape(batches, rows), weight.reshape(batches, rows)


def _over_lanes(one: Callable[..., T], *stacked: Any) -> T:
    """Call `one` for every lane of arguments with a leading axis of lanes, side by side."""
    lanes = jax.tree.leaves(stacked)[0].shape[0]
    if lanes > 1:
        return jax.vmap(one)(*stacked)
    alone = jax.tree.map(lambda array: array[0], stacked)
    return cast("T", jax.tree.map(lambda array: jnp.expand_dims(array, 0), one(*alone)))
