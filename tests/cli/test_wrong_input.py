"""Wrong input is one line on standard error, exit code 2, and nothing is recorded."""

import os
import pwd
import re
import signal
import sys
from pathlib import Path

import pytest

from command_line import COMMANDS, TINY, run_process
from dropstudy import cli

STUDY_FILE = 'name = "mine"\ndata = "digits"\nhidden = [8]\nepochs = 1\nvalidation_split = "test"\n'

WRONG = [
    ("run no-such-preset", "SPEC"),
    ("run --out ''", "--out"),
    ("run --out ' '", "--out"),
    ("rm '' --yes", "DIR"),
    ("show ''", "For the current folder, write '.'"),
    ("run table.csv --target kind --epochs 3", "dropstudy run --target kind --epochs 3 --data table.csv"),
    ("run photos --image-size 8", "dropstudy run --image-size 8 --data photos"),
    ("run arrays.npz", "dropstudy run --data arrays.npz"),
    ("run notebok", "Did you mean 'notebook'"),
    ("run --rates 0,1.0", "rates: expected"),
    ("run --rates 0,1.0", "share dropped, not kept"),
    ("run --rates -0.1,0", "rates: expected"),
    ("run --rates nan", "rates: expected"),
    ("run --rates 0,nan", "each from 0 to below 1"),
    ("run --rates 0;0.5", "--rates"),
    ("run --rates ''", "--rates"),
    ("run --rates 0.5,0.5", "'dropout 0.5' twice"),
    ("run --hidden 0", "hidden"),
    ("run --hidden 512x512", "--hidden"),
    ("run --hidden 8 --hidden x", "numbers with commas between, such as 512,512"),
    ("run --hidden 8 --hidden 8", "hidden that differ in network"),
    ("run --seeds 0", "a count from 1"),
    ("run --seeds one", "--seeds"),
    ("run --seeds 1,1", "value 1 twice"),
    ("run --seeds 20240101", "a list of seeds"),
    ("run --epochs 0", "epochs"),
    ("run --epochs three", "--epochs: expected a whole number of 0 or more, received 'three'"),
    ("run --batch-size -1", "--batch-size"),
    ("run --margin wide", "--margin: expected a number, received 'wide'"),
    ("run --margin -1", "margin: expected a difference of the metric above 0 and at most 50, received -1"),
    ("run --margin nan", "margin: expected a difference of the metric above 0 and at most 50, received nan"),
    ("report x --mc -1", "--mc"),
    ("run --scale large", "--scale"),
    ("run --validation-split 1.5", "--validation-split: expected"),
    ("run --validation-split half", "--validation-split"),
    ("run --validation-split nan", "--validation-split: expected"),
    ("run --fixed-validation", "--validation-split test: no examples are held out"),
    ("run --keep-weights best", "nothing may be selected on the test set"),
    ("run --keep-weights some", "'all' or 'best' or 'none'"),
    ("run --train-sizes 10,half", "counts with commas between, or all"),
    ("run --data digits --train-sizes 5000", "at most the 1,437 training examples"),
    ("run --data digits --train-sizes 5", "received 128"),
    ("run --arms 0.5", "settings with commas between, such as rate=0.5,max_norm=3"),
    ("run --arms rate=0.2,half", "settings with commas between, such as rate=0.5,max_norm=3"),
    ("run --arms l2=0.1,0.5", "settings with commas between, such as rate=0.5,max_norm=3"),
    ("run --arms rate=0.2,0.5 --hidden 16", "or 1 for those of the network 16, received 2: 0.2, 0.5"),
    ("run --arms rate=0.2,1.5", "rate (arm 1): expected a share of units from 0 to below 1"),
    ("run --arms rat=0.5", "Did you mean 'rate'?"),
    ("run --arms rate=1", "rate (arm 1): expected a share of units from 0 to below 1"),
    ("run --arms rate=0 --rates 0", "either --rates or --arms"),
    ("run --precision float64", "precision"),
    ("run --optimizer adm", "--optimizer name: expected 'adam' or 'sgd'"),
    ("run --optimizer sgd,momentum", "settings with commas between, such as sgd,momentum=0.9"),
    ("run --optimizer momentum=0.9,sgd", "--optimizer: expected adam or sgd"),
    ("run --optimizer ''", "--optimizer: expected adam or sgd"),
    ("run --optimizer sgd,momentun=0.9", "Did you mean 'momentum'?"),
    ("run --learning-rate 0", "--learning-rate: expected a number above 0"),
    ("run --learning-rate fast", "--learning-rate: expected a number, received 'fast'"),
    ("run --optimizer adam,learning_rate=1 --learning-rate 2", "expected one learning rate"),
    ("run --data minst", "Did you mean 'mnist'"),
    ("run --data no.npz", "no.npz"),
    ("run --data digits --batch-size 2000", "at most the 1437 training examples"),
    ("run --data digits --workers 0", "workers"),
    ("run --data mnist --data-dir nowhere", "nowhere"),
    ("run --data digits --out file", "a folder that can be written"),
    ("run --data ~nosuch/x.npz", "~nosuch/x.npz"),
    ("run broken.toml", "broken.toml"),
    ("run digits.toml", "5000 digits"),
    ("run --data digits --confirm --seeds 5", "confirm: expected a study of 6 seeds or more"),
    ("run --confirm --seeds 6 --rates 0,0.2,0.5", "received 2 arms beside the baseline"),
    ("run --max-seeds 9", "--max-seeds: expected --until-decided beside it"),
    (
        "run --until-decided --max-seeds 5",
        "--max-seeds: expected a whole number of seeds from 6",
    ),
    ("show nowhere", "the folder of a study"),
    ("report nowhere", "nowhere"),
    ("predict nowhere x.png", "nowhere"),
    ("export nowhere", "To create one there: dropstudy run --out nowhere"),
    ("presets notebok", "notebook"),
    ("data minst", "mnist"),
]


