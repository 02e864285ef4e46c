"""Weights as models: equal to Keras to the digit."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from importlib.util import find_spec

import keras
import numpy as np
import pytest

from dropstudy.core.tensors import read_tensors, unpack_weights
from dropstudy.core.types import Arm
from dropstudy.errors import InvalidArgument, StoreError
from dropstudy.models.keras import to_keras
from dropstudy.models.predict import predict
from random_networks import SMALL, export, network, same

# Keras' variables have NumPy 1's form of __array__, which NumPy 2 deprecates: keras-team's to mend, not ours.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


# Equal to Keras


@pytest.mark.slow
@pytest.mark.parametrize(
    ("widths", "rate"),
    [((784, 512, 512, 10), 0.8), ((784, 512, 512, 10), 0.0), ((9, 7), 0.3), ((6, 300, 2), 0.1)],
)
def test_plain_keras_loads_the_file_and_predicts_and_evaluates_as_we_do(tmp_path, widths, rate):
    weights = network(widths)
    path = export(tmp_path / "model.keras", weights, rate=rate, name="dropout 0.8")
    model = keras.models.load_model(path)

    x = np.random.default_rng(1).integers(0, 256, (500, widths[0]), dtype=np.uint8)
    ours = predict(weights, x, activation="relu", scale=255)
    theirs = model.predict(x.astype(np.float32) / 255, verbose=0)
    assert ours.dtype == theirs.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=1e-5)

    labels = np.random.default_rng(2).integers(0, widths[-1], len(x))
    loss, accuracy = model.evaluate(x.astype(np.float32) / 255, labels, verbose=0)
    assert accuracy == pytest.approx((ours.argmax(axis=1) == labels).mean(), abs=1e-6)
    assert loss == pytest.approx(-np.log(ours[np.arange(len(x)), labels]).mean(), rel=1e-4)


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.8])
def test_the_loaded_model_is_the_notebooks_layer_by_layer(tmp_path, rate):
    path = export(tmp_path / "model.keras", network((784, 512, 512, 10)), rate=rate)
    model = keras.models.load_model(path)
    layers = keras.layers
    dropout = [layers.Dropout] if rate else []
    hidden = [layers.Dense, layers.Activation, *dropout]
    assert [type(layer) for layer in model.layers] == [*hidden, *hidden, layers.Dense, layers.Activation]
    assert [layer.rate for layer in model.layers if isinstance(layer, layers.Dropout)] == [rate] * 2 * bool(
        rate
    )
    assert model.count_params() == 669_706
    assert model.input_shape == (None, 784)
    activations = [
        layer.activation.__name__ for layer in model.layers if isinstance(layer, layers.Activation)
    ]
    assert activations == ["relu", "relu", "softmax"]


def test_each_hidden_layer_has_the_dropout_of_its_own_rate(tmp_path):
    path = export(tmp_path / "model.keras", network((6, 9, 5, 4, 3)), arm=Arm("arm", (0.2, 0.0, 0.5)))
    layers = keras.models.load_model(path).layers
    rates = [
        (before.name, layer.rate)
        for before, layer in itertools.pairwise(layers)
        if isinstance(layer, keras.layers.Dropout)
    ]
    assert rates == [("relu_0", 0.2), ("relu_2", 0.5)]


def test_the_loaded_model_can_be_trained_further_with_its_dropout_on(tmp_path):
    path = export(tmp_path / "model.keras", network((4, 100, 2)), rate=0.5)
    model = keras.models.load_model(path)
    x = np.ones((64, 4), np.float32)
    assert np.ptp(np.asarray(model(x, training=True)), axis=0).max() > 0  # masks differ between examples
    assert np.ptp(np.asarray(model(x)), axis=0).max() == 0
    before = model.get_weights()
    model.fit(x, np.zeros(64), verbose=0)
    assert not np.array_equal(before[0], model.get_weights()[0])


def test_a_model_in_memory_equals_the_one_in_the_file():
    weights = network()
    model = to_keras(weights, arm=Arm("arm", 0.5), activation="relu", name="net")
    assert isinstance(model, keras.Model)
    x = np.random.default_rng(1).integers(0, 256, (20, 4), dtype=np.uint8)
    theirs = model.predict(x.astype(np.float32) / 255, verbose=0)
    np.testing.assert_allclose(predict(weights, x, activation="relu", scale=255), theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dropout 0.8", "dropout_0.8"),
        ("a/b\\c>d", "a_b_c_d"),
        ("-_x", "x"),
        ("\u00e4", "model"),
        ("", "model"),
    ],
)
def test_names_of_models_are_what_tensorflow_accepts(name, expected):
    assert to_keras(network(), arm=Arm("arm", 0.0), activation="relu", name=name).name == expected


SETTINGS = """
import sys
import keras
import numpy as np

setting, path, mine, x, weights = sys.argv[1:]
if setting.startswith("mixed"):
    keras.mixed_precision.set_dtype_policy(setting)
else:
    keras.config.set_floatx(setting)
from pathlib import Path
from dropstudy.core.tensors import read_tensors, unpack_weights
from dropstudy.core.types import Arm
from dropstudy.models.keras import save_keras, to_keras

