import gzip

import numpy as np
import pytest

from dropstudy.data.arrays import store_arrays
from dropstudy.data.catalogue import CATALOGUE
from dropstudy.data.dataset import make_dataset
from dropstudy.data.describe import names, shapes, where
from dropstudy.data.load import NAMES, load_dataset
from dropstudy.errors import InvalidArgument
from mirror_server import put_in_catalogue, tiny_contents, write_files

REAL_MNIST = CATALOGUE["mnist"]
CONTENTS = tiny_contents()
IMAGES = "train-images-idx3-ubyte"
MIRROR = "https://example.invalid/mnist/"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("DROPSTUDY_CACHE", str(folder))
    put_in_catalogue(monkeypatch, "mnist", CONTENTS, [MIRROR])
    return folder


def features(classes=3):
    x = np.linspace(-2, 3, 4 * classes * 2, dtype=np.float32).reshape(-1, 2, 2)
    y = np.repeat(np.arange(classes), 2)
    return make_dataset(name="f", x_train=x, y_train=y, x_test=x[:1], y_test=y[:1], source="a test")


def test_shapes_of_the_digits():
    lines = shapes(load_dataset("digits"))
    assert lines[:2] == [
        "x_train: 1437 x 8 x 8 uint8 -> 1437 x 64 float32 in [0, 1]",
        "x_test: 360 x 8 x 8 uint8 -> 360 x 64 float32 in [0, 1]",
    ]
    assert "one-hot" not in " ".join(lines)  # that is a step of the notebook, on MNIST


def test_a_range_of_equal_ends_is_one_number():
    balanced = "3 classes: 2 training examples each, 0 to 1 test example"
    assert balanced in shapes(features())
    y = np.array([0, 1, 2] * 4)
    x = np.linspace(0, 1, 24, dtype=np.float32).reshape(12, 2)
    even = make_dataset(name="f", x_train=x[:9], y_train=y[:9], x_test=x[9:], y_test=y[9:], source="a test")
    assert "3 classes: 3 training examples each, 1 test example" in shapes(even)


@pytest.mark.mnist
def test_shapes_of_mnist_are_the_notebooks(mnist_folder, monkeypatch):
    monkeypatch.setitem(CATALOGUE, "mnist", REAL_MNIST)
    lines = shapes(load_dataset("mnist", data_dir=mnist_folder))
    assert lines == [
        "x_train: 60000 x 28 x 28 uint8 -> 60000 x 784 float32 in [0, 1]",
        "x_test: 10000 x 28 x 28 uint8 -> 10000 x 784 float32 in [0, 1]",
        "Shape before one-hot encoding: (60000,)",
        "Shape after one-hot encoding: (60000, 10)",
        (
            "Inputs are divided by 255: x_train holds whole numbers from 0 to 255, stored as uint8 "
            "(--scale sets another divisor)."
        ),
        "10 classes: 5,421 (class 5) to 6,742 (class 1) training examples each, 892 to 1,135 test examples",
    ]


def test_the_range_shown_is_that_of_the_data():
    assert shapes(features())[0] == "x_train: 6 x 2 x 2 float32 -> 6 x 4 float32 in [-2, 3]"


def test_a_line_has_the_smallest_and_the_largest_class():
    x = np.zeros((6, 2, 2), dtype=np.float32)
    y = np.array([0, 1, 1, 1, 2, 2])
    uneven = make_dataset(name="f", x_train=x, y_train=y, x_test=x[:1], y_test=y[:1], source="a test")
    assert shapes(uneven)[-1] == (
        "3 classes: 1 (class 0) to 3 (class 1) training examples each, 0 to 1 test example"
    )


def test_where_names_all_places_in_the_order_of_search(own_cache):
    assert where("mnist") == [
        "Search order for mnist:",
        "  1. --data-dir: not given",
        "  2. DROPSTUDY_DATA: not given",
        f"  3. cache: {own_cache / 'downloads' / 'mnist'}: no files",
        f"  4. mirrors: {MIRROR}",
        f"arrays in the cache, {own_cache / 'arrays'}: 0 datasets, 0.0 MB",
    ]


def test_without_a_request_the_digits_are_searched_last():
    assert where()[-2].startswith("  5. digits: inside scikit-learn, used if MNIST is unavailable")
    assert where()[:-2] == where("mnist")[:-1]


def test_where_reports_intact_files(tmp_path, monkeypatch, own_cache):
    write_files(tmp_path / "mine", CONTENTS, packed=False)
    write_files(tmp_path / "theirs" / "mnist", CONTENTS)
    write_files(own_cache / "downloads" / "mnist", CONTENTS)
    monkeypatch.setenv("DROPSTUDY_DATA", str(tmp_path / "theirs"))
    assert where("mnist", tmp_path / "mine")[1:4] == [
        f"  1. --data-dir: {tmp_path / 'mine'}: all 4 files, intact",
        f"  2. DROPSTUDY_DATA: {tmp_path / 'theirs' / 'mnist'}: all 4 files, intact",
        f"  3. cache: {own_cache / 'downloads' / 'mnist'}: all 4 files, intact",
    ]


def test_where_reports_missing_and_damaged_files(own_cache):
    folder = own_cache / "downloads" / "mnist"
    write_files(folder, CONTENTS)
    (folder / f"{IMAGES}.gz").write_bytes(gzip.compress(tiny_contents(seed=1)[IMAGES]))
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    line = where("mnist")[3]
    assert "2 of 4 files intact" in line
    assert f"{IMAGES}.gz is damaged or another file: content with SHA-256" in line
    assert "no t10k-labels-idx1-ubyte" in line


def test_where_reports_a_missing_folder(tmp_path):
    assert where("mnist", tmp_path / "none")[1] == f"  1. --data-dir: {tmp_path / 'none'}: no such folder"


def test_where_counts_the_arrays_that_are_prepared(own_cache):
    store_arrays(features())
    assert where("mnist")[-1] == f"arrays in the cache, {own_cache / 'arrays'}: 1 dataset, 0.0 MB"


def test_where_of_data_that_need_no_search(tmp_path):
    assert where("digits") == ["digits: inside scikit-learn, always available"]
    path = tmp_path / "x.npz"
    assert where(str(path)) == [f"{path}: no such file"]
    path.write_bytes(b"")
    assert where(str(path)) == [f"{path}: exists"]


def test_all_names_are_listed_within_80_columns():
    lines = names()
    assert [line.split()[0] for line in lines[1:]] == list(NAMES)
    assert max(map(len, lines)) <= 80


def test_where_refuses_unknown_names():
    with pytest.raises(InvalidArgument, match="'mnist'"):
        where("minst")
