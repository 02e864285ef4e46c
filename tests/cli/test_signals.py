"""Signals, pipes and terminals: interrupts, readers that leave early, tables on a screen."""

import io
import os
import pty
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import dropstudy
import fast_command
from command_line import LONG, PROGRAM, TINY, group_is_gone, read_until, started
from dropstudy import Study
from dropstudy.store import locking
from expected import Cli

IMPORTING = """
import sys, time
from dropstudy.core import interrupts
interrupts.interrupt()
import swallows
try:
    for _ in range(100): time.sleep(0.05)
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_an_interrupt_that_a_module_swallows_while_it_is_imported_is_obeyed(tmp_path):
    (tmp_path / "swallows.py").write_text(
        "import os, signal, time\ntry:\n    os.kill(os.getpid(), signal.SIGTERM)\n    time.sleep(0.2)\n"
        "except BaseException:\n    pass\n"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(dropstudy.__file__).parents[1])])
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", IMPORTING], env=os.environ | {"PYTHONPATH": path}, check=False, timeout=60
    )
    assert done.returncode == 130


AT_A_CALL = """
import os, sys
file, name, number = sys.argv[1:4]
def at_the_call(frame, event, _):
    if event == "call" and frame.f_code.co_name == name and frame.f_code.co_filename.endswith(file):
        sys.setprofile(None)
        os.kill(os.getpid(), int(number))
sys.argv = ["dropstudy", "presets"]
sys.setprofile(at_the_call)
from dropstudy.__main__ import main
main()
"""


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "moment",
    [
        ("dropstudy/cli/__init__.py", "<module>"),
        ("typer/main.py", "<module>"),
        ("dropstudy/cli/__init__.py", "_prepare_process"),
        ("typer/main.py", "get_command"),  # typer catches interrupts once this has returned
        ("dropstudy/cli/info.py", "presets"),
        ("dropstudy/cli/__init__.py", "_flush_output"),
    ],
)
def test_a_signal_at_any_moment_of_a_start_shows_no_traceback(moment, stop):
    words = [sys.executable, "-c", AT_A_CALL, *moment, str(int(stop))]
    done = subprocess.run(words, check=False, capture_output=True, timeout=60)  # noqa: S603 - our own program
    assert (done.returncode, done.stderr) == (130, b"")


def test_an_interrupt_that_a_library_drops_is_obeyed_by_training():
    dropped = (
        "import os, signal, sys\n"
        "from dropstudy.core import interrupts\n"
        "interrupts.obey()\n"
        "interrupts.interrupt()\n"
        "try: os.kill(os.getpid(), signal.SIGTERM)\n"
        "except KeyboardInterrupt: pass\n"
        "try: interrupts.obey()\n"
        "except KeyboardInterrupt: sys.exit(130)\n"
    )
    assert subprocess.run([sys.executable, "-c", dropped], check=False, timeout=60).returncode == 130  # noqa: S603


def test_an_interrupt_in_a_finalizer_prints_nothing_and_other_exceptions_there_are_printed():
    script = (
        "import os, signal\n"
        "from dropstudy.core import interrupts\n"
        "interrupts.interrupt()\n"
        "class Ends:\n"
        "    def __del__(self): os.kill(os.getpid(), signal.SIGTERM)\n"
        "class Fails:\n"
        "    def __del__(self): raise ValueError('finalizer')\n"
        "Ends()\n"
        "Fails()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, timeout=60)  # noqa: S603
    assert b"KeyboardInterrupt" not in done.stderr
    assert b"ValueError: finalizer" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_saves_its_progress_and_is_continued_by_the_proposed_command(tmp_path, stop):
    folder = tmp_path / "a study"
    with started("run", *LONG, "--out", folder) as process:
        read_until(process, "Epoch 2/")
        if stop == signal.SIGINT:
            os.killpg(process.pid, stop)  # as a terminal does: to the workers too
        else:
            process.send_signal(stop)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    (line,) = [line for line in err.splitlines() if line]
    assert line.startswith(f"{Cli.SAVED} {Cli.CONTINUE}")
    proposed = shlex.split(line.partition(Cli.CONTINUE)[2])
    assert proposed == ["dropstudy", "run", str(folder)]
    assert group_is_gone(process.pid)
    epochs = Study.open(folder).results().history_frame()["epoch"].tolist()
    assert epochs == list(range(1, len(epochs) + 1))
    assert 2 <= len(epochs) < 30000
    if stop == signal.SIGTERM:
        return
    with started(*proposed[1:], "--epoch-lines") as process:
        printed = read_until(process, f"Epoch {len(epochs) + 1}/30000")
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    assert printed.count("Epoch ") == 1
    assert process.returncode == 130


def test_more_seeds_after_an_interrupt_before_any_result_are_no_second_look(tmp_path):
    words = ["run", *fast_command.SETTINGS, "--out", tmp_path / "study", "--workers", "1", "--seeds"]
    with fast_command.started(*words, "6", "--epoch-lines", seconds=5) as process:
        read_until(process, "runs")
        time.sleep(1)  # the first segments are being trained
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert Cli.NOTHING_SAVED in err
    assert fast_command.run(*words, "8").code == 0
    assert not Study.open(tmp_path / "study").verdict().anytime


def test_a_run_interrupted_twice_ends_at_once_and_its_workers_print_nothing(tmp_path):
    plain = (sys.executable, "-m", "dropstudy")  # a warning made an error would not be seen
    with started("run", *LONG, "--out", tmp_path / "study", program=plain) as process:
        read_until(process, "Epoch 2/")
        for _ in range(2):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.01)
        _, err = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT)  # the latter if it was about to end
    assert [line for line in err.splitlines() if line and not line.startswith("Interrupted. ")] == []
    assert group_is_gone(process.pid)


@pytest.mark.slow
def test_a_reader_that_closes_the_pipe_ends_a_command_without_a_word(tmp_path):
    with started("run", *TINY, "--seeds", "2", "--workers", "1", "--out", tmp_path / "study") as process:
        for _ in range(3):
            process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=400) == 1
    with locking.lock(tmp_path / "study"):  # no process holds it any more
        assert not Study.open(tmp_path / "study").finished


def test_a_reader_of_a_finished_study_that_leaves_early_gets_no_traceback(trained):
    with started("run", trained[0]) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""


@pytest.mark.usefixtures("no_report")
def test_a_stream_that_lacks_a_letter_gets_its_number(call, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    assert call("run", *TINY, "--arms", "rate=0,name=дропаут").code == 0
    stream.flush()
    assert rb"[\u0434\u0440\u043e\u043f\u0430\u0443\u0442, seed 0]" in stream.buffer.getvalue()


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
    assert "queued" in screen
    assert "Ctrl-C stops; what is done is kept." in screen
    assert "Epoch 1/2" not in screen
    assert screen.rindex("At which rate?") > screen.rindex("queued")
    assert "\x1b[?25h" in screen  # the cursor is back
    assert "6 of 6 runs done" in screen
