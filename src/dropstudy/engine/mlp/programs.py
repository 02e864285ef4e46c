"""The compiled programs of a group of runs: steps of training, evaluations, the answers on a test set.

A group's runs have one shape and train side by side; a run's place is its lane. State, configuration and rows carry a
leading axis of lanes. Several lanes are vectorised; a single one is compiled as if there were no such axis, because
on a CPU a batched product of one is slower than a product. Inputs stay uint8 in memory where they are,
one copy for all lanes, and are scaled a batch at a time.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import jax
import jax.numpy as jnp
from jax import Array, lax

from dropstudy.engine.mlp import dropout, network, optimizers, rng
from dropstudy.engine.mlp.network import BatchScore, Operands, Params
from dropstudy.engine.mlp.state import State, add_batch, zero_sums

if TYPE_CHECKING:
    from collections.abc import Callable

    from jax.typing import ArrayLike

    from dropstudy.engine.mlp.config import Products, StaticConfig, TracedConfig

T = TypeVar("T")

EVALUATION_ROWS = 1000
"""Examples per evaluation batch: large enough for the matrix products, small enough for a core's cache."""


_BEYOND_TRAINING = 2**31
"""Steps from here on are nobody's: training counts in int32."""


class Examples(NamedTuple):
    """Rows of the data, (n, features) uint8 or float32, their labels, (n,) int32, and the scale of the inputs."""

    x: Array
    y: Array
    scale: ArrayLike


class Predictions(NamedTuple):
    """Answers of the network for each example: the probabilities that are kept, (lanes, n) each."""

    loss: Array
    label: Array
    confidence: Array
    likelihood: Array
    brier: Array


@partial(jax.jit, static_argnames=("widths", "optimizer"))
def start(seeds: Array, *, widths: tuple[int, ...], optimizer: str) -> State:
    """The states of runs with `seeds`, (lanes,) uint32, before the first step."""

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
    """Some steps of one pass over the training examples in a fresh order, the smaller last batch included.

    How many is no part of the program: an epoch may be taken in one call or in many, with the same result to the bit.

    Args:
        state: weights, moments and sums, consumed.
        data: rows to train on, among others.
        index: which rows are the training examples of each lane, (lanes, n) int32.
        traced: of each lane.
        epoch: from 0; with the number of a step it keys the masks.
        first: steps of this epoch that are taken already.
        count: steps to take, at most the rest of the epoch.
        static: what is compiled in.
    """

    def one(state: State, index: Array, traced: TracedConfig) -> State:
        return _train_steps(state, data, index, traced, epoch=epoch, first=first, count=count, static=static)

    return _over_lanes(one, state, index, traced)


@partial(jax.jit, static_argnames=("products", "activation"))
def evaluate(
    params: Params, data: Examples, index: Array, *, products: Products, activation: str
) -> BatchScore:
    """Summed loss and correct answers, (lanes,), on the rows that `index`, (lanes, n), names; noise off."""

    def one(params: Params, index: Array) -> BatchScore:
        def batch(_: None, rows_and_weight: tuple[Array, Array]) -> tuple[None, BatchScore]:
            rows, weight = rows_and_weight
            x_BxI = network.examples(data.x, rows, data.scale, products)
            return None, network.score(
                network.logits(params, x_BxI, products, activation), data.y[rows], weight
            )

        _, sums = lax.scan(batch, None, _in_batches(index, min(EVALUATION_ROWS, index.shape[0])))
        return BatchScore(sums.loss.sum(), sums.correct.sum())

    return _over_lanes(one, params, index)


@partial(jax.jit, static_argnames="static")
def evaluate_with_noise(
    params: Params, data: Examples, index: Array, step: Array, traced: TracedConfig, *, static: StaticConfig
) -> tuple[BatchScore, BatchScore]:
    """Summed loss and correct answers, (lanes,), on the rows that `index`, (lanes, n), names: noise off, noise on.

    In one program, so that what comes before the noise is computed once.

    Args:
        params: the networks.
        data: rows, among others.
        index: which of them.
        step: the last that each lane took, (lanes,), from 0: it says how strong a scheduled noise is. The draws are
            those of steps that no training reaches.
        traced: of each lane.
        static: of their training; the products are float32 all the same.
    """
    in_float32 = static._replace(compute="float32")

    def one(params: Params, index: Array, step: Array, traced: TracedConfig) -> tuple[BatchScore, BatchScore]:
        rates = dropout.rates_at(step, traced.noise, in_float32)
        kernels = network.operands(params, "float32")

        def batch(_: None, given: tuple[Array, Array, Array]) -> tuple[None, tuple[BatchScore, BatchScore]]:
            rows, weight, number = given
            x_BxI, y_B = network.examples(data.x, rows, data.scale, in_float32.products), data.y[rows]
            clean_CxB = network.logits(params, x_BxI, in_float32.products, static.activation)
            noisy = network.noisy_forward(
                params,
                kernels,
                x_BxI,
                rates=rates,
                traced=traced,
                static=in_float32,
                step=jnp.uint32(_BEYOND_TRAINING) + number,
            )
            off, on = (network.score(z_CxB, y_B, weight) for z_CxB in (clean_CxB, noisy.logits_CxB))
            return None, (off, on)

        batches, weights = _in_batches(index, min(EVALUATION_ROWS, index.shape[0]))
        numbers = jnp.arange(batches.shape[0], dtype=jnp.uint32)
        _, scores = lax.scan(batch, None, (batches, weights, numbers))
        sums: tuple[BatchScore, BatchScore] = jax.tree.map(jnp.sum, scores)
        return sums

    return _over_lanes(one, params, index, step, traced)


