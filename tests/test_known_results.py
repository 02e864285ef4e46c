"""Published results that hold exactly: what dropstudy trains obeys them. docs/known_results.md has the others."""

import importlib
import json
from math import pi
from pathlib import Path

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from keras import layers
from sklearn.linear_model import Ridge

import dropstudy
from dropstudy.core.types import Arm, Condition, Optimizer, Run
from dropstudy.engine.keras.train import train_segment
from dropstudy.engine.mlp.config import static_config, traced_config
from dropstudy.engine.mlp.dropout import input_noise_factors, noise_factors
from dropstudy.spec import presets
from keras_models import CLASSES, described, segment

ROOT = Path(__file__).parent.parent

# Srivastava et al. 2014, section 9.1: dropout on the inputs of a linear regression, with the share p kept, is ridge
# regression with the penalty (1 - p) / p on inputs of unit norm. The weights are p times theirs, as kept inputs are
# divided by p here.


def regression():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 5)) @ rng.normal(size=(5, 5))
    return x, x @ rng.normal(size=5) + rng.normal(size=30)


def ridge(x, y, penalty):
    norms = np.linalg.norm(x, axis=0)
    return Ridge(alpha=penalty, fit_intercept=False).fit(x / norms, y).coef_ / norms


def configured(rate, noise="dropout"):
    arm = Arm("inputs", input_rate=rate, noise=noise)
    condition = Condition(features=5, hidden=(), classes=2, train_size=30, batch_size=30)
    run = Run("", arm, condition, 3, "relu", Optimizer(), 1, "test", "float32")
    return traced_config(run), static_config([run])


@pytest.mark.parametrize("rate", [0.2, 0.4, 0.6, 0.8])
def test_linear_regression_with_all_masks_of_its_inputs_is_ridge_regression(rate):
    traced, static = configured(rate)
    x, y = regression()
    fifths = np.arange(5) / 5 + 0.1  # equally likely draws, of which rate * 5 drop their input
    draws = np.stack(np.meshgrid(*[fifths] * 5), axis=-1).reshape(-1, 5)
    factors = np.asarray(noise_factors(jnp.float32(draws), rate, traced.noise, static), np.float64)
    noisy = (factors[:, None] * x).reshape(-1, 5)
    fitted, *_ = np.linalg.lstsq(noisy, np.tile(y, len(factors)), rcond=None)
    np.testing.assert_allclose(fitted, ridge(x, y, rate / (1 - rate)), rtol=1e-5)


@pytest.mark.parametrize("noise", ["dropout", "gaussian"])
def test_the_draws_of_training_have_no_gradient_on_average_at_the_ridge_solution(noise):
    rate, steps = 0.2, 4000
    traced, static = configured(rate, noise)
    x, y = regression()

    @jax.vmap
    def factors(step):
        return input_noise_factors(x.shape, rate, traced, static, step)

    noisy = np.asarray(factors(jnp.arange(steps)), np.float64) * x

    def z(w):
        gradients = np.einsum("sni,sn->si", noisy, noisy @ w - y)
        return np.abs(gradients.mean(axis=0) / (gradients.std(axis=0) / np.sqrt(steps)))

    assert z(ridge(x, y, 0.25)).max() < 4
    for wrong in (0, 0.2, 0.8, 4):  # none; the rate; the share kept; the rate taken for the share kept
        assert z(ridge(x, y, wrong)).max() > 10, wrong


# Li, Chen, Hu and Yang 2019, "Understanding the disharmony between dropout and batch normalization by variance shift":
# what batch normalisation behind dropout has seen in training is not the variance of a prediction.

SHIFTS = {0.9: 0.860, 0.8: 0.732, 0.5: 0.405, 0.2: 0.146}
"""Variance of relu of a normal input in a prediction as a share of that in training, by the share kept."""

WIDTH = 16


def normalised(rate=0.5):
    model = keras.Sequential(
        [
            keras.Input((WIDTH,)),
            layers.ReLU(),
            layers.Dropout(rate),
            layers.BatchNormalization(momentum=0.95),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
    return model


@pytest.fixture(scope="module")
def normal_inputs():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6000, WIDTH)).astype(np.float32), rng.integers(0, CLASSES, 6000)
    return dropstudy.dataset(x[:5000], y[:5000], x[5000:], y[5000:], scale=1.0)


@pytest.fixture(scope="module")
def model(normal_inputs):
    return described(normalised, normal_inputs)


@pytest.mark.parametrize(("keep", "published"), SHIFTS.items())
def test_variance_shifts_before_batch_normalisation_as_published(normal_inputs, model, keep, published):
    mean, square = 1 / np.sqrt(2 * pi), 1 / 2  # of relu of a normal input
    assert (square - mean**2) / (square / keep - mean**2) == pytest.approx(published, abs=5e-4)
    run = segment(normal_inputs, model, rate=1 - keep, epochs=20, batch_size=500)
    trained = train_segment(run).state
    (of_training,) = (trained[name] for name in trained if name.endswith("moving_variance"))
    of_prediction = np.maximum(normal_inputs.x_train, 0).var(axis=0)
    assert of_prediction.mean() / of_training.mean() == pytest.approx(published, rel=0.02)


# The page has the numbers that the benchmark stored, and no others.


def test_the_table_of_the_page_is_made_of_the_results_that_the_benchmark_stored(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    benchmark = importlib.import_module("known_results")
    results = json.loads(benchmark.RESULTS.read_text(encoding="utf-8"))
    page = benchmark.PAGE.read_text(encoding="utf-8")
    shown = page.partition(f"{benchmark.BEGIN}\n")[2].partition(f"\n{benchmark.END}")[0]
    assert shown == benchmark.table(results)
    assert {name for name, _ in benchmark.PARTS} == set(presets.published())
    for name in presets.published():
        assert f"| {name} | " in shown
        assert (f"| {name} | 0 of " in shown) == (not results.get(name, {}).get("runs"))
