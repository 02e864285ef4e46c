import numpy as np
import pytest

from dropstudy.core.types import Arm
from dropstudy.models.mc_dropout import noisy, sampled_probabilities
from dropstudy.models.predict import predict
from random_networks import network


def test_sampling_without_dropout_is_prediction():
    weights = network((6, 5, 4, 3))
    x = np.random.default_rng(0).normal(size=(8, 6))
    arm = Arm("none")
    sampled = sampled_probabilities(weights, x, arm=arm, activation="tanh", scale=1.0, samples=3, seed=0)
    assert sampled == pytest.approx(predict(weights, x, activation="tanh", scale=1.0), abs=1e-6)


@pytest.mark.parametrize("kind", ["dropout", "gaussian"])
@pytest.mark.parametrize("rate", [0.2, 0.8])
def test_noise_keeps_the_mean_and_has_the_variance_of_its_rate(kind, rate):
    h = np.ones((200, 500), np.float32)
    drawn = noisy(h, rate, Arm("x", rate, noise=kind), np.random.default_rng(0))
    assert drawn.mean() == pytest.approx(1, abs=0.03)
    assert drawn.var() == pytest.approx(rate / (1 - rate), rel=0.05)
    if kind == "dropout":
        assert set(np.unique(drawn)) == {np.float32(0), np.float32(1 / np.float32(1 - rate))}


def test_many_samples_of_a_linear_layer_average_to_the_network_without_noise():
    """Logits are linear in the last hidden layer, so small weights make probabilities nearly so, too."""
    weights = tuple(type(w)(w.kernel * np.float32(0.1), w.bias) for w in network((6, 50, 3)))
    x = np.random.default_rng(0).normal(size=(4, 6))
    arm = Arm("half", 0.5)
    mean = sampled_probabilities(weights, x, arm=arm, activation="relu", scale=1.0, samples=2000, seed=0)
    assert mean == pytest.approx(predict(weights, x, activation="relu", scale=1.0), abs=0.01)
    again = sampled_probabilities(weights, x, arm=arm, activation="relu", scale=1.0, samples=2000, seed=0)
    other = sampled_probabilities(weights, x, arm=arm, activation="relu", scale=1.0, samples=2000, seed=1)
    assert np.array_equal(mean, again)
    assert not np.array_equal(mean, other)
    assert mean.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-5)
