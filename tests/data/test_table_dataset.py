"""Tables become datasets: which columns, in which form, and what is refused by name."""

import re
import shlex

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from dropstudy.cli import options
from dropstudy.data.column_names import dropping
from dropstudy.data.formats.csv_parquet import StoredTable
from dropstudy.data.preprocessing import UNSEEN
from dropstudy.data.table import checked_rows, table_dataset
from dropstudy.errors import DataError

RNG = np.random.default_rng(0)
ROWS = 120


def frame(**columns):
    """Two classes of 60 rows, a number and a category column, and others."""
    kind = np.repeat(["cat", "dog"], ROWS // 2)
    base = {
        "size": RNG.normal(size=ROWS),
        "colour": np.tile(["red", "blue", "green"], ROWS // 3),
        "kind": kind,
    }
    return pd.DataFrame(base | columns)


def made(table, **options):
    return table_dataset(table, **{"name": "pets.csv", "target": "kind", "source": "pets.csv", **options})


def refused(table, **options):
    with pytest.raises(DataError) as error:
        made(table, **options)
    return str(error.value)


def column(dataset, name):
    return next(c for c in dataset.table.columns if c.name == name)


def test_numbers_stay_numbers_and_text_becomes_codes():
    table = frame()
    dataset = made(table, test_size=0.25)
    assert dataset.classes == ("cat", "dog")
    assert len(dataset.y_train) == 90
    assert len(dataset.y_test) == 30
    assert column(dataset, "size").kind == "number"
    assert column(dataset, "colour").categories == ("blue", "green", "red")
    x = np.vstack([dataset.x_train, dataset.x_test])
    assert_array_equal(np.sort(x[:, 0]), np.sort(table["size"]))
    assert set(x[:, 1]) == {0, 1, 2}
    assert any("the same for all seeds" in note for note in dataset.notes)


def test_constant_columns_are_left_out_and_named():
    dataset = made(frame(planet="Earth", zero=0, nothing=np.nan))
    assert [c.name for c in dataset.table.columns] == ["size", "colour"]
    assert any("'planet', 'zero', 'nothing'" in note for note in dataset.notes)


def test_columns_after_one_that_is_left_out_keep_their_cells():
    table = pd.DataFrame({"planet": "Earth", **frame(), "late": np.where(np.arange(ROWS) % 7, 0.5, np.nan)})
    dataset, test = made(table, test_frame=table), table[["size", "colour", "late"]]
    test["colour"] = test["colour"].map({"blue": 0, "green": 1, "red": 2})
    assert_array_equal(dataset.x_train, test.to_numpy(float))
    assert_array_equal(dataset.x_test, test.to_numpy(float))


def test_more_categories_than_a_byte_counts():
    """Codes of a column of text are stored in a byte up to 128 categories, and the last of these is 127."""
    names = [f"town {n:03}" for n in range(128)]
    town = pd.Categorical([*names] * 20)
    table = pd.DataFrame({"town": town, "kind": np.tile(["cat", "dog"], 1280)})
    dataset = made(table, test_frame=table)
    assert column(dataset, "town").categories == tuple(names)
    assert_array_equal(dataset.x_train[:, 0], np.tile(np.arange(128), 20))


def test_missing_cells_are_known():
    dataset = made(frame(age=[np.nan, *range(1, ROWS)], race=[None, *["poodle", "siam"] * 59, "siam"]))
    assert column(dataset, "age").missing or column(dataset, "race").missing or np.isnan(dataset.x_test).any()


def test_text_of_numbers_is_numbers_and_whole_columns_of_booleans_too():
    dataset = made(frame(age=[str(n) for n in range(ROWS)], male=RNG.integers(0, 2, ROWS).astype(bool)))
    assert column(dataset, "age").kind == column(dataset, "male").kind == "number"


def test_rare_categories_share_an_input():
    names = ["common"] * 117 + ["odd", "rare", "seldom"]
    dataset = made(frame(place=RNG.permutation(names)), test_frame=frame(place="common"))
    assert column(dataset, "place").inputs == ("common",)
    assert column(dataset, "place").features == 2


def test_blanks_around_cells_do_not_count():
    dataset = made(frame(colour=["red", " red", "red ", " "] * 30, kind=["cat", "dog", "cat ", " dog"] * 30))
    assert dataset.classes == ("cat", "dog")
    assert column(dataset, "colour").categories == ("red",)
    assert column(dataset, "colour").missing


def test_cells_are_equal_however_a_table_stores_them():
    """A missing cell makes whole numbers floats, and booleans objects."""
    train = frame(code=["1", "x", "y", "z"] * 30, old=[True, False, None] * 40)
    test = frame(code=[1.0, 7.0, np.nan] * 40, old=[1, 0] * 60)
    dataset = made(train, test_frame=test)
    places = [c.name for c in dataset.table.columns]
    codes, old = dataset.x_test[:, places.index("code")], dataset.x_test[:, places.index("old")]
    assert_array_equal(codes, np.tile([0, UNSEEN, np.nan], 40))
    assert_array_equal(old, test["old"])
    assert column(dataset, "old").kind == "number"


def test_categories_that_the_test_alone_has_are_told():
    dataset = made(frame(), test_frame=frame(colour=["red", "Red"] * 60))
    assert any("of 'colour' in 60 test rows" in note for note in dataset.notes)
    assert not any("no training row has" in note for note in made(frame()).notes)


def test_a_column_that_training_rows_lack_is_left_out_whatever_the_test_has():
    dataset = made(frame(note=np.nan), test_frame=frame(note="late"))
    assert any("'note'" in note for note in dataset.notes)


@pytest.mark.parametrize(
    "texts", [["1.2.0", "1.2.1"], ["555-1234", "555-1235"], ["2012-13", "2013-14"], ["16:9:1", "x"]]
)
def test_text_that_looks_like_a_date_is_none(texts):
    assert column(made(frame(version=texts * 60)), "version").kind == "category"


@pytest.mark.parametrize("one", [{"a": 1}, [1, 2], np.arange(2)])
def test_cells_of_several_values_are_refused_by_row(one):
    cells = pd.Series([None, one] * 60, dtype=object)
    for tables in ((frame(parts=cells),), (frame(parts=1.5 + np.arange(ROWS)), frame(parts=cells))):
        message = refused(tables[0], test_frame=tables[-1])
        assert "column 'parts'" in message
        assert "in row 1" in message
    assert "column 'parts'" in refused(frame(parts=cells), group="parts")


def test_messages_name_the_file_and_the_line_of_test_rows():
    wrong = {"size": ["1", "big"] * 60}, {"kind": "cow"}, {"kind": None}
    for columns in wrong:
        message = refused(
            frame(), test_frame=frame(**columns), test_source="test.csv", test_line=lambda row: row + 77
        )
        assert "test.csv" in message
        assert "line 7" in message


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (frame(size=["1", "big"] * 60), "'big' in line 3"),
        (frame(colour=[[1]] * ROWS), "a list in line 2"),
        (frame().drop(columns="colour"), "without 'colour'"),
        (pd.concat([frame(), frame()[["size"]]], axis=1), "more than one column 'size'"),
    ],
)
def test_rows_to_classify_are_refused_by_line_and_cannot_drop_a_column(table, words):
    with pytest.raises(DataError) as error:
        checked_rows(made(frame()).table, StoredTable(table, line=lambda row: row + 2), "new.csv")
    assert words in str(error.value)
    assert "new.csv" in str(error.value)
    assert "drop" not in str(error.value)


