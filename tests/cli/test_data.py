"""`data`: what is understood of a dataset before anything is trained, and what a study says about it later."""

import shlex

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import expected
from command_line import TINY
from dropstudy import Study
from dropstudy.cli import pictures
from dropstudy.data.load import load_dataset

RANDOM = np.random.default_rng(0)


@pytest.fixture
def table(tmp_path):
    """CSV file with a number, a category, and a number of the row that is sorted by the label."""
    path = tmp_path / "birds.csv"
    rows = pd.DataFrame(
        {"ring": range(120), "mass": RANDOM.normal(size=120), "isle": RANDOM.choice(["a", "b"], 120)}
    )
    rows.assign(kind=np.repeat(["x", "y"], 60)).sample(frac=1, random_state=0).to_csv(path, index=False)
    return path


def test_a_table_is_described_and_nothing_is_trained(call, table):
    shown = call("data", table, "--target", "kind", "--test-size", "0.5")
    assert shown.code == 0
    assert shown.out.startswith("birds.csv: 60 training and 60 test rows")
    assert "--drop ring" in shown.out
    dropped = call("data", table, "--target", "kind", "--drop", "ring")
    assert "--drop ring" not in dropped.out
    assert sorted(path.name for path in table.parent.iterdir()) == ["birds.csv"]


def test_the_command_that_leaves_out_columns_without_use_works_as_it_is_printed(call, tmp_path):
    path = tmp_path / "birds, ringed.csv"
    many = {"when": pd.date_range("2020", periods=120), "full, name": [f"Bob {n}" for n in range(120)]}
    kinds = np.repeat(["x", "y"], 60)
    rows = pd.DataFrame({"mass": RANDOM.normal(size=120), "it's": range(120), **many, "": 1.5, "kind": kinds})
    rows.to_csv(path, index=False)
    refused = call("data", path, "--target", "kind", "--drop", "it's")
    assert refused.is_error("2 columns of", "column 'full, name'")
    program, *words = shlex.split(refused.err[refused.err.index("dropstudy data") :])
    assert program == "dropstudy"
    assert (
        "birds, ringed.csv: 96 training and 24 test rows, 2 classes of 'kind', 1 column" in call(*words).out
    )
    assert call(*words, "--drop", "").code == 0


def test_without_a_target_the_columns_are_listed(call, table):
    shown = call("data", table)
    assert shown.code == 2
    for column in ("ring", "mass", "isle", "kind"):
        assert column in shown.out
    assert "--target" in shown.err


def test_flags_are_checked_as_those_of_run(call, table):
    for flags in (("--test-size", "1.5"), ("--image-size", "0"), ("--drop", "mas")):
        words = ("--target", "kind", *flags)
        refused = call("data", table, *words)
        assert refused.code == 2
        assert refused.err == call("run", "--data", table, *words).err


def test_pictures_are_written(call, tmp_path):
    shown = call("data", "digits", "--pictures", tmp_path / "digits.png")
    assert str(tmp_path / "digits.png") in shown.out
    sheet = np.asarray(Image.open(tmp_path / "digits.png"))
    data = load_dataset("digits")
    nine = data.x_train[np.flatnonzero(data.y_train == 9)[2]]  # row 9, column 2; 8 pixels each, gaps of 2
    drawn = sheet[9 * 66 : 9 * 66 + 64, 2 * 66 : 2 * 66 + 64, 0][::8, ::8]
    np.testing.assert_array_equal(drawn, np.round(nine / 16 * 255))


def test_pictures_are_refused_where_there_are_none_or_a_file_is_in_the_way(call, table, tmp_path):
    assert call("data", table, "--target", "kind", "--pictures", tmp_path / "x.png").is_error(
        "--pictures", "images"
    )
    assert call("data", "digits", "--pictures", tmp_path / "x.jpg").is_error("--pictures", ".png")
    (tmp_path / "folder.png").mkdir()
    assert call("data", "digits", "--pictures", tmp_path / "folder.png").code == 2


@pytest.fixture
def terminal(monkeypatch):
    """Standard output that counts as a terminal with 16 million colours."""
    monkeypatch.setattr(pictures, "is_terminal", lambda: True)
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLORTERM": "truecolor"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("terminal")
def test_a_terminal_with_colours_shows_a_few_images(capsys):
    pictures.print_some(load_dataset("digits"))
    lines = capsys.readouterr().out.splitlines()
    assert [line.count("▀") for line in lines if line] == [74] * 7


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("COLORTERM", "")])
def test_a_terminal_without_colours_shows_none(capsys, monkeypatch, name, value):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    pictures.print_some(load_dataset("digits"))
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("no_report")
def test_a_planted_leak_is_told_before_training_and_in_the_report(call, tmp_path):
    x, y = RANDOM.integers(0, 256, (90, 8, 8), np.uint8), np.arange(90) % 3
    y_test = np.concatenate([y[50:57], (y[57:60] + 1) % 3, y[60:]])
    np.savez(tmp_path / "leak.npz", x_train=x[:60], y_train=y[:60], x_test=x[50:], y_test=y_test)
    warning = expected.Data.LEAK.format("10 of 40 test examples equal", 7, 3)
    words = ("--data", tmp_path / "leak.npz", *TINY[2:], "--batch-size", "16", "--out", "s")
    assert TINY[0] == "--data"
    ran = call("run", *words)
    assert ran.code == 0
    assert ran.out.index(warning) < ran.out.index("; study in ")
    assert warning in call("data", tmp_path / "leak.npz").out
    assert warning in call("show", "s", "--all").out
    assert any(warning in caution for caution in Study.open("s").answer().cautions)
