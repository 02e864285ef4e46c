"""Data in memory: arrays of every library, data frames of every library, and arguments that do not go together."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse
from sklearn.model_selection import train_test_split

import dropstudy
from dropstudy.data.sources.kept import name_of
from dropstudy.errors import DataError, DropstudyError, InvalidArgument

X = np.linspace(0, 1, 60).reshape(20, 3)
Y = np.arange(20) % 2
SPLIT = (X[:14], Y[:14], X[14:], Y[14:])


def frame(n=40):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "mass": rng.normal(4000, 500, n),
            "island": pd.Series(rng.choice(["Biscoe", "Dream"], n)),
            "patient": np.repeat(np.arange(n // 2), 2),
            "species": np.tile(["Adelie", "Gentoo"], n // 2),
        }
    )


class OnlyArray:
    """As tensors of other libraries: NumPy reads it, and it has no method of an array."""

    def __init__(self, values):
        self._values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self._values, dtype=dtype)


FORMS = {
    "lists": lambda x: x.tolist(),
    "tuples": lambda x: tuple(map(tuple, x.tolist())) if x.ndim > 1 else tuple(x.tolist()),
    "__array__": OnlyArray,
    "jax": lambda x: jnp.asarray(x.astype(np.float32) if x.dtype == float else x),
    "Fortran": np.asfortranarray,
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "memory view": memoryview,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_arrays_of_every_form_are_the_same_data(form):
    assert name_of(dropstudy.dataset(*map(form, SPLIT))) == name_of(dropstudy.dataset(*SPLIT))


def test_tensors_of_torch_are_the_same_data():
    torch = pytest.importorskip("torch")
    assert name_of(dropstudy.dataset(*map(torch.from_numpy, SPLIT))) == name_of(dropstudy.dataset(*SPLIT))
    with pytest.raises(InvalidArgument, match=r"^x_train: expected an array"):
        dropstudy.dataset(torch.tensor(X, requires_grad=True), Y)


def test_without_a_test_set_a_fifth_is_set_aside_and_said():
    made = dropstudy.dataset(X, Y)
    assert (len(made.y_train), len(made.y_test)) == (16, 4)
    assert any("set aside" in note for note in made.notes)
    together = np.concatenate([made.x_train, made.x_test])
    assert sorted(together[:, 0]) == sorted(X[:, 0].astype(np.float32))
    assert len(dropstudy.dataset(X, Y, test_size=6).y_test) == 6


def test_later_changes_of_the_arrays_do_not_change_the_dataset():
    arrays = [array.astype(np.float32) if array.dtype == float else array.copy() for array in SPLIT]
    made = dropstudy.dataset(*arrays)
    for array in arrays:
        np.add(array, 1, out=array)
    np.testing.assert_array_equal(made.x_train, SPLIT[0].astype(np.float32))
    np.testing.assert_array_equal(made.y_test, SPLIT[3])


def test_names_of_classes_and_of_the_data():
    made = dropstudy.dataset(*SPLIT, classes=["cat", "dog"], name="pets")
    assert (made.classes, made.name) == (("cat", "dog"), "pets")
    assert dropstudy.dataset(X, np.array(["no", "yes"])[Y]).classes == ("no", "yes")
    assert dropstudy.dataset(X, pd.Series(["no", "yes"], dtype="category").iloc[Y]).classes == ("no", "yes")


# Data frames


def test_labels_apart_as_in_scikit_learn_are_the_same_data_as_a_column():
    whole = frame()
    apart = dropstudy.dataset(whole.drop(columns="species"), whole["species"])
    assert name_of(apart) == name_of(dropstudy.dataset(whole, target="species"))
    shuffled = whole["species"].set_axis(range(100, 140))  # by position, whatever the index
    assert name_of(dropstudy.dataset(whole.drop(columns="species"), shuffled)) == name_of(apart)
    first, rest = whole.iloc[:30], whole.iloc[30:]
    tested = dropstudy.dataset(
        first.drop(columns="species"),
        first["species"],
        rest.drop(columns="species"),
        rest["species"].to_numpy(),
    )
    assert name_of(tested) == name_of(dropstudy.dataset(first, target="species", test=rest))


def test_frames_of_other_libraries_are_the_same_data():
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    expected = name_of(dropstudy.dataset(frame(), target="species"))
    polars = pl.DataFrame(frame().to_dict("list"))
    for other in (polars, polars.lazy(), pa.Table.from_pandas(frame())):
        assert name_of(dropstudy.dataset(other, target="species")) == expected


def test_groups_stay_together_and_columns_are_left_out():
    made = dropstudy.dataset(frame(), target="species", group="patient", drop=["island"])
    assert [column.name for column in made.table.columns] == ["mass"]
    assert set(np.bincount(made.groups)) <= {0, 2}


def test_examples_that_stand_in_training_and_test_are_told():
    warning = dropstudy.dataset(X, Y, X[:4], Y[:4]).warnings[0]
    assert warning.startswith("4 of 4 test examples equal a training example: 4 with the same label")


def test_the_frame_of_the_caller_is_left_as_it_was():
    given = frame().rename(columns={"mass": 7})
    before = given.copy()
    dropstudy.dataset(given, target="species")
    pd.testing.assert_frame_equal(given, before)


def test_one_hot_rows_beside_a_frame_are_the_labels_that_they_stand_for():
    plain = frame().drop(columns="species")
    species = frame()["species"]
    apart = dropstudy.dataset(plain, species)
    named = dropstudy.dataset(plain, pd.get_dummies(species))
    assert (named.classes, named.y_train.tolist()) == (apart.classes, apart.y_train.tolist())
    numbered = dropstudy.dataset(plain, np.eye(len(apart.classes))[pd.factorize(species, sort=True)[0]])
    assert numbered.y_train.tolist() == apart.y_train.tolist()
    assert numbered.classes == tuple(map(str, range(len(apart.classes))))


@pytest.mark.parametrize("test_size", [0.25, 0.5])
def test_the_order_of_scikit_learn_is_refused_with_the_right_one(test_size):
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    for examples, labels in (
        (x, y),
        (pd.DataFrame(x), pd.Series(y)),
        (x.tolist(), y.tolist()),
        (x, np.eye(2)[y]),
    ):
        x_train, x_test, y_train, y_test = train_test_split(
            examples, labels, test_size=test_size, random_state=0
        )
        with pytest.raises(InvalidArgument, match="the order x_train, y_train, x_test, y_test") as caught:
            dropstudy.dataset(x_train, x_test, y_train, y_test)
        assert "train_test_split" in str(caught.value)
        if not isinstance(examples, pd.DataFrame):
            assert dropstudy.dataset(x_train, y_train, x_test, y_test)


def test_one_column_and_one_hot_rows_are_not_taken_for_that_order():
    x, y = np.random.default_rng(0).normal(size=(40, 1)), np.arange(40)[:, None] % 2
    assert dropstudy.dataset(x[:20], y[:20], x[20:], y[20:])
    assert dropstudy.dataset(
        np.hstack([x, x])[:20], np.eye(2)[y[:20, 0]], np.hstack([x, x])[20:], np.eye(2)[y[20:, 0]]
    )


# What does not go together

WRONG = {
    "lengths": (lambda: dropstudy.dataset(X, Y[:-1]), "y_train: expected 20 labels"),
    "test lengths": (lambda: dropstudy.dataset(*SPLIT[:3], [0]), "y_test: expected 6 labels"),
    "frame lengths": (lambda: dropstudy.dataset(frame(), [0, 1]), "y_train: expected 40 labels"),
    "no labels": (lambda: dropstudy.dataset(X), "y_train: expected an array that belongs to x_train"),
    "no test labels": (lambda: dropstudy.dataset(X, Y, X), "y_test: expected an array that belongs"),
    "no test examples": (lambda: dropstudy.dataset(X, Y, None, Y), "x_test: expected an array that"),
    "target of arrays": (lambda: dropstudy.dataset(X, Y, target="a"), "target: expected a data frame"),
    "group of arrays": (lambda: dropstudy.dataset(X, Y, group="a"), "group: expected a data frame"),
    "no target": (lambda: dropstudy.dataset(frame()), "target: expected the column"),
    "target unnamed": (lambda: dropstudy.dataset(frame(), "species"), "Write target='species'"),
    "both": (lambda: dropstudy.dataset(frame(), Y, target="species"), "target: expected either"),
    "labels in x": (lambda: dropstudy.dataset(frame(), frame()["species"]), "'species' in both"),
    "test unnamed": (lambda: dropstudy.dataset(frame(), frame()), "test rows as test="),
    "test mixed": (lambda: dropstudy.dataset(frame(), target="species", test=X), "test: expected a data"),
    "test twice": (
        lambda: dropstudy.dataset(frame(), None, frame(), target="species"),
        "x_test: expected test rows as test=",
    ),
    "x_test mixed": (
        lambda: dropstudy.dataset(frame()[["mass"]], [0, 1] * 20, X, Y),
        "x_test: expected a da",
    ),
    "test size": (lambda: dropstudy.dataset(*SPLIT, test_size=0.5), "test_size: expected data without"),
    "classes": (lambda: dropstudy.dataset(frame(), target="species", classes=["a", "b"]), "classes: expect"),
    "a file": (lambda: dropstudy.dataset("mine.npz", Y), "dropstudy.load_dataset"),
    "a table in a file": (lambda: dropstudy.dataset("mine.csv", target="a"), "dropstudy.load_dataset"),
    "sparse": (lambda: dropstudy.dataset(sparse.csr_matrix(X), Y), r"x_train.toarray\(\)"),
    "masked": (lambda: dropstudy.dataset(np.ma.masked_greater(X, 0.5), Y), "masked values"),
    "generator": (lambda: dropstudy.dataset((row for row in X), Y), "x_train: expected an array"),
}


@pytest.mark.parametrize(("call", "message"), WRONG.values(), ids=WRONG)
def test_arguments_that_do_not_go_together(call, message):
    with pytest.raises(InvalidArgument, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_column_that_is_not_there_is_answered_with_the_nearest():
    with pytest.raises(DropstudyError, match="Did you mean 'species'") as caught:
        dropstudy.dataset(frame(), target="specis")
    assert "target" in caught.value.subject


def test_values_that_cannot_be_used_name_the_array():
    with pytest.raises(DataError, match=r"x_train of arrays in memory: .*x_train\[3, 1\]"):
        dropstudy.dataset(np.where(np.arange(60).reshape(20, 3) == 10, np.nan, X), Y)
    with pytest.raises(DataError, match=r"^x_train of arrays in memory"):
        dropstudy.dataset([[1, 2], [3]], [0, 1])


ANY_VALUE = st.one_of(
    st.none(),
    st.text(max_size=3),
    st.integers(),
    st.lists(st.integers(0, 3), max_size=4),
    hnp.arrays(
        st.sampled_from([np.float32, np.int8, np.bool_, np.complex64, object, "U2", "datetime64[D]"]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    st.builds(lambda: frame(4)),
    st.builds(lambda: frame(4)["species"]),
)


@given(ANY_VALUE, ANY_VALUE, ANY_VALUE, ANY_VALUE)
def test_whatever_is_given_is_a_dataset_or_an_error_in_one_line(x_train, y_train, x_test, y_test):
    try:
        made = dropstudy.dataset(x_train, y_train, x_test, y_test)
    except DropstudyError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert len(made.x_train) == len(made.y_train)
