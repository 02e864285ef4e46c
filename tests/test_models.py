"""Weights as models: equal to Keras to the digit, and no file can run code."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import zipfile
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropstudy import models
from dropstudy.errors import DropstudyError, InvalidArgument, ModelError, StoreError
from dropstudy.records import Layer
from dropstudy.tensors import pack_weights, read_tensors, unpack_weights

# Keras' variables have NumPy 1's form of __array__, which NumPy 2 deprecates: keras-team's to mend, not ours.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SMALL = (4, 3, 2)


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras as module  # noqa: PLC0415 - as dropstudy imports it: after the backend is chosen

    return module


def network(widths=SMALL, seed=0):
    """Random weights of about unit gain, biases too, so that no unit is idle."""
    random = np.random.default_rng(seed)
    return tuple(
        Layer(
            random.normal(0, a**-0.5, size=(a, b)).astype(np.float32),
            random.normal(size=b).astype(np.float32),
        )
        for a, b in pairwise(widths)
    )


def pixels(n, features=784, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (n, features), dtype=np.uint8)


def same(a, b):
    ours, theirs = pack_weights(a), pack_weights(b)
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)


def export(
    path, weights=None, *, rate=0.5, file_format="keras", name="net", activation="relu", metadata=None
):
    return models.export(
        network() if weights is None else weights,
        path=path,
        format=file_format,
        rate=rate,
        activation=activation,
        name=name,
        metadata=metadata or {},
    )


@pytest.fixture(scope="module")
def small_keras(tmp_path_factory):
    """The bytes of a good small `.keras` file, and its weights."""
    path = tmp_path_factory.mktemp("good") / "small.keras"
    weights = network()
    return export(path, weights).read_bytes(), weights


# Equal to Keras


@pytest.mark.parametrize(
    ("widths", "rate"),
    [((784, 512, 512, 10), 0.8), ((784, 512, 512, 10), 0.0), ((9, 7), 0.3), ((6, 300, 2), 0.1)],
)
def test_plain_keras_loads_the_file_and_predicts_and_evaluates_as_we_do(keras, tmp_path, widths, rate):
    weights = network(widths)
    path = export(tmp_path / "model.keras", weights, rate=rate, name="dropout 0.8")
    model = keras.models.load_model(path)

    x = pixels(500, widths[0])
    ours = models.predict(weights, x, activation="relu", scale=255)
    theirs = model.predict(x.astype(np.float32) / 255, verbose=0)
    assert ours.dtype == theirs.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=1e-5)

    labels = np.random.default_rng(2).integers(0, widths[-1], len(x))
    loss, accuracy = model.evaluate(x.astype(np.float32) / 255, labels, verbose=0)
    assert accuracy == pytest.approx((ours.argmax(axis=1) == labels).mean(), abs=1e-6)
    assert loss == pytest.approx(-np.log(ours[np.arange(len(x)), labels]).mean(), rel=1e-4)


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.8])
def test_the_loaded_model_is_the_notebooks_layer_by_layer(keras, tmp_path, rate):
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


def test_the_loaded_model_can_be_trained_further_with_its_dropout_on(keras, tmp_path):
    path = export(tmp_path / "model.keras", network((4, 100, 2)), rate=0.5)
    model = keras.models.load_model(path)
    x = np.ones((64, 4), np.float32)
    assert np.ptp(np.asarray(model(x, training=True)), axis=0).max() > 0  # masks differ between examples
    assert np.ptp(np.asarray(model(x)), axis=0).max() == 0
    before = model.get_weights()
    model.fit(x, np.zeros(64), verbose=0)
    assert not np.array_equal(before[0], model.get_weights()[0])


def test_a_model_in_memory_equals_the_one_in_the_file(keras):
    weights = network()
    model = models.to_keras(weights, rate=0.5, activation="relu", name="net")
    assert isinstance(model, keras.Model)
    x = pixels(20, 4)
    theirs = model.predict(x.astype(np.float32) / 255, verbose=0)
    np.testing.assert_allclose(models.predict(weights, x, activation="relu", scale=255), theirs, atol=1e-5)


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
    assert models.to_keras(network(), rate=0.0, activation="relu", name=name).name == expected


# Predictions


def test_probabilities_follow_from_the_definition():
    kernel, bias = np.float32([[1, -1], [2, 0]]), np.float32([0, 0.5])
    weights = (Layer(np.eye(2, dtype=np.float32), np.float32([0, -1])), Layer(kernel, bias))
    # (4, 2) / 2 = (2, 1); relu of (2, 0) = (2, 0); logits (2, -1.5)
    expected = np.exp([2, -1.5]) / np.exp([2, -1.5]).sum()
    got = models.predict(weights, [[4, 2]], activation="relu", scale=2)
    np.testing.assert_allclose(got, [expected], rtol=1e-6)


def test_rows_are_distributions_whatever_the_batch(monkeypatch):
    weights, x = network((16, 8, 3)), pixels(1000, 16)
    whole = models.predict(weights, x, activation="relu", scale=255)
    np.testing.assert_allclose(whole.sum(axis=1), 1, atol=1e-6)
    monkeypatch.setattr(models, "_BATCH", 7)
    np.testing.assert_allclose(models.predict(weights, x, activation="relu", scale=255), whole, atol=1e-6)


def test_softmax_is_stable_for_large_logits():
    weights = (Layer(np.float32([[1000, -1000, 999]]), np.zeros(3, np.float32)),)
    got = models.predict(weights, [[1.0], [-1.0]], activation="relu", scale=1)
    np.testing.assert_allclose(got, [[1 / (1 + np.exp(-1)), 0, 1 / (1 + np.e)], [0, 1, 0]], atol=1e-6)


def test_images_are_flattened_and_no_example_gives_no_row():
    weights = network()
    flat = pixels(6, 4)
    square = models.predict(weights, flat.reshape(6, 2, 2), activation="relu", scale=255)
    assert np.array_equal(square, models.predict(weights, flat, activation="relu", scale=255))
    assert models.predict(weights, flat[:0], activation="relu", scale=255).shape == (0, 2)


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
        models.predict(weights, x, activation="relu", scale=1)


def test_a_wrong_example_is_counted_over_all_batches(monkeypatch):
    monkeypatch.setattr(models, "_BATCH", 3)
    x = np.zeros((10, 4))
    x[7, 1] = np.nan
    with pytest.raises(InvalidArgument, match="first in example 7"):
        models.predict(network(), x, activation="relu", scale=1)


# Export


def test_safetensors_export_holds_weights_and_notes(tmp_path):
    weights = network()
    path = export(
        tmp_path / "net.safetensors", weights, rate=0.8, file_format="safetensors", metadata={"scale": "255"}
    )
    arrays, notes = read_tensors(path)
    assert same(unpack_weights(arrays, SMALL), weights)
    assert notes == {"activation": "relu", "name": "net", "rate": "0.8", "scale": "255"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"file_format": "onnx"}, "format"),
        ({"rate": 1.0}, "rate"),
        ({"rate": -0.1}, "rate"),
        ({"rate": float("nan")}, "rate"),
        ({"activation": "tanh"}, "activation"),
        ({"file_format": "safetensors"}, "model.keras"),
        ({"file_format": "safetensors", "rate": 1.0, "path": "net.safetensors"}, "rate"),
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


def test_a_failed_export_keeps_the_old_file(tmp_path, monkeypatch, keras):
    path = export(tmp_path / "model.keras")
    old = path.read_bytes()

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keras.Model, "save", full)
    with pytest.raises(StoreError, match="TMPDIR"):
        export(path, network(seed=5))
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"file/model\.keras"):
        export(tmp_path / "file" / "model.keras")


# Loading


def test_weights_come_back_from_our_own_file(small_keras, tmp_path):
    content, weights = small_keras
    path = tmp_path / "sp ace \u6570.keras"
    path.write_bytes(content)
    assert same(models.load_keras_weights(path), weights)


def test_the_notebooks_own_model_is_read(keras, tmp_path):
    model = keras.Sequential()
    model.add(keras.Input((6,)))
    model.add(keras.layers.Dense(5, activation="relu"))
    model.add(keras.layers.Dropout(0.8))
    model.add(keras.layers.Dense(3))
    model.add(keras.layers.Activation("softmax"))
    model.compile(loss="categorical_crossentropy", metrics=["accuracy"], optimizer="adam")
    x = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    model.fit(x, np.eye(3)[np.arange(50) % 3], verbose=0)
    path = tmp_path / "notebook.keras"
    model.save(path)
    ours = models.predict(models.load_keras_weights(path), x, activation="relu", scale=1)
    np.testing.assert_allclose(ours, model.predict(x, verbose=0), atol=1e-5)


def unusual(keras):
    dense, layers = keras.layers.Dense, keras.layers
    softmax = dense(2, activation="softmax")
    return {
        "tanh": [keras.Input((4,)), dense(3, activation="tanh"), softmax],
        "another layer": [keras.Input((4,)), dense(3), layers.BatchNormalization(), softmax],
        "no softmax": [keras.Input((4,)), dense(3, activation="relu"), dense(2)],
        "no relu": [keras.Input((4,)), dense(3), softmax],
        "no bias": [keras.Input((4,)), dense(3, activation="relu", use_bias=False), softmax],
        "half precision": [keras.Input((4,)), dense(2, activation="softmax", dtype="float16")],
        "images": [keras.Input((4, 4)), softmax],
        "only softmax": [keras.Input((4,)), layers.Activation("softmax")],
    }


@pytest.mark.parametrize(
    "case",
    ["tanh", "another layer", "no softmax", "no relu", "no bias", "half precision", "images", "only softmax"],
)
def test_other_networks_are_refused_not_misread(keras, tmp_path, case):
    path = tmp_path / "other.keras"
    keras.Sequential(unusual(keras)[case]).save(path)
    with pytest.raises(ModelError, match=r"expected .*, received .*Accepted are"):
        models.load_keras_weights(path)


def test_a_functional_model_is_refused(keras, tmp_path):
    inputs = keras.Input((4,))
    path = tmp_path / "functional.keras"
    keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(inputs)).save(path)
    with pytest.raises(ModelError, match="a Sequential model of Keras, received 'Functional'"):
        models.load_keras_weights(path)


def test_weights_that_are_not_finite_are_named(tmp_path):
    weights = network()
    weights[1].kernel[2, 0] = np.nan
    path = tmp_path / "nan.keras"
    models.save_keras(models.to_keras(weights, rate=0.0, activation="relu", name="net"), path)
    with pytest.raises(ModelError, match=r"dense_1/kernel.*1 NaN or infinite, the first at \(2, 0\)"):
        models.load_keras_weights(path)


def rewritten(content, path, *, config=None, weights=None, compression=zipfile.ZIP_STORED):
    """A `.keras` file with its configuration or its weights replaced."""
    path.with_suffix(".zip").write_bytes(content)
    with (
        zipfile.ZipFile(path.with_suffix(".zip")) as old,
        zipfile.ZipFile(path, "w", compression=compression) as new,
    ):
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json" and config is not None:
                data = config(json.loads(data)) if callable(config) else config
                data = data if isinstance(data, bytes) else json.dumps(data).encode()
            if name == "model.weights.h5" and weights is not None:
                data = weights
            new.writestr(name, data)
    return path


def with_layer(number, **fields):
    def change(config):
        config["config"]["layers"][number] |= fields
        return config

    return change


def with_setting(number, **settings_):
    def change(config):
        config["config"]["layers"][number]["config"] |= settings_
        return config

    return change


@pytest.mark.parametrize(
    "config",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b"{" + b" " * (2 << 20) + b"}",
        {"module": "keras", "class_name": "Sequential"},
        {"module": "keras", "class_name": "Sequential", "config": {"layers": []}},
        {"module": "keras", "class_name": "Sequential", "config": {"layers": [1]}},
        {"module": "keras", "class_name": "Sequential", "config": {"layers": {}}},
        with_layer(0, config={"batch_shape": [None, True]}),
        with_layer(0, config={"batch_shape": None}),
        with_layer(1, class_name="InputLayer"),
        with_layer(1, config=None),
        with_setting(1, units=-3),
        with_setting(1, units=10**12),
        with_setting(1, units=4),
        with_setting(1, units="3"),
        with_setting(1, activation={"class_name": "__lambda__"}),
        with_setting(1, activation=["relu"]),
    ],
)
def test_wrong_configurations_are_refused_in_one_line(small_keras, tmp_path, config):
    path = rewritten(small_keras[0], tmp_path / "bad.keras", config=config)
    with pytest.raises(ModelError) as caught:
        models.load_keras_weights(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bomb_is_refused_before_it_is_unpacked(small_keras, tmp_path):
    path = rewritten(
        small_keras[0], tmp_path / "bomb.keras", weights=bytes(50 << 20), compression=zipfile.ZIP_DEFLATED
    )
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ModelError, match="far larger"):
        models.load_keras_weights(path)


def test_members_that_are_missing_or_double_are_refused(small_keras, tmp_path):
    path = tmp_path / "bad.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ModelError, match=r"one model\.weights\.h5 in it, received 0"):
        models.load_keras_weights(path)
    path.write_bytes(small_keras[0])
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("config.json", "{}")
    with pytest.raises(ModelError, match=r"one config\.json in it, received 2"):
        models.load_keras_weights(path)


def test_hdf5_weights_that_point_to_another_file_are_refused(small_keras, tmp_path):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["kernel"] = np.ones((4, 3), np.float32)
    stolen = tmp_path / "stolen.h5"
    with zipfile.ZipFile(export(tmp_path / "good.keras")) as archive:
        stolen.write_bytes(archive.read("model.weights.h5"))
    with h5py.File(stolen, "a") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = h5py.ExternalLink(str(secret), "kernel")
    path = rewritten(small_keras[0], tmp_path / "thief.keras", weights=stolen.read_bytes())
    with pytest.raises(ModelError):
        models.load_keras_weights(path)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_refused_or_read_but_never_a_bug(small_keras, tmp_path, data):
    content = bytearray(small_keras[0])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=20)):
        content[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "damaged.keras"
    path.write_bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])
    try:
        models.load_keras_weights(path)
    except DropstudyError as error:
        assert "\n" not in str(error)  # noqa: PT017 - some damage, to a date for instance, does not matter


# Code in files: each is shown to be live in the hands of a careless reader, and dead in ours


class Creates:
    """Pickles to a call that creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["model.keras", "model.pkl"])