NEAR = [
    "run",
    "show",
    "report",
    "view",
    "list",
    "table",
    "export",
    "rm --yes",
    "predict x.png",
    "diff studies/penguins",
]
"""Every command that takes a study's folder."""


@pytest.mark.parametrize("command", NEAR)
@pytest.mark.parametrize("meant", ["studies/penguin", "penguins", "./studies/pengiuns"])
def test_a_misspelt_folder_of_a_study_is_answered_with_the_nearest_one(
    call, tmp_path, monkeypatch, command, meant
):
    monkeypatch.chdir(tmp_path)
    for name in ("penguins", "other"):
        Path("studies", name).mkdir(parents=True)
        Path("studies", name, "study.toml").write_text(STUDY_FILE)
    name, *more = command.split()
    order = [*more, meant] if name == "diff" else [meant, *more]
    assert call(name, *order).is_error("received no such folder. Did you mean studies/penguins?")


def test_the_commands_above_are_all_that_take_a_folder():
    taking = {
        name
        for name, command in COMMANDS.items()
        if {"folder", "one", "spec"} & {each.name for each in command.params}
    }
    assert taking == {command.split()[0] for command in NEAR}


@pytest.mark.usefixtures("no_report")
def test_wrong_data_are_told_before_the_study_in_the_folder(call):
    rows = "".join(f"{n},{n % 7},{'ab'[n % 2]}\n" for n in range(40))
    Path("pets.csv").write_text(f"age,legs,kind\n{rows}")
    words = (
        "run",
        "--data",
        "pets.csv",
        "--target",
        "kind",
        "--epochs",
        "2",
        "--seeds",
        "1",
        "--batch-size",
        "8",
    )
    assert call(*words).code == 0
    for wrong in (("--drop", "lags"), ("--group", "lags"), ("--target", "kid")):
        refused = call(*words, *wrong)
        assert refused.is_error(f"{wrong[0]} of ", "Did you mean")
        assert "study" not in refused.err
    refused = call(*words, "--drop", "legs")
    assert refused.is_error("studies/pets: expected the settings of the study in this folder, no --drop, ")
    # A file that is missing comes first as well, also where other settings differ and it could have moved.
    for missing in (
        ("--data", "pats.csv"),
        ("--data", "pats.npz"),
        ("--data", "no-such-name"),
        ("--data", "pets.csv", "--target", "kind", "--test", "pats.csv"),
        ("--model", "pats.keras"),
        ("--function", "pats:train"),
    ):
        told = call("run", "--out", "studies/pets", *missing)
        assert (told.code, missing[-1] in told.err) == (2, True), told.err
        assert "settings of the study" not in told.err
    proposed = refused.err.rpartition("The whole command: dropstudy ")[2].split()
    assert call(*proposed).code == 0
    assert {path.name for path in Path("studies").iterdir()} == {"pets", "pets-2"}


