"""A study trains and is told of whatever its standard streams are: none, closed, or an object that can only write."""

import io
import os
import subprocess
import sys
from dataclasses import replace

import pytest

import made_up
from dropstudy import Study, tables, workers
from dropstudy.errors import RunsFailed
from dropstudy.live import Screen
from dropstudy.running import crew
from dropstudy.streams import say, terminal, usable_streams
from standin import AtOnce
from test_study import SETTINGS


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
def test_lines_tables_and_screens_are_made_without_a_stream_to_rely_on(monkeypatch, tmp_path, make):
    made_up.instead_of_workers(monkeypatch)
    stream = make()
    monkeypatch.setattr(sys, "stdout", stream)
    study = Study("notebook", out=tmp_path, **SETTINGS, seeds=3).run(executor=AtOnce())
    assert study.finished
    assert not terminal()
    assert "no dropout" in tables.text(study.summary())
    if isinstance(stream, OnlyWrites):
        assert "Epoch 1/" in stream.text
    assert sys.stdout is stream


@ODD
def test_real_workers_start_whatever_the_streams_are(monkeypatch, make):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, make())
    with crew(1, "cpu") as pool:
        assert pool.submit(os.getpid).result() != os.getpid()


def test_streams_that_are_whole_stay_as_they_are_and_others_come_back():
    before = sys.stdout, sys.stderr
    with usable_streams():
        assert (sys.stdout, sys.stderr) == before


def test_a_line_goes_where_it_is_meant_to():
    stream = io.StringIO()
    say("told", stream)
    Screen(stream).notice("shown")
    assert stream.getvalue() == "told\nshown\n"


@pytest.mark.parametrize("shut", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_process_whose_streams_are_closed_lets_no_file_take_their_numbers(tmp_path, shut):
    """Else what a library prints would be written into the next file that was opened: the database, perhaps."""
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
    command = f"exec {sys.executable} script.py {shut}"
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True, timeout=60)  # noqa: S603, S607 - our own command
    assert (tmp_path / "file").read_text() in {"0 True", "None True"}


# --- no run that finishes ---


@pytest.mark.parametrize("diverging", [False, True])
def test_a_study_of_which_every_run_failed_raises_with_the_first_cause(monkeypatch, tmp_path, diverging):
    made_up.instead_of_workers(monkeypatch)

    def fails(segment):
        if diverging and segment.run.arm.rate:
            return replace(made_up.train(segment), diverged=True, final=None)
        raise made_up.Mishap("no such device")

    monkeypatch.setattr(workers, "train", fails)
    study = Study("notebook", out=tmp_path, **SETTINGS, seeds=2)
    with pytest.raises(RunsFailed, match=r"all 4 failed or diverged.*Mishap: no such device") as error:
        study.run(executor=AtOnce())
    assert f"dropstudy run {tmp_path}" in error.value.next_step
    assert len(study.failures()) == 4
    monkeypatch.setattr(workers, "train", made_up.train)
    assert study.run(executor=AtOnce()) is study
