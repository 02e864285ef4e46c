import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.tree import DecisionTreeClassifier

from dropstudy.data.dataset import make_dataset
from dropstudy.data.giveaways import giveaways, wrong_by_one_column
from dropstudy.data.load import load_dataset
from dropstudy.data.table import table_dataset

RANDOM = np.random.default_rng(0)
LABELS = np.repeat(np.array(["ant", "bee", "cat"]), 60)


def frame(**columns):
    noise = {"weight": RANDOM.normal(size=180).round(2), "colour": RANDOM.choice(list("rgb"), 180)}
    return pd.DataFrame({**noise, **columns, "kind": LABELS})


def warnings(table, target="kind", **options):
    return giveaways(table_dataset(table, name="t", target=target, source="a test", **options))


def shuffled(table):
    return table.sample(frac=1, random_state=1).reset_index(drop=True)


@pytest.mark.parametrize(
    "column",
    [
        [f"the {label}" for label in LABELS],
        pd.Series(LABELS).map({"ant": 7.5, "bee": -1.0, "cat": np.nan}),
        np.arange(180) * 1e15,  # more digits than a float of 32 bits has
        np.sort(RANDOM.normal(size=180)),
    ],
    ids=["copy", "copy with a missing value", "number of the row", "sorted numbers"],
)
def test_a_column_that_tells_the_class_is_named(column):
    (said,) = warnings(shuffled(frame(copied=column)))
    assert said.startswith("Column 'copied' alone tells the class of ")
    assert said.endswith("--drop copied")


def test_many_categories_of_one_class_each_are_found():
    towns = [f"town {number % 20} {label}" for number, label in enumerate(np.repeat(LABELS, 10))]
    table = pd.DataFrame({"town": towns, "x": RANDOM.normal(size=1800), "kind": np.repeat(LABELS, 10)})
    (said,) = warnings(shuffled(table))
    assert "'town' alone tells the class of 100% of" in said


def test_dropping_the_column_ends_the_warning():
    assert warnings(shuffled(frame(copied=LABELS)), drop=["copied"]) == ()


def test_a_column_that_numbers_shuffled_rows_is_named():
    table = shuffled(frame()).assign(row=np.arange(1, 181) * 3)
    (said,) = warnings(table)
    assert said.startswith("Column 'row' rises with every row.")
    assert said.endswith("--drop row")


@pytest.mark.parametrize("load", [load_breast_cancer, load_iris, load_wine])
def test_honest_tables_are_left_alone(load):
    data = load(as_frame=True)
    for seed in range(5):
        table = data.frame.sample(frac=1, random_state=seed)
        assert warnings(table, "target") == ()


@given(st.integers(0, 2**31), st.integers(2, 5), st.sampled_from([2, 10, 1000]))
def test_noise_is_left_alone(seed, classes, values):
    random = np.random.default_rng(seed)
    table = pd.DataFrame({"noise": random.integers(0, values, 200), "kind": random.integers(0, classes, 200)})
    assert warnings(table) == ()


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), min_size=1, max_size=40))
def test_of_repeated_values_the_count_is_that_of_a_full_tree(pairs):
    values, labels = (np.repeat(column, 2) for column in np.array(pairs).T)
    tree = DecisionTreeClassifier().fit(values[:, None], labels)
    right = (tree.predict(values[:, None]) == labels).sum()
    assert wrong_by_one_column(values.astype(float), labels) == len(labels) - right


def test_a_column_with_a_mistake_is_not_told_as_right_for_all_rows():
    """Numbers of rows that are sorted by class are wrong once for each change of the class."""
    labels = np.repeat(["ant", "bee"], 30_000)
    table = pd.DataFrame({"row": np.arange(60_000), "x": RANDOM.normal(size=60_000), "kind": labels})
    assert "'row' alone tells the class of 99.99% of" in warnings(shuffled(table))[0]


@given(st.permutations(range(40)), st.integers(1, 5))
def test_numbers_sorted_by_class_are_wrong_once_for_each_change(order, classes):
    values = np.array(order, float)
    labels = (values * classes // 40).astype(np.int64)
    assert wrong_by_one_column(values, labels) == classes - 1


def test_nearly_all_rows_in_one_class_warn_of_nothing():
    table = pd.DataFrame({"x": RANDOM.normal(size=1000), "kind": ["rare"] * 5 + ["usual"] * 995})
    assert warnings(shuffled(table)) == ()


def test_columns_of_an_array_are_named_by_their_place():
    x = RANDOM.normal(size=(100, 3))
    y = np.arange(100) % 2
    x[:, 1] = y
    data = make_dataset(name="t", x_train=x, y_train=y, x_test=x[:9] + 1, y_test=y[:9], source="a test")
    (said,) = giveaways(data)
    assert said.startswith("x_train[:, 1] alone tells the class of 100% of the training rows.")


def test_pixels_are_no_columns():
    assert giveaways(load_dataset("digits")) == ()


def test_of_many_columns_a_few_are_named():
    copies = {f"copy {number}": LABELS for number in range(8)}
    found = warnings(shuffled(frame(**copies)))
    assert len(found) == 6
    assert found[-1] == "The same holds for 3 more columns."


def test_a_file_with_a_copy_of_the_target_says_so_when_it_is_loaded(tmp_path):
    shuffled(frame(copied=LABELS)).to_csv(tmp_path / "copy.csv", index=False)
    assert "--drop copied" in load_dataset(tmp_path / "copy.csv", target="kind").warnings[-1]
