"""No process imports files of the current folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dropstudy.core.safe_path import safe_path
from dropstudy.engine.native.build import VARIABLE

# Modules of Python's library that workers and those who look after them import, and one that jax takes where it is.
NAMES = (
    *("random", "queue", "string", "math", "socket", "signal", "tempfile", "json", "inspect", "secrets"),
    *("selectors", "struct", "logging", "ast", "dis", "pickle", "uuid", "colorama"),
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A current folder full of such files, each of which leaves a mark."""
    mark = f"open({str(tmp_path / 'mark')!r}, 'a').write(__file__ + chr(10))\n"
    folder = tmp_path / "here"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(mark)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setenv(VARIABLE, "off")
    return folder


def output_of(folder, *arguments):
    done = subprocess.run(  # noqa: S603 - our own
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def marks(folder):
    mark = folder.parent / "mark"
    return sorted(set(mark.read_text().splitlines())) if mark.exists() else []


def test_a_command_and_its_worker_import_nothing_of_the_current_folder(here):
    assert "device: " in output_of(here, "-m", "dropstudy", "doctor")
    assert marks(here) == []


SCRIPT = """
import os, sys
own, sys.path = sys.path[0], sys.path[1:]
from dropstudy.runtime.local import LocalWorkers
sys.path.insert(0, own)  # what this process itself imports is its user's business

def surroundings():
    import os, random, sys
    return sys.path, random.__file__, os.environ["PYTHONSAFEPATH"]

with LocalWorkers(1) as worker_pool:
    path, random, safe = worker_pool.submit(surroundings).result()
    assert own not in path and "" not in path, path
    assert not random.startswith(own), random
    assert safe == "1"
assert "PYTHONSAFEPATH" not in os.environ
"""


def test_a_worker_of_a_script_imports_nothing_of_the_current_folder(here):
    (here / "study.py").write_text(SCRIPT)
    output_of(here, "study.py")
    assert marks(here) == []


def test_the_folder_of_this_package_comes_last(monkeypatch, tmp_path):
    import dropstudy  # noqa: PLC0415 - where it lies

    home = Path(dropstudy.__file__).parent.parent
    monkeypatch.chdir(home)
    monkeypatch.setattr(sys, "path", ["", str(home), str(tmp_path)])
    assert safe_path() == [str(tmp_path), os.path.realpath(home)]


def test_a_deleted_current_folder_counts_as_none(monkeypatch, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr(sys, "path", ["", str(tmp_path)])
    assert str(tmp_path) in safe_path()
