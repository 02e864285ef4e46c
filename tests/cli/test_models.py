"""`predict` and `export`: their output, and files that they must not replace."""

import csv
import io
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import dropstudy

EVIL = "=1+1\x1b[31m\u202e"
"""A name that commands a terminal and a spreadsheet."""

SHOWN = "=1+1\\x1b[31m\\u202e"


@pytest.fixture
def examples(tmp_path):
    """File of seven digits."""
    np.save(tmp_path / "seven.npy", dropstudy.load_dataset("digits").x_test[:7])
    return tmp_path / "seven.npy"


@pytest.fixture
def terminal(call, monkeypatch):  # noqa: ARG001 - the stream that `call` captures
    """Standard output looks like a terminal."""
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    monkeypatch.setenv("COLUMNS", "200")


def test_predict_prints_csv_into_a_pipe_and_writes_it_to_a_file(trained, call, tmp_path, examples):
    folder, _ = trained
    piped = call("predict", folder, examples, "--arm", "dropout 0.8", "--seed", "0")
    rows = list(csv.DictReader(io.StringIO(piped.out)))
    assert piped.code == 0
    assert len(rows) == 7
    for row in rows:
        shares = {name: float(value) for name, value in row.items() if name.startswith("p(")}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert max(shares, key=shares.get) == f"p({row['label']})"
    written = call("predict", folder, examples, "--arm", "dropout 0.8", "--out", tmp_path / "p.csv")
    assert "7 examples" in written.out
    assert (tmp_path / "p.csv").read_text() == piped.out


@pytest.mark.usefixtures("terminal")
def test_predict_prints_a_table_on_a_terminal(trained, call, examples):
    shown = call("predict", trained[0], examples)
    assert shown.code == 0
    assert "seven.npy[0]" in shown.out
    assert "," not in shown.out


def test_no_output_replaces_a_file_of_the_study_or_an_input(trained, call, tmp_path, examples):
    folder, _ = trained
    link, picture = tmp_path / "linked", tmp_path / "mine.png"
    link.symlink_to(folder)
    (tmp_path / "hard.npy").hardlink_to(examples)
    (tmp_path / "soft.csv").symlink_to(folder / "study.db")
    weights = next((folder / "weights").iterdir())
    Image.new("L", (8, 8)).save(picture)
    before = {path: path.read_bytes() for path in (*folder.rglob("*"), examples, picture) if path.is_file()}
    refused = [
        picture,
        folder / "study.db",
        link / "study.toml",
        folder / "figures" / ".." / "study.db",
        folder / "runs.csv",
        weights,
        examples,
        tmp_path / "hard.npy",
        tmp_path / "soft.csv",
        "/dev/null",
    ]
    for out in refused:
        assert call("predict", folder, examples, "--out", out).is_error("--out", str(out))
    export = ("export", folder, "--format", "safetensors", "--out")
    assert call(*export, weights).is_error("--out", "a file of the study")
    assert {path: path.read_bytes() for path in before} == before
    for _ in range(2):
        assert call("predict", folder, examples, "--out", tmp_path / "p.csv").code == 0


def test_names_command_neither_a_terminal_nor_a_spreadsheet(trained, call, tmp_path, request):
    image = tmp_path / f"{EVIL}.png"
    Image.new("L", (8, 8), 3).save(image)
    (tmp_path / "folder").mkdir()
    shutil.copy(image, tmp_path / "folder")
    piped = call("predict", trained[0], image)
    assert next(iter(csv.DictReader(io.StringIO(piped.out))))["example"] == f"'{SHOWN}.png"
    file = tmp_path / f"{EVIL}.csv"
    assert call("predict", trained[0], tmp_path / "folder", "--out", file).out.endswith(f"{SHOWN}.csv\n")
    table = pd.read_csv(file)
    assert table["example"][0] == f"'{EVIL}.png"
    assert table.dtypes.iloc[2:].map(lambda kind: kind.kind).tolist() == ["f"] * 10
    request.getfixturevalue("terminal")
    for words in (
        ("predict", trained[0], image),
        ("predict", trained[0], f"{EVIL}\nno such.png"),
        ("show", f"no such {EVIL}"),
        (EVIL,),
        ("predict", trained[0], image, "--arm", EVIL),
        ("run", "--data", f"{EVIL}.npz"),
    ):
        shown = call(*words)
        assert not terminal_commands(shown.out + shown.err)
        assert "\\x1b[31m" in shown.out + shown.err


def terminal_commands(text):
    """Characters of a text that command a terminal."""
    return [c for c in text if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160 or c == "\u202e")]


@pytest.mark.parametrize("file_format", ["keras", "safetensors"])
def test_export_prints_its_file_and_the_input_that_it_takes(trained, call, tmp_path, file_format):
    path = tmp_path / f"network.{file_format}"
    shown = call("export", trained[0], "--format", file_format, "--out", path)
    assert shown.code == 0
    path_line, input_line, *hints = shown.out.splitlines()
    assert (path_line, input_line) == (str(path), "Its input: 64 numbers for each example, divided by 16.")
    assert ["KERAS_BACKEND" in hint for hint in hints] == [True] * (file_format == "keras")
    assert path.stat().st_size > 1000


def test_export_to_onnx_says_which_network_and_what_the_input_is(trained, call, tmp_path):
    pytest.importorskip("onnx")
    shown = call("export", trained[0], "--format", "onnx", "--out", tmp_path / "network.onnx")
    assert "x, uint8, of shape (n, 8, 8), as the training data are: from 0 to 16." in shown.out
    assert shown.err.startswith("Network: 'no dropout', seed 0 (the baseline, since ")
    assert call("export", trained[0], "--format", "onnx", "--out", tmp_path / "network.pb").is_error(".onnx")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("predict", "STUDY", "no.png"), "no.png"),
        (("predict", "STUDY", "EXAMPLES", "--arm", "dropout"), "'no dropout', 'dropout 0.8'"),
        (("predict", "STUDY", "EXAMPLES", "--seed", "7"), "seed"),
        (("export", "STUDY", "--arm", "none"), "arm"),
        (("export", "STUDY", "--out", "model.h5"), ".keras"),
        (("export", "STUDY", "--format", "pmml"), "keras, onnx, safetensors"),
        (("predict", "STUDY", "EXAMPLES", "--out", "/proc/none/p.csv"), "/proc/none/p.csv"),
    ],
)
def test_a_wrong_request_to_a_study_is_one_line(trained, call, examples, words, part):
    places = {"STUDY": trained[0], "EXAMPLES": examples}
    assert call(*(places.get(word, word) for word in words)).is_error(part)
