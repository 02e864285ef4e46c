import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dropstudy.core.types import Layer
from dropstudy.errors import InvalidArgument
from dropstudy.models.predict import hidden_activations, predict, softmax
from random_networks import network


def pixels(n, features=784, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (n, features), dtype=np.uint8)


def test_probabilities_follow_from_the_definition():
    kernel, bias = np.float32([[1, -1], [2, 0]]), np.float32([0, 0.5])
    weights = (Layer(np.eye(2, dtype=np.float32), np.float32([0, -1])), Layer(kernel, bias))
    # (4, 2) / 2 = (2, 1); relu of (2, 0) = (2, 0); logits (2, -1.5)
    expected = np.exp([2, -1.5]) / np.exp([2, -1.5]).sum()
    got = predict(weights, [[4, 2]], activation="relu", scale=2)
    np.testing.assert_allclose(got, [expected], rtol=1e-6)


def test_rows_are_distributions_whatever_the_batch(monkeypatch):
    weights, x = network((16, 8, 3)), pixels(1000, 16)
    whole = predict(weights, x, activation="relu", scale=255)
    np.testing.assert_allclose(whole.sum(axis=1), 1, atol=1e-6)
    monkeypatch.setattr("dropstudy.models.predict._BATCH", 7)
    np.testing.assert_allclose(predict(weights, x, activation="relu", scale=255), whole, atol=1e-6)


def test_softmax_is_stable_for_large_logits():
    weights = (Layer(np.float32([[1000, -1000, 999]]), np.zeros(3, np.float32)),)
    got = predict(weights, [[1.0], [-1.0]], activation="relu", scale=1)
    np.testing.assert_allclose(got, [[1 / (1 + np.exp(-1)), 0, 1 / (1 + np.e)], [0, 1, 0]], atol=1e-6)


def test_images_are_flattened_and_no_example_gives_no_row():
    weights = network()
    flat = pixels(6, 4)
    square = predict(weights, flat.reshape(6, 2, 2), activation="relu", scale=255)
    assert np.array_equal(square, predict(weights, flat, activation="relu", scale=255))
    assert predict(weights, flat[:0], activation="relu", scale=255).shape == (0, 2)


@pytest.mark.parametrize(
    ("x", "received"),
    [
        (np.zeros((3, 5)), r"shape \(3, 5\)"),
        (np.zeros(4), r"shape \(4,\)"),
        (np.float32(1), r"shape \(\)"),
        (np.array([["a"] * 4]), "type <U1"),
        (np.zeros((2, 4), object), "type object"),
        ([[0, 0, 0, 0], [0, np.nan, 0, 0], [np.nan] * 4], "2 examples, the first in example 1"),
        ([[0, 0, 0, -np.inf]], "1 examples, the first in example 0"),
        ([[0, 0, 0, 1e300]], "1 examples"),
        ([[3e38, 3e38, 3e38, 3e38], [-3e38, -3e38, -3e38, -3e38]], "examples"),
    ],
)
def test_examples_that_cannot_be_used_are_named(x, received):
    weights = (Layer(np.ones((4, 2), np.float32), np.zeros(2, np.float32)),)
    with pytest.raises(InvalidArgument, match=received):
        predict(weights, x, activation="relu", scale=1)


def test_a_wrong_example_is_counted_over_all_batches(monkeypatch):
    monkeypatch.setattr("dropstudy.models.predict._BATCH", 3)
    x = np.zeros((10, 4))
    x[7, 1] = np.nan
    with pytest.raises(InvalidArgument, match="first in example 7"):
        predict(network(), x, activation="relu", scale=1)


def test_the_last_hidden_activations_lead_to_what_is_predicted():
    weights = network((6, 5, 4, 3))
    x = np.random.default_rng(0).normal(size=(8, 2, 3)).astype(np.float32)
    layers = hidden_activations(weights, x, activation="relu", scale=2.0)
    assert [layer.shape for layer in layers] == [(8, 5), (8, 4)]
    logits = layers[-1] @ weights[-1].kernel + weights[-1].bias
    assert softmax(logits) == pytest.approx(predict(weights, x, activation="relu", scale=2.0), abs=1e-6)


def test_importing_and_predicting_needs_no_keras_and_no_jax():
    code = (
        "import sys, numpy as np\n"
        "from dropstudy.core import types\n"
        "from dropstudy.models import keras, predict\n"
        "layer = types.Layer(np.eye(2, dtype=np.float32), np.zeros(2, np.float32))\n"
        "predict.predict((layer,), [[1, 2]], activation='relu', scale=1)\n"
        "print({'jax', 'keras', 'tensorflow', 'torch', 'h5py'} & set(sys.modules))"
    )
    source = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": source}
    )
    assert done.stdout.strip() == "set()"
