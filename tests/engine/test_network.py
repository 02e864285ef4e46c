import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from dropstudy.core.types import Arm, Condition, Optimizer, Run
from dropstudy.engine.mlp import dropout, network, rules
from dropstudy.engine.mlp import rng as draws
from dropstudy.engine.mlp.config import static_config, traced_config
from dropstudy.engine.mlp.rules import Purpose

WIDTHS = (784, 512, 512, 10)
RATES = [0.0, 0.1, 0.5, 0.8, 0.99]


def batch(rng, rows, features, classes):
    x = jnp.asarray(rng.random((rows, features)), jnp.float32)
    return x, jnp.asarray(rng.integers(0, classes, rows), jnp.int32), jnp.ones(rows, jnp.float32)


def test_the_notebooks_network_has_669706_parameters():
    condition = Condition(784, (512, 512), 10, 60_000, 128)
    params = network.init(0, condition.widths)
    assert condition.parameters == sum(array.size for array in jax.tree.leaves(params)) == 669_706
    assert condition.steps == 469


@pytest.mark.parametrize(("layer", "limit"), [(0, 0.06804), (1, 0.07655), (2, 0.10721)])
def test_initial_kernels_fill_the_glorot_interval_evenly(layer, limit):
    dense = network.init(0, WIDTHS)[layer]
    kernel = np.asarray(dense.kernel_OxI)
    assert rules.glorot_limit(*WIDTHS[layer : layer + 2]) == pytest.approx(limit, abs=5e-6)
    assert np.abs(kernel).max() <= limit + 5e-6
    assert np.abs(kernel).max() > 0.99 * limit
    assert abs(kernel.mean()) < 5 * limit / np.sqrt(3 * kernel.size)
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.02)
    assert not np.asarray(dense.bias_O).any()


def program(*, seed=0, activation="relu", precision="float32", epochs=1, layers=3, **arm):
    """Static and traced configuration of a run with this arm."""
    condition = Condition(1, (1,) * layers, 1, 100, 10)
    run = Run("key", Arm("arm", **arm), condition, seed, activation, Optimizer(), epochs, "test", precision)
    return {"static": static_config([run]), "traced": traced_config(run)}


def hidden(z, *, step=0, layer=0, **arm):
    """Output of a hidden layer for a batch of `z`, (units, batch)."""
    config = program(**arm)
    rate = dropout.rates_at(step, config["traced"].noise, config["static"]).hidden[layer]
    return network.hidden_layer(z, layer, rate, **config, step=step)[0]


@pytest.mark.parametrize("rate", RATES)
def test_dropout_gives_zero_or_x_over_keep_and_keeps_mean_and_variance(rate):
    h = np.asarray(hidden(jnp.ones((2000, 500), jnp.float32), rate=rate))
    scale = np.float32(1) / (np.float32(1) - np.float32(rate))
    values = np.unique(h)  # what is kept has one value; a GPU may round the quotient otherwise
    assert values == pytest.approx([0, scale] if rate else [scale], rel=1e-6)
    error = 5 / np.sqrt(h.size)
    variance = rate / (1 - rate)
    assert h.mean() == pytest.approx(1, abs=error * np.sqrt(variance) + 1e-6)
    assert h.var() == pytest.approx(variance, rel=0.05, abs=1e-9)


@pytest.mark.parametrize("rate", RATES)
def test_gaussian_noise_has_the_mean_and_variance_of_dropout(rate):
    h = np.asarray(hidden(jnp.ones((2000, 500), jnp.float32), rate=rate, noise="gaussian"))
    variance = rate / (1 - rate)
    assert h.mean() == pytest.approx(1, abs=5 / np.sqrt(h.size) * np.sqrt(variance) + 1e-6)
    assert h.var() == pytest.approx(variance, rel=0.02, abs=1e-9)
    if rate > 0:
        z = (h.ravel()[:50_000] - 1) / np.sqrt(variance)
        assert scipy.stats.kstest(z, "norm").pvalue > 1e-4


