"""Arrays in every honest form are the same data; FAULTS 24, 25 and 27 are refused with file, array and place."""

from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dropstudy.data.load import load_dataset
from dropstudy.errors import DataError, InvalidArgument


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
    assert load_dataset(path).notes[0] == "Of more.npz these arrays are not used: 'names', '\\x1b[31m'."


@pytest.mark.parametrize("name", ["x_val", "y_val", "x_valid", "X_validation"])
def test_validation_data_of_an_npz_file_are_refused_with_two_next_steps(tmp_path, name):
    with pytest.raises(
        DataError, match=f"received {name} too.*Append them .*`validation_split`.*leave them out"
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


# Names


NAMES = {
    "Keras": ("x_train", "y_train", "x_test", "y_test"),
    "scikit-learn": ("X_train", "y_train", "X_test", "y_test"),
    "part first": ("train_images", "train_labels", "test_images", "test_labels"),
    "plain words": ("training data", "training target", "testing data", "testing target"),
    "in one word": ("xTrain", "yTrain", "xTest", "yTest"),
}


def digests(*paths, **options):
    return {load_dataset(path, **options).sha256 for path in paths}


def split(names=NAMES["Keras"]):
    y = np.arange(12) % 3
    x = np.random.default_rng(0).normal(size=(12, 5))
    return dict(zip(names, (x, y, x[:6], y[:6]), strict=True))


def whole(names=("x", "y")):
    return dict(zip(names, (np.random.default_rng(0).normal(size=(30, 5)), np.arange(30) % 3), strict=True))


def npy_folder(folder, named):
    folder.mkdir()
    for name, array in named.items():
        np.save(folder / name, array)
    return folder


@pytest.mark.parametrize("names", NAMES)
def test_usual_names_are_the_same_data_in_npz_and_npy_files(tmp_path, names):
    named = split(NAMES[names])
    np.savez(tmp_path / "mine.npz", **named)
    folder = npy_folder(tmp_path / "mine", named)
    plain = load_dataset(saved(tmp_path / "plain.npz"))
    paths = [tmp_path / "mine.npz", folder, *folder.iterdir()]
    assert digests(*paths) == {plain.sha256}
    for path in paths:
        data = load_dataset(path)
        assert data.name == ("mine.npz" if path.suffix == ".npz" else "mine")
        said = [note for note in data.notes if "are read" in note]
        assert len(said) == (names != "Keras" or path.suffix != ".npz")
        assert all(name in said[0] for name in named if said)


@pytest.mark.parametrize(
    "names", [("x", "y"), ("X", "y"), ("data", "labels"), ("images", "target"), ("X_train", "y_train")]
)
def test_without_a_test_set_one_is_set_aside(tmp_path, names):
    np.savez(tmp_path / "all.npz", **whole(names))
    folder = npy_folder(tmp_path / "all", whole(names))
    assert digests(tmp_path / "all.npz", folder) == digests(folder, test_size=0.2)
    assert len(digests(folder) | digests(folder, test_size=9)) == 2
    data = load_dataset(tmp_path / "all.npz", test_size=9)
    assert (len(data.x_train), np.bincount(data.y_test).tolist()) == (21, [3, 3, 3])
    assert any("9 of 30 examples are set aside" in note for note in data.notes)
    everything = np.concatenate([data.x_train, data.x_test])
    np.testing.assert_array_equal(
        np.sort(everything, axis=0), np.sort(whole()["x"], axis=0).astype(np.float32)
    )


@pytest.mark.parametrize("names", [("x", "y"), ("x_test", "y_test"), ("test_images", "test_labels")])
@pytest.mark.parametrize("train", [("x", "y"), ("x_train", "y_train")])
def test_the_test_set_may_be_another_file(tmp_path, names, train):
    arrays = list(split().values())
    np.savez(tmp_path / "a.npz", **dict(zip(train, arrays[:2], strict=True)))
    np.savez(tmp_path / "b.npz", **dict(zip(names, arrays[2:], strict=True)))
    folder = npy_folder(tmp_path / "b", dict(zip(names, arrays[2:], strict=True)))
    found = digests(tmp_path / "a.npz", test=tmp_path / "b.npz") | digests(tmp_path / "a.npz", test=folder)
    assert found == digests(saved(tmp_path / "plain.npz"))


UNCLEAR = {
    "no labels of the test": {"x_train": 1, "y_train": 1, "x_test": 1},
    "no labels": {"x": 1},
    "two meanings": {"x_train": 1, "y_train": 1, "x": 1, "y": 1},
    "names that say nothing": {"arr_0": 1, "arr_1": 1},
    "test alone": {"x_test": 1, "y_test": 1},
    "nothing": {},
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("nothing", "npz"), *((name, kind) for name in UNCLEAR if UNCLEAR[name] for kind in ("npz", "npy"))],
)
def test_fault_25_names_that_are_not_clear_are_refused_with_those_found(tmp_path, name, kind):
    named = {array: np.zeros((3, 2)) for array in UNCLEAR[name]}
    path = tmp_path / "mine.npz"
    if kind == "npz":
        np.savez(path, **named)
    else:
        path = npy_folder(tmp_path / "mine", named)
    with pytest.raises(DataError) as caught:
        load_dataset(path)
    assert caught.value.subject == str(path)
    assert caught.value.received == (
        ", ".join(map(repr, sorted(named) if kind == "npy" else named)) or "no array"
    )
    assert "numpy.savez" in caught.value.next_step


