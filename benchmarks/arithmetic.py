"""How long an epoch's matrix products alone would take at the rate that this machine multiplies at.

The rate is that of the engine's own product (`network.matmul`) on the shapes of the notebook's network, in the
environment of dropstudy's workers: one core to a process, as many processes at once as there are physical cores,
because cores that work together share caches, memory and heat. Of the shapes the fastest counts, for all of the
arithmetic. It is what XLA multiplies at, not the most that the hardware can do.
"""

from __future__ import annotations

import itertools
import statistics
import time
from dataclasses import dataclass
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from common import ScriptWorkers
from dropstudy.core.hardware import physical_cores
from dropstudy.engine.mlp import network

PRECISIONS = ("float32", "bfloat16")
WIDTHS = (784, 512, 512, 10)
BATCH = 128
TRAINED, EVALUATED = 60_000, 20_000

# Left and right operand and the axes that are multiplied, as network.py multiplies them. The products of the last layer
# are left out: at 10 units they are small and slow.
PRODUCTS = {
    "forward 512x784 . 784x128": ((512, 784), (128, 784), (1, 1)),
    "forward 512x512 . 512x128": ((512, 512), (512, 128), (1, 0)),
    "kernel gradient 512x128 . 128x784": ((512, 128), (128, 784), (1, 0)),
    "kernel gradient 512x128 . 128x512": ((512, 128), (512, 128), (1, 1)),
}
_PRODUCTS_A_CALL = 32

Rates = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Arithmetic:
    """Measured speed of the machine's products, in one precision.

    Args:
        product: the fastest shape.
        rate: of all cores together on it, in floating-point operations a second.
        rates: of each shape.
    """

    product: str
    rate: float
    rates: dict[str, float]

    @property
    def seconds(self) -> float:
        """Seconds of one run-epoch."""
        return epoch_flops() / self.rate


def epoch_flops() -> int:
    """Operations of a run-epoch's matrix products; a multiplication and an addition count as two.

    60,000 examples forward and backward, the backward products being those for the kernels' gradients and for the
    inputs of every layer but the first; then 20,000 examples forward: the test set and the clean training examples.
    """
    layers = [units_in * units_out for units_in, units_out in itertools.pairwise(WIDTHS)]
    forward, kernels, inputs = sum(layers), sum(layers), sum(layers[1:])
    return 2 * (TRAINED * (forward + kernels + inputs) + EVALUATED * forward)


def measure(seconds: float = 0.4) -> dict[str, Arithmetic]:
    """Rate and time in each precision, every shape for `seconds` on all cores at once."""
    cores = physical_cores()
    with ScriptWorkers(cores) as worker_pool:
        for limit in (0.0, seconds):  # the first time to import and compile, so that all begin as one
            futures = [worker_pool.submit(_rates, limit) for _ in range(cores)]
            taken: list[Rates] = [future.result() for future in futures]
    together = {
        precision: {name: sum(rates[precision][name] for rates in taken) for name in PRODUCTS}
        for precision in PRECISIONS
    }
    return {
        precision: Arithmetic(max(rates, key=lambda name: rates[name]), max(rates.values()), rates)
        for precision, rates in together.items()
    }


def _rates(limit: float) -> Rates:
    """In a worker: operations a second of each product, the median of the calls that fit in `limit` seconds."""
    return {
        precision: {name: _rate(precision, *product, limit) for name, product in PRODUCTS.items()}
        for precision in PRECISIONS
    }


def _rate(
    precision: str, left: tuple[int, int], right: tuple[int, int], axes: tuple[int, int], limit: float
) -> float:
    a, b = (np.random.default_rng(seed).standard_normal(shape) for seed, shape in enumerate((left, right)))
    lefts = jnp.asarray(a, precision)
    rights = jnp.asarray(np.stack([b] * _PRODUCTS_A_CALL), precision)
    many = _compiled(precision, axes)
    many(lefts, rights).block_until_ready()
    taken: list[float] = []
    end = time.perf_counter() + limit
    while not taken or time.perf_counter() < end:
        start = time.perf_counter()
        many(lefts, rights).block_until_ready()
        taken.append(time.perf_counter() - start)
    flops = 2 * _PRODUCTS_A_CALL * left[0] * left[1] * right[1 - axes[1]]
    return flops / statistics.median(taken)


@lru_cache
def _compiled(precision: str, axes: tuple[int, int]) -> jax.stages.Wrapped:
    @jax.jit
    def many(left: jax.Array, rights: jax.Array) -> jax.Array:
        """All products one after the other; the last one is what comes out."""

        def one(_: jax.Array, right: jax.Array) -> tuple[jax.Array, None]:
            return network.matmul(left, right, axes, precision), None

        shape = jax.eval_shape(lambda: one(left, rights[0])[0])
        return lax.scan(one, jnp.zeros(shape.shape, shape.dtype), rights)[0]

    return many
