"""Random numbers of a run, each a function of its purpose.

A draw depends on (seed, purpose, step or epoch, layer) and on its index in the array. It does not depend on the order
of draws, the device, or the other runs of a group. So a run draws the same bits alone, in a group or after a kill.
Arms of one seed share their draws: units kept at a higher rate are also kept at a lower one.

The generator is Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as
1, 2, 3", SC11). It is counter-based, has no state, and is 32-bit integer arithmetic that XLA fuses into the operation
that uses it. jax.random has the same function but stores the draws in an array first, which costs a training step ten
times as much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
from jax import Array, lax

if TYPE_CHECKING:
    from jax.typing import ArrayLike

    from dropstudy.engine.mlp.rules import Purpose

_ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
_PARITY = 0x1BD11BDA
_ROUNDS = 20


class Key(NamedTuple):
    """A 64-bit key as two uint32 scalars."""

    high: Array
    low: Array


def threefry_2x32(key: Key, x0: ArrayLike, x1: ArrayLike) -> tuple[Array, Array]:
    """Encrypt the counter (x0, x1), any shape of uint32, under `key`; returns two arrays of that shape."""
    parity = key.high ^ key.low ^ jnp.uint32(_PARITY)
    schedule = (key.high, key.low, parity)
    y0 = jnp.asarray(x0, jnp.uint32) + key.high
    y1 = jnp.asarray(x1, jnp.uint32) + key.low
    for number in range(1, _ROUNDS + 1):
        rotation = _ROTATIONS[(number - 1) % 8]
        y0 = y0 + y1
        y1 = y0 ^ ((y1 << jnp.uint32(rotation)) | (y1 >> jnp.uint32(32 - rotation)))
        if number % 4 == 0:
            block = number // 4
            y0 = y0 + schedule[block % 3]
            y1 = y1 + schedule[(block + 1) % 3] + jnp.uint32(block)
    return y0, y1


def derive(seed: ArrayLike, purpose: Purpose, when: ArrayLike = 0, layer: ArrayLike = 0) -> Key:
    """The key of one array of draws.

    Args:
        seed: the run's seed, an unsigned 32-bit scalar.
        purpose: use of the draws.
        when: epoch or step, from 0.
        layer: from 0.
    """
    root = Key(jnp.uint32(0), jnp.asarray(seed, jnp.uint32))
    stem = Key(*threefry_2x32(root, jnp.uint32(purpose), jnp.asarray(layer, jnp.uint32)))
    return Key(*threefry_2x32(stem, jnp.asarray(when, jnp.uint32), jnp.uint32(0)))


def bits(key: Key, shape: tuple[int, ...], *, transposed: bool = False) -> Array:
    """Uniform 32-bit integers, uint32 of `shape`; element i depends on the key and i alone.

    Args:
        key: of the draws.
        shape: of the result.
        transposed: count the elements of the transpose: `bits(key, shape[::-1]).T` without moving it in memory.
    """
    index = jnp.zeros(shape, jnp.uint32)
    stride = 1
    axes = range(len(shape))
    for axis in axes if transposed else reversed(axes):
        index = index + lax.broadcasted_iota(jnp.uint32, shape, axis) * jnp.uint32(stride)
        stride *= shape[axis]
    return threefry_2x32(key, index, jnp.zeros(shape, jnp.uint32))[0]


def uniform(key: Key, shape: tuple[int, ...], *, transposed: bool = False) -> Array:
    """Uniform float32 in [0, 1) in steps of 2**-24, the finest even steps of float32; arguments as for `bits`."""
    random_bits = bits(key, shape, transposed=transposed)
    u: Array = (random_bits >> jnp.uint32(8)).astype(jnp.float32) * jnp.float32(2.0**-24)
    return u


def permutation(key: Key, n: int) -> Array:
    """A uniform random order of 0..n-1, int32 of (n,).

    Sorts 0..n-1 by 32 random bits. Numbers with equal bits keep their order; these are about n**2 / 2**33 pairs, less
    than one for 60,000 examples.
    """
    order = jnp.arange(n, dtype=jnp.int32)
    return lax.sort((bits(key, (n,)), order), num_keys=1, is_stable=True)[1]