@pytest.mark.parametrize("kind", ["dropout", "gaussian"])
def test_input_noise_has_the_mean_and_variance_of_dropout(kind):
    config = program(input_rate=0.2, noise=kind)
    x = dropout.input_noise_factors((1000, 784), 0.2, **config, step=3)
    assert float(x.mean()) == pytest.approx(1, abs=5 * 0.5 / np.sqrt(x.size))
    assert float(x.var()) == pytest.approx(0.25, rel=0.02)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1, 1, 1, 1]),
        ("early", [1, 1, 0, 0]),
        ("late", [0, 0, 1, 1]),
        ("early-linear", [1, 0.5, 0, 0]),
        ("ramp", [0, 0.5, 1, 1]),
        ("curriculum", [0, 1 - np.exp(-2.5), 1 - np.exp(-5), 1 - np.exp(-7.5)]),
    ],
)
def test_schedules_change_the_rate_as_their_authors_say(schedule, expected):
    # 100 examples in batches of 10 over 10 epochs: 100 steps.
    config = program(schedule=schedule, switch=0.5, rate=0.8, epochs=10)
    got = [
        dropout.rates_at(step, config["traced"].noise, config["static"]).hidden[1] for step in (0, 25, 50, 75)
    ]
    assert np.allclose(got, 0.8 * np.array(expected), rtol=1e-6)


@pytest.mark.parametrize("rate", RATES)
def test_the_share_dropped_is_exact_to_a_ten_thousandth(rate):
    # All values of a draw are equally likely, so the share is counted over all of them.
    u = np.arange(2**24, dtype=np.float64) * 2.0**-24
    assert (u.astype(np.float32) < np.float32(rate)).mean() == pytest.approx(rate, abs=1e-6)


def test_masks_of_rising_rates_are_nested():
    z = jnp.ones((64, 64), jnp.float32)
    kept = [np.asarray(hidden(z, rate=rate, seed=1, step=5)) > 0 for rate in RATES]
    for lower, higher in itertools.pairwise(kept):
        assert (lower | ~higher).all()
        assert lower.sum() > higher.sum()


def test_rate_zero_is_relu_to_the_bit():
    z = jnp.asarray(np.random.default_rng(0).normal(size=(64, 33)), jnp.float32)
    for kind in ("dropout", "gaussian"):
        assert np.array_equal(hidden(z, rate=0.0, noise=kind), jnp.maximum(z, 0))


@pytest.mark.slow
def test_evaluation_is_the_plain_network():
    rng = np.random.default_rng(1)
    params = network.init(3, (7, 5, 4, 3))
    x, _, _ = batch(rng, 6, 7, 3)
    h = np.asarray(x, np.float64)
    for dense in params[:-1]:
        h = np.maximum(h @ np.asarray(dense.kernel_OxI, np.float64).T + np.asarray(dense.bias_O), 0)
    expected = (h @ np.asarray(params[-1].kernel_OxI, np.float64).T + np.asarray(params[-1].bias_O)).T
    assert np.allclose(network.logits(params, x, "float32", "relu"), expected, rtol=1e-5, atol=1e-6)


def gradients_of(params, x, y, weight, *, step, **run):
    config = program(**run)

    @jax.jit  # or each operation would be compiled for itself
    def both(params, x, y, weight):
        kernels = network.operands(params, config["static"].compute)
        score, factors = network.loss_and_gradient_factors(params, kernels, x, y, weight, step=step, **config)
        return score, network.gradients(params, factors, **config)

    return both(params, x, y, weight)


def mean_loss(params, x, y, *, step, activation="relu", **run):
    """Loss as a plain forward pass, for automatic and numerical differentiation."""
    config = program(activation=activation, **run)
    traced, static = config["traced"], config["static"]
    act = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}[activation]
    h, rates = x.T, dropout.rates_at(step, traced.noise, static)
    if static.input_noise:
        h = h * dropout.input_noise_factors(x.shape, rates.inputs, traced, static, step).T
    for layer, dense in enumerate(params[:-1]):
        z = dense.kernel_OxI @ h + dense.bias_O[:, None]
        u = draws.uniform(draws.derive(traced.seeds.masks, Purpose.MASK, step, layer), z.T.shape).T
        h = act(z) * dropout.noise_factors(u, rates.hidden[layer], traced.noise, static)
    log_p = jax.nn.log_softmax(params[-1].kernel_OxI @ h + params[-1].bias_O[:, None], axis=0)
    penalty = traced.l2 * sum((dense.kernel_OxI**2).sum() for dense in params)
    return penalty - log_p[y, jnp.arange(len(y))].mean()