@jax.jit
def kept(better: Array, candidate: Params, best: Params) -> Params:
    """Select each lane's candidate weights where `better`, (lanes,) bool, is true, else its best so far."""

    def one(better: Array, candidate: Params, best: Params) -> Params:
        chosen: Params = jax.tree.map(partial(jnp.where, better), candidate, best)
        return chosen

    return _over_lanes(one, better, candidate, best)


@partial(jax.jit, static_argnames=("products", "activation"))
def predict(params: Params, data: Examples, *, products: Products, activation: str) -> Predictions:
    """Answers of each lane's network for every row, noise off."""
    n = data.x.shape[0]

    def one(params: Params) -> Predictions:
        def batch(_: None, rows_and_weight: tuple[Array, Array]) -> tuple[None, Predictions]:
            rows, _weight = rows_and_weight
            y = data.y[rows]
            x_BxI = network.examples(data.x, rows, data.scale, products)
            logits_CxB = network.logits(params, x_BxI, products, activation)
            log_p_CxB = jax.nn.log_softmax(logits_CxB, axis=0)
            p_CxB = jnp.exp(log_p_CxB)
            one_hot_CxB = jax.nn.one_hot(y, p_CxB.shape[0], axis=0)
            return None, Predictions(
                loss=-jnp.take_along_axis(log_p_CxB, y[None, :], axis=0)[0],
                label=logits_CxB.argmax(axis=0),
                confidence=p_CxB.max(axis=0),
                likelihood=jnp.take_along_axis(p_CxB, y[None, :], axis=0)[0],
                brier=jnp.square(p_CxB - one_hot_CxB).sum(axis=0),
            )

        _, answers = lax.scan(batch, None, _in_batches(jnp.arange(n), min(EVALUATION_ROWS, n)))
        return Predictions(*(values.reshape(-1)[:n] for values in answers))

    return _over_lanes(one, params)


@partial(jax.jit, static_argnames="count")
def sample(seeds: Array, index: Array, *, count: int) -> Array:
    """`count` rows of each lane's `index`, (lanes, n), drawn without replacement: the same in every epoch and arm."""

    def one(seed: Array, index: Array) -> Array:
        key = rng.derive(seed, rng.Purpose.SAMPLE)
        return index[rng.permutation(key, index.shape[0])[:count]]

    return _over_lanes(one, seeds, index)


def _train_steps(
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
    epoch = jnp.asarray(epoch, jnp.int32)
    order = rng.permutation(rng.derive(traced.seed, rng.Purpose.SHUFFLE, epoch), index.shape[0])
    batches, weights = _in_batches(index[order], static.batch_size)

    # Noise on the inputs is multiplied in float32.
    given = static.products._replace(compute="float32") if static.input_noise else static.products

    # The kernels' operands travel from step to step: made in the optimiser's pass, while the weights are in the cache,
    # and transposed there, where XLA cannot fold the transposition into the product (see network.py).
    def step(number: Array, carry: tuple[State, tuple[Operands, ...]]) -> Any:
        (params, moments, running), kernels = carry
        rows, since_start = batches[number], epoch * batches.shape[0] + number
        sums, factors = network.loss_and_gradient_factors(
            params,
            kernels,
            network.examples(data.x, rows, data.scale, given),
            data.y[rows],
            weights[number],
            traced=traced,
            static=static,
            step=since_start,
        )
        if static.fused:
            params, moments, kernels = optimizers.fused_adam(
                params,
                moments,
                kernels,
                factors,
                step=since_start,
                epoch=epoch,
                traced=traced,
                static=static,
            )
        else:
            gradients = network.gradients(params, factors, traced=traced, static=static)
            params, moments = optimizers.update(
                params, moments, gradients, step=since_start, epoch=epoch, hyper=traced.optimizer
            )
            if static.max_norm:
                params = network.apply_max_norm(params, traced.max_norm)
            kernels = network.operands(params, static.compute)
        return State(params, moments, add_batch(running, sums)), kernels

    first = jnp.asarray(first, jnp.int32)
    carry = (state, network.operands(state.params, static.compute))
    trained: State = lax.fori_loop(first, first + jnp.asarray(count, jnp.int32), step, carry)[0]
    return trained


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