def test_a_message_stays_readable_whatever_a_name_or_cell_is():
    name = "long " * 100_000
    assert len(refused(frame(**{name: ["one", *map(str, range(ROWS - 1))]}))) < 10_000


@given(st.integers(0, 10**6))
def test_a_split_by_group_leaves_every_class_for_training_or_is_refused(seed):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, rng.integers(2, 12), ROWS)
    kind = groups % 3 if seed % 2 else rng.integers(0, 3, ROWS)
    try:
        dataset = made(frame(patient=groups, kind=kind), group="patient")
    except DataError as error:
        assert "group" in str(error) or "classes" in str(error)  # noqa: PT017 - either is right, by the seed
    else:
        assert len(set(dataset.y_train)) == len(dataset.classes)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"born": pd.date_range("2000-01-01", periods=ROWS)}, "dates or times, such as '2000-01-01"),
        ({"born": [f"2000-01-{n % 28 + 1:02}" for n in range(ROWS)]}, "dates or times, such as '2000-01-01'"),
        ({"born": [f"{n % 28 + 1}.1.2000" for n in range(ROWS)]}, "dates or times, such as '1.1.2000'"),
        ({"weight": [f"{n},5" for n in range(ROWS)]}, "numbers with a comma, such as '0,5'"),
        ({"born": [f"{n % 28 + 1} Jan 2000" for n in range(ROWS)]}, "dates or times, such as '1 Jan 2000'"),
        ({"born": [f"2000-{n % 12 + 1:02}" for n in range(ROWS)]}, "dates or times, such as '2000-01'"),
        ({"born": [f"{n % 12 + 1:02}/2000" for n in range(ROWS)]}, "dates or times, such as '01/2000'"),
        ({"born": [20000101 + 100 * (n % 12) for n in range(ROWS)]}, "dates or times, such as '20000101'"),
        (
            {"born": [np.nan, *[19991228 + n % 3 for n in range(1, ROWS)]]},
            "dates or times, such as '19991228'",
        ),
        ({"born": ["unknown", *[f"2000-01-{n % 28 + 1:02}" for n in range(1, ROWS)]]}, "dates or times"),
        ({"share": [f"{n}%" for n in range(ROWS)]}, "a sign or a separator, such as '0%'"),
        ({"price": [f"$1,{n:03}.50" for n in range(ROWS)]}, "such as '$1,000.50'"),
        ({"name": [f"name {n}" for n in range(ROWS)]}, "120 different texts, such as 'name 0'"),
        ({"age": [*map(str, range(ROWS - 1)), "old"]}, "'old' in row 119"),
        ({"code": 2**63 - 1 - np.arange(ROWS)}, "such as 9223372036854775807"),
        ({"code": [str(10**25 + n % 3) for n in range(ROWS)]}, "such as 10000000000000000000000000"),
        ({"age": [*range(ROWS - 1), np.inf]}, "inf in row 119"),
        ({"age": [*range(ROWS - 1), 1e200]}, "1e+200 in row 119"),
    ],
)
def test_columns_without_use_are_refused_with_the_flag_that_leaves_them_out(columns, words):
    (name,) = columns
    message = refused(frame(**columns))
    assert f"column {name!r} of pets.csv" in message
    assert words in message
    assert f"`drop=[{name!r}]`" in message
    assert made(frame(**columns), drop=[name])


