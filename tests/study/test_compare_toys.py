"""A small vision transformer and an LSTM: they learn, they resume to the bit, and the rate moves what is inside."""

import keras
import numpy as np
import pytest
from keras import layers

import dropstudy
from fake_training import InlineExecutor

PATCHES, WIDTH = 16, 32


class Positions(layers.Layer):
    """Adds a learned vector to each patch."""

    def build(self, shape):
        self.vectors = self.add_weight(shape=shape[1:], initializer="random_normal", name="vectors")

    def call(self, x):
        return x + self.vectors


def vit(rate):
    """Vision transformer (Dosovitskiy et al. 2021) of one block for digits of 8 x 8."""
    inputs = keras.Input((8, 8, 1))
    x = layers.Reshape((PATCHES, WIDTH))(layers.Conv2D(WIDTH, 2, strides=2)(inputs))
    x = layers.Dropout(rate)(Positions()(x))
    normal = layers.LayerNormalization()(x)
    attended = layers.MultiHeadAttention(4, 8, dropout=rate)(normal, normal)
    x = layers.add([x, layers.Dropout(rate)(attended)])
    hidden = layers.Dense(64, activation="gelu")(layers.LayerNormalization()(x))
    x = layers.add([x, layers.Dense(WIDTH)(layers.Dropout(rate)(hidden))])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def lstm(rate):
    """A row of pixels is a time step."""
    model = keras.Sequential(
        [
            keras.Input((8, 8)),
            layers.LSTM(32, dropout=rate, recurrent_dropout=rate),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy")
    return model


class StopAfter(dropstudy.Callback):
    """Interrupts a study, as Ctrl-C does."""

    def __init__(self, epochs):
        self.left = epochs

    def on_epoch_end(self, run, metrics):  # noqa: ARG002 - as in the base class
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def rates_inside(model):
    """Rates of all dropout layers, those inside of other layers too."""
    found = {layer.rate for layer in model._flatten_layers() if isinstance(layer, layers.Dropout)}
    for layer in model._flatten_layers():
        if isinstance(layer, layers.LSTM):
            found |= {layer.dropout, layer.recurrent_dropout}
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "moved"),
    [
        (vit, {"multi_head_attention/dropout"}),
        (lstm, {"lstm/dropout", "lstm/recurrent_dropout"}),
    ],
)
def test_it_learns_resumes_to_the_bit_and_its_inner_layers_are_moved(build, moved, tmp_path):
    # In this process: a worker would import Keras and trace the model for each of the three studies.
    asked = {"rates": [0, 0.2], "epochs": 6, "batch_size": 32, "executor": InlineExecutor(), "verbose": False}
    study = dropstudy.compare(build, "digits", seeds=1, out=tmp_path / "whole", **asked)
    assert moved <= set(study.spec.model.noise)
    assert rates_inside(study.model("dropout 0.2")) == {0.2}
    scores = study.results().test_scores()
    assert len(scores) == 2
    assert (scores["test_accuracy"] > 0.5).all()  # chance is 0.1
    with pytest.raises(KeyboardInterrupt):
        dropstudy.compare(build, "digits", seeds=1, out=tmp_path / "cut", callbacks=StopAfter(3), **asked)
    resumed = dropstudy.compare(build, "digits", seeds=1, out=tmp_path / "cut", **asked)
    for arm in ("no dropout", "dropout 0.2"):
        weights = [each.model(arm, 0).get_weights() for each in (study, resumed)]
        assert all(map(np.array_equal, *weights))
