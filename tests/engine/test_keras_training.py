"""A Keras model trains as Keras trains it, in segments of any length, and with draws that arms share."""

import jax.numpy as jnp
import keras
import numpy as np
import pytest

import keras_models
from dropstudy.core.types import Arm
from dropstudy.engine.keras import noise
from dropstudy.engine.keras.build import build
from dropstudy.engine.keras.network import network_of
from dropstudy.engine.keras.train import train_segment
from dropstudy.engine.mlp import rng
from dropstudy.engine.mlp.rules import Purpose
from keras_models import attentive, cnn, described, plain_cnn, segment


@pytest.fixture(scope="module")
def data():
    return keras_models.data()


@pytest.fixture(scope="module")
def model(data):
    return described(plain_cnn, data)


@pytest.fixture(scope="module")
def subclassed(data):
    return described(attentive, data)


def test_at_rate_0_weights_are_those_of_fit_on_the_same_batches(data, model):
    """100 examples in batches of 16: the last one has 4."""
    result = train_segment(segment(data, model, rate=0.0, epochs=1))
    theirs = build(model[0], seed=0)
    for layer in theirs.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    theirs.compile(
        keras.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    order = np.asarray(rng.permutation(rng.derive(0, Purpose.SHUFFLE, 0), 100))
    x, y = data.x_train[order][..., None], data.y_train[order]
    history = theirs.fit(x, y, batch_size=16, shuffle=False, verbose=0).history
    for variable in theirs.weights:
        np.testing.assert_allclose(result.state[f"weights/{variable.path}"], variable.value, atol=1e-4)
    assert result.history[0].loss == pytest.approx(history["loss"][0], abs=1e-4)
    assert result.history[0].accuracy == pytest.approx(history["accuracy"][0])
    loss, accuracy = theirs.evaluate(data.x_test[..., None], data.y_test, verbose=0)
    assert (result.final.loss, result.final.accuracy) == pytest.approx((loss, accuracy), abs=1e-4)


@pytest.mark.parametrize(("which", "most"), [("model", 4), ("subclassed", 8)])
def test_any_cut_gives_the_same_bits(request, data, which, most):
    """15 steps; those of the subclassed model take long to compile, so it is cut once."""
    model = request.getfixturevalue(which)
    stop = {"held_out": 20, "restore_best_weights": True, "patience": 2}
    whole = train_segment(segment(data, model, epochs=3, **stop))
    state, done, history = None, 0, ()
    while done < 15:
        steps = min(most, 15 - done)
        part = train_segment(segment(data, model, epochs=3, state=state, done=done, steps=steps, **stop))
        state, done, history = part.state, part.done, history + part.history
    assert history == whole.history
    assert set(state) == set(whole.state)
    assert all(np.array_equal(state[name], whole.state[name]) for name in whole.state)
    assert part.final.loss == whole.final.loss


def test_arms_of_a_seed_share_initial_weights_and_seeds_do_not(model):
    network = network_of(model[0])
    first, again, other = (network.initial(seed)[0].trainable for seed in (0, 0, 1))
    assert all(map(np.array_equal, first, again))
    assert not np.array_equal(first[0], other[0])


def test_a_rate_in_a_function_is_taken_by_its_factor(data):
    source, reference = described(cnn, data)
    rates, moved = network_of(source).rates(Arm("arm", 0.4))
    np.testing.assert_allclose(rates, [0.2, 0.4])
    assert moved.all()
    assert reference.noise == ("dropout", "dropout_1")


def test_chosen_layers_move_and_the_others_keep_their_rate(data):
    source, reference = described(plain_cnn, data, dropout_layers=("dropout_1",))
    rates, moved = network_of(source).rates(Arm("arm", 0.0))
    np.testing.assert_allclose(rates, [0.25, 0])
    assert moved.tolist() == [False, True]
    assert reference.noise == ("dropout_1",)


def test_every_dropout_of_a_subclassed_model_is_found(subclassed):
    assert set(subclassed[1].noise) == {
        "multi_head_attention/dropout",
        "lstm/dropout",
        "lstm/recurrent_dropout",
        "dropout",
    }


def test_a_subclassed_model_learns_and_keeps_its_batch_statistics(data, subclassed):
    result = train_segment(segment(data, subclassed, rate=0.1, epochs=12))
    assert result.history[-1].clean_loss < result.history[0].clean_loss
    mean = result.state["weights/attentive/batch_normalization/moving_mean"]
    assert not np.array_equal(mean, np.zeros_like(mean))
    assert result.final.noisy_loss != result.final.clean_loss


def test_draws_of_two_rates_are_nested_and_keep_the_mean():
    model = keras.Sequential([keras.Input((50,)), keras.layers.Dropout(0.5)])
    noise.take_over(model)
    kept = {}
    for rate in (0.0, 0.3, 0.6):
        with noise.drawing(noise.Draws(jnp.uint32(1), jnp.int32(0), jnp.array([rate], jnp.float32))):
            out = np.asarray(model(np.ones((400, 50), np.float32), training=True))
        assert set(np.unique(out)) <= {np.float32(0), np.float32(1) / (1 - np.float32(rate))}
        assert out.mean() == pytest.approx(1, abs=0.03)
        kept[rate] = out > 0
    assert kept[0.0].all()
    assert (kept[0.3] | ~kept[0.6]).all()


@pytest.mark.parametrize("kind", ["GaussianDropout", "AlphaDropout", "SpatialDropout1D"])
def test_other_kinds_of_dropout_keep_the_mean_and_do_nothing_at_rate_0(kind):
    x = np.random.default_rng(0).normal(size=(2000, 5, 10)).astype(np.float32)
    model = keras.Sequential([keras.Input((5, 10)), getattr(keras.layers, kind)(0.5)])
    noise.take_over(model)
    outputs = []
    for rate in (0.0, 0.3):
        with noise.drawing(noise.Draws(jnp.uint32(1), jnp.int32(0), jnp.array([rate], jnp.float32))):
            outputs.append(np.asarray(model(x, training=True)))
    np.testing.assert_allclose(outputs[0], x, atol=1e-6)
    assert outputs[1].mean() == pytest.approx(x.mean(), abs=0.02)
    if kind == "AlphaDropout":  # keeps the variance of standard normal inputs too (Klambauer et al. 2017)
        assert outputs[1].std() == pytest.approx(1, abs=0.02)
    elif kind == "GaussianDropout":
        assert (outputs[1] / x).std() == pytest.approx((0.3 / 0.7) ** 0.5, abs=0.02)
    else:
        assert ((outputs[1] == 0).all(axis=1) | (outputs[1] != 0).all(axis=1)).all()
