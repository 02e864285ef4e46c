"""`compare(build, data)`: a study of a Keras model, from the call to its answer, its page and its files."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

import dropstudy
from dropstudy.errors import InvalidArgument, ModelError
from dropstudy.store.store import Store
from fake_training import InlineExecutor
from keras_models import CLASSES, SIDE, attentive, cnn, data, examples

SHORT = {"epochs": 2, "seeds": 1, "batch_size": 16, "scale": 1.0, "verbose": False}
HERE = {"executor": InlineExecutor()}
"""Trains in this process: a worker would spend most of a short study importing Keras."""


@pytest.fixture(scope="module")
def arrays():
    return (*examples(), *examples(40, 1))


def one_output():
    return keras.Sequential(
        [keras.Input((SIDE * SIDE,)), keras.layers.Dropout(0.5), keras.layers.Dense(1, activation="sigmoid")]
    )


@pytest.fixture(scope="module")
def study(arrays, tmp_path_factory):
    out = tmp_path_factory.mktemp("model") / "study"
    return dropstudy.compare(cnn, *arrays, rates=[0, 0.4], out=out, workers=1, **SHORT)


def test_a_study_of_a_function_has_an_answer_and_says_which_model(study):
    table = study.summary()
    assert table["hidden"].tolist() == ["cnn", "cnn"]
    assert table["seeds"].tolist() == [1, 1]
    assert "No verdict yet" in str(study.verdict())
    page = study.report()[0].read_text(encoding="utf-8")
    assert "Keras model" in page
    assert "left out" in page


def test_the_model_of_a_run_has_its_weights_its_rates_and_its_test_accuracy(study, arrays):
    model = study.model("dropout 0.4", seed=0)
    rates = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == pytest.approx([0.2, 0.4])
    loss, accuracy = model.evaluate(arrays[2][..., None], arrays[3], verbose=0)
    scores = study.results().test_scores().set_index("arm").loc["dropout 0.4"]
    assert (loss, accuracy) == pytest.approx((scores["test_loss"], scores["test_accuracy"]), abs=1e-4)


def test_a_model_is_confirmed_on_fresh_seeds(arrays, tmp_path):
    few = SHORT | HERE | {"epochs": 1, "seeds": 6}
    study = dropstudy.compare(cnn, *arrays, rates=[0, 0.4], out=tmp_path / "study", **few)
    study.confirm(seeds=1, verbose=False, **HERE)
    assert "On fresh seeds" in str(study.verdict())


def test_files_of_a_network_open_elsewhere(study, tmp_path):
    path = study.results().export(arm="dropout 0.4", out=tmp_path / "net.keras")
    model = keras.models.load_model(path)
    tensors = load_file(
        study.results().export(arm="dropout 0.4", file_format="safetensors", out=tmp_path / "n.safetensors")
    )
    assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [0.2, 0.4]
    for variable in model.weights:
        np.testing.assert_array_equal(tensors[variable.path], variable.value)


@pytest.mark.parametrize("build", [cnn, attentive, one_output])
def test_an_onnx_file_by_keras_own_exporter_gives_our_probabilities(build, arrays, tmp_path):
    pytest.importorskip("jax2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    x, y, x_test, y_test = arrays
    if build is one_output:
        y, y_test = y > 0, y_test > 0
    pixels = (100 * x).astype(np.uint8), y, (100 * x_test).astype(np.uint8), y_test
    study = dropstudy.compare(
        build, *pixels, rates=[0.4], out=tmp_path / "s", **(SHORT | HERE | {"scale": 100.0})
    )
    path = study.results().export(file_format="onnx", out=tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].type == "tensor(uint8)"
    (found,) = session.run(["probabilities"], {"x": pixels[2]})
    expected = study.results().predict(pixels[2], scale=100.0).filter(like="p(").to_numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert session.get_modelmeta().custom_metadata_map["classes"].split("\n") == list(
        study.results().snapshot.metadata["classes"]
    )


def test_a_package_that_keras_exporter_lacks_is_named_with_the_other_format(study, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    monkeypatch.setattr("keras.src.utils.module_utils.jax2onnx.module", None)
    with pytest.raises(InvalidArgument, match=r"jax2onnx module.*pip install jax2onnx.*`format=.keras.`"):
        study.results().export(arm="dropout 0.4", file_format="onnx", out=tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()


def test_predictions_are_those_of_the_model(study, arrays, tmp_path):
    np.save(tmp_path / "x.npy", arrays[2])
    table = study.results().predict(tmp_path / "x.npy", arm="no dropout", scale=1.0)
    expected = study.model("no dropout").predict(arrays[2][..., None], verbose=0)
    np.testing.assert_allclose(table.filter(like="p(").to_numpy(), expected, atol=1e-5)


def test_the_same_call_again_trains_nothing_and_another_rate_only_itself(study, arrays):
    ends = []

    class Ends(dropstudy.Callback):
        def on_run_end(self, run, status, cause):  # noqa: ARG002 - as in the base class
            ends.append((run.arm.name, status))

    more = SHORT | HERE | {"rates": [0, 0.2, 0.4]}
    again = dropstudy.compare(cnn, *arrays, out=study.folder, callbacks=Ends(), **more)
    assert ends == [("dropout 0.2", "done")]
    assert len(again.summary()) == 3


def test_a_subclassed_model_is_built_by_its_function_and_no_code_is_stored(arrays, tmp_path):
    study = dropstudy.compare(attentive, *arrays, rates=[0, 0.3], out=tmp_path / "study", **SHORT, **HERE)
    assert study.summary()["seeds"].tolist() == [1, 1]
    assert study.model().count_params() == study.spec.model.parameters
    with Store(study.folder) as store:
        assert '"builder":"keras_models:attentive"' in store.meta["model"]


def test_weights_that_all_seeds_start_from_are_kept_and_belong_to_the_study(tmp_path):
    file, out, start = tmp_path / "net.keras", tmp_path / "s", {"pretrained": True}
    short = {"rates": [0, 0.4], "epochs": 1, "batch_size": 16, "out": out}
    cnn().save(file)
    first = dropstudy.Study(model=file, model_options=start, dataset=data(), seeds=1, **short)
    first.run(verbose=False, **HERE)
    file.unlink()
    grown = dropstudy.Study(out / "study.toml", out=out, seeds=2).run(verbose=False, **HERE)
    assert len(grown.results().test_scores()) == 4
    cnn().save(file)  # other weights
    with pytest.raises(InvalidArgument, match=r"the model .net. \(.*received the model .net. \("):
        dropstudy.Study(model=file, model_options=start, dataset=data(), seeds=3, **short)
    (out / "pretrained.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="expected the weights that all seeds of the study start from"):
        dropstudy.Study(out / "study.toml", out=out, seeds=3).run(verbose=False, **HERE)


def test_keras_may_have_another_backend_where_it_does_not_train(tmp_path):
    """Workers train with jax whatever the user's process has; a worker of the user's with another one is refused."""
    (tmp_path / "script.py").write_text(OTHER_BACKEND, encoding="utf-8")
    environment = {**os.environ, "KERAS_BACKEND": "numpy", "PYTHONPATH": str(Path(__file__).parents[1])}
    done = run_in(tmp_path, sys.executable, "script.py", env=environment)
    assert "numpy, predictions as in training: True" in done.stdout
    assert "KERAS_BACKEND: expected jax in the processes that train, received 'numpy'" in done.stdout


OTHER_BACKEND = """
from concurrent.futures import ThreadPoolExecutor
import dropstudy, keras
from dropstudy.errors import DropstudyError
from fake_training import InlineExecutor
from keras_models import data