def test_a_pickle_is_named_and_does_not_run(tmp_path, name):
    mark = tmp_path / "ran"
    path = tmp_path / name
    path.write_bytes(pickle.dumps(Creates(mark)))
    with pytest.raises(ModelError, match=r"a pickle, which runs code.*Accepted are \.keras"):
        models.load_keras_weights(path)
    assert not mark.exists()
    pickle.loads(path.read_bytes())  # noqa: S301 - our own, to show that it was live
    assert mark.exists()


def test_a_pytorch_file_under_our_name_is_named(tmp_path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Creates(tmp_path / "ran")))
    with pytest.raises(ModelError, match="a PyTorch file with a pickle"):
        models.load_keras_weights(path)
    assert not (tmp_path / "ran").exists()


def with_lambda(keras, mark):
    """A network whose Lambda layer creates a file when the network is built or used."""
    # The import inside, because the bytecode travels without this module's globals.
    layer = keras.layers.Lambda(
        lambda x, path: (__import__("pathlib").Path(path).touch(), x)[1],
        output_shape=(4,),
        arguments={"path": str(mark)},
    )
    return keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(2, activation="softmax")])


def use(keras, path):
    """Do what a careless reader does."""
    keras.models.load_model(path, safe_mode=False)(np.zeros((1, 4), np.float32))


