import jax
import jax.extend.random
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dropstudy.engine.mlp import rng
from dropstudy.engine.mlp.rng import Key
from dropstudy.engine.mlp.rules import Purpose

N = 200_000


def key_of(*args, **kwargs):
    return rng.derive(*args, **kwargs)


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        # Known answers of Random123, the authors' own code (kat_vectors, threefry2x32 20).
        ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_the_answers_of_its_authors(key, counter, expected):
    got = rng.threefry_2x32(Key(*map(jnp.uint32, key)), *map(jnp.uint32, counter))
    assert tuple(map(int, got)) == expected


def test_threefry_is_the_function_of_jax():
    counter = jnp.arange(1000, dtype=jnp.uint32)
    ours = rng.threefry_2x32(Key(jnp.uint32(7), jnp.uint32(9)), counter, counter + 5)
    key = jnp.array([7, 9], jnp.uint32)
    theirs = jax.extend.random.threefry_2x32(key, jnp.concatenate([counter, counter + 5]))
    assert np.array_equal(np.concatenate(ours), theirs)


@pytest.mark.parametrize("purpose", list(Purpose))
def test_draws_are_uniform(purpose):
    u = np.asarray(rng.uniform(key_of(3, purpose), (N,)))
    assert u.min() >= 0
    assert u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    counts = np.bincount((u * 256).astype(int), minlength=256)
    assert stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1, "purpose": Purpose.MASK, "when": 0, "layer": 0},
        {"seed": 0, "purpose": Purpose.INIT, "when": 0, "layer": 0},
        {"seed": 0, "purpose": Purpose.MASK, "when": 1, "layer": 0},
        {"seed": 0, "purpose": Purpose.MASK, "when": 0, "layer": 1},
    ],
)
def test_draws_for_another_purpose_step_layer_or_seed_are_independent(other):
    a = np.asarray(rng.uniform(key_of(0, Purpose.MASK), (N,)))
    b = np.asarray(rng.uniform(key_of(**other), (N,)))
    assert not np.array_equal(a, b)
    assert abs(stats.pearsonr(a, b).statistic) < 4.5 / np.sqrt(N)
    table = np.histogram2d(a, b, bins=8)[0]
    assert stats.chi2_contingency(table).pvalue > 1e-4


def test_neighbours_in_one_draw_are_independent():
    u = np.asarray(rng.uniform(key_of(5, Purpose.MASK, 17, 1), (500, 400)))
    for axis in (0, 1):
        a, b = np.moveaxis(u, axis, 0)[:-1].ravel(), np.moveaxis(u, axis, 0)[1:].ravel()
        assert abs(stats.pearsonr(a, b).statistic) < 4.5 / np.sqrt(a.size)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**31), st.integers(0, 20))
@settings(max_examples=25, deadline=None)
def test_equal_keys_give_equal_draws(seed, when, layer):
    first, again = (rng.bits(key_of(seed, Purpose.MASK, when, layer), (3, 5)) for _ in range(2))
    assert np.array_equal(first, again)


def test_a_draw_does_not_depend_on_its_lane():
    seeds = jnp.array([4, 9, 4], jnp.uint32)
    lanes = jax.vmap(lambda seed: rng.uniform(key_of(seed, Purpose.MASK, 3, 1), (8, 6)))(seeds)
    alone = rng.uniform(key_of(9, Purpose.MASK, 3, 1), (8, 6))
    assert np.array_equal(lanes[1], alone)
    assert np.array_equal(lanes[0], lanes[2])


@pytest.mark.parametrize("n", [1, 2, 1000, 60_000])
def test_a_permutation_holds_everything_once(n):
    order = np.asarray(rng.permutation(key_of(1, Purpose.SHUFFLE, 2), n))
    assert np.array_equal(np.sort(order), np.arange(n))


def test_permutations_are_uniform():
    orders = jax.vmap(lambda e: rng.permutation(rng.derive(0, Purpose.SHUFFLE, e), 4))(jnp.arange(24_000))
    _, counts = np.unique(np.asarray(orders), axis=0, return_counts=True)
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-4


def test_transposed_draws_are_the_draws_transposed():
    key = key_of(2, Purpose.MASK)
    assert np.array_equal(rng.uniform(key, (7, 5), transposed=True), rng.uniform(key, (5, 7)).T)
