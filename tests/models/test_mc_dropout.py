import numpy as np
import pytest

from dropstudy.core.types import Arm, Layer
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


def test_each_layer_has_its_own_rate():
    """A network that only adds: with each rate for itself, the variance of its sum is known."""
    one = np.ones((1, 1), np.float32)
    weights = (
        Layer(one, one[0] * 0),
        Layer(one, one[0] * 0),
        Layer(np.eye(1, 2, dtype=np.float32), np.zeros(2)),
    )
    arm = Arm("by layer", (0.2, 0.6))
    drawn = [
        sampled_probabilities(weights, one, arm=arm, activation="relu", scale=1.0, samples=1, seed=seed)[0, 0]
        for seed in range(400)
    ]
    kept = np.float32(1 / (0.8 * 0.4))  # where both layers keep their unit
    assert {round(float(p), 4) for p in drawn} == {0.5, round(float(1 / (1 + np.exp(-kept))), 4)}
    assert np.mean(np.array(drawn) > 0.5) == pytest.approx(0.8 * 0.4, abs=0.08)


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