def test_a_keras_file_with_a_lambda_is_refused_and_does_not_run(keras, tmp_path):
    mark, path = tmp_path / "ran", tmp_path / "model.keras"
    with_lambda(keras, mark).save(path)
    mark.unlink(missing_ok=True)  # building the model ran it
    with pytest.raises(ModelError, match="a Lambda layer, which holds code"):
        models.load_keras_weights(path)
    assert not mark.exists()
    use(keras, path)
    assert mark.exists()


@pytest.mark.parametrize("name", ["model.h5", "model.keras"])
def test_an_hdf5_file_with_a_lambda_is_refused_and_does_not_run(keras, tmp_path, name):
    mark, path = tmp_path / "ran", tmp_path / "model.h5"
    with_lambda(keras, mark).save(path)
    mark.unlink(missing_ok=True)
    path = path.rename(tmp_path / name)
    with pytest.raises(ModelError, match=r"an HDF5 file \(\.h5\), which can hold code"):
        models.load_keras_weights(path)
    assert not mark.exists()
    use(keras, path.rename(tmp_path / "model.h5"))
    assert mark.exists()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        (
            {"module": "os", "class_name": "system", "config": {"command": "touch ran"}},
            "'system' of module 'os'",
        ),
        ({"module": "builtins", "class_name": "eval"}, "'eval' of module 'builtins'"),
        ({"registered_name": "evil>Dense"}, "registered as 'evil>Dense'"),
        ({"class_name": "TorchModuleWrapper"}, "'TorchModuleWrapper' of module 'keras.layers'"),
        ({"class_name": "Sequential", "module": "keras"}, "'Sequential' of module 'keras'"),
        ({"class_name": ["Dense"]}, "['Dense']"),
        ({"class_name": "\x1b[2J" * 100}, "..."),
    ],
)
def test_custom_objects_are_refused_by_name(small_keras, tmp_path, fields, named):
    path = rewritten(small_keras[0], tmp_path / "custom.keras", config=with_layer(2, **fields))
    with pytest.raises(ModelError, match="only Keras' own layers") as caught:
        models.load_keras_weights(path)
    assert named in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert not Path("ran").exists()


