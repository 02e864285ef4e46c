"""Models and functions that cannot be used are refused with the cause and a next step."""

import itertools
import os
import subprocess
import sys
import zipfile

import jax
import keras
import numpy as np
import pytest
from keras import layers

import keras_models
from dropstudy.core.types import Arm
from dropstudy.engine.keras.archive import ModelFile, check_archive
from dropstudy.engine.keras.insert import with_dropout
from dropstudy.engine.keras.network import network_of
from dropstudy.errors import ModelError
from keras_models import CLASSES, SIDE, described


@pytest.fixture(scope="module")
def data():
    return keras_models.data()


def dense(*inner, outputs=CLASSES, activation="softmax"):
    return keras.Sequential(
        [keras.Input((SIDE, SIDE)), layers.Flatten(), *inner, layers.Dense(outputs, activation=activation)]
    )


def nothing():
    return None


def no_dropout():
    return dense(layers.Dense(4, activation="relu"))


def too_many_outputs():
    return dense(layers.Dropout(0.5), outputs=7)


def two_inputs():
    inputs = [keras.Input((SIDE, SIDE)), keras.Input((SIDE, SIDE))]
    return keras.Model(
        inputs, layers.Dense(CLASSES)(layers.Dropout(0.5)(layers.Flatten()(layers.add(inputs))))
    )


def another_shape():
    return keras.Sequential([keras.Input((5,)), layers.Dropout(0.5), layers.Dense(CLASSES)])


_widths = itertools.count(3)


def another_each_time():
    return dense(layers.Dense(next(_widths)), layers.Dropout(0.5))


def drawn_elsewhere():
    model = dense(layers.Dropout(0.5))
    model.layers[-1].kernel.assign(np.random.Generator(np.random.PCG64()).normal(size=(SIDE * SIDE, CLASSES)))
    return model


def loaded():
    model = dense(layers.Dropout(0.5))
    model.layers[-1].kernel.assign(np.random.default_rng(0).normal(size=(SIDE * SIDE, CLASSES)))
    return model


def rate_unused(rate):  # noqa: ARG001 - that is the fault
    return dense(layers.Dropout(0.5))


def rate_squared(rate):
    return dense(layers.Dropout(rate**2))


def rate_as_width(rate):
    return dense(layers.Dense(int(20 * rate) + 1), layers.Dropout(rate))


def logits_as_probabilities():
    model = dense(layers.Dropout(0.5), activation=None)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def regression():
    model = dense(layers.Dropout(0.5))
    model.compile("adam", "mse")
    return model


def needs_a_gpu():
    with jax.default_device(jax.devices("gpu")[0]):
        return dense(layers.Dropout(0.5))


def raises():
    raise RuntimeError("the weather is bad")


class Counting(keras.Model):
    """A model whose outputs depend on the number of its calls."""

    def __init__(self):
        super().__init__()
        self.drop, self.out, self.calls_so_far = layers.Dropout(0.5), layers.Dense(CLASSES), 0

    def call(self, x, training=False):
        self.calls_so_far += 1
        x = keras.ops.reshape(x, (-1, SIDE * SIDE))
        return self.out(self.drop(x, training=training)) + self.calls_so_far


class OwnStep(keras.Sequential):
    """A model with a training step of its own."""

    def train_step(self, *args):
        return super().train_step(*args)


def own_step():
    return OwnStep([keras.Input((SIDE, SIDE)), layers.Flatten(), layers.Dropout(0.5), layers.Dense(CLASSES)])


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (nothing, "received one that returns None"),
        (no_dropout, "expected a model with a dropout layer.*`add_dropout`"),
        (too_many_outputs, r"expected a model with 3 outputs.*received outputs of shape \(n, 7\)"),
        (two_inputs, "expected a model with one input, received one with 2"),
        (another_shape, r"expected examples of shape \(5,\).*received examples of shape \(6, 6\)"),
        (another_each_time, "builds the same model at each call"),
        (drawn_elsewhere, "expected the same initial weights for the same seed"),
        (loaded, "drawn for each seed.*`pretrained`"),
        (rate_unused, "expected a function that uses its rate"),
        (rate_squared, "expected the function's rate, a fixed multiple of it, or a constant"),
        (rate_as_width, "builds the same weights at every rate"),
        (logits_as_probabilities, "from_logits=True"),
        (regression, "loss: expected a cross-entropy of Keras"),
        (raises, "received RuntimeError: the weather is bad"),
        (needs_a_gpu, "received RuntimeError: .*gpu"),
        (Counting, "keeps state elsewhere"),
        (own_step, "received one with a train_step of its own"),
    ],
)
def test_a_function_that_cannot_be_used_is_refused_with_the_cause(data, build, words):
    with pytest.raises(ModelError, match=words):
        described(build, data)


