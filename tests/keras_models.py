"""Keras models for tests, small ones of each kind."""

import keras
import numpy as np
from keras import layers

import dropstudy
from dropstudy.core.types import Arm, Condition, Optimizer, Run, Segment
from dropstudy.data.arrays import store_arrays
from dropstudy.engine.keras.description import describe
from dropstudy.engine.keras.request import ModelRequest
from dropstudy.engine.user_code import name_of, packed, source_digest

CLASSES, SIDE = 3, 6


def cnn(rate=0.5):
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Dropout(rate / 2),
            layers.Flatten(),
            layers.Dense(8, activation="relu"),
            layers.Dropout(rate),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def plain_cnn():
    model = cnn()
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy")
    return model


class Attentive(keras.Model):
    """A subclassed model with batch normalisation, attention and a recurrent layer."""

    def __init__(self):
        super().__init__()
        self.norm = layers.BatchNormalization()
        self.attention = layers.MultiHeadAttention(2, 4, dropout=0.3)
        self.recurrent = layers.LSTM(5, dropout=0.2, recurrent_dropout=0.1)
        self.drop = layers.Dropout(0.4)
        self.out = layers.Dense(CLASSES)

    def call(self, x, training=False):
        x = self.norm(x, training=training)
        x = self.attention(x, x, training=training)
        return self.out(self.drop(self.recurrent(x, training=training), training=training))


def attentive():
    return Attentive()


def examples(count=100, seed=0):
    """Images of which a row is bright: the class is the row."""
    rng = np.random.default_rng(seed)
    x = rng.random((count, SIDE, SIDE), np.float32)
    y = rng.integers(0, CLASSES, count)
    x[np.arange(count), y] += 1
    return x, y


def data(count=100):
    return dropstudy.dataset(*examples(count), *examples(40, 1), scale=1.0)


def described(build, dataset, rates=(0.0, 0.5), **options):
    """Describe a model in this process; options of `ModelRequest`, optimiser and loss among them."""
    chosen = (options.pop("optimizer", None), options.pop("loss", None))
    name = name_of(build)
    return describe(
        ModelRequest(
            builder=packed(build, name),
            chosen=packed(chosen, name),
            name="model",
            builder_name=name,
            source=source_digest(build),
            input_shape=dataset.input_shape,
            classes=len(dataset.classes),
            rates=tuple(rates),
            **options,
        )
    )


def segment(
    dataset,
    model,
    *,
    rate=0.5,
    seed=0,
    epochs=2,
    batch_size=16,
    held_out=0,
    state=None,
    done=0,
    steps=None,
    **fields,
):
    """A segment of a run: to its end, or of `steps` steps."""
    source, reference = model
    rows = np.arange(len(dataset.y_train), dtype=np.int32)
    train, validation = rows[held_out:], rows[:held_out] if held_out else None
    condition = Condition(dataset.features, (), CLASSES, len(train), batch_size, reference)
    arm = fields.pop("arm", Arm("arm", rate))
    split = held_out or "test"
    run = Run("k" * 64, arm, condition, seed, "relu", Optimizer(), epochs, split, "float32", **fields)
    return Segment(
        run, store_arrays(dataset), train, validation, state, done, steps or run.steps - done, source
    )
