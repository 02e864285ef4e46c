"""Call the command line in this process, with real or made-up training; one trained study for all tests."""

import signal
import sys

import pytest

import random_results
from command_line import TINY, Output, run_process
from dropstudy import cli
from dropstudy.study.results import Results


@pytest.fixture
def call(monkeypatch, capsys):
    """Call the command line in this process."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # pytest's own handlers stay

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["dropstudy", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return Output(end.value.code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def made_up_training(monkeypatch, tmp_path):
    """Make training up, so that it takes no time; studies go to the test's own folder."""
    random_results.replace_workers(monkeypatch)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def no_report(made_up_training, monkeypatch):  # noqa: ARG001 - on top of it
    """Leave the report out too: figures take longer than made-up training."""
    monkeypatch.setattr(Results, "report", lambda *_, **__: [])


@pytest.fixture(scope="session")
def trained(once, cache_folder):
    """Folder of a study that a real `dropstudy run` trained, and the output of that."""

    def train(folder):
        done = run_process(
            "run",
            *TINY,
            "--rates",
            "0,0.8",
            "--workers",
            "1",
            "--out",
            folder / "größer & better",
            DROPSTUDY_CACHE=str(cache_folder),
        )
        for name, text in zip(("code", "out", "err"), done, strict=True):
            (folder / name).write_text(str(text), encoding="utf-8")

    folder = once("trained", train)
    texts = [(folder / name).read_text(encoding="utf-8") for name in ("code", "out", "err")]
    return folder / "größer & better", Output(int(texts[0]), *texts[1:])