def test_an_unknown_layer_is_refused_with_those_there_are(data):
    with pytest.raises(
        ModelError, match=r"dropout_layers.*expected layers .*: dropout, dropout_1, received 'drop'"
    ):
        described(keras_models.plain_cnn, data, dropout_layers=("drop",))


def test_rates_may_be_left_out_at_0(data):
    def conditional(rate):
        return dense(*[layers.Dropout(rate)] * (rate > 0))

    assert described(conditional, data)[1].noise == ("dropout",)


def test_dropout_is_put_behind_each_activation_but_the_last(data):
    source, reference = described(no_dropout, data, add_dropout=True)
    assert reference.noise == ("dense_dropout",)
    assert network_of(source).rates(Arm("arm", 0.3))[0] == pytest.approx([0.3])
    inputs = keras.Input((SIDE, SIDE))
    hidden = layers.Conv1D(4, 3, activation="relu", name="conv")(inputs)
    model = keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(layers.Flatten()(hidden)))
    assert [type(layer).__name__ for layer in with_dropout(model, "it").layers][2] == "Dropout"
    with pytest.raises(ModelError, match="a subclass"):
        with_dropout(keras_models.Attentive(), "it")


def test_pretrained_weights_are_those_of_all_seeds(data):
    source, _ = described(loaded, data, pretrained=True)
    first, second = (network_of(source).initial(seed)[0].trainable for seed in (0, 1))
    assert all(map(np.array_equal, first, second))
    np.testing.assert_array_equal(first[0], loaded().layers[-1].kernel.value)


def test_a_file_with_code_with_a_class_of_the_user_or_with_damage_is_refused(tmp_path):
    inputs = keras.Input((SIDE,))
    keras.Model(inputs, layers.Dense(3)(layers.Lambda(lambda x: 2 * x)(inputs))).save(tmp_path / "code.keras")
    with pytest.raises(ModelError, match="Lambda"):
        check_archive(tmp_path / "code.keras")
    own_step().save(tmp_path / "own.keras")
    with pytest.raises(ModelError, match="the class OwnStep"):
        check_archive(tmp_path / "own.keras")
    dense(layers.Dropout(0.5)).save(tmp_path / "whole.keras")
    check_archive(tmp_path / "whole.keras")
    content = bytearray((tmp_path / "whole.keras").read_bytes())
    for name, damaged in {"half": content[: len(content) // 2], "text": b"hello"}.items():
        (tmp_path / f"{name}.keras").write_bytes(damaged)
        with pytest.raises(ModelError, match="a damaged file"):
            check_archive(tmp_path / f"{name}.keras")
    with pytest.raises(ModelError, match="No such file"):
        check_archive(tmp_path / "none.keras")


def test_a_file_of_another_backend_is_read_and_one_that_needs_its_program_is_refused(tmp_path):
    script = "import keras, sys; keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5)]).save(sys.argv[1])"
    path = tmp_path / "numpy.keras"
    environment = {**os.environ, "KERAS_BACKEND": "numpy"}
    subprocess.run([sys.executable, "-c", script, path], env=environment, check=True)  # noqa: S603 - our own
    check_archive(path)
    assert [type(layer).__name__ for layer in ModelFile(path)().layers] == ["Dropout"]
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(tmp_path / "tf.keras", "w") as other:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "config.json":
                content = content.replace(b'"class_name": "Dropout"', b'"class_name": "TFSMLayer"')
            other.writestr(name, content)
    with pytest.raises(ModelError, match=r"tf\.keras: expected a model that Keras can load.*Save it again"):
        ModelFile(tmp_path / "tf.keras")()
