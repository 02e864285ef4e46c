"""Labels of examples to classify: the number of the class that training gave to the same label."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropstudy.data.known_labels import MISSING, UNKNOWN, class_numbers
from dropstudy.data.labels import encode_labels
from dropstudy.errors import DataError

CODES = np.arange(40) % 3
TEXTS = np.array(["cat", "dog", "eel"])[CODES]
FORMS = {
    "text": TEXTS,
    "list": TEXTS.tolist(),
    "bytes": TEXTS.astype("S"),
    "a column": pd.Series(TEXTS),
    "a column of categories": pd.Series(TEXTS, dtype="category"),
    "a column of polars": pl.Series(TEXTS.tolist()),
    "a frame of one column": pd.DataFrame({"kind": TEXTS}),
    "one-hot rows": np.eye(3)[CODES],
    "named one-hot rows": pd.get_dummies(TEXTS),
    "with blanks": [f" {text} " for text in TEXTS],
    "numbers of the classes": CODES,
}


@pytest.mark.parametrize("form", FORMS)
def test_labels_of_every_form_are_the_same_numbers(form):
    assert class_numbers(FORMS[form], ("cat", "dog", "eel"), 40).tolist() == CODES.tolist()


@given(
    st.one_of(
        st.lists(st.integers(-3, 3), min_size=2),
        st.lists(st.booleans(), min_size=2),
        st.lists(st.text("abc", min_size=1), min_size=2),
        st.lists(st.integers(-3, 3).map(float), min_size=2),
    ).filter(lambda labels: len(set(labels)) > 1)
)
def test_the_labels_of_training_have_the_numbers_of_training(labels):
    encoded = encode_labels(labels, source="here")
    assert class_numbers(labels, encoded.classes, len(labels)).tolist() == encoded.train.tolist()


def test_what_is_missing_and_what_is_no_class():
    found = class_numbers(["cat", None, float("nan"), "", "cow"], ("cat", "dog"), 5)
    assert found.tolist() == [0, MISSING, MISSING, MISSING, UNKNOWN]
    assert class_numbers([7.0, np.nan, 9], ("7", "8"), 3).tolist() == [0, MISSING, UNKNOWN]


@pytest.mark.parametrize("labels", [TEXTS[:-1], np.zeros((40, 2)), "cat"])
def test_labels_of_another_number_are_refused(labels):
    with pytest.raises(DataError, match=r"^labels: expected 40, one for each example"):
        class_numbers(labels, ("cat", "dog", "eel"), 40)
