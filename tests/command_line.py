"""The command line as its users start it: processes of their own, their output, their errors."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import NamedTuple

import pytest
import typer

from dropstudy import cli

PROGRAM = (sys.executable, "-W", "error", "-m", "dropstudy")
COMMANDS = dict(typer.main.get_command(cli.app).commands)
TINY = ("--data", "digits", "--hidden", "16", "--epochs", "2")
"""Flags of a study that trains in a second."""

LONG = ("--data", "digits", "--hidden", "16", "--rates", "0.1", "--epochs", "30000", "--epoch-lines")
"""Flags of a study that is still training when a test interrupts it."""


class Output(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    def is_error(self, *words):
        """Check for exit code 2 and one line on standard error in the form of errors.py; True."""
        assert self.code == 2
        assert re.fullmatch(r"Error: .+: expected .+, received .+\n", self.err), self.err
        for word in words:
            assert word in self.err
        return True


def run_process(*words, program=PROGRAM, **environment):
    """Run the command line to its end in a process of its own."""
    done = subprocess.run(  # noqa: S603 - our own program
        [*program, *map(str, words)],
        env=_environment(environment),
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=400,
    )
    return Output(done.returncode, done.stdout, done.stderr)


def run_script(script, **settings):
    """Standard output of a Python script in a process of its own."""
    return subprocess.run(  # noqa: S603 - our own scripts
        [sys.executable, "-c", script], check=True, capture_output=True, encoding="utf-8", **settings
    ).stdout


def _environment(variables):
    return {**os.environ, "PYTHONIOENCODING": "utf-8", **variables}


@contextmanager
def started(*words, program=PROGRAM, **environment):
    """Start the command line in a session of its own, as a terminal does; kill it if the test leaves it running."""
    with subprocess.Popen(  # noqa: S603 - our own program
        [*program, *map(str, words)],
        env=_environment(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def read_until(process, text):
    """Read a process's output up to the line that contains `text`, and return it."""
    read = ""
    for line in process.stdout:
        read += line
        if text in line:
            return read
    pytest.fail(f"{text!r} never came: {read}{process.stderr.read()}")


def group_is_gone(group):
    """True once no process of a group is left; it may take a moment."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False
