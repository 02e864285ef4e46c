"""A study trains and prints with any standard streams: none, closed ones, or objects that only write."""

import ast
import fcntl
import io
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from dataclasses import replace
from pathlib import Path

import pytest

import dropstudy
import random_results
from dropstudy import Study
from dropstudy.core import tables
from dropstudy.core.streams import is_terminal, say, usable_streams, wrap_paragraphs
from dropstudy.errors import RunsFailed
from dropstudy.runtime import local
from dropstudy.runtime.messages import FALLBACK
from dropstudy.runtime.progress.display import DefaultDisplay
from dropstudy.runtime.workers import open_pool
from fake_training import InlineExecutor
from sources import SMALL_STUDY as SETTINGS

SOURCE = Path(dropstudy.__file__).parent


class OnlyWrites:
    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS = {"none": lambda: None, "closed": closed, "only write": OnlyWrites}
ODD = pytest.mark.parametrize("make", STREAMS.values(), ids=STREAMS)


@ODD
def test_lines_tables_and_screens_work_without_streams(monkeypatch, tmp_path, make):
    random_results.replace_workers(monkeypatch)
    stream = make()
    monkeypatch.setattr(sys, "stdout", stream)
    study = Study("notebook", out=tmp_path, **SETTINGS, seeds=3).run(executor=InlineExecutor())
    assert study.finished
    assert not is_terminal()
    assert "no dropout" in tables.text(study.summary())
    if isinstance(stream, OnlyWrites):
        assert "Epoch 1/" in stream.text
    assert sys.stdout is stream


@pytest.mark.slow
@ODD
def test_real_workers_start_whatever_the_streams_are(monkeypatch, make):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, make())
    with open_pool(None, workers=1, device="cpu", runs=1) as pool:
        assert pool.submit(os.getpid).result() != os.getpid()


def test_working_streams_stay_and_others_are_restored():
    before = sys.stdout, sys.stderr
    with usable_streams():
        assert (sys.stdout, sys.stderr) == before


def test_a_line_goes_to_the_requested_stream():
    stream = io.StringIO()
    say("printed", stream)
    DefaultDisplay(stream).on_notice("shown")
    assert stream.getvalue() == "printed\nshown\n"


@pytest.mark.parametrize("closing", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_keep_their_descriptors_reserved(tmp_path, closing):
    """Else output of a library could be written into the next opened file, such as the database."""
    script = (
        "import os, sys; from dropstudy import cli; sys.argv = ['dropstudy', 'presets'];\n"
        "try: cli.main()\n"
        "except SystemExit as end: code = end.code\n"
        "pid = os.spawnv(os.P_WAIT, sys.executable, [sys.executable, '-c', 'import os; os.fstat(1); os.fstat(2)'])\n"
        "assert pid == 0\n"
        "file = os.open('file', os.O_CREAT | os.O_WRONLY); os.write(1, b'printed')\n"
        "os.write(file, f'{code} {file > 2}'.encode())"
    )
    (tmp_path / "script.py").write_text(script)
    command = f"exec {sys.executable} script.py {closing}"
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True, timeout=60)  # noqa: S603, S607 - our own command
    assert (tmp_path / "file").read_text() in {"0 True", "None True"}


# --- as wide as the terminal ---


def test_paragraphs_are_as_wide_as_the_terminal_and_break_between_words(monkeypatch):
    words = "a --flag 'no dropout' -0.87 (-1.20 to -0.55) " * 9 + "\n\n  short\n" + "x" * 100
    assert wrap_paragraphs(words) == words
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    shown = wrap_paragraphs(words)
    assert shown.split() == words.split()
    assert max(len(line) for line in shown.splitlines()[:-1]) <= 60
    assert shown.splitlines()[-3:] == ["", "  short", "x" * 100]