@pytest.mark.usefixtures("made_up_training")
@pytest.mark.parametrize(("line", "part"), WRONG)
def test_a_wrong_input_is_one_line_and_nothing_is_recorded(call, line, part):
    Path("broken.toml").write_text("epochs = = 3")
    Path("digits.toml").write_text(STUDY_FILE.replace("epochs = 1", f"epochs = {'9' * 5000}"))
    Path("file").write_text("in the way")
    Path("table.csv").write_text("width,kind\n1,a\n")
    Path("photos/cat").mkdir(parents=True)
    Path("photos/cat/one.png").touch()
    words = [word.strip("'") if word.strip() else word for word in re.findall(r"'[^']*'|\S+", line)]
    assert call(*words).is_error(part)
    assert not list(Path().rglob("study.toml"))


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("run --epoch 3", "Did you mean --epochs?"),
        ("run --seed 3", "Did you mean --seeds?"),
        ("run --rate 0.5", "Did you mean --rates?"),
        ("run --optimzer sgd", "Did you mean --optimizer?"),
        ("run --lr 0.1", "No such option: --lr. All"),
        ("frobnicate", "frobnicate"),
        ("shwo", "Did you mean 'show'? All commands: dropstudy --help"),
        ("show", "DIR"),
        ("run a b", "(b)"),
        ("show --json=3 x", "--json"),
    ],
)
def test_a_command_line_that_cannot_be_parsed_is_one_line_that_names_the_help(call, line, part):
    wrong = call(*line.split())
    assert (wrong.code, wrong.out) == (2, "")
    assert re.fullmatch(r"Error: .+[.?] All (?:options|commands): dropstudy( \w+)? --help\n", wrong.err)
    assert part in wrong.err


@pytest.mark.parametrize("name", COMMANDS)
def test_an_argument_that_is_missing_is_named_with_what_it_is_and_the_studies_that_are_here(
    call, tmp_path, monkeypatch, name
):
    monkeypatch.chdir(tmp_path)
    arguments = [each for each in COMMANDS[name].params if each.param_type_name == "argument"]
    missing = [each.metavar for each in arguments if each.required]
    for number, metavar in enumerate(missing):
        without = call(name, *["studies/x"] * number)
        assert without.is_error(
            f"{metavar}: expected ", ", received nothing. ", f"All options: dropstudy {name} --help"
        )
        assert ("To train one: dropstudy run" in without.err) == metavar.startswith("DIR")
    for age, study in enumerate("abcd"):
        Path("studies", study).mkdir(parents=True)
        Path("studies", study, "study.toml").write_text(STUDY_FILE)
        os.utime(Path("studies", study), (-age, -age))
    for number, metavar in enumerate(missing):
        told = (
            "Studies here: studies/a, studies/b, studies/c and 1 more."
            in call(name, *["studies/x"] * number).err
        )
        assert told == metavar.startswith("DIR")


@pytest.mark.parametrize(
    "line",
    [
        "run --data digits --dry-run --out {}",
        "run --data digits --out {}",
        "run --data {}.npz --dry-run",
        "run --data {}.npy --dry-run",
        "run --data {} --dry-run",
        "run --data mnist --data-dir {} --dry-run",
        "run {}",
        *(f"{command} {{}}" for command in ("show", "report", "view", "rm", "export")),
        "predict {} x.png",
        "diff {} {}",
    ],
)
def test_a_name_longer_than_the_file_system_allows_is_one_line(call, tmp_path, line, monkeypatch):
    monkeypatch.chdir(tmp_path)
    long = "x" * 300
    wrong = call(*line.format(long, long).split())
    assert wrong.is_error(long)
    assert "Errno" not in wrong.err
    if not line.startswith("run"):
        assert "The name is too long." in wrong.err
    assert list(tmp_path.iterdir()) == []


def test_names_that_no_file_system_and_homes_that_no_system_knows_are_one_line(call, tmp_path, monkeypatch):
    assert call("data", "~nosuch/x.npz").is_error("~nosuch/x.npz", "no such file")
    assert call("show", os.fsdecode(b"not \xff utf")).is_error("not \\udcff utf")
    assert call("show", "null\0byte").is_error("null\\x00byte")
    monkeypatch.setenv("DROPSTUDY_DATA", "~nosuch/data")
    monkeypatch.delenv("DROPSTUDY_CACHE")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: {}[uid])  # a user of a container without an entry
    assert call("data", "digits")[::2] == (0, "")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert call("presets").is_error("the current folder", "cd")


def test_a_real_process_prints_errors_on_standard_error_and_ends_with_2():
    done = run_process("run", *TINY, "--rates", "1")
    assert done.is_error("rates: expected")
    assert done.out == ""


def test_an_error_of_the_program_keeps_its_traceback(monkeypatch):
    def broken(**_):
        raise ZeroDivisionError

    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr("dropstudy.runtime.doctor.machine_lines", broken)
    monkeypatch.setattr(sys, "argv", ["dropstudy", "doctor"])
    with pytest.raises(ZeroDivisionError):
        cli.main()
