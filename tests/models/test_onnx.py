"""ONNX files: opened by onnxruntime, they give our probabilities for raw examples; older runtimes open them too."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from dropstudy.core.types import Layer
from dropstudy.data.formats.csv_parquet import MISSING
from dropstudy.data.preprocessing import fit, transform
from dropstudy.data.table import raw_rows, table_dataset
from dropstudy.models.onnx import ArrayInput, TableInput, save_onnx
from dropstudy.models.predict import predict

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

BYTES, SHARES = (0.0, 255.0), (0.0, 1.0)
ACTIVATIONS = ("relu", "tanh", "sigmoid")


def network(widths, seed=0):
    draws = np.random.default_rng(seed)
    return tuple(
        Layer(
            (draws.normal(size=(a, b)) / np.sqrt(a)).astype(np.float32),
            draws.normal(size=b).astype(np.float32),
        )
        for a, b in pairwise(widths)
    )


def opened(path, weights, takes, activation="relu", **changes):
    classes = [f"class {number}" for number in range(weights[-1].bias.size)]
    given = {"name": "a study", "classes": classes, "metadata": {"arm": "dropout 0.5"}, **changes}
    save_onnx(weights, path, takes=takes, activation=activation, **given)
    onnx.checker.check_model(str(path), full_check=True)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("takes", "hidden"),
    [
        (ArrayInput((28, 28), 255.0, "uint8", BYTES), (32, 16)),
        (ArrayInput((8, 6, 3), 255.0, "uint8", BYTES), (5,)),
        (ArrayInput((8, 8), 16.0, "float32", SHARES), (512,)),
        (ArrayInput((12,), 1.0, "float32", SHARES), (7, 6, 5, 4)),
        (ArrayInput((1,), 0.3, "float32", SHARES), ()),
    ],
)
def test_arrays_in_the_units_of_training_give_our_probabilities(tmp_path, activation, takes, hidden):
    shape, scale, dtype, _ = takes
    weights = network((int(np.prod(shape)), *hidden, 4))
    session = opened(tmp_path / "n.onnx", weights, takes, activation)
    draws = np.random.default_rng(1)
    for n in (1, 50):
        x = draws.uniform(0, 255 if dtype == "uint8" else 3 * scale, (n, *shape)).astype(dtype)
        (found,) = session.run(["probabilities"], {"x": x})
        assert_allclose(found, predict(weights, x, activation=activation, scale=scale), atol=1e-5)


@settings(max_examples=20)
@given(
    widths=st.lists(st.integers(1, 40), min_size=2, max_size=5).filter(lambda widths: widths[-1] > 1),
    activation=st.sampled_from(ACTIVATIONS),
    scale=st.floats(0.01, 300),
    seed=st.integers(0, 100),
)
def test_networks_of_any_shape(tmp_path_factory, widths, activation, scale, seed):
    weights = network(widths, seed)
    takes = ArrayInput((widths[0],), scale, "float32", SHARES)
    session = opened(tmp_path_factory.mktemp("onnx") / "n.onnx", weights, takes, activation)
    x = (scale * np.random.default_rng(seed).normal(size=(9, widths[0]))).astype(np.float32)
    (found,) = session.run(None, {"x": x})
    assert_allclose(found, predict(weights, x, activation=activation, scale=scale), atol=1e-5)


def pets(n=200, seed=0):
    draws = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "value_1": draws.normal(size=n),
            "born, unix time": draws.normal(1.6e9, 3e7, n),
            "probabilities": draws.integers(0, 2, n).astype(bool),
            "größe": draws.normal(5, 2, n),
            "colour": draws.choice(["red", "grey", "white", "blue green"], n, p=[0.4, 0.3, 0.295, 0.005]),
            "x": draws.choice(["a", "b"], n),
            "kind": draws.choice(["cat", "dog"], n),
        }
    )
    frame.loc[draws.random(n) < 0.1, "größe"] = np.nan
    frame.loc[draws.random(n) < 0.1, "colour"] = None
    return frame


KINDS = {
    "all": list(pets().columns),
    "numbers": ["value_1", "born, unix time", "größe", "kind"],
    "text": ["colour", "x", "kind"],
    "one": ["x", "kind"],
}


def columns_of(table, frame):
    """A frame as the file takes it: an input for each column."""
    text = {column.name for column in table.columns if column.kind == "category"}
    return {
        column.name: (
            frame[[column.name]].fillna("").to_numpy(str)
            if column.name in text
            else frame[[column.name]].to_numpy(np.float64)
        )
        for column in table.columns
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_raw_rows_of_a_table_give_our_probabilities(tmp_path, kind, activation):
    frame = pets()[KINDS[kind]]
    data = table_dataset(frame, name="pets", target="kind", source="here")
    # Rows of one seed: some categories may be absent or rare among them.
    fitted = fit(data.table, data.x_train[:90])
    weights = network((data.table.features, 9, 2))
    session = opened(tmp_path / "n.onnx", weights, TableInput(data.table, fitted, MISSING), activation)
    new = pets(seed=1)[KINDS[kind]]
    far = new.iloc[:3].assign(**{name: 1e300 for name in new if new[name].dtype == float})
    unseen = new.iloc[:3].assign(**{name: "never seen" for name in ("colour", "x") if name in new})
    for rows in (frame, new, far, unseen):
        x = transform(data.table, fitted, raw_rows(data.table, rows))
        (found,) = session.run(None, columns_of(data.table, rows))
        assert_allclose(found, predict(weights, x, activation=activation, scale=1.0), atol=1e-5)
    if kind == "text":
        marked = columns_of(data.table, new)
        same = {"colour": np.where(marked["colour"] == "", "NA", marked["colour"]), "x": marked["x"]}
        assert_allclose(session.run(None, same)[0], session.run(None, marked)[0])


def test_a_file_names_its_versions_its_input_and_its_classes(tmp_path):
    session = opened(tmp_path / "n.onnx", network((64, 5, 3)), ArrayInput((8, 8), 16.0, "uint8", (0.0, 16.0)))
    file = onnx.load(tmp_path / "n.onnx")
    assert file.ir_version == 8
    assert [(each.domain, each.version) for each in file.opset_import] == [("", 13)]
    notes = session.get_modelmeta().custom_metadata_map
    assert notes == {
        "arm": "dropout 0.5",
        "classes": "class 0\nclass 1\nclass 2",
        "input": "x, uint8, of shape (n, 8, 8), as the training data are: from 0 to 16",
    }
    (taken,), (given_back,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.type, taken.shape) == ("x", "tensor(uint8)", ["n", 8, 8])
    assert (given_back.name, given_back.type, given_back.shape) == (
        "probabilities",
        "tensor(float)",
        ["n", 3],
    )


def test_the_same_network_is_the_same_file(tmp_path):
    for name in ("a.onnx", "b.onnx"):
        opened(tmp_path / name, network((6, 5, 3)), ArrayInput((6,), 1.0, "float32", SHARES))
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