VARIANTS = [
    {},
    {"rate": 0.5},
    {"rate": 0.8, "input_rate": 0.2},
    {"rate": 0.5, "noise": "gaussian"},
    {"rate": 0.5, "noise": "gaussian", "input_rate": 0.3, "activation": "tanh"},
    {"rate": 0.3, "activation": "sigmoid", "l2": 0.01},
    {"rate": 0.6, "schedule": "ramp", "epochs": 3},
]


@pytest.mark.slow
@pytest.mark.parametrize("run", VARIANTS, ids=str)
@pytest.mark.parametrize("widths", [(6,), (5, 4, 6)], ids=str)
def test_gradients_equal_automatic_differentiation(run, widths):
    check_gradients(run, widths)


@pytest.mark.parametrize("kind", ["dropout", pytest.param("gaussian", marks=pytest.mark.slow)])
def test_gradients_with_a_rate_for_each_layer_equal_automatic_differentiation(kind):
    check_gradients({"rate": (0.2, 0.0, 0.7), "noise": kind, "schedule": "ramp", "epochs": 3}, (5, 4, 6))


def check_gradients(run, widths):
    rng = np.random.default_rng(2)
    params = network.init(4, (9, *widths, 3))
    x, y, weight = batch(rng, 12, 9, 3)
    sums, ours = gradients_of(params, x, y, weight, seed=4, step=11, **run)
    automatic = jax.jit(jax.value_and_grad(partial(mean_loss, seed=4, step=11, **run)))
    loss, theirs = automatic(params, x, y)
    if "l2" not in run:  # what is recorded is the cross-entropy, without the penalty
        assert float(sums.loss) / 12 == pytest.approx(float(loss), rel=1e-6)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert np.allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("run", [{}, {"rate": 0.5}, {"rate": 0.5, "activation": "tanh"}], ids=str)
def test_gradients_equal_finite_differences(run):
    rng = np.random.default_rng(3)
    params = network.init(5, (6, 5, 4, 3))
    x, y, weight = batch(rng, 10, 6, 3)
    _, gradients = gradients_of(params, x, y, weight, seed=5, step=2, **run)
    with jax.enable_x64(True):
        double = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
        leaves, tree = jax.tree.flatten(double)
        loss = jax.jit(partial(mean_loss, seed=5, step=2, **run))
        for number, gradient in enumerate(jax.tree.leaves(gradients)):
            place = tuple(rng.integers(0, n) for n in leaves[number].shape)
            values = []
            for step in (1e-6, -1e-6):
                moved = [leaf.copy() for leaf in leaves]
                moved[number][place] += step
                wide = jnp.asarray(np.asarray(x), jnp.float64)
                values.append(float(loss(jax.tree.unflatten(tree, moved), wide, y)))
            slope = (values[0] - values[1]) / 2e-6
            assert float(gradient[place]) == pytest.approx(slope, rel=2e-4, abs=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "rate"), [(1, 0.0), (7, 0.5), (15, 0.8)])
def test_padding_changes_nothing(rows, rate):
    rng = np.random.default_rng(rows)
    params = network.init(6, (5, 6, 3))
    x, y, weight = batch(rng, 16, 5, 3)
    kwargs = {"rate": rate, "seed": 1, "step": 3}
    alone, expected = gradients_of(params, x[:rows], y[:rows], weight[:rows], **kwargs)
    padded, got = gradients_of(params, x, y, weight.at[rows:].set(0), **kwargs)
    assert np.allclose(alone, padded, rtol=1e-5)
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(got), strict=True):
        assert np.allclose(a, b, rtol=1e-4, atol=1e-6)


def test_bfloat16_products_accumulate_in_float32():
    a = jnp.full((1, 4096), 1.0, jnp.float32)
    b = jnp.full((4096, 1), 1.0 + 2**-7, jnp.float32)
    # A bfloat16 accumulator would stop growing at 256.
    assert float(network.matmul(a, b, (1, 0), jnp.bfloat16)[0, 0]) == 4096 * (1 + 2**-7)
