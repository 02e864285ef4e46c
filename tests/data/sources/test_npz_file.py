from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from dropstudy.data.load import load_dataset
from dropstudy.errors import DataError


@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize("name", ["mine.npz", "MINE.NPZ", "with blank and ü.npz"])
def test_an_npz_file_of_keras_is_read(tmp_path, name, as_text):
    rng = np.random.default_rng(0)
    x_train, x_test = rng.normal(size=(12, 5)), rng.normal(size=(6, 5))
    y = np.arange(12) % 3
    path = tmp_path / name
    with path.open("wb") as file:
        np.savez(file, x_train=x_train, y_train=y, x_test=x_test, y_test=y[:6], spare=1)
    found = load_dataset(str(path) if as_text else path)
    assert (found.name, found.source, found.scale) == (name, str(path), 1.0)
    assert np.array_equal(found.x_train, x_train.astype(np.float32))
    assert found.classes == ("0", "1", "2")


def saved(path, **changed):
    y = np.arange(12) % 3
    x = np.random.default_rng(0).normal(size=(12, 5))
    np.savez_compressed(path, **{"x_train": x, "y_train": y, "x_test": x[:6], "y_test": y[:6], **changed})
    return path


def test_other_arrays_of_an_npz_file_give_a_notice(tmp_path):
    path = saved(tmp_path / "more.npz", names=np.arange(3), **{"\x1b[31m": np.arange(2)})
    assert load_dataset(path).notes[-1] == "Of more.npz these arrays are not used: 'names', '\\x1b[31m'."


@pytest.mark.parametrize("name", ["x_val", "y_val", "x_valid", "X_validation"])
def test_validation_data_of_an_npz_file_are_refused_with_two_next_steps(tmp_path, name):
    with pytest.raises(
        DataError, match=f"received {name} too.*Append them .*--validation-split.*leave them out"
    ):
        load_dataset(saved(tmp_path / "val.npz", **{name: np.zeros((3, 5))}))


def test_an_npz_file_without_test_examples_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"x_test.*at least one example.*none: the shape \(0, 5\)"):
        load_dataset(saved(tmp_path / "none.npz", x_test=np.zeros((0, 5)), y_test=np.zeros(0)))


def test_an_npz_file_is_checked_by_its_headers_before_it_is_unpacked(tmp_path, monkeypatch):
    wide = saved(tmp_path / "wide.npz", x_train=np.zeros((12, 500_000)), x_test=np.zeros((6, 500_000)))
    short = saved(tmp_path / "short.npz", y_train=np.zeros(1_000_000, int))
    monkeypatch.setattr(np, "frombuffer", None)  # nothing gets so far
    with pytest.raises(DataError, match="12 labels, one for each example of x_train, received 1,000,000"):
        load_dataset(short)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=100_000_000))
    with pytest.raises(DataError, match="memory, 100,000,000 bytes, received arrays that take 108,000,"):
        load_dataset(wide)


def test_an_npz_file_below_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(DataError) as caught:
        load_dataset("~/none.npz")
    assert caught.value.subject == str(tmp_path / "none.npz")
    assert "no such file" in caught.value.received
