"""Files of other people's models: read where they are what we know, refused by name where they are not.

Nothing in a file runs. Each malicious file here is shown to be live in the hands of a careless reader.
"""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropstudy.core.types import Arm
from dropstudy.errors import DropstudyError, ModelError, StoreError
from dropstudy.models import keras as models
from networks import export, network, same

# Keras' variables have NumPy 1's form of __array__, which NumPy 2 deprecates: keras-team's to mend, not ours.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def small_keras(tmp_path_factory):
    """The bytes of a good small `.keras` file, and its weights."""
    path = tmp_path_factory.mktemp("good") / "small.keras"
    weights = network()
    return export(path, weights).read_bytes(), weights


def test_weights_come_back_from_our_own_file(small_keras, tmp_path):
    content, weights = small_keras
    path = tmp_path / "sp ace \u6570.keras"
    path.write_bytes(content)
    assert same(models.load_keras_weights(path), weights)


def test_weights_that_claim_gigabytes_which_the_file_has_not_are_refused_unread(
    small_keras, tmp_path, monkeypatch
):
    path = tmp_path / "small.keras"
    path.write_bytes(small_keras[0])
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    large = io.BytesIO(members["model.weights.h5"])
    with h5py.File(large, "r+") as file:
        file.create_dataset("claim", shape=(30_000, 30_000), dtype="f4", chunks=(100, 100))  # never written
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {"model.weights.h5": large.getvalue()}).items():
            archive.writestr(name, content)
    monkeypatch.setattr(keras.Sequential, "load_weights", None)  # nothing gets so far
    with pytest.raises(ModelError, match=r"received 3,600,00\d,\d+"):
        models.load_keras_weights(path)


def test_the_notebooks_own_model_is_read(tmp_path):
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


def unusual():
    dense, layers = keras.layers.Dense, keras.layers
    softmax = dense(2, activation="softmax")
    return {
        "tanh": [keras.Input((4,)), dense(3, activation="tanh"), softmax],
        "another layer": [keras.Input((4,)), dense(3), layers.BatchNormalization(), softmax],
        "no softmax": [keras.Input((4,)), dense(3, activation="relu"), dense(2)],
        "no relu": [keras.Input((4,)), dense(3), softmax],
        "no bias": [keras.Input((4,)), dense(3, activation="relu", use_bias=False), softmax],
        "half precision": [keras.Input((4,)), dense(2, activation="softmax", dtype="float16")],
        "input in half precision": [keras.Input((4,), dtype="float16"), softmax],
        "softmax in half precision": [
            keras.Input((4,)),
            dense(2),
            layers.Activation("softmax", dtype="float16"),
        ],
        "images": [keras.Input((4, 4)), softmax],
        "only softmax": [keras.Input((4,)), layers.Activation("softmax")],
    }


@pytest.mark.parametrize(
    "case",
    [
        "tanh",
        "another layer",
        "no softmax",
        "no relu",
        "no bias",
        "half precision",
        "input in half precision",
        "softmax in half precision",
        "images",
        "only softmax",
    ],
)
def test_other_networks_are_refused_not_misread(tmp_path, case):
    path = tmp_path / "other.keras"
    keras.Sequential(unusual()[case]).save(path)
    with pytest.raises(ModelError, match=r"expected .*, received .*Accepted are"):
        models.load_keras_weights(path)


def test_a_functional_model_is_refused(tmp_path):
    inputs = keras.Input((4,))
    path = tmp_path / "functional.keras"
    keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(inputs)).save(path)
    with pytest.raises(ModelError, match="a Sequential model of Keras, received 'Functional'"):
        models.load_keras_weights(path)


def test_weights_that_are_not_finite_are_named(tmp_path):
    weights = network()
    weights[1].kernel[2, 0] = np.nan
    path = tmp_path / "nan.keras"
    models.save_keras(models.to_keras(weights, arm=Arm("arm", 0.0), activation="relu", name="net"), path)
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


def with_lambda(mark):
    """A network whose Lambda layer creates a file when the network is built or used."""
    # The import inside, because the bytecode travels without this module's globals.
    layer = keras.layers.Lambda(
        lambda x, path: (__import__("pathlib").Path(path).touch(), x)[1],
        output_shape=(4,),
        arguments={"path": str(mark)},
    )
    return keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(2, activation="softmax")])


def use(path):
    """Do what a careless reader does."""
    keras.models.load_model(path, safe_mode=False)(np.zeros((1, 4), np.float32))


def test_a_keras_file_with_a_lambda_is_refused_and_does_not_run(tmp_path):
    mark, path = tmp_path / "ran", tmp_path / "model.keras"
    with_lambda(mark).save(path)
    mark.unlink(missing_ok=True)  # building the model ran it
    with pytest.raises(ModelError, match="a Lambda layer, which holds code"):
        models.load_keras_weights(path)
    assert not mark.exists()
    use(path)
    assert mark.exists()


@pytest.mark.parametrize("name", ["model.h5", "model.keras"])
def test_an_hdf5_file_with_a_lambda_is_refused_and_does_not_run(tmp_path, name):
    mark, path = tmp_path / "ran", tmp_path / "model.h5"
    with_lambda(mark).save(path)
    mark.unlink(missing_ok=True)
    path = path.rename(tmp_path / name)
    with pytest.raises(ModelError, match=r"an HDF5 file \(\.h5\), which can hold code"):
        models.load_keras_weights(path)
    assert not mark.exists()
    use(path.rename(tmp_path / "model.h5"))
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


def test_nothing_that_a_file_describes_is_ever_built(small_keras, tmp_path):
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
