"""Compiled programs of a group of runs: training steps, evaluation, predictions.

The runs of a group have equal array shapes and train side by side; the index of a run is its lane. State,
configuration and rows have a leading axis of lanes. Several lanes are vectorised. A single lane is compiled without
that axis, because a batched product is slower than a plain one on a CPU. Inputs keep their type, for
instance uint8, in memory: one copy for all lanes, scaled a batch at a time.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import jax
import jax.numpy as jnp
from jax import Array, lax

from dropstudy.engine.mlp import dropout, network, optimizers, rng
from dropstudy.engine.mlp.rules import AFTER_TRAINING, EVALUATION_ROWS, Purpose
from dropstudy.engine.mlp.state import State, add_batch, zero_sums

if TYPE_CHECKING:
    from collections.abc import Callable

    from jax.typing import ArrayLike, DTypeLike

    from dropstudy.engine.mlp.config import StaticConfig, TracedConfig
    from dropstudy.engine.mlp.network import BatchScore, Operands, Params

T = TypeVar("T")


class Examples(NamedTuple):
    """Rows of the data, (n, features) uint8 or float32, their labels, (n,) int32, and the scale of the inputs.

    `weight` is that of each example's loss, (n,), above 0; None for 1.
    """

    x: Array
    y: Array
    scale: ArrayLike
    weight: Array | None = None

    def weighted(self, rows: Array, counted: Array) -> Array:
        """Weights of rows of which some count, 1, and others are padding, 0."""
        return counted if self.weight is None else counted * self.weight[rows]


class Predictions(NamedTuple):
    """Predictions and scores for each example, (lanes, n) each; see `FinalMetrics`. Probabilities: (lanes, n, c)."""

    loss: Array
    label: Array
    confidence: Array
    likelihood: Array
    brier: Array
    probabilities: Array


@partial(jax.jit, static_argnames=("widths", "optimizer"))
def start(seeds: Array, *, widths: tuple[int, ...], optimizer: str) -> State:
    """Initial states of runs with `seeds`, (lanes,) uint32."""

    def one(seed: Array) -> State:
        params = network.init(seed, widths)
        return State(params, optimizers.start(params, optimizer), zero_sums())

    return _over_lanes(one, seeds)


@partial(jax.jit, static_argnames="static", donate_argnames="state")
def train_steps(
    state: State,
    data: Examples,
    index: Array,
    traced: TracedConfig,
    *,
    epoch: ArrayLike,
    first: ArrayLike,
    count: ArrayLike,
    static: StaticConfig,
) -> State:
    """Take some steps of an epoch, a pass over the shuffled training examples whose last batch may be smaller.

    The number of steps is traced: one call for an epoch and many calls give the same bits.

    Args:
        state: weights, moments and sums; their memory is reused.
        data: rows to train on, among others.
        index: rows of each lane's training examples, (lanes, n) int32.
        traced: of each lane.
        epoch: from 0.
        first: steps of this epoch that were taken before.
        count: steps to take, at most the rest of the epoch.
        static: of the group.
    """
    epoch, first = jnp.asarray(epoch, jnp.int32), jnp.asarray(first, jnp.int32)
    last = first + jnp.asarray(count, jnp.int32)
    # Noise on the inputs is multiplied in float32.
    given = "float32" if static.input_noise else static.compute

    def one(state: State, index: Array, traced: TracedConfig) -> State:
        order = rng.permutation(rng.derive(traced.seeds.order, Purpose.SHUFFLE, epoch), index.shape[0])
        batches, weights = _in_batches(index[order], static.batch_size)

        # Operands are carried from step to step. They are computed in the optimiser's pass, while the weights are in
        # the cache, and transposed there, where XLA cannot fold the transpose into the product (see network.py).
        def step(number: Array, carry: tuple[State, tuple[Operands, ...]]) -> Any:
            (params, moments, running), kernels = carry
            rows, since_start = batches[number], epoch * batches.shape[0] + number
            sums, factors = network.loss_and_gradient_factors(
                params,
                kernels,
                network.load_rows(data.x, rows, data.scale, given),
                data.y[rows],
                data.weighted(rows, weights[number]),
                traced=traced,
                static=static,
                step=since_start,
            )
            gradients = network.gradients(params, factors, traced=traced, static=static)
            params, moments = optimizers.update(
                params, moments, gradients, step=since_start, epoch=epoch, hyper=traced.optimizer
            )
            if static.max_norm:
                params = network.apply_max_norm(params, traced.max_norm)
            kernels = network.operands(params, static.compute)
            return State(params, moments, add_batch(running, sums)), kernels

        carry = (state, network.operands(state.params, static.compute))
        trained: State = lax.fori_loop(first, last, step, carry)[0]
        return trained

    return _over_lanes(one, state, index, traced)


@partial(jax.jit, static_argnames=("compute", "activation"))
def evaluate(
    params: Params, data: Examples, index: Array, *, compute: DTypeLike, activation: str
) -> BatchScore:
    """Summed loss and correct predictions without noise, (lanes,), on the rows `index`, (lanes, n)."""

    def one(params: Params, index: Array) -> BatchScore:
        def batch(rows: Array, weight_B: Array, _: Array) -> BatchScore:
            x_BxI = network.load_rows(data.x, rows, data.scale, compute)
            z_CxB = network.logits(params, x_BxI, compute, activation)
            return network.score(z_CxB, data.y[rows], data.weighted(rows, weight_B))

        sums: BatchScore = jax.tree.map(jnp.sum, _by_batch(batch, index))
        return sums

    return _over_lanes(one, params, index)


@partial(jax.jit, static_argnames="static")
def evaluate_with_noise(
    params: Params, data: Examples, index: Array, step: Array, traced: TracedConfig, *, static: StaticConfig
) -> tuple[BatchScore, BatchScore]:
    """Evaluate in float32 without and with noise, as `evaluate`; both share what does not depend on the noise.

    Args:
        params: the networks.
        data: rows, among others.
        index: rows to evaluate on.
        step: last training step of each lane, (lanes,), from 0, for the schedule's noise rate. The draws are those of
            steps that training never reaches.
        traced: of each lane.
        static: of the group.
    """
    in_float32 = static._replace(compute="float32")

    def one(params: Params, index: Array, step: Array, traced: TracedConfig) -> tuple[BatchScore, BatchScore]:
        rates = dropout.rates_at(step, traced.noise, in_float32)
        kernels = network.operands(params, "float32")

        def batch(rows: Array, weight_B: Array, number: Array) -> tuple[BatchScore, ...]:
            x_BxI = network.load_rows(data.x, rows, data.scale, in_float32.compute)
            clean_CxB = network.logits(params, x_BxI, in_float32.compute, static.activation)
            noisy = network.noisy_forward(
                params,
                kernels,
                x_BxI,
                rates=rates,
                traced=traced,
                static=in_float32,
                step=jnp.uint32(AFTER_TRAINING) + number,
            )
            return tuple(
                network.score(z_CxB, data.y[rows], data.weighted(rows, weight_B))
                for z_CxB in (clean_CxB, noisy.logits_CxB)
            )

        sums: tuple[BatchScore, BatchScore] = jax.tree.map(jnp.sum, _by_batch(batch, index))
        return sums

    return _over_lanes(one, params, index, step, traced)


@jax.jit
def select(chosen: Array, params: Params, others: Params) -> Params:
    """Weights of `params` for lanes where `chosen`, (lanes,) bool, is true, else of `others`."""

    def one(chosen: Array, params: Params, others: Params) -> Params:
        selected: Params = jax.tree.map(partial(jnp.where, chosen), params, others)
        return selected

    return _over_lanes(one, chosen, params, others)


@partial(jax.jit, static_argnames=("compute", "activation"))
def predict(
    params: Params, data: Examples, index: Array | None = None, *, compute: DTypeLike, activation: str
) -> Predictions:
    """Predictions of each lane's network without noise, for its rows of `index`, (lanes, n), else for all rows."""

    def one(params: Params, index: Array | None) -> Predictions:
        index = jnp.arange(data.x.shape[0]) if index is None else index
        n = index.shape[0]

        def batch(rows: Array, _weight: Array, _number: Array) -> Predictions:
            y_B = data.y[rows]
            x_BxI = network.load_rows(data.x, rows, data.scale, compute)
            logits_CxB = network.logits(params, x_BxI, compute, activation)
            log_p_CxB = jax.nn.log_softmax(logits_CxB, axis=0)
            p_CxB = jnp.exp(log_p_CxB)
            one_hot_CxB = jax.nn.one_hot(y_B, p_CxB.shape[0], axis=0)
            return Predictions(
                loss=-jnp.take_along_axis(log_p_CxB, y_B[None, :], axis=0)[0],
                label=logits_CxB.argmax(axis=0),
                confidence=p_CxB.max(axis=0),
                likelihood=jnp.take_along_axis(p_CxB, y_B[None, :], axis=0)[0],
                brier=jnp.square(p_CxB - one_hot_CxB).sum(axis=0),
                probabilities=p_CxB.T,
            )

        found = _by_batch(batch, index)
        return Predictions(*(values.reshape(-1, *values.shape[2:])[:n] for values in found))

    return _over_lanes(one, params, index)