def build(rate):
    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dropout(rate), keras.layers.Dense(3)])

if __name__ == "__main__":
    given = data()
    short = {"rates": [0.4], "seeds": 1, "epochs": 1, "batch_size": 16, "workers": 1, "verbose": False}
    study = dropstudy.compare(build, given, out="s", **short)
    labels = study.model().predict(given.x_test, verbose=0).argmax(axis=1)
    accuracy = study.results().test_scores()["test_accuracy"][0]
    print(f"{keras.backend.backend()}, predictions as in training: {(labels == given.y_test).mean() == accuracy}")
    try:
        dropstudy.compare(build, given, out="t", executor=ThreadPoolExecutor(1), **short)
    except DropstudyError as error:
        print(error)
"""


def test_a_changed_function_is_another_study(study, arrays):
    def wider(rate):
        return keras.Sequential(
            [
                keras.Input((SIDE, SIDE, 1)),
                keras.layers.Flatten(),
                keras.layers.Dropout(rate),
                keras.layers.Dense(CLASSES),
            ]
        )

    with pytest.raises(InvalidArgument, match=r"the model .cnn. \(.*the model .wider. \("):
        dropstudy.compare(wider, *arrays, rates=[0, 0.4], out=study.folder, **SHORT)


def test_an_argument_about_dense_layers_is_refused(arrays):
    with pytest.raises(InvalidArgument, match=r"hidden: expected no hidden beside a model"):
        dropstudy.compare(cnn, *arrays, hidden=[3])


def test_a_function_without_dropout_is_refused_with_a_hint(arrays):
    def dense():
        return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(CLASSES)])

    with pytest.raises(ModelError, match=r"expected a model with a dropout layer.*add_dropout"):
        dropstudy.compare(dense, *arrays)


BESIDE = """
import keras