def shell_words(command):
    """Words of a command as a shell reads them."""
    shown = subprocess.check_output(["sh", "-c", f"printf '%s\\n' {command}"], encoding="utf-8")  # noqa: S603, S607 - our own command
    return shown.splitlines()


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_command_at_the_end_of_a_line_gets_a_line_of_its_own(monkeypatch, width):
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(width))
    command = (
        "dropstudy run 'studies/a  --folder' --until-decided --data-dir 'my data' --max-seeds 30 --seeds 9"
    )
    text = f"Error: study: expected one, received none of them, which is too few. To go on: {command}"
    shown = wrap_paragraphs(text)
    prose, shown_command = shown[: shown.index("\ndropstudy")], shown[shown.index("dropstudy") :]
    assert " ".join(prose.split()) == text.removesuffix(f" {command}")
    assert shell_words(shown_command) == shell_words(command)
    assert max(map(len, shown.splitlines())) <= width
    for line in (*STUDY_LINES, *FALLBACK):
        shown = wrap_paragraphs(line)
        assert " ".join(shown.replace("\\\n", "").split()) == " ".join(line.split())
        assert all(len(row) <= width or row.startswith("dropstudy ") for row in shown.splitlines())


@pytest.mark.parametrize("width", range(20, 60))
def test_a_number_stays_with_its_unit_and_an_item_is_indented(monkeypatch, width):
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(width))
    bound = ("38 ms", "2 s", "4.85 MB", "6 seeds", "dropout 0.5", "rate 0.8")
    shown = wrap_paragraphs(f"  4. measured: {', '.join(bound)} and not more than all of these")
    assert all(each in shown for each in bound)
    first, *others = shown.splitlines()
    assert first.startswith("  4. measured")
    assert all(re.match(r" {5}\S", line) for line in others)
    assert max(map(len, shown.splitlines())) <= width


def test_a_command_with_both_kinds_of_quotes_is_not_broken(monkeypatch):
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    folder = shlex.quote("it's --out x")
    command = f"dropstudy run {folder} --until-decided --max-seeds 30 --data mnist"
    assert wrap_paragraphs(f"Go on: {command}").splitlines() == ["Go on:", command]


STUDY_LINES = (
    "The study has more than this asks for, and keeps it: seeds + 3 to 19; arms + 'dropout 0.25', 'dropout 0.5'.",
    "12 of 24 runs are done, 2 running, 10 queued. Go on with: dropstudy run studies/notebook",
)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_on_a_real_terminal_no_word_of_an_error_is_broken(tmp_path, width):
    control, terminal_end = pty.openpty()
    fcntl.ioctl(terminal_end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    words = [sys.executable, "-m", "dropstudy", "show", "a study that is not there"]
    with subprocess.Popen(  # noqa: S603 - our own command
        words, cwd=tmp_path, stderr=terminal_end, stdout=subprocess.PIPE, env=environment
    ) as it:
        assert it.wait(60) == 2
    os.close(terminal_end)
    rows = os.read(control, 10_000).decode().splitlines()
    assert all(len(row) <= width for row in rows)
    first = next(number for number, row in enumerate(rows) if row.startswith("dropstudy "))
    assert shell_words("\n".join(rows[first:])) == ["dropstudy", "run", "--out", "a study that is not there"]
    assert " ".join(rows[:first]).endswith("received no such folder. To create one there:")


def strings(path):
    """Every text in a file of ours that is no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield node.value


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: path.name)
def test_a_proposed_command_can_be_copied(path):
    """It names the folder itself, without placeholder or typographic quotes."""
    for text in strings(path):
        assert "`dropstudy" not in text
        assert not re.search(r"dropstudy [a-z]+ .*\b(DIR|FOLDER|SPEC)\b", text)


# --- no run that finishes ---


@pytest.mark.parametrize("diverging", [False, True])
def test_a_study_of_which_every_run_failed_raises_with_the_first_cause(monkeypatch, tmp_path, diverging):
    random_results.replace_workers(monkeypatch)

    def fails(segment):
        if diverging and segment.run.arm.rate:
            return replace(random_results.train(segment), diverged=True, final=None)
        raise random_results.WorkerError("no such device")

    monkeypatch.setattr(local, "train", fails)
    study = Study("notebook", out=tmp_path, **SETTINGS, seeds=2)
    with pytest.raises(RunsFailed, match=r"all 4 failed or diverged.*WorkerError: no such device") as error:
        study.run(executor=InlineExecutor())
    assert f"dropstudy run {tmp_path}" in error.value.next_step
    assert len(study.results().failures()) == 4
    monkeypatch.setattr(local, "train", random_results.train)
    assert study.run(executor=InlineExecutor()) is study
