"""Rows and arrays of runs: those of a table are fitted on the training rows of the run alone."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from dropstudy.core.types import NoiseSource, other_seed
from dropstudy.data.arrays import arrays_folder, map_arrays
from dropstudy.data.load import load_dataset
from dropstudy.data.table import table_dataset
from dropstudy.errors import DataError
from dropstudy.runtime.inputs import RunInputs
from dropstudy.spec import plan
from dropstudy.spec.study_file import parse_spec

SPEC = parse_spec(
    {
        "name": "mine",
        "rates": [0, 0.5],
        "hidden": [16],
        "epochs": 3,
        "batch_size": 100,
        "seeds": [4, 7],
        "validation_split": "test",
    }
)
SPEC_OF_TABLE = replace(SPEC, batch_size=16, validation_split=0.25, seeds=(0, 1), train_sizes=("all", 50))


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": rng.normal(5, 3, 200),
            "age": np.where(rng.random(200) < 0.2, np.nan, rng.normal(50, 9, 200)),
            "colour": rng.choice(["red", "green", "blue"], 200),
            "kind": np.tile(["cat", "dog"], 100),
        }
    )
    return table_dataset(frame, name="pets", target="kind", source="pets")


@pytest.fixture
def digits():
    return load_dataset("digits")


def runs_of(spec, dataset):
    return plan.plan_runs(spec, dataset, "float32")


def test_numbers_are_standardised_on_the_training_rows_of_the_run(table):
    with RunInputs(SPEC_OF_TABLE, table) as inputs:
        for run in runs_of(SPEC_OF_TABLE, table):
            train, validation = inputs.rows(run)
            arrays = map_arrays(inputs.data(run))
            assert_allclose(arrays.x_train[train, 0].mean(), 0, atol=1e-5)
            assert_allclose(arrays.x_train[train, 0].std(), 1, rtol=1e-5)
            raw = table.x_train[train, 0]
            for rows in (train, validation):
                expected = (table.x_train[rows, 0] - raw.mean()) / raw.std()
                assert_allclose(arrays.x_train[rows, 0], expected, rtol=1e-4, atol=1e-5)
            assert_allclose(
                arrays.x_test[:, 0], (table.x_test[:, 0] - raw.mean()) / raw.std(), rtol=1e-4, atol=1e-5
            )


def test_runs_with_the_same_training_rows_share_arrays_and_others_do_not(table):
    with RunInputs(SPEC_OF_TABLE, table) as inputs:
        runs = runs_of(SPEC_OF_TABLE, table)
        for one in runs:
            for other in runs:
                same = np.array_equal(inputs.rows(one)[0], inputs.rows(other)[0])
                assert (inputs.shared(one) == inputs.shared(other)) == same
                assert (inputs.data(one) == inputs.data(other)) == same


def test_rows_drawn_anew_are_those_of_another_seed_and_only_they_are(table):
    with RunInputs(SPEC_OF_TABLE, table) as inputs:
        for run in runs_of(SPEC_OF_TABLE, table):
            rows = {source: inputs.rows(replace(run, redraw=source)) for source in get_args(NoiseSource)}
            others = inputs.rows(replace(run, seed=other_seed(run.seed)))
            for source, found in rows.items():
                expected = others if source == "split" else inputs.rows(run)
                assert all(map(np.array_equal, found, expected)), source
            assert not np.array_equal(rows["split"][0], rows["weights"][0])


def test_seeds_that_hold_out_nothing_share_all(table):
    spec = replace(SPEC_OF_TABLE, validation_split="test", train_sizes=("all",))
    with RunInputs(spec, table) as inputs:
        assert len({inputs.data(run).sha256 for run in runs_of(spec, table)}) == 1


def test_arrays_made_for_a_study_are_removed_after_it_and_after_a_kill(table):
    with RunInputs(SPEC_OF_TABLE, table) as inputs:
        reference = inputs.data(runs_of(SPEC_OF_TABLE, table)[0])
        folder = arrays_folder(reference)
        left = folder.with_name(folder.name.rpartition("-")[0] + "-999999999")  # no process has this number
        left.mkdir()
        inputs.data(runs_of(SPEC_OF_TABLE, table)[-1])
        assert not left.exists()
    assert not folder.exists()
    with pytest.raises(DataError):
        map_arrays(reference)


def test_arrays_of_other_data_are_shared_and_stay(digits):
    with RunInputs(SPEC, digits) as inputs:
        first, *others = runs_of(SPEC, digits)
        assert not any(inputs.preprocessing(run) for run in (first, *others))
        assert {inputs.data(run) for run in others} == {inputs.data(first)}
        assert inputs.shared(first) is None
    assert_array_equal(map_arrays(inputs.data(first)).x_train, digits.x_train)


def test_a_group_is_never_on_both_sides_of_a_split(table):
    groups = np.arange(len(table.y_train)) // 4
    grouped = replace(table, groups=groups)
    spec = replace(SPEC_OF_TABLE, seeds=tuple(range(5)), train_sizes=("all",))
    with RunInputs(spec, grouped) as inputs:
        for run in runs_of(spec, grouped):
            train, validation = inputs.rows(run)
            assert not set(groups[train]) & set(groups[validation])
            assert len(train) == run.condition.train_size
            assert 0 < len(validation) <= len(groups) - len(train)
