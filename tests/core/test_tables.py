"""A table shows every character of what it is given, as it is, whatever the width."""

import csv
import re
import sys

import pandas as pd
import pytest

from dropstudy.core import tables
from dropstudy.errors import StoreError

FRAME = pd.DataFrame(
    {
        "arm": ["[red]x[/red]", "<b>дропаут</b>", "n" * 70 + "end"],
        "accuracy": [0.98765, 0.5, 1.0],
        "seed": [0, 1, 2],
    }
)


def test_into_a_pipe_every_row_is_a_line():
    lines = tables.text(FRAME).splitlines()
    for row in FRAME.itertuples():
        (line,) = [line for line in lines if row.arm in line]
        assert line.split() == [row.arm, f"{row.accuracy:.4f}", str(row.seed)]


@pytest.mark.parametrize("width", [20, 40, 60, 200])
def test_on_a_narrow_terminal_names_are_folded_and_nothing_is_lost(monkeypatch, width):
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(width))
    shown = tables.text(FRAME)
    assert max(map(len, shown.splitlines())) <= width
    for name in FRAME["arm"]:
        for letter in set(name):
            assert shown.count(letter) >= name.count(letter)
    assert "…" not in shown


@pytest.mark.parametrize("width", [60, 80, 120])
def test_columns_that_do_not_fit_follow_below_without_breaking_numbers(monkeypatch, width):
    frame = pd.DataFrame(
        {"arm": ["no dropout", "dropout 0.5 " * 9]}
        | {f"column {number}": [f"{number}.25 to {number}.75", f"-{number}.5%"] for number in range(10)}
    )
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(width))
    shown = tables.text(frame)
    assert max(map(len, shown.splitlines())) <= width
    rows = [line.strip() for line in shown.splitlines() if "no dropout" in line]
    cells = re.split(r"\s{2,}", "  ".join(row.removeprefix("no dropout").strip() for row in rows))
    assert cells == frame.iloc[0, 1:].tolist()
    headings = [line for line in shown.splitlines() if line.split()[:1] == ["arm"]]
    assert len(headings) == len(rows) > 1
    assert all(shown.count(f"-{number}.5%") == 1 for number in range(10))


def test_a_table_has_blank_lines_around_it_where_it_is_drawn_narrower_too(monkeypatch):
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    for width in range(20, 60):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = tables.text(FRAME.iloc[:2]).split("\n")
        assert (lines[0], lines[-1]) == ("", "")
        assert all(lines[1:3])


def test_columns_that_follow_below_repeat_what_says_what_a_row_is_about(monkeypatch):
    frame = pd.DataFrame(
        {"arm": ["a", "a"], "network": ["16", "32"], "a long heading": [1, 2], "more": [3, 4]}
    )
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    monkeypatch.setenv("COLUMNS", "22")
    shown = tables.text(frame, keys=2).splitlines()
    assert [line.split() for line in shown if line.startswith(" a ")][-2:] == [
        ["a", "16", "3"],
        ["a", "32", "4"],
    ]


def test_numbers_are_aligned_to_the_right():
    lines = tables.text(pd.DataFrame({"name": ["a", "b"], "n": [7, 1234]})).splitlines()
    ends = {len(line) for line in lines if line.endswith(("7", "1234"))}
    assert len(ends) == 1


def test_a_table_without_rows_has_its_headings():
    assert tables.text(FRAME.iloc[:0]).split()[:3] == ["arm", "accuracy", "seed"]


def test_csv_has_the_values_of_the_table(tmp_path):
    tables.write_csv(FRAME, tmp_path / "new" / "t.csv")
    with (tmp_path / "new" / "t.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["arm"] for row in rows] == FRAME["arm"].tolist()
    assert [float(row["accuracy"]) for row in rows] == FRAME["accuracy"].tolist()


def test_csv_that_cannot_be_written_names_the_file(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError) as refusal:
        tables.write_csv(FRAME, tmp_path / "file" / "t.csv")
    assert refusal.value.subject == str(tmp_path / "file" / "t.csv")
