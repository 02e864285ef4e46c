import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dropstudy.engine import draws, network
from dropstudy.engine.draws import Purpose
from dropstudy.records import Shape

WIDTHS = (784, 512, 512, 10)
RATES = [0.0, 0.1, 0.5, 0.8, 0.99]


def batch(rng, rows, features, classes):
    x = jnp.asarray(rng.random((rows, features)), jnp.float32)
    return x, jnp.asarray(rng.integers(0, classes, rows), jnp.int32), jnp.ones(rows, jnp.float32)


def test_the_notebooks_network_has_669706_parameters():
    shape = Shape(784, (512, 512), 10, 60_000, 128)
    params = network.init(0, shape.widths)
    assert shape.parameters == sum(array.size for array in jax.tree.leaves(params)) == 669_706
    assert shape.steps == 469


@pytest.mark.parametrize(("layer", "limit"), [(0, 0.06804), (1, 0.07655), (2, 0.10721)])
def test_initial_kernels_fill_the_glorot_interval_evenly(layer, limit):
    dense = network.init(0, WIDTHS)[layer]
    kernel = np.asarray(dense.kernel_OxI)
    assert network.glorot_limit(*WIDTHS[layer : layer + 2]) == pytest.approx(limit, abs=5e-6)
    assert np.abs(kernel).max() <= limit + 5e-6
    assert np.abs(kernel).max() > 0.99 * limit
    assert abs(kernel.mean()) < 5 * limit / np.sqrt(3 * kernel.size)
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.02)
    assert not np.asarray(dense.bias_O).any()


@pytest.mark.parametrize("rate", RATES)
def test_dropout_gives_zero_or_x_over_keep_and_keeps_mean_and_variance(rate):
    z = jnp.ones((2000, 500), jnp.float32)
    h = np.asarray(network.dropped_relu(z, rate, draws.derive(0, Purpose.MASK)))
    scale = np.float32(1) / (np.float32(1) - np.float32(rate))
    assert set(np.unique(h)) <= {np.float32(0), scale}
    error = 5 / np.sqrt(h.size)
    variance = rate / (1 - rate)
    assert h.mean() == pytest.approx(1, abs=error * np.sqrt(variance) + 1e-6)
    assert h.var() == pytest.approx(variance, rel=0.05, abs=1e-9)


@pytest.mark.parametrize("rate", RATES)
def test_the_share_dropped_is_exact_to_a_ten_thousandth(rate):
    # Every value that a draw can take is as likely as any other, so the share can be counted over all of them.
    u = np.arange(2**24, dtype=np.float64) * 2.0**-24
    assert (u.astype(np.float32) < np.float32(rate)).mean() == pytest.approx(rate, abs=1e-6)


def test_masks_of_rising_rates_are_nested():
    z = jnp.ones((64, 64), jnp.float32)
    kept = [np.asarray(network.dropped_relu(z, r, draws.derive(1, Purpose.MASK, 5))) > 0 for r in RATES]
    for lower, higher in zip(kept, kept[1:], strict=False):
        assert (lower | ~higher).all()
        assert lower.sum() > higher.sum()


def test_rate_zero_is_relu_to_the_bit():
    z = jnp.asarray(np.random.default_rng(0).normal(size=(64, 33)), jnp.float32)
    h = network.dropped_relu(z, 0.0, draws.derive(0, Purpose.MASK))
    assert np.array_equal(h, jnp.maximum(z, 0))


def test_evaluation_is_the_plain_network():
    rng = np.random.default_rng(1)
    params = network.init(3, (7, 5, 4, 3))
    x, _, _ = batch(rng, 6, 7, 3)
    h = np.asarray(x, np.float64)
    for dense in params[:-1]:
        h = np.maximum(h @ np.asarray(dense.kernel_OxI, np.float64).T + np.asarray(dense.bias_O), 0)
    expected = (h @ np.asarray(params[-1].kernel_OxI, np.float64).T + np.asarray(params[-1].bias_O)).T
    assert np.allclose(network.logits(params, x, jnp.float32), expected, rtol=1e-5, atol=1e-6)


def gradients_of(params, x, y, weight, compute=jnp.float32, **settings):
    kernels = network.operands(params, compute)
    return network.loss_and_gradients(params, kernels, x, y, weight, compute=compute, **settings)


def mean_loss(params, x, y, *, rate, seed, step):
    """The loss written as a forward pass alone, for automatic and numerical differentiation."""
    h = x.T
    for layer, dense in enumerate(params[:-1]):
        z = dense.kernel_OxI @ h + dense.bias_O[:, None]
        kept = draws.uniform(draws.derive(seed, Purpose.MASK, step, layer), z.T.shape).T >= rate
        h = jnp.where(kept, jax.nn.relu(z) / (1 - rate), 0)
    log_p = jax.nn.log_softmax(params[-1].kernel_OxI @ h + params[-1].bias_O[:, None], axis=0)
    return -log_p[y, jnp.arange(len(y))].mean()


@pytest.mark.parametrize("rate", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("hidden", [(6,), (8, 7), (5, 4, 6)])
def test_gradients_equal_automatic_differentiation(rate, hidden):
    rng = np.random.default_rng(2)
    params = network.init(4, (9, *hidden, 3))
    x, y, weight = batch(rng, 12, 9, 3)
    sums, ours = gradients_of(params, x, y, weight, rate=rate, seed=4, step=11)
    loss, theirs = jax.value_and_grad(mean_loss)(params, x, y, rate=rate, seed=4, step=11)
    assert float(sums.loss) / 12 == pytest.approx(float(loss), rel=1e-6)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert np.allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_gradients_equal_finite_differences(rate):
    rng = np.random.default_rng(3)
    params = network.init(5, (6, 5, 4, 3))
    x, y, weight = batch(rng, 10, 6, 3)
    _, gradients = gradients_of(params, x, y, weight, rate=rate, seed=5, step=2)
    with jax.enable_x64(True):
        double = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
        leaves, tree = jax.tree.flatten(double)
        for number, gradient in enumerate(jax.tree.leaves(gradients)):
            place = tuple(rng.integers(0, n) for n in leaves[number].shape)
            values = []
            for step in (1e-6, -1e-6):
                moved = [leaf.copy() for leaf in leaves]
                moved[number][place] += step
                wide = jnp.asarray(np.asarray(x), jnp.float64)
                values.append(
                    float(mean_loss(jax.tree.unflatten(tree, moved), wide, y, rate=rate, seed=5, step=2))
                )
            slope = (values[0] - values[1]) / 2e-6
            assert float(gradient[place]) == pytest.approx(slope, rel=2e-4, abs=1e-7)


@pytest.mark.parametrize(("rows", "rate"), [(1, 0.0), (7, 0.5), (15, 0.8)])
def test_padding_changes_nothing(rows, rate):
    rng = np.random.default_rng(rows)
    params = network.init(6, (5, 6, 3))
    x, y, weight = batch(rng, 16, 5, 3)
    kwargs = {"rate": np.float32(rate), "seed": 1, "step": 3}
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