class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x

def build(rate):
    return keras.Sequential([keras.layers.Flatten(), Twice(), keras.layers.Dropout(rate), keras.layers.Dense(10)])
"""


def test_a_module_beside_the_script_is_found_by_workers_and_by_the_command_that_continues(tmp_path):
    (tmp_path / "nets.py").write_text(BESIDE, encoding="utf-8")
    (tmp_path / "script.py").write_text(
        "import dropstudy, nets\n"
        "if __name__ == '__main__':\n"
        "    dropstudy.compare(nets.build, 'digits', rates=[0, 0.5], seeds=1, epochs=1, out='s', workers=1)\n",
        encoding="utf-8",
    )
    begun = run_in(tmp_path, sys.executable, "script.py")
    assert "dropstudy run s --seeds 6" in begun.stdout
    grown = run_in(tmp_path, COMMAND, "run", "s", "--seeds", "2", "--workers", "1", "--quiet")
    assert "2 of 6 seeds" in grown.stdout
    (tmp_path / "nets.py").write_text(BESIDE.replace("2 * x", "3 * x"), encoding="utf-8")
    changed = run_in(tmp_path, COMMAND, "run", "s", "--seeds", "3", code=2)
    assert "nets:build: expected the function with which the study was made, received another source" in (
        changed.stderr
    )
    assert len(dropstudy.Study.open(tmp_path / "s").spec.seeds) == 2  # nothing was written


def test_the_next_step_of_a_function_in_a_script_is_to_call_it_again(arrays, tmp_path):
    def local():
        return attentive()

    study = dropstudy.compare(local, *arrays, rates=[0, 0.3], out=tmp_path / "study", **SHORT, **HERE)
    assert f"dropstudy.compare(local, ..., out='{tmp_path / 'study'}', seeds=6)" in str(study.answer())
    refused = run_in(tmp_path, COMMAND, "run", "study", "--seeds", "2", code=2)
    assert "Run the script or notebook that made the study once more" in refused.stderr


COMMAND = Path(sys.executable).with_name("dropstudy")


def run_in(folder, *arguments, code=0, env=None):
    """A command in a folder, as a user types it there."""
    done = subprocess.run(arguments, cwd=folder, env=env, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    assert done.returncode == code, done.stderr
    return done


SCRIPT = """
import sys, dropstudy
sys.path.insert(0, {tests!r})
from keras_models import plain_cnn, examples
if __name__ == "__main__":
    dropstudy.compare(plain_cnn, *examples(400), *examples(40, 1), rates=[0, 0.5], seeds=1, epochs=40,
                      batch_size=16, scale=1.0, out={out!r}, workers=1)
"""


@pytest.mark.slow
def test_a_study_killed_and_resumed_is_equal_to_the_bit(tmp_path):
    def start(out):
        text = SCRIPT.format(tests=str(Path(__file__).parents[1]), out=str(out))
        return subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-c", textwrap.dedent(text)], stdout=subprocess.DEVNULL
        )

    assert start(tmp_path / "whole").wait() == 0
    killed = start(tmp_path / "killed")
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        if any((tmp_path / "killed" / "checkpoints").glob("*")):
            break
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert start(tmp_path / "killed").wait() == 0
    ours, theirs = (dropstudy.Study.open(tmp_path / name).results() for name in ("whole", "killed"))
    assert ours.history_frame().drop(columns="seconds").equals(theirs.history_frame().drop(columns="seconds"))
    for arm in ("no dropout", "dropout 0.5"):
        weights = [each.model(arm, 0).get_weights() for each in (ours, theirs)]
        assert all(map(np.array_equal, *weights))
