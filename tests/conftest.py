"""Shared fixtures: private folders, folders for all test processes, the real MNIST, the compiled program."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

# In CI the examples are always the same, as in hypothesis' own profile for it: a failure belongs to the change. They
# are fewer, so that all tests take about 15 minutes on two cores.
ALWAYS_THE_SAME = "CI" in os.environ
settings.register_profile(
    "dropstudy",
    deadline=None,  # it would test how busy the machine is
    max_examples=25 if ALWAYS_THE_SAME else 50,
    derandomize=ALWAYS_THE_SAME,
)
settings.load_profile("dropstudy")

# Whoever starts the tests in the background may have them ignore Ctrl-C, and with them all commands that they start.
# The tests that interrupt a command need one that can be interrupted.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Keras is the outside reference of many tests; jax is the backend that is always installed.
os.environ.setdefault("KERAS_BACKEND", "jax")


@pytest.fixture(scope="session")
def all_processes(tmp_path_factory) -> Path:
    """Temporary folder that all test processes of one run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def once(all_processes):
    """Make a folder once for all test processes: `once(name, make)` calls `make(folder)` in one of them."""

    def folder(name, make):
        place = all_processes / name
        with FileLock(all_processes / f"{name}.lock"):
            if not (place / ".made").exists():
                shutil.rmtree(place, ignore_errors=True)
                place.mkdir()
                make(place)
                (place / ".made").touch()
        return place

    return folder


@pytest.fixture(scope="session")
def cache_folder(all_processes):
    """Cache of the tests: compiled programs and data are made once, not once for each process."""
    folder = all_processes / "cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(autouse=True)
def private_folders(cache_folder, monkeypatch):
    """No test reads or writes the user's cache, nor finds data that it did not ask for."""
    monkeypatch.setenv("DROPSTUDY_CACHE", str(cache_folder))
    monkeypatch.delenv("DROPSTUDY_DATA", raising=False)


@pytest.fixture(scope="session", autouse=True)
def drawn_here():
    """Draw pictures in this process: to start another one takes 30 times as long as to draw a chart."""
    with pytest.MonkeyPatch.context() as patch:
        for user in ("charts.render", "vega"):
            patch.setattr(f"dropstudy.report.{user}.apart", lambda call, *arguments: call(*arguments))
        yield


_DATA = os.environ.get("DROPSTUDY_DATA")


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The folder that holds `mnist/`, from DROPSTUDY_DATA."""
    if _DATA is None or not (Path(_DATA) / "mnist").is_dir():
        pytest.skip("DROPSTUDY_DATA does not name a folder with mnist/ in it")
    return Path(_DATA).resolve()


@pytest.fixture
def compiled_program(monkeypatch):
    """Let this process train with the compiled program, as the local workers do."""
    from dropstudy.engine.native.build import kernels  # noqa: PLC0415 - most tests do without
    from dropstudy.engine.native.library import VARIABLE, loaded_library  # noqa: PLC0415 - likewise

    monkeypatch.setenv(VARIABLE, str(kernels().path))
    if not loaded_library():
        pytest.skip(kernels().obstacle)


@pytest.fixture(params=["XLA's programs", "the compiled program"])
def either_program(request):
    """Once with XLA's programs and once with the compiled one, where this machine has it."""
    if request.param == "the compiled program":
        request.getfixturevalue("compiled_program")