@pytest.mark.parametrize(
    "numbers",
    [
        20000101 + np.arange(ROWS),  # runs on after the 31st
        np.tile([20000101, 20000102], ROWS // 2),  # too few to tell
        20000101 + np.arange(ROWS) / ROWS,
        np.tile([1e18, 2e18, -3e30], ROWS // 3),
        np.tile([2**53, -(2**53)], ROWS // 2),
        np.tile([1234, 5678, 9999], ROWS // 3),
        np.tile([30000101, 30000102, 30000103], ROWS // 3),
        RNG.integers(19000101, 21001231, ROWS),
    ],
)
def test_numbers_that_look_like_dates_or_are_large_are_numbers(numbers):
    assert column(made(frame(code=numbers)), "code").kind == "number"


def test_all_columns_without_use_are_named_at_once_with_the_flag_that_leaves_them_out():
    wrong = {
        "when": [f"2000-01-{n % 28 + 1:02}" for n in range(ROWS)],
        "full, name": [f"Bob {n}" for n in range(ROWS)],
        "age": [*map(str, range(ROWS - 1)), "old"],
    }
    table = frame()
    message = refused(table.assign(**wrong))
    assert "3 columns of pets.csv" in message
    assert "dates or times, such as '2000-01-01' (column 'when')" in message
    assert "120 different texts, such as 'Bob 0' (column 'full, name')" in message
    assert "'old' in row 119 (column 'age')" in message
    assert message.endswith(f"`drop={[*wrong]}`")
    assert made(table.assign(**wrong), drop=[*wrong]).sha256 == made(table).sha256


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"])).map(str.strip), min_size=1))
def test_a_flag_that_leaves_columns_out_is_read_as_it_was_meant(names):
    assert options.columns(shlex.split(dropping(names))[1]) == names


@pytest.mark.parametrize("mark", ["?", "-", "NA", "n/a", " NULL ", ".", "#DIV/0!"])
def test_marks_for_missing_values_among_numbers_are_taken_as_such_and_told(mark):
    ages = np.arange(ROWS).astype(str).astype(object)
    ages[::10] = mark
    table = frame()
    dataset = made(table.assign(age=ages))
    empty = made(table.assign(age=np.where(ages == mark, None, ages)))
    assert_array_equal(dataset.x_train, empty.x_train)
    assert column(dataset, "age").missing
    assert f"Taken as missing: {mark.strip()!r} in 12 cells of 'age'." in dataset.notes
    assert not any("Taken as missing" in note for note in empty.notes)
    stored = StoredTable(frame(age=ages, colour="red"))
    assert np.isnan(checked_rows(dataset.table, stored, "new.csv")[::10, 2]).all()


def test_marks_in_a_column_of_text_are_a_category():
    dataset = made(frame(isle=np.tile(["?", "a", "b"], ROWS // 3)))
    assert column(dataset, "isle").categories == ("?", "a", "b")


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_the_number_of_each_row_that_pandas_writes_is_left_out(name):
    table = frame()
    dataset = made(table.assign(**{name: RNG.permutation(ROWS)}))
    assert dataset.sha256 == made(table).sha256
    assert any("numbers the rows" in note for note in dataset.notes)
    kept = made(frame(**{name: RNG.normal(size=ROWS)}))
    assert column(kept, name).kind == "number"


def test_places_in_a_file_are_lines():
    message = refused(frame(age=["one", *map(str, range(ROWS - 1))]), line=lambda row: row + 2)
    assert "'one' in line 2" in message


def test_names_that_the_table_lacks_are_refused_with_the_nearest():
    assert "Did you mean 'kind'?" in refused(frame(), target="kinds")
    assert "Did you mean 'size'?" in refused(frame(), drop=["siz"])
    assert "its columns are 'size', 'colour', 'kind'" in refused(frame(), target=None)
    assert "neither dropped nor the group" in refused(frame(), drop=["kind"])
    twice = pd.concat([frame(), frame()[["size"]]], axis=1)
    assert "more than one column 'size'" in refused(twice)
    assert "more than one column 'size'" in refused(frame(), test_frame=twice)
    assert "a header alone" in refused(frame().iloc[:0])
    assert "without 'colour'" in refused(frame(), test_frame=frame().drop(columns="colour"))
    assert "a column beside 'kind'" in refused(frame()[["kind"]].assign(one=1))


def test_a_group_stays_on_one_side():
    table = frame(patient=np.tile(np.arange(20), 6))
    dataset = made(table, group="patient")
    assert [c.name for c in dataset.table.columns] == ["size", "colour"]
    sizes = table.groupby("patient")["size"].apply(set)
    test = set(dataset.x_test[:, 0])
    assert all(values <= test or not values & test for values in sizes)
    assert len(set(dataset.groups)) == 20 - sum(values <= test for values in sizes)


def test_a_share_that_few_groups_allow_is_proposed():
    table = frame(patient=np.tile(np.arange(3), 40))
    (share,) = re.findall(r"`test_size=(\S+)`,", refused(table, group="patient"))
    assert len(set(made(table, group="patient", test_size=float(share)).groups)) == 2


def test_groups_in_both_files_and_rows_without_one_are_refused():
    table = frame(patient=np.tile(np.arange(20), 6))
    assert "20 groups in both, such as '0'" in refused(table, test_frame=table, group="patient")
    assert "20 groups in both" in refused(table, test_frame=table.astype({"patient": str}), group="patient")
    empty = table.assign(patient=[np.nan, *table["patient"][1:]])
    assert "an empty cell in row 0" in refused(table, test_frame=empty, group="patient")
    assert "an empty cell in row 0" in refused(empty, group="patient")


def test_a_table_of_pixels_is_one_of_images():
    pixels = RNG.integers(0, 256, (ROWS, 64))
    pixels[:, 0] = 0  # a border, which is constant
    columns = {f"pixel{n}": pixels[:, n] for n in range(64)}
    dataset = table_dataset(
        pd.DataFrame({"label": np.tile([0, 1, 2], ROWS // 3), **columns}),
        name="digits.csv",
        target="label",
        source="digits.csv",
    )
    assert dataset.table is None
    assert dataset.x_train.shape[1:] == (8, 8)
    assert dataset.x_train.dtype == np.uint8
    assert dataset.scale == 255
    assert any("pixels of images, 8 x 8" in note for note in dataset.notes)


@settings(max_examples=25)
@given(st.permutations(range(ROWS)), st.integers(0, 2**32 - 1))
def test_the_digest_is_that_of_what_is_read(order, seed):
    """Equal tables have one digest; another cell, order of rows or name of a class gives another."""
    table = frame(age=np.random.default_rng(seed).normal(size=ROWS))
    digest = made(table).sha256
    assert made(table.copy()).sha256 == digest
    other = table.iloc[list(order)].reset_index(drop=True)
    assert (made(other).sha256 == digest) == other.equals(table)
    renamed = table.assign(kind=table["kind"].replace("dog", "wolf"))
    assert made(renamed).sha256 != digest