@partial(jax.jit, static_argnames="count")
def sample(seeds: Array, index: Array, *, count: int) -> Array:
    """Draw `count` rows of each lane's `index`, (lanes, n), without replacement: the same for all epochs and arms."""

    def one(seed: Array, index: Array) -> Array:
        key = rng.derive(seed, Purpose.SAMPLE)
        return index[rng.permutation(key, index.shape[0])[:count]]

    return _over_lanes(one, seeds, index)


def _by_batch(batch: Callable[[Array, Array, Array], T], index: Array) -> T:
    """Call `batch(rows, weights, number)` for each evaluation batch of `index`, in order; results are stacked."""
    rows, weights = _in_batches(index, min(EVALUATION_ROWS, index.shape[0]))
    numbers = jnp.arange(rows.shape[0], dtype=jnp.uint32)
    return cast("T", lax.map(lambda given: batch(*given), (rows, weights, numbers)))


def _in_batches(index: Array, rows: int) -> tuple[Array, Array]:
    """Split an index into batches of `rows`, the last padded: (batches, rows) indices and weights, 1 or 0."""
    batches = -(-index.shape[0] // rows)
    padding = batches * rows - index.shape[0]
    weight = jnp.pad(jnp.ones(index.shape[0], jnp.float32), (0, padding))
    return jnp.pad(index, (0, padding)).reshape(batches, rows), weight.reshape(batches, rows)


def _over_lanes(one: Callable[..., T], *stacked: Any) -> T:
    """Call `one` for each lane of arguments with a leading axis of lanes, vectorised."""
    lanes = jax.tree.leaves(stacked)[0].shape[0]
    if lanes > 1:
        return jax.vmap(one)(*stacked)
    single = jax.tree.map(lambda array: array[0], stacked)
    return cast("T", jax.tree.map(lambda array: jnp.expand_dims(array, 0), one(*single)))
