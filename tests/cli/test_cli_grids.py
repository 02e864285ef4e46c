"""Grids from the command line: flags of several values, growth, rehearsal, looking on, space, pipes that close."""

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import made_up
from dropstudy import Study, cli
from dropstudy.spec.study_file import read_spec
from dropstudy.store import locking

TINY = ("--data", "digits", "--hidden", "8", "--epochs", "2")
PROGRAM = (sys.executable, "-W", "error", "-m", "dropstudy")


@pytest.fixture
def say(monkeypatch, capsys, tmp_path):
    """Call the command line in this process; training is made up, figures are left out."""
    made_up.instead_of_workers(monkeypatch)
    monkeypatch.setattr(Study, "write", lambda *_: [])
    monkeypatch.setattr(
        "dropstudy.runtime.scheduler.BETWEEN_COMMITS", 0.0
    )  # each run's end is heard when it comes
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # pytest's own handlers stay

    def call(*words, code=0):
        monkeypatch.setattr(sys, "argv", ["dropstudy", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        assert (end.value.code or 0) == code, said.err
        return said.out if code == 0 else said.err

    return call


# --- flags ---


def test_a_flag_given_several_times_is_several_networks_and_several_arms(say):
    grid = "--hidden 8 --hidden 4,4 --train-sizes 200,all --validation-split 0.2 --fixed-validation"
    arms = "--arms rate=0 --arms rate=0.5,l2=0.001 --arms rate=0.5,noise=gaussian,name=mine"
    kept = "--keep-weights best --seeds 2 --epochs 1 --data digits --quiet"
    say("run", *f"{grid} {arms} {kept}".split())
    spec = read_spec("studies/notebook")
    assert spec.hidden == ((8,), (4, 4))
    assert spec.train_sizes == (200, "all")
    assert (spec.fixed_validation, spec.keep_weights) == (True, "best")
    assert [(arm.name, arm.rate, arm.l2, arm.noise) for arm in spec.arms] == [
        ("no dropout", 0, 0, "dropout"),
        ("dropout 0.5, l2 0.001", 0.5, 0.001, "dropout"),
        ("mine", 0.5, 0, "gaussian"),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--hidden", "8", "--hidden", "x"), "numbers with commas between, such as 512,512"),
        (("--hidden", "8", "--hidden", "8"), "hidden that differ in network"),
        (("--train-sizes", "10,half"), "counts with commas between, or all"),
        (("--train-sizes", "5000"), "at most the 1,437 training examples"),
        (("--train-sizes", "5"), "received 128"),
        (("--arms", "0.5"), "settings with commas between, such as rate=0.5,max_norm=3"),
        (("--arms", "rat=0.5"), "Did you mean 'rate'?"),
        (("--arms", "rate=1"), "1, which drops every unit"),
        (("--arms", "rate=0", "--rates", "0"), "either rates or arms"),
        (("--fixed-validation",), 'validation_split = "test"'),
        (("--keep-weights", "best"), "nothing may be selected on the test set"),
        (("--keep-weights", "some"), "'all' or 'best' or 'none'"),
        (("--seeds", "0"), "a count from 1"),
        (("--rates", "0,nan"), "at least 0 and below 1"),
        (("--rates", "0.5,0.5"), "arms that differ in settings"),
    ],
)
def test_a_wrong_value_is_told_in_one_line_and_nothing_is_begun(say, words, said, tmp_path):
    line = say("run", "--data", "digits", "--epochs", "1", *words, code=2)
    assert said in line
    assert line.count("\n") == 1
    assert not (tmp_path / "studies").exists() or not list((tmp_path / "studies").rglob("study.toml"))


# --- growth ---


def test_growth_is_announced_and_less_is_answered_with_what_is_kept(say):
    assert "grows" not in say("run", *TINY, "--seeds", "2")
    more = say("run", "studies/notebook", "--seeds", "5", "--rates", "0,0.8,0.3")
    assert "The study grows: arms + 'dropout 0.3'; seeds + 2 to 4." in more
    assert "11 runs of 2 epochs" in more
    less = say("run", *TINY)
    assert "has more than this asks for, and keeps it: arms + 'dropout 0.3'; seeds + 1 to 4." in less
    assert "finished; nothing to train" in less
    assert "more than this" not in say("run", "studies/notebook")
    assert len(Study.open("studies/notebook").finals()) == 15


def test_an_interrupt_before_the_growth_was_recorded_says_to_repeat_the_command(say, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    say("run", *TINY)
    with monkeypatch.context() as patch:
        patch.setattr("dropstudy.runtime.run.load_dataset", interrupt)
        assert "The same command starts again" in say("run", "studies/notebook", "--seeds", "2", code=130)
    with monkeypatch.context() as patch:
        patch.setattr("dropstudy.runtime.run.train_runs", interrupt)
        assert "Go on with: dropstudy run studies/notebook" in say(
            "run", "studies/notebook", "--seeds", "2", code=130
        )
    assert "finished" not in say("run", "studies/notebook")


# --- before and while ---


def test_a_dry_run_says_what_it_would_take_and_leaves_nothing(say, tmp_path):
    said = say("run", *TINY, "--rates", "0,0.2,0.5", "--seeds", "4", "--dry-run")
    assert "3 arms x 1 network x 1 training size x 4 seeds = 12 runs of 2 epochs" in said
    assert re.search(r"^time: (about \d+ (s|min)|less than 1 s)", said, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_somebody_runs_is_shown_as_far_as_it_is(say, monkeypatch):
    shown = []

    def look(*_):
        if not shown:
            shown.append(None)
            shown[0] = locking.holder(Path("studies/notebook")), Study.open("studies/notebook").progress()

    monkeypatch.setattr("dropstudy.runtime.progress.lines.EpochLines.ended", look)
    say("run", *TINY, "--seeds", "3")
    ((holder, progress),) = shown
    assert re.fullmatch(r"process \d+ on .+", holder)
    assert len(progress) == 6
    assert 0 < sum(each.status == "done" for each in progress) < 6
    assert locking.holder(Path("studies/notebook")) == ""


def test_show_tells_how_far_a_study_is_that_was_interrupted(say, monkeypatch):
    ends = []

    def interrupt(*_):
        ends.append(None)
        if len(ends) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("dropstudy.runtime.progress.lines.EpochLines.ended", interrupt)
        say("run", *TINY, "--seeds", "3", code=130)
    said = say("show", "studies/notebook")
    assert re.search(
        r"^\d of 6 runs are done.* Go on with: dropstudy run studies/notebook$", said, re.MULTILINE
    )
    assert re.search(r"no dropout +\d/3 ", said)
    say("run", "studies/notebook")
    assert "Go on with" not in say("show", "studies/notebook")


# --- space ---


def test_a_study_is_removed_when_it_is_confirmed_and_not_before(say):
    say("run", *TINY)
    assert "Add --yes to remove the study studies/notebook" in say("rm", "studies/notebook", code=2)
    assert Study.open("studies/notebook").finished
    assert "Removed the weights of all finished runs" in say("rm", "studies/notebook", "--weights", "--yes")
    assert Study.open("studies/notebook").finished
    Path("studies/notebook/mine.txt").write_text("mine")
    said = say("rm", "studies/notebook", "--yes")
    assert "Removed the study studies/notebook" in said
    assert "studies/notebook stays, for what is not the study's: mine.txt." in said
    assert "expected the folder of a study" in say("rm", "studies/notebook", "--yes", code=2)
    assert Path("studies/notebook/mine.txt").read_text() == "mine"


def test_a_seed_and_an_arm_are_taken_out_when_that_is_confirmed_and_not_before(say):
    say("run", *TINY, "--seeds", "3", "--rates", "0,0.25,0.5")
    words = ("rm", "studies/notebook", "--seeds", "1", "--arms", "dropout 0.5")
    assert "Add --yes to remove arms 'dropout 0.5'; seeds 1 from the study studies/notebook, 5 runs" in say(
        *words, code=2
    )
    assert Study.open("studies/notebook").spec.seeds == (0, 1, 2)
    assert "Removed arms 'dropout 0.5'; seeds 1 from the study" in say(*words, "--yes")
    left = Study.open("studies/notebook").finals()
    assert set(zip(left["arm"], left["seed"], strict=True)) == {
        (arm, seed) for arm in ("no dropout", "dropout 0.25") for seed in (0, 2)
    }
    assert "either --weights or a part" in say(*words, "--weights", code=2)
    assert "baseline" in say("rm", "studies/notebook", "--arms", "no dropout", "--yes", code=2)
    assert "nothing to train" in say("run", "studies/notebook")


# --- pipes and terminals ---


def read_little(words, where, lines):
    """Start a command, read so many lines of what it prints, and close the pipe: exit code, standard error."""
    program = subprocess.Popen(  # noqa: S603 - our own program
        [*PROGRAM, *words], cwd=where, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for _ in range(lines):
        program.stdout.readline()
    program.stdout.close()
    with program.stderr:
        error = program.stderr.read()
    return program.wait(timeout=400), error


@pytest.mark.slow
def test_a_reader_that_closes_the_pipe_ends_a_command_without_a_word(tmp_path):
    words = ("run", *TINY, "--seeds", "2", "--workers", "1", "--out", "study")
    assert read_little(words, tmp_path, 3) == (1, "")
    with locking.lock(tmp_path / "study"):  # nobody holds it any more
        assert not Study.open(tmp_path / "study").finished


@pytest.mark.slow
def test_on_a_terminal_a_grid_is_a_table_and_the_result_comes_after_it(tmp_path):
    mine, theirs = pty.openpty()
    text = []

    def listen():
        try:
            while part := os.read(mine, 4096):
                text.append(part)
        except OSError:  # the other end is closed
            pass

    listener = threading.Thread(target=listen)
    listener.start()
    words = [*PROGRAM, "run", *TINY, "--seeds", "3", "--out", "study", "--workers", "1"]
    done = subprocess.run(  # noqa: S603 - our own program
        words, cwd=tmp_path, stdout=theirs, stderr=subprocess.PIPE, check=False, timeout=400,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
    )  # fmt: skip
    os.close(theirs)
    listener.join(timeout=10)
    screen = b"".join(text).decode()
    assert done.returncode == 0, done.stderr
    assert "to come" in screen
    assert "Ctrl-C stops; what is done is kept." in screen
    assert "Epoch 1/2" not in screen
    assert screen.rindex("artefact") > screen.rindex("to come")
    assert "\x1b[?25h" in screen  # the cursor is back
    assert "6 of 6 runs done" in screen