def test_fault_25_two_arrays_of_one_meaning_are_refused(tmp_path):
    path = saved(tmp_path / "two.npz", train_images=np.zeros((12, 5)))
    with pytest.raises(DataError, match="x_train and train_images, which may mean the same"):
        load_dataset(path)


def test_an_npy_file_of_no_usual_name_is_refused(tmp_path):
    folder = npy_folder(tmp_path / "mine", split() | {"spare": np.zeros(2)})
    with pytest.raises(DataError, match=r"one of x_train\.npy, .*received spare\.npy"):
        load_dataset(folder / "spare.npy")
    assert any("'spare'" in note for note in load_dataset(folder).notes)
    with pytest.raises(DataError, match=r"nowhere\.npy.*no such file"):
        load_dataset(folder / "nowhere.npy")


def test_a_test_set_twice_is_refused(tmp_path):
    path = saved(tmp_path / "a.npz")
    with pytest.raises(
        InvalidArgument, match=r"test_size: expected data without a test set, received 0\.2 with x_test"
    ):
        load_dataset(path, test_size=0.2)
    with pytest.raises(DataError, match=r"a\.npz: expected arrays named x_train and y_train, or x and y"):
        load_dataset(path, test=path)


# Forms of the same numbers


FORMS = {
    "float64": lambda x: x.astype("f8"),
    "float16": lambda x: x.astype("f2"),
    "big-endian": lambda x: x.astype(">f4"),
    "int8 where it fits": lambda x: x.astype("i1" if x.max() < 128 else "i2"),
    "big-endian int64": lambda x: x.astype(">i8"),
    "uint32": lambda x: x.astype("u4"),
    "Fortran order": np.asfortranarray,
    "rows reversed": lambda x: x[::-1].copy()[::-1],
    "channels first": lambda x: np.moveaxis(x, -1, 1),
}


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_pixels_in_any_form_are_the_same_data(tmp_path_factory, form, data):
    channels = data.draw(st.sampled_from([1, 3]))
    x = data.draw(arrays(np.uint8, (6, 4, 5, channels)))
    x[0, 0, 0, 0] = 255  # white
    y = np.arange(6) % 2
    folder = tmp_path_factory.mktemp("forms")
    plain = saved(folder / "plain.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    other = FORMS[form](x)
    path = saved(folder / "other.npz", x_train=other, y_train=y, x_test=other, y_test=y)
    found = load_dataset(path)
    assert found.sha256 == load_dataset(plain).sha256
    assert found.input_shape == (4, 5, channels)
    notes = [note for note in found.notes if "channels first" in note]
    assert len(notes) == 2 * (form == "channels first")


def test_pixels_of_true_and_false_are_those_of_1_and_0(tmp_path):
    x = np.random.default_rng(0).integers(0, 2, (12, 5, 5))
    plain = saved(tmp_path / "a.npz", x_train=x, x_test=x[:6])
    truth = saved(tmp_path / "b.npz", x_train=x == 1, x_test=x[:6] == 1)
    assert len(digests(plain, truth)) == 1


@pytest.mark.parametrize("shape", [(12, 3, 3, 3), (12, 5, 3), (12, 3, 5), (12, 1, 5, 3), (12, 4, 6, 7)])
def test_shapes_that_are_not_clearly_channels_first_stay(tmp_path, shape):
    x = np.random.default_rng(0).random(shape)
    data = load_dataset(saved(tmp_path / "x.npz", x_train=x, x_test=x[:6]))
    assert data.input_shape == shape[1:]


@pytest.mark.parametrize("dtype", ["U", ">U", "S"])
def test_labels_may_be_text(tmp_path, dtype):
    y = np.array(["ant", "bee", "caf\u00e9" if "U" in dtype else "cat"] * 4, dtype)
    y = y.astype(y.dtype.newbyteorder(">")) if dtype == ">U" else y
    path = saved(tmp_path / "text.npz", y_train=y, y_test=y[:6])
    data = load_dataset(path)
    assert data.classes == ("ant", "bee", "caf\u00e9" if "U" in dtype else "cat")
    assert data.y_test.tolist() == [0, 1, 2] * 2


# Faults


def test_examples_that_are_text_are_refused(tmp_path):
    path = saved(tmp_path / "text.npz", x_train=np.full((12, 5), "1.5"))
    with pytest.raises(
        DataError, match=r"x_train of .*text\.npz: expected an array of integers or floats, .*<U3"
    ):
        load_dataset(path)


def test_fault_24_counts_and_classes_name_the_file_and_the_array(tmp_path):
    np.savez(tmp_path / "a.npz", data=np.zeros((4, 2)), labels=[0, 1, 0])
    with pytest.raises(
        DataError, match=r"labels of .*a\.npz: expected 4 labels, one for each example of data"
    ):
        load_dataset(tmp_path / "a.npz")
    np.savez(tmp_path / "train.npz", **whole())
    np.savez(tmp_path / "test.npz", x=np.zeros((2, 5)), y=[0, 7])
    with pytest.raises(DataError, match=r"y of .*test\.npz: .*1 of other classes, first at y\[1\]: 7"):
        load_dataset(tmp_path / "train.npz", test=tmp_path / "test.npz")


def test_fault_25_arrays_of_objects_are_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path / "sprung").touch, ()

    trap = np.array([Trap()] * 12, dtype=object)
    folder = npy_folder(tmp_path / "trap", split() | {"y_train": trap})
    for path in (saved(tmp_path / "trap.npz", y_train=trap), folder):
        with pytest.raises(DataError, match=r"y_train.*never unpickled"):
            load_dataset(path)
    assert not (tmp_path / "sprung").exists()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 29), st.integers(0, 4), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_fault_27_places_are_those_in_the_file_where_a_test_set_is_set_aside(
    tmp_path_factory, row, column, value
):
    named = whole(("data", "labels"))
    named["data"][row, column] = value
    path = tmp_path_factory.mktemp("places") / "a.npz"
    np.savez(path, **named)
    with pytest.raises(DataError) as caught:
        load_dataset(path)
    assert caught.value.subject == f"data of {path}"
    assert f"first at data[{row}, {column}]" in caught.value.received
