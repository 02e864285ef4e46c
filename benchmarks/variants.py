"""The engine with one thing switched off that it does to save time; waste.py measures what each is worth.

Each variant replaces a piece of `dropstudy.engine` in this process, which is a worker that trains nothing else, and
leaves all others as they are. All but those marked draw the same numbers and reach the same loss, up to the order of
sums and the rounding of operands.
"""

# ruff: noqa: N803, N806 - shapes are said in names, as in the engine

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from common import mnist
from dropstudy.core.types import Segment
from dropstudy.data.arrays import store_arrays
from dropstudy.engine.mlp import dropout, inputs, network, optimizers, programs, rng, train
from dropstudy.engine.mlp.rules import Purpose
from dropstudy.engine.mlp.state import State, add_batch
from dropstudy.spec.plan import plan_runs
from dropstudy.spec.study_file import read_spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from dropstudy.engine.mlp.config import StaticConfig, TracedConfig
    from dropstudy.engine.mlp.network import BatchScore, Params
    from dropstudy.engine.mlp.programs import Examples

BATCH = 128
AS_IT_IS = "as it is"


@dataclass(frozen=True)
class Taken:
    """Cost of a variant.

    Args:
        seconds: of each epoch but the first, which compiles.
        loss: running loss of the last epoch.
        val_accuracy: of the last epoch.
    """

    seconds: list[float]
    loss: float
    val_accuracy: float


def measure(name: str, precision: str, epochs: int, examples: int) -> Taken:
    """In a worker: train the notebook's dropout arm with a variant of the engine.

    Args:
        name: a key of VARIANTS.
        precision: of the matrix products.
        epochs: to measure, one more being trained first.
        examples: training examples.
    """
    # Epochs that never come: a run's last one is not like the others.
    settings = {"data": "mnist", "epochs": epochs + 2, "precision": precision, "seeds": 1}
    spec = read_spec("notebook", settings)
    dataset = mnist()
    run = plan_runs(spec, dataset, precision)[-1]
    run = replace(run, condition=replace(run.condition, train_size=examples))
    rows = np.arange(examples, dtype=np.int32)
    VARIANTS[name]()
    segment = Segment(
        run, store_arrays(dataset), rows, None, None, done=0, steps=(epochs + 1) * run.condition.steps
    )
    history = train.train_group((segment,))[0].history
    return Taken([row.seconds for row in history[1:]], history[-1].loss, history[-1].val_accuracy)


def as_it_is() -> None:
    """The engine itself."""


def masks_by_jax_random() -> None:
    """Other draws: random numbers of masks from jax.random, which stores them in an array first."""
    draw = rng.uniform

    def uniform(key: rng.Key, shape: tuple[int, ...], *, transposed: bool = False) -> Array:
        if not transposed:  # not a mask
            return draw(key, shape)
        of_jax = jax.random.wrap_key_data(jnp.stack([*key]), impl="threefry2x32")
        return jax.random.uniform(of_jax, shape[::-1]).T

    rng.uniform = uniform


def no_masks() -> None:
    """Other draws, wrong numbers: no masks at all. Not a variant, but what masks cost in all."""

    def hidden_layer(z: Array, *_: Any, **__: Any) -> tuple[Array, None]:
        return jnp.maximum(z, 0), None

    network.hidden_layer = hidden_layer


def mask_of_its_own() -> None:
    """The way back multiplies by mask and gate in place of asking h > 0."""

    def hidden_layer(
        z_OxB: Array, layer: int, rate: Array, *, traced: TracedConfig, step: Array, **_: Any
    ) -> tuple[Array, Array]:
        key = rng.derive(traced.seeds.masks, Purpose.MASK, step, layer)
        u_OxB = rng.uniform(key, z_OxB.shape, transposed=True)
        factor = jnp.where(u_OxB >= rate, dropout.keep_scale(rate), 0)
        return jnp.maximum(z_OxB, 0) * factor, jnp.where(z_OxB > 0, factor, 0)

    network.hidden_layer = hidden_layer


def automatic_gradients() -> None:
    """jax.grad in place of the written gradients, and so no operands carried from step to step."""

    def loss_and_gradients(
        params: Params,
        _kernels: Any,
        x_BxI: Array,
        y_B: Array,
        weight_B: Array,
        *,
        traced: TracedConfig,
        static: StaticConfig,
        step: Array,
    ) -> tuple[BatchScore, Params]:
        rate = dropout.rates_at(step, traced.noise, static).hidden

        def loss(params: Params) -> tuple[Array, BatchScore]:
            h = x_BxI
            for layer, dense in enumerate(params):
                axes = (1, 0 if layer else 1)
                z = network.matmul(dense.kernel_OxI, h, axes, static.compute) + dense.bias_O[:, None]
                h = z
                if layer < len(params) - 1:
                    h, _ = network.hidden_layer(z, layer, rate, traced=traced, static=static, step=step)
            batch = network.score(h, y_B, weight_B)
            return batch.loss / weight_B.sum(), batch

        gradients, batch = jax.grad(loss, has_aux=True)(params)
        return batch, gradients

    network.operands = _none_carried
    _gradients_by(loss_and_gradients)


