"""Inputs from the rows of a table are those of scikit-learn's transformers, and need training rows alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from dropstudy.core.dataset import Column, Table
from dropstudy.data.preprocessing import FARTHEST, UNSEEN, fit, from_tensors, is_rare, transform
from dropstudy.errors import ModelError

CATEGORIES = ("blue", "green", "red", "white")


@st.composite
def rows(draw, least=1):
    """Rows of two number columns and a category column, with missing cells in the second and the third."""
    cell = st.floats(-1e6, 1e6, width=32)
    code = st.sampled_from([0.0, 1.0, 2.0, 3.0, np.nan])
    row = st.tuples(cell, cell | st.just(np.nan), code)
    return np.array(draw(st.lists(row, min_size=least, max_size=60)), float).reshape(-1, 3)


def table_of(x):
    counts = np.bincount(x[:, 2][~np.isnan(x[:, 2])].astype(int), minlength=len(CATEGORIES))
    inputs = tuple(name for name, rare in zip(CATEGORIES, is_rare(counts, len(x)), strict=True) if not rare)
    return Table(
        (
            Column("height", "number"),
            Column("weight", "number", missing=True),
            Column("colour", "category", CATEGORIES, inputs, missing=True),
        ),
        "kind",
    )


@given(rows(least=2), rows())
def test_numbers_are_those_of_sklearn_s_pipeline(train, others):
    table = table_of(train)
    pipeline = ColumnTransformer(
        [
            (
                "numbers",
                make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()),
                [0, 1],
            )
        ]
    ).fit(train)
    for x in (train, others):
        found = transform(table, fit(table, train), x)
        expected = np.clip(pipeline.transform(x), -FARTHEST, FARTHEST)
        assert_allclose(found[:, [0, 1]], expected, rtol=1e-5, atol=1e-6)
        assert_array_equal(found[:, 2], np.isnan(x[:, 1]))


def test_a_row_far_from_the_training_rows_has_finite_inputs():
    train = np.array([[0.0, 0.0, 0.0], [0.0, 2e-33, 0.0]])
    far = np.array([[0.0, 365029.0, 0.0]])
    table = table_of(train)
    assert transform(table, fit(table, train), far)[0, 1] == FARTHEST


@given(rows(least=2), rows())
def test_categories_are_those_of_sklearn_s_encoder(train, others):
    table, known = table_of(train), train[~np.isnan(train[:, 2])]
    if not len(known):
        return
    counts = np.bincount(known[:, 2].astype(int))
    frequent = counts[~is_rare(counts, len(train))].min(initial=len(train) + 1)
    encoder = OneHotEncoder(min_frequency=int(frequent), handle_unknown="ignore", sparse_output=False)
    encoder.fit(known[:, [2]])
    names = [str(name) for name in encoder.get_feature_names_out()]
    own = [CATEGORIES[int(float(name[3:]))] for name in names if not name.endswith("sklearn")]
    assert own == list(table.columns[2].inputs)
    x = others[~np.isnan(others[:, 2])]
    if not len(x):
        return
    expected = encoder.transform(x[:, [2]])
    found = transform(table, fit(table, train), x)[:, 3:]
    assert_array_equal(found[:, : len(own)], expected[:, : len(own)])
    rare = expected[:, len(own)] if len(names) > len(own) else np.zeros(len(x))
    assert_array_equal(found[:, len(own)], rare)


@given(rows(least=4), st.integers(2, 1000))
def test_what_other_rows_hold_changes_nothing(x, seed):
    """What is fitted is fitted on the training rows alone: the others may be anything."""
    table, half = table_of(x), len(x) // 2
    before = transform(table, fit(table, x[:half]), x[:half])
    changed = np.vstack([x[:half], np.random.default_rng(seed).permutation(x[half:]) * 7])
    assert_array_equal(transform(table, fit(table, changed[:half]), changed[:half]), before)


@given(rows(least=2), rows())
def test_all_runs_have_inputs_of_one_number_and_finite(train, others):
    table = table_of(np.vstack([train, others]))
    for part in (train, others):
        inputs = transform(table, fit(table, part), np.vstack([train, others]))
        assert inputs.shape == (len(train) + len(others), table.features)
        assert inputs.dtype == np.float32
        assert np.isfinite(inputs).all()


def test_unseen_and_missing_categories_have_no_input_of_another():
    x = np.array([[0, 1, 0], [1, 2, 1]] * 20, float)
    table = table_of(x)
    unseen, missing = transform(table, fit(table, x), np.array([[0, 1, UNSEEN], [0, 1, np.nan]]))[:, 3:]
    assert_array_equal(unseen, np.zeros(len(unseen)))
    assert_array_equal(missing, [0] * (len(missing) - 1) + [1])


@given(rows(least=2), rows())
def test_fitted_numbers_survive_a_file_of_tensors(train, others):
    table = table_of(train)
    fitted = fit(table, train)
    again = from_tensors({"dense_0/kernel": np.zeros(3), **fitted.tensors()}, table)
    assert_array_equal(transform(table, again, others), transform(table, fitted, others))


def test_numbers_of_another_table_are_refused():
    x = np.array([[0, 1, 0], [1, 2, 1]] * 20, float)
    tensors = fit(table_of(x), x).tensors()
    with pytest.raises(ModelError, match=r"preprocessing/median.*no such tensor"):
        from_tensors({name: array for name, array in tensors.items() if "median" not in name}, table_of(x))
    with pytest.raises(ModelError, match=r"preprocessing/mean.*2 finite numbers"):
        from_tensors({**tensors, "preprocessing/mean": np.zeros(5)}, table_of(x))
