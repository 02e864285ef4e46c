"""make_dataset: what Keras users have is normalised; FAULTS 24 and 27 are refused with their place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropstudy.data.dataset import make_dataset, numbers
from dropstudy.data.formats.npy import open_npz
from dropstudy.errors import DataError

KEYS = ("x_train", "y_train", "x_test", "y_test")


def arrays(**changed):
    """Twelve training and six test examples of three classes, 4 x 5 pixels, made anew for each test."""
    good = {
        "x_train": (np.arange(240) * 37 % 256).astype(np.uint8).reshape(12, 4, 5),
        "y_train": np.arange(12) % 3,
        "x_test": (np.arange(120) * 53 % 256).astype(np.uint8).reshape(6, 4, 5),
        "y_test": np.arange(6) % 3,
    }
    return good | changed


def dataset(*, source="here.npz", **changed):
    settings = {key: changed.pop(key) for key in ("classes", "scale") if key in changed}
    return make_dataset(name="tiny", source=source, **settings, **arrays(**changed))


def refusal(subject, **changed):
    """The error's line; its subject has to name the array and the source."""
    with pytest.raises(DataError) as caught:
        dataset(**changed)
    assert caught.value.subject == f"{subject} of here.npz"
    assert caught.value.next_step
    assert "\n" not in str(caught.value)
    return str(caught.value)


def read_npz(path):
    return {name: stored.read() for name, stored in open_npz(path, KEYS).items()}


def saved(tmp_path, **changed):
    """The same through a real file, as a user has it."""
    path = tmp_path / "data.npz"
    np.savez(path, **arrays(**changed))
    return make_dataset(name=path.name, source=str(path), **read_npz(path))


def floats(shape=(12, 4, 5), dtype=np.float64):
    return np.random.default_rng(1).random(shape).astype(dtype)


def one_hot(labels, columns=3, dtype=np.float32):
    return np.eye(columns, dtype=dtype)[labels]


# What comes out


def test_pixels_stay_and_are_scaled_by_255():
    data = dataset()
    given_arrays = arrays()
    assert data.x_train.dtype == data.x_test.dtype == np.uint8
    assert data.scale == 255.0
    assert data.y_train.dtype == data.y_test.dtype == np.int64
    assert data.classes == ("0", "1", "2")
    assert (data.input_shape, data.features) == ((4, 5), 20)
    assert (data.name, data.source, data.fallback) == ("tiny", "here.npz", False)
    for key in KEYS:
        np.testing.assert_array_equal(getattr(data, key), given_arrays[key])


@pytest.mark.parametrize("dtype", ["f2", "f8", ">f4"])
def test_everything_but_whole_numbers_of_a_byte_becomes_float32(dtype):
    values = (floats() * 2 - 1).astype(dtype)
    data = dataset(x_train=values, x_test=values[:6])
    assert data.x_train.dtype == np.float32
    assert data.x_train.dtype.isnative
    assert data.scale == 1.0
    np.testing.assert_array_equal(data.x_train, values.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.float32, np.uint64, object])
@pytest.mark.parametrize("form", ["flat", "column", "one-hot"])
def test_labels_come_in_the_forms_that_keras_users_have(form, dtype):
    labels = arrays()["y_train"]
    forms = {"flat": labels, "column": labels[:, None], "one-hot": one_hot(labels)}
    data = dataset(y_train=forms[form].astype(dtype))
    assert data.y_train.dtype == np.int64
    np.testing.assert_array_equal(data.y_train, labels)
    assert data.sha256 == dataset().sha256


def test_two_classes_may_be_booleans():
    labels = arrays()["y_train"] % 2
    data = dataset(y_train=labels.astype(bool), y_test=np.zeros(6, dtype=bool))
    np.testing.assert_array_equal(data.y_train, labels)
    assert data.classes == ("False", "True")
    assert data.sha256 == dataset(y_train=labels, y_test=np.zeros(6, dtype=int)).sha256


def test_labels_of_other_numbers_and_text_name_the_classes():
    given_arrays = arrays()
    for names in ([1, 2, 3], [-4, 0, 70_000], ["ant", "bee", "cat</script>"]):
        labels = [np.array(names)[given_arrays[key]] for key in ("y_train", "y_test")]
        data = dataset(y_train=labels[0], y_test=labels[1])
        assert data.classes == tuple(map(str, names))
        np.testing.assert_array_equal(data.y_train, given_arrays["y_train"])
        np.testing.assert_array_equal(data.y_test, given_arrays["y_test"])


def test_given_names_and_scale_are_used():
    data = dataset(classes=["ant", "bee", "</script>"], scale=16)
    assert data.classes == ("ant", "bee", "</script>")
    assert data.scale == 16.0