def operands_made_each_step() -> None:
    """Kernels cast and transposed where they are used, in place of the optimiser's pass of the step before."""
    make, factors_of = network.operands, network.loss_and_gradient_factors

    def loss_and_gradient_factors(
        params: Params, _kernels: Any, *batch: Array, static: StaticConfig, **more: Any
    ) -> Any:
        return factors_of(params, make(params, static.compute), *batch, static=static, **more)

    network.operands = _none_carried
    network.loss_and_gradient_factors = loss_and_gradient_factors


def keras_layout() -> None:
    """Kernels (in, out) and activations (batch, units), as Keras has them, in place of feature by feature.

    With all columns: what leaves some out looks for them elsewhere.
    """
    init = network.init

    def transposed_init(seed: Array, widths: tuple[int, ...]) -> Params:
        return tuple(dense._replace(kernel_OxI=dense.kernel_OxI.T) for dense in init(seed, widths))

    def product(a: Array, b: Array, axes: tuple[int, int], static: StaticConfig) -> Array:
        return network.matmul(a, b, axes, static.compute)

    def logits(params: Params, h_BxI: Array, compute: str, activation: str) -> Array:
        for layer, dense in enumerate(params):
            z = network.matmul(h_BxI, dense.kernel_OxI, (1, 0), compute) + dense.bias_O
            h_BxI = z if layer == len(params) - 1 else network.activated(z, activation)[0]
        return h_BxI.T

    def loss_and_gradients(
        params: Params,
        _kernels: Any,
        x_BxI: Array,
        y_B: Array,
        weight_B: Array,
        *,
        traced: TracedConfig,
        static: StaticConfig,
        step: Array,
    ) -> tuple[BatchScore, Params]:
        rate = dropout.rates_at(step, traced.noise, static).hidden
        layers = [x_BxI.astype(static.compute)]
        for layer, dense in enumerate(params):
            z = product(layers[-1], dense.kernel_OxI, (1, 0), static) + dense.bias_O
            key = rng.derive(traced.seeds.masks, Purpose.MASK, step, layer)
            if layer < len(params) - 1:
                keep = (rng.uniform(key, z.shape) >= rate) & (z > 0)
                layers.append(jnp.where(keep, z * dropout.keep_scale(rate), 0).astype(static.compute))
        one_hot_BxC = jax.nn.one_hot(y_B, z.shape[1], dtype=jnp.float32)
        delta = (jax.nn.softmax(z) - one_hot_BxC) * (weight_B / weight_B.sum())[:, None]
        gradients = []
        for dense, h_BxI in zip(reversed(params), reversed(layers), strict=True):
            gradients.append(network.Dense(product(h_BxI, delta, (0, 0), static), delta.sum(axis=0)))
            if h_BxI is not layers[0]:
                delta = product(delta, dense.kernel_OxI, (1, 1), static)
                delta = jnp.where(h_BxI > 0, delta * dropout.keep_scale(rate), 0)
        return network.score(z.T, y_B, weight_B), tuple(reversed(gradients))

    every_column()
    network.init = transposed_init
    network.operands = _none_carried
    network.logits = logits
    _gradients_by(loss_and_gradients)


def optimizer_in_passes() -> None:
    """Adam's moments and weights made one after the other, each kept from being fused with the next."""

    def adam(
        params: Params,
        moments: optimizers.Moments,
        gradients: Params,
        *,
        alpha: Array,
        hyper: Any,
    ) -> tuple[Params, optimizers.Moments]:
        gradients = lax.optimization_barrier(gradients)
        m = jax.tree.map(lambda m, g: m + (g - m) * hyper.one_minus_beta_1, moments.m, gradients)
        m = lax.optimization_barrier(m)
        v = jax.tree.map(lambda v, g: v + (g * g - v) * hyper.one_minus_beta_2, moments.v, gradients)
        v = lax.optimization_barrier(v)
        moved = jax.tree.map(lambda w, m, v: w - m * alpha / (jnp.sqrt(v) + hyper.epsilon), params, m, v)
        return lax.optimization_barrier(moved), optimizers.Moments(m, v)

    optimizers.adam = adam


