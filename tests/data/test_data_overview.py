import re

import numpy as np
import pandas as pd
import pytest

from dropstudy.data.dataset import make_dataset
from dropstudy.data.load import load_dataset
from dropstudy.data.overview import columns_of, overview
from dropstudy.data.table import table_dataset

RANDOM = np.random.default_rng(0)


def cells(part, name):
    """Cells of the row with a name in a table."""
    (row,) = [line for line in part.splitlines() if line.split()[:1] == [name]]
    return re.split(r"\s{2,}", row.strip())[1:]


def penguins(**columns):
    random = np.random.default_rng(1)
    mass = random.normal(4000, 500, 200).round()
    mass[::10] = np.nan
    island = random.choice(["Biscoe", "Dream"], 200, p=[0.7, 0.3])
    kinds = random.choice(["Adelie", "Gentoo"], 200, p=[0.6, 0.4])
    return pd.DataFrame({"mass": mass, "island": island, **columns, "kind": kinds})


def table(frame, **options):
    return table_dataset(frame, name="t.csv", target="kind", source="a test", **options)


def test_numbers_of_a_table_are_those_of_its_training_rows():
    data = table(penguins())
    head, classes, numbers, categories = overview(data)
    mass = data.x_train[:, 0]
    missing, *rest = cells(numbers, "mass")
    assert float(missing[:-1]) == pytest.approx(100 * np.isnan(mass).mean(), abs=0.006)
    assert rest == [f"{number(mass):.6g}" for number in (np.nanmin, np.nanmedian, np.nanmax)]
    biscoe = 100 * np.mean(data.x_train[:, 1] == 0)
    assert cells(categories, "island")[1:] == ["2", f"Biscoe {biscoe:.0f}%, Dream {100 - biscoe:.0f}%"]
    counts = [np.bincount(y) for y in (data.y_train, data.y_test)]
    assert cells(classes, "Adelie")[::2] == [str(count[0]) for count in counts]
    for shown, count in zip(cells(classes, "Adelie")[1::2], counts, strict=True):
        assert float(shown[:-1]) == pytest.approx(100 * count[0] / count.sum(), abs=0.006)
    right = re.search(r"Always answering 'Adelie', the largest class, is right for ([\d.]+)% of", head)[1]
    assert float(right) == pytest.approx(100 * counts[1][0] / counts[1].sum(), abs=0.006)
    assert "160 training and 40 test rows, 2 classes of 'kind', 2 columns, 5 inputs" in head


def test_what_was_left_out_and_why_is_told():
    head = overview(table(penguins(empty=[None] * 200, same=7)))[0]
    assert "Left out, since all training rows have one value: 'empty', 'same'" in head


def test_equal_rows_and_groups_are_counted():
    twice = pd.concat([penguins()] * 2)
    head = overview(table(twice, test_frame=penguins().assign(mass=-1.0)))[0]
    assert "No test row equals a training row." in head
    assert re.search(r"2\d\d training rows equal an earlier one", head)
    grouped = table(penguins(nest=np.arange(200) // 4), group="nest")
    assert "The training rows are of 40 groups." in overview(grouped)[0]


@pytest.mark.parametrize("columns", [3, 100])
def test_tables_fit_80_columns_whatever_the_names(columns):
    numbers = {
        f"{'a very long name of a measured value ' * 3}{n}": RANDOM.normal(size=200) * 1e-7
        for n in range(columns)
    }
    texts = {f"{n}{'kategorie' * 9}": RANDOM.choice(["x" * 70, "y y" * 30, "z"], 200) for n in range(columns)}
    frame = penguins(**numbers, **texts)
    tables = [*overview(table(frame))[1:], columns_of(frame)]
    assert max(len(line) for part in tables for line in part.splitlines()) <= 80
    assert sum("more of them" in part for part in tables) == (3 if columns == 100 else 0)


def test_of_many_classes_the_largest_are_listed():
    y = np.concatenate([np.arange(62), np.repeat(np.arange(40, 62), 3)])
    x = RANDOM.integers(0, 256, (len(y), 28, 28), np.uint8)
    data = make_dataset(name="t", x_train=x, y_train=y, x_test=x[:9], y_test=y[:9], source="a test")
    part = overview(data)[1]
    assert part.endswith("and 22 more that are smaller")
    assert cells(part, "61")[0] == "4"


def test_a_class_without_test_examples_is_counted_too():
    x = np.linspace(-2, 3, 24, dtype=np.float32).reshape(6, 2, 2)
    y = np.repeat(np.arange(3), 2)
    data = make_dataset(name="f", x_train=x, y_train=y, x_test=x[:1], y_test=y[:1], source="a test")
    assert [cells(overview(data)[1], name)[::2] for name in "012"] == [["2", "1"], ["2", "0"], ["2", "0"]]


@pytest.mark.mnist
def test_classes_of_mnist(mnist_folder):
    part = overview(load_dataset("mnist", data_dir=mnist_folder))[1]
    train, test = zip(*(cells(part, str(digit))[::2] for digit in range(10)), strict=True)
    assert train == ("5,923", "6,742", "5,958", "6,131", "5,842", "5,421", "5,918", "6,265", "5,851", "5,949")
    assert test == ("980", "1,135", "1,032", "1,010", "982", "892", "958", "1,028", "974", "1,009")


def test_columns_of_a_file_are_listed_with_what_they_hold():
    frame = penguins(day=pd.Timestamp("2026-01-02"), tagged=True)
    shown = columns_of(frame)
    assert shown.startswith("200 rows, 5 columns\n")
    assert cells(shown, "mass")[0] == "numbers"
    assert cells(shown, "mass")[2] == "10.00%"
    assert [cells(shown, name)[:2] for name in ("kind", "day", "tagged")] == [
        ["text", "2"],
        ["dates", "1"],
        ["true or false", "1"],
    ]