def test_lists_are_accepted_as_arrays():
    data = dataset(x_train=[[0.0], [1.0]], y_train=[0, 1], x_test=[[2.0]], y_test=[[1]])
    assert data.x_train.shape == (2, 1)


def test_arrays_given_are_not_changed():
    before, after = arrays(x_train=floats(), x_test=floats((6, 4, 5))), arrays()
    after |= {"x_train": before["x_train"].copy(), "x_test": before["x_test"].copy()}
    make_dataset(name="tiny", source="here", **before)
    for key in KEYS:
        np.testing.assert_array_equal(before[key], after[key], strict=True)


# The digest


def test_digest_is_that_of_the_content_not_of_the_file(tmp_path):
    values = arrays()
    np.savez_compressed(tmp_path / "packed.npz", **values)
    np.savez(tmp_path / "big_endian.npz", **values | {"y_train": values["y_train"].astype(">i4")})
    np.savez(tmp_path / "fortran.npz", **values | {"x_train": np.asfortranarray(values["x_train"])})
    digests = {
        make_dataset(name=path.name, source=str(path), **read_npz(path)).sha256 for path in tmp_path.iterdir()
    }
    digests.add(dataset(source="memory", classes=["a", "b", "c"]).sha256)
    assert len(digests) == 1


def test_digest_never_changes():
    """Run keys contain it: another value makes every stored study train again."""
    assert dataset().sha256 == "196b00ac49c7d0757d2cbdbefc6a2a8c2934a7caf12ba5480d789ae3c1533a10"


NAMES = [np.array(["ant", "bee", "cat"]), np.array(["ant", "bee", "dog"]), np.array([1, 2, 3])]


def test_digest_differs_with_every_part_of_the_content():
    x_train = arrays()["x_train"]
    x_train[11, 3, 4] ^= 1
    digests = [
        dataset().sha256,
        dataset(x_train=x_train).sha256,
        dataset(y_train=arrays()["y_train"][::-1]).sha256,
        dataset(x_test=arrays()["x_test"][::-1]).sha256,
        dataset(y_test=arrays()["y_test"][::-1]).sha256,
        *(
            dataset(y_train=names[arrays()["y_train"]], y_test=names[arrays()["y_test"]]).sha256
            for names in NAMES
        ),
        dataset(scale=16).sha256,
        dataset(x_train=arrays()["x_train"].reshape(12, 20), x_test=arrays()["x_test"].reshape(6, 20)).sha256,
    ]
    assert len(set(digests)) == len(digests)


# FAULTS 24


def labels(**changed):
    """Training labels with some changed, by place."""
    values = arrays()["y_train"].astype(type(next(iter(changed.values()))))
    for place, value in changed.items():
        values[int(place.removeprefix("at_"))] = value
    return values


def rows(wrong):
    one_hots = one_hot(arrays()["y_train"])
    one_hots[5] = wrong
    return one_hots