def metrics_by_another_pass() -> None:
    """Running loss and accuracy from a forward pass of their own, noise off (so another loss is shown)."""
    factors_of = network.loss_and_gradient_factors

    def loss_and_gradient_factors(
        params: Params, kernels: Any, x: Array, y: Array, weight: Array, *, static: StaticConfig, **more: Any
    ) -> Any:
        factors = factors_of(params, kernels, x, y, weight, static=static, **more)[1]
        logits = network.logits(params, x, static.compute, static.activation)
        return network.score(logits, y, weight), factors

    network.loss_and_gradient_factors = loss_and_gradient_factors


def float32_pixels() -> None:
    """All pixels scaled to float32 beforehand: four times the memory, no scaling in the step."""

    def device_examples(x: NDArray[Any], y: NDArray[np.int64], scale: float) -> Examples:
        scaled = jnp.asarray(x.reshape(len(x), -1), jnp.float32) / scale
        return programs.Examples(scaled, jnp.asarray(y, jnp.int32), np.float32(1))

    inputs.device_examples = device_examples
    network.scaled = lambda x, _scale: x


def every_column() -> None:
    """Inputs that are 0 in all training data multiplied like the others."""
    train.can_skip_zero_inputs = lambda _static: False


def evaluation_in_small_batches() -> None:
    """Evaluation in batches as small as the training's."""
    programs.EVALUATION_ROWS = BATCH


def step_by_step() -> None:
    """A compiled program for each step, called from Python, in place of one for the epoch. Nothing is carried."""

    @partial(jax.jit, static_argnames="static", donate_argnames="state")
    def step(
        state: State,
        data: Examples,
        batch: tuple[Array, Array, Array],
        traced: TracedConfig,
        *,
        epoch: Array,
        static: StaticConfig,
    ) -> State:
        params, moments, running = state
        rows, weight, number = batch
        sums, factors = network.loss_and_gradient_factors(
            params,
            network.operands(params, static.compute),
            network.scaled(data.x[rows], data.scale),
            data.y[rows],
            weight,
            traced=traced,
            static=static,
            step=number,
        )
        gradients = network.gradients(params, factors, traced=traced, static=static)
        params, moments = optimizers.update(
            params, moments, gradients, step=number, epoch=epoch, hyper=traced.optimizer
        )
        return State(params, moments, add_batch(running, sums))

    def train_steps(
        state: State,
        data: Examples,
        index: Array,
        traced: TracedConfig,
        *,
        epoch: int,
        first: int,
        count: int,
        static: StaticConfig,
    ) -> State:
        state, traced, index = jax.tree.map(lambda lanes: lanes[0], (state, traced, index))
        n = len(index)
        order = rng.permutation(rng.derive(traced.seeds.order, Purpose.SHUFFLE, epoch), n)
        steps = -(-n // static.batch_size)
        rows = np.zeros(steps * static.batch_size, np.int32)
        rows[:n] = index[order]
        weights = (np.arange(len(rows)) < n).astype(np.float32)
        batches = zip(
            np.split(rows, steps), np.split(weights, steps), np.arange(steps) + epoch * steps, strict=True
        )
        for rows_B, weight_B, number in itertools.islice(batches, first, first + count):
            batch = (rows_B, weight_B, np.int32(number))
            state = step(state, data, batch, traced, epoch=np.int32(epoch), static=static)
        return jax.tree.map(lambda array: array[None], state)

    programs.train_steps = train_steps


def _gradients_by(loss_and_gradients: Callable[..., tuple[BatchScore, Params]]) -> None:
    """Gradients made another way than as products of the engine's factors."""
    network.loss_and_gradient_factors = loss_and_gradients
    network.gradients = lambda _params, gradients, **_: gradients


def _none_carried(_params: Params, _compute: str) -> tuple[()]:
    return ()


VARIANTS: dict[str, Callable[[], None]] = {
    AS_IT_IS: as_it_is,
    "masks by jax.random": masks_by_jax_random,
    "mask and gate kept apart": mask_of_its_own,
    "gradients by jax.grad": automatic_gradients,
    "operands made each step": operands_made_each_step,
    "Keras' layout": keras_layout,
    "optimiser in four passes": optimizer_in_passes,
    "metrics by another pass": metrics_by_another_pass,
    "pixels float32 in memory": float32_pixels,
    "all columns": every_column,
    "evaluation in batches of 128": evaluation_in_small_batches,
    "a program for each step": step_by_step,
    "(no masks at all)": no_masks,
}