x = np.load(x)
weights = unpack_weights(read_tensors(Path(weights))[0], (16, 9, 3))
made = to_keras(weights, arm=Arm("arm", 0.5, input_rate=0.2), activation="relu", name="net")
save_keras(made, Path(mine))
opened = keras.models.load_model(path)
np.savez(f"{mine}.npz", made=made(x), predicted=made.predict(x, verbose=0), opened=opened(x))
"""


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["float16", "mixed_bfloat16"])
def test_floatx_and_policy_of_the_process_change_no_number_(tmp_path, setting):
    weights = network((16, 9, 3))
    # Sixteenths, which float16 holds: `predict` rounds to floatx.
    x = np.random.default_rng(3).integers(0, 17, (40, 16))
    ours = predict(weights, x, activation="relu", scale=16)
    path, mine, examples = export(tmp_path / "a.keras", weights), tmp_path / "b.keras", tmp_path / "x.npy"
    bare = export(tmp_path / "a.safetensors", weights, file_format="safetensors")
    np.save(examples, (x / 16).astype(np.float32))
    command = [sys.executable, "-c", SETTINGS, setting, str(path), str(mine), str(examples), str(bare)]
    subprocess.run(command, check=True, env=os.environ | {"KERAS_BACKEND": "jax"})  # noqa: S603 - our own arguments
    with np.load(f"{mine}.npz") as theirs:
        for name in ("made", "predicted", "opened"):
            np.testing.assert_allclose(theirs[name], ours, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(keras.models.load_model(mine)(np.load(examples)), ours, atol=1e-6)


# Export


def test_safetensors_export_holds_weights_and_notes(tmp_path):
    weights = network()
    path = export(tmp_path / "net.safetensors", weights, rate=0.8, file_format="safetensors", scale="255")
    arrays, notes = read_tensors(path)
    assert same(unpack_weights(arrays, SMALL), weights)
    assert notes == {"activation": "relu", "name": "net", "rate": "0.8", "scale": "255"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"file_format": "onnx"}, "file_format"),
        ({"file_format": "safetensors"}, "model.keras"),
        ({"path": "model.h5"}, r"model\.h5.*Name it model\.keras"),
        ({"path": ".keras"}, "ends in .keras"),
    ],
)
def test_what_cannot_be_exported_is_named_and_leaves_no_file(tmp_path, change, named):
    arguments = {"path": "model.keras", **change}
    path = tmp_path / arguments.pop("path")
    with pytest.raises(InvalidArgument, match=named):
        export(path, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_export_keeps_the_old_file(tmp_path, monkeypatch):
    path = export(tmp_path / "model.keras")
    old = path.read_bytes()

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keras.Model, "save", full)
    with pytest.raises(StoreError, match="TMPDIR"):
        export(path, network(seed=5))
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"file/model\.keras"):
        export(tmp_path / "file" / "model.keras")


# Imports


BACKENDS = """
import os, sys
import numpy as np
from dropstudy.core import types
from dropstudy.errors import InvalidArgument
from dropstudy.models.keras import to_keras

layer = types.Layer(np.eye(2, dtype=np.float32), np.zeros(2, np.float32))
for backend in ("theano", "tensorflow", "JAX"):
    os.environ["KERAS_BACKEND"] = backend
    try:
        to_keras((layer,), arm=types.Arm("arm"), activation="relu", name="net")
    except InvalidArgument as error:
        print(error)
assert "keras" not in sys.modules
"""


@pytest.mark.skipif(find_spec("tensorflow") is not None, reason="TensorFlow is installed here")
def test_a_backend_that_keras_lacks_is_told_in_one_line_with_what_is_installed():
    done = subprocess.run([sys.executable, "-c", BACKENDS], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    lines = done.stdout.splitlines()
    assert [re.search(r"received (.*?)\. ", line)[1] for line in lines] == [
        "'theano'",
        "'tensorflow'",
        "'JAX'",
    ]
    for line in lines:
        assert line.startswith("the environment variable KERAS_BACKEND: expected a backend")
        assert "installed here: jax" in line
        assert "set KERAS_BACKEND=jax" in line


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_every_kind_of_network_predicts_in_keras_as_here(tmp_path, activation):
    weights = network((6, 9, 5, 3))
    arm = Arm("arm", 0.4, input_rate=0.2, noise="gaussian", l2=0.01, max_norm=2.0)
    path = export(tmp_path / "model.keras", weights, arm=arm, activation=activation)
    model = keras.models.load_model(path)
    noise = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.GaussianDropout)]
    assert noise == [0.2, 0.4, 0.4]
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert [float(layer.kernel_regularizer.l2) for layer in dense] == pytest.approx([0.01] * 3)
    assert [layer.kernel_constraint and layer.kernel_constraint.max_value for layer in dense] == [
        2.0,
        2.0,
        None,
    ]
    x = np.random.default_rng(0).random((50, 6)).astype(np.float32)
    ours = predict(weights, x, activation=activation, scale=1)
    np.testing.assert_allclose(ours, model.predict(x, verbose=0), atol=1e-5)