FAULTS = {
    "counts": ("y_test", {"y_test": np.arange(7) % 3}, "one for each example of x_test", "received 7 labels"),
    "only in the test": (
        "y_test",
        {"y_test": np.array([0, 1, 2, 0, 3, 2])},
        "the classes of y_train: 0, 1, 2",
        "1 of other classes, first at y_test[4]: 3.",
    ),
    "more than names": (
        "y_train",
        {"classes": ["only", "two"]},
        "from 0 to 1",
        "4 other, first at y_train[2]: 2",
    ),
    "names and text": (
        "y_train",
        {"classes": ["a", "b", "c"], "y_train": ["a"] * 6 + ["b"] * 6},
        "from 0 to 2",
    ),
    "no label": ("y_train", {"y_train": labels(at_7=np.nan, at_9=np.nan)}, "2 missing, first at y_train[7]"),
    "infinite": ("y_train", {"y_train": labels(at_7=np.inf)}, "1 infinite, first at y_train[7]"),
    "quantity": ("y_train", {"y_train": labels(at_7=1.5)}, "4 different numbers from 0 to 2", "regression"),
    **{
        f"shape {shape}": ("y_train", {"y_train": np.zeros(shape, int)}, f"array of shape {shape}")
        for shape in [(), (12, 0), (12, 3, 1)]
    },
    **{
        f"not one-hot {wrong}": (
            "y_train",
            {"y_train": rows(wrong)},
            "1 other, first at y_train[5], of shape (12, 3)",
        )
        for wrong in ([0, 0, 0], [1, 1, 0], [1, 0.1, 0], [0, 2, 0])
    },
    "empty classes": (
        "y_train",
        {"y_train": np.array([0, 3] * 6), "classes": ["ant", "bee", "cat", "dog"]},
        "each of the 4 classes",
        "none of class 1 ('bee'), 2 ('cat').",
    ),
    "one class": ("y_train", {"y_train": np.full(12, 2)}, "at least two classes", "only label 2."),
    "class 0 only": ("y_train", {"y_train": np.zeros(12, int)}, "at least two classes", "only label 0."),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_24_labels_that_are_no_classes_are_located(fault):
    subject, changed, *words = FAULTS[fault]
    line = refusal(subject, **changed)
    assert all(word in line for word in words), line


def test_fault_24_names_the_file(tmp_path):
    with pytest.raises(DataError, match=r"y_train of .*data\.npz: expected 12 labels.*received 11 labels"):
        saved(tmp_path, y_train=np.arange(11) % 3)


# FAULTS 27


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_fault_27_nan_is_counted_and_located(tmp_path, dtype):
    x_train = floats((14, 10), dtype)
    x_train[12, 5] = x_train[12, 6] = x_train[13, 0] = np.nan
    values = {"x_train": x_train, "y_train": np.arange(14) % 3, "x_test": floats((6, 10), dtype)}
    assert "received 3 NaN, first at x_train[12, 5]." in refusal("x_train", **values)
    with pytest.raises(DataError, match=r"x_train of .*data\.npz.*3 NaN, first at x_train\[12, 5\]"):
        saved(tmp_path, **values)


def test_fault_27_infinity_is_counted_and_located():
    x_test = floats((6, 4, 5))
    x_test[0, 0, 1], x_test[5, 3, 4], x_test[2, 0, 0] = np.inf, -np.inf, np.nan
    line = refusal("x_test", x_train=floats(), x_test=x_test)
    assert "1 NaN, first at x_test[2, 0, 0] and 2 infinite, first at x_test[0, 0, 1]." in line


def test_fault_27_floats_beyond_float32():
    x_train = floats()
    x_train[3, 0, 0] = 1e39
    assert "1 infinite, first at x_train[3, 0, 0]" in refusal("x_train", x_train=x_train)


@given(st.lists(st.floats(width=32), min_size=1, max_size=20))
@settings(deadline=None)
def test_fault_27_every_non_finite_value_is_counted(values):
    finite = [bool(ok) for ok in np.isfinite(values)]
    if all(finite):
        np.testing.assert_array_equal(numbers(values, array="x", subject="x"), np.float32(values))
        return
    with pytest.raises(DataError) as caught:
        numbers(values, array="x", subject="x")
    assert f"x[{finite.index(False)}]" in caught.value.received
    counts = [int(word) for word in caught.value.received.split() if word.isdigit()]
    assert sum(counts) == finite.count(False)


# Sets that do not fit each other, or are none


def test_different_shapes_of_training_and_test_examples_are_refused():
    line = refusal("x_test", x_test=arrays()["x_test"].transpose(0, 2, 1))
    assert "expected examples of shape (4, 5), as in x_train, received examples of shape (5, 4)." in line


@pytest.mark.parametrize(
    ("train", "test"), [(1, 1 / 255), (1 / 255, 1), (1, 1 / 16), (257, 1), (1 / 127.5, 1)]
)
def test_training_and_test_examples_of_other_units_are_refused_with_both_ranges(train, test):
    x_train, x_test = arrays()["x_train"] * float(train), arrays()["x_test"] * float(test)
    line = refusal("x_test", x_train=x_train, x_test=x_test)
    for end in (x_train.max(), x_test.max()):
        assert f"to {end:.6g}" in line
    assert "the same units" in line


def test_tables_in_other_units_are_refused_and_outliers_are_not():
    table = np.random.default_rng(0).normal(size=(12, 5)) * [1, 10, 100, 1000, 0.1]
    assert "times as large" in refusal("x_test", x_train=table, x_test=table[:6] / 40)
    outlier = table.copy()
    outlier[3, 3] = 1e6
    assert dataset(x_train=outlier, x_test=table[:6]).scale == 1


def test_another_type_of_the_test_examples_only_adds_a_note():
    data = dataset(x_test=arrays()["x_test"].astype(float))
    assert data.sha256 == dataset().sha256
    assert any("x_test is stored as float64" in note for note in data.notes)


@pytest.mark.parametrize("shape", [(0, 4, 5), (12, 0), (12,), ()])
@pytest.mark.parametrize("array", ["x_train", "x_test"])
def test_empty_sets_are_refused(array, shape):
    assert f"array of shape {shape}." in refusal(array, **{array: np.zeros(shape)})


@pytest.mark.parametrize("value", [["a"], [1j], [None], [[1, 2], [3]]])
def test_examples_that_are_no_numbers_are_refused(value):
    assert "an array of integers or floats" in refusal("x_train", x_train=value)


@pytest.mark.parametrize("scale", [0, -1, np.nan, np.inf])
def test_invalid_scales_are_refused(scale):
    assert "a finite number above 0" in refusal("scale", scale=scale)