def test_nothing_that_a_file_describes_is_ever_built(small_keras, tmp_path, keras):
    """Even a class that this process has registered, in a place of the file where we do not look."""
    built = []

    @keras.saving.register_keras_serializable("mine")
    class Initializer(keras.initializers.Initializer):
        def __init__(self):
            built.append(self)

        def __call__(self, shape, dtype=None, **_):
            return np.zeros(shape, dtype)

    planted = {
        "module": __name__,
        "class_name": "Initializer",
        "config": {},
        "registered_name": "mine>Initializer",
    }
    path = rewritten(
        small_keras[0], tmp_path / "planted.keras", config=with_setting(1, kernel_initializer=planted)
    )
    assert same(models.load_keras_weights(path), small_keras[1])
    assert built == []
    keras.models.load_model(path)
    assert len(built) == 1


@pytest.mark.parametrize(
    ("content", "received"),
    [
        (b"", "another kind"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\x93NUMPY\x01\x00", "NumPy"),
        (b"PK\x03\x04cut", "damaged"),
        (b"#!/bin/sh\n", "another kind"),
    ],
)
def test_other_files_are_told_by_their_content(tmp_path, content, received):
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=received):
        models.load_keras_weights(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.keras", tmp_path):
        with pytest.raises(StoreError, match=str(path)):
            models.load_keras_weights(path)


# Imports


def test_importing_and_predicting_needs_no_keras_and_no_jax():
    code = (
        "import sys, numpy as np\n"
        "from dropstudy import models, records\n"
        "layer = records.Layer(np.eye(2, dtype=np.float32), np.zeros(2, np.float32))\n"
        "models.predict((layer,), [[1, 2]], activation='relu', scale=1)\n"
        "print({'jax', 'keras', 'tensorflow', 'torch', 'h5py'} & set(sys.modules))"
    )
    source = str(Path(__file__).parents[1] / "src")
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": source}
    )
    assert done.stdout.strip() == "set()"
