"""encode_labels: labels of every honest form give the same codes; FAULTS 24 is refused with its place."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropstudy.data.labels import encode_labels
from dropstudy.errors import DataError

TEXT = st.text(min_size=1, max_size=8).filter(str.strip)
WHOLE = st.integers(-(2**53), 2**53)


@st.composite
def labelled(draw, element):
    """Training labels of two classes or more, and test labels that are all among them."""
    classes = draw(st.lists(element, min_size=2, max_size=9, unique=True))
    train = draw(st.permutations(classes + draw(st.lists(st.sampled_from(classes), max_size=9))))
    return train, draw(st.lists(st.sampled_from(classes), min_size=1, max_size=9)), sorted(classes)


def encode(train, test=None, **settings):
    return encode_labels(train, test, source="here.npz", **settings)


def refusal(train, test=None, *, array="y_train", **settings):
    with pytest.raises(DataError) as caught:
        encode(train, test, **settings)
    assert caught.value.subject == f"{array} of here.npz"
    assert caught.value.next_step
    assert "\n" not in str(caught.value)
    return str(caught.value)


def decoded(labels):
    return [[labels.classes[code] for code in codes] for codes in (labels.train, labels.test)]


# Laws


@settings(max_examples=30, deadline=None)
@given(labelled(TEXT))
def test_names_of_codes_are_the_text_given_in_every_container(labels):
    train, test, classes = labels
    containers = [
        list,
        lambda text: [[label] for label in text],
        lambda text: [label.encode() for label in text],
        lambda text: np.array(text, dtype=object),
        lambda text: np.array(text, dtype=np.dtypes.StringDType()),
        pd.Series,
        pd.Categorical,
        lambda text: pd.Categorical(text, categories=[*reversed(classes), "a class without rows"]),
        lambda text: pd.Series(text, dtype="category"),
        lambda text: pd.DataFrame({"species": text}),
        lambda text: pd.DataFrame({name: [label == name for label in text] for name in reversed(classes)}),
    ]
    for container in containers:
        found = encode(container(train), container(test))
        assert decoded(found) == [train, test]
        assert found.classes == tuple(classes)
        assert found.renamed


@settings(max_examples=30, deadline=None)
@given(labelled(WHOLE))
def test_numbers_are_ordered_by_value_whatever_their_type(labels):
    train, test, classes = labels
    for dtype in ("i8", ">i8", "f8", ">f8", object):
        for shape in (-1, (-1, 1)):
            found = encode(np.array(train, dtype).reshape(shape), np.array(test, dtype))
            assert decoded(found) == [list(map(str, train)), list(map(str, test))]
            assert found.classes == tuple(map(str, classes))
            assert found.renamed == (classes != list(range(len(classes))))


@settings(max_examples=30, deadline=None)
@given(labelled(st.integers(0, 12)), st.sampled_from([bool, np.uint8, np.float16, np.float64, object]))
def test_one_hot_rows_are_the_numbers_of_their_columns(labels, dtype):
    train, test, _ = labels
    rows = np.eye(13, dtype=dtype)
    one_hot, numbers = encode(rows[train], rows[test]), encode(train, test)
    assert [part.tolist() for part in one_hot[:2]] == [part.tolist() for part in numbers[:2]]
    assert one_hot[2:] == numbers[2:]


@settings(max_examples=30, deadline=None)
@given(labelled(st.booleans()))
def test_booleans_are_false_then_true(labels):
    train, test, _ = labels
    found = encode(train, np.array(test))
    assert found.classes == ("False", "True")
    assert (found.train.tolist(), found.test.tolist(), found.renamed) == (train, test, False)


@settings(max_examples=30, deadline=None)
@given(labelled(TEXT), st.data())
def test_missing_labels_are_counted_and_placed(labels, data):
    train, _, _ = labels
    places = data.draw(st.sets(st.integers(0, len(train) - 1), min_size=1))
    for place in places:
        train[place] = data.draw(st.sampled_from([None, np.nan, pd.NA, pd.NaT, "", "  "]))
    for container in (list, pd.Categorical, lambda labels: pd.Series(labels, dtype=object)):
        assert f"{len(places)} missing, first at y_train[{min(places)}]." in refusal(container(train))


@settings(max_examples=30, deadline=None)
@given(labelled(WHOLE), st.data())
def test_classes_of_the_test_set_alone_are_named_and_placed(labels, data):
    train, test, classes = labels
    other = data.draw(WHOLE.filter(lambda value: value not in classes))
    place = data.draw(st.integers(0, len(test)))
    line = refusal(train, [*test[:place], other, *test[place:], other], array="y_test")
    assert f"2 of other classes, first at y_test[{place}]: {other}." in line


def test_a_test_set_may_lack_a_class():
    assert encode(["b", "a", "c"], ["c"]).test.tolist() == [2]


def test_types_of_numbers_may_differ_between_the_sets():
    assert encode(np.array([1, 2], np.uint8), np.array([2.0, 1.0])).test.tolist() == [1, 0]
    assert encode(np.array([2**64 - 1, 0], np.uint64), [2**64 - 1]).test.tolist() == [1]


# Where labels come without a test set


def test_no_test_set_gives_no_test_labels():
    assert encode([3, 5, 3]).test.shape == (0,)


def test_the_caller_names_labels_and_places():
    names = ("column 'species'",) * 2
    with pytest.raises(DataError) as caught:
        encode_labels(["a", None], source="t.csv", names=names, place=lambda _, row: f"line {row + 2}")
    line = str(caught.value)
    assert line.startswith("column 'species' of t.csv: ")
    assert "1 missing, first at line 3." in line


# Quantities


QUANTITIES = {
    "fractions": [0.5, 1.0, 1.5],
    "two fractions": [0.25, 0.75],
    "prices": np.arange(30) * 100,
    "ages": np.repeat(np.arange(18, 90), 30),
    "counts with a gap": np.repeat(np.delete(np.arange(30), 27), 30),
}


@pytest.mark.parametrize("name", QUANTITIES)
def test_quantities_are_told_from_classes(name):
    line = refusal(QUANTITIES[name])
    assert f"{len(set(QUANTITIES[name]))} different numbers" in line
    assert "regression" in line


CODES = {
    "up to 20 of any size": np.arange(20) * 1000,
    "100 from 0": np.repeat(np.arange(100), 2),
    "62 from 1": np.repeat(np.arange(1, 63), 2),
    "100 as floats": np.repeat(np.arange(100.0), 2),
    "5,000 names": [f"person {i}" for i in range(5000)] * 2,
}


@pytest.mark.parametrize("name", CODES)
def test_classes_are_not_taken_for_quantities(name):
    assert len(encode(CODES[name]).classes) == len(set(CODES[name]))


@pytest.mark.parametrize(
    "labels", [range(60), [f"id {i}" for i in range(60)], np.repeat(np.arange(65_537), 2)]
)
def test_labels_that_tell_single_examples_apart_are_refused(labels):
    assert "at most 65,536 classes, with at least two examples each" in refusal(np.array(labels))


# FAULTS 24


FAULTS = {
    "mixed": (["a", 1, "b"], "text ('a' at y_train[0]) and numbers (1 at y_train[1])"),
    "booleans and numbers": ([True, 2], "booleans (True at y_train[0]) and numbers (2 at y_train[1])"),
    "text and bytes": (["a", b"a"], "text ('a' at y_train[0]) and bytes (b'a' at y_train[1])"),
    "dates": ([date(2020, 1, 1), date(2020, 1, 2)], "values of type date"),
    "NumPy's dates": (np.array(["2020-01-01", "2020-01-02"], "M8[D]"), "values of type datetime64[D]"),
    "complex": (np.array([1j, 2]), "values of type complex128"),
    "huge": ([2**70, 0], "numbers of more than 64 bits"),
    "undecodable": ([b"\xff", b"a"], "bytes that are not UTF-8"),
    "half a pair": (["a", "\udcff"], "1 that are not valid Unicode, first at y_train[1]"),
    "ragged": ([[1, 0], [1]], "values of type list"),
    "ragged arrays": ([np.zeros((2, 2)), np.zeros((2, 3))], "lists of different lengths"),
    "text in rows": ([["a", "b"], ["c", "d"]], "text of shape (2, 2)"),
    "a missing one-hot row": (np.array([[1, 0], [np.nan, 1]]), "1 missing, first at y_train[1]"),
    "soft rows": (np.array([[1, 0], [0.9, 0.1]]), "1 other, first at y_train[1]"),
    "none": ([], "an array of shape (0,)"),
    "one class": (["a", "a"], "only label 'a'"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_24_labels_that_are_no_classes(name):
    labels, received = FAULTS[name]
    assert f"received {received}" in refusal(labels)


def test_fault_24_text_and_numbers_in_the_two_sets():
    assert "expected numbers, as in y_train, received text, such as '1'." in refusal(
        [1, 2], ["1"], array="y_test"
    )


def test_named_classes_all_occur_and_are_two():
    assert "none of class 1 ('bee')." in refusal([0, 2], classes=["ant", "bee", "cat"])
    assert "only label 0" in refusal([0, 0], classes=["ant"])
    assert encode([0, 1], classes=["ant", "bee"])[2:] == (("ant", "bee"), False)
