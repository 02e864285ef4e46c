"""Shared fixtures: private folders, and the real MNIST where it is to be had."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# A deadline would test how busy the machine is.
settings.register_profile("dropstudy", deadline=None)
settings.load_profile("dropstudy")

# Whoever starts the tests in the background may have them ignore Ctrl-C, and with them all commands that they start.
# The tests that interrupt a command need one that can be interrupted.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Keras is the outside reference of many tests; jax is the backend that is always installed.
os.environ.setdefault("KERAS_BACKEND", "jax")


@pytest.fixture(autouse=True)
def private_folders(tmp_path_factory, monkeypatch):
    """No test reads or writes the user's cache, nor finds data that it did not ask for."""
    monkeypatch.setenv("DROPSTUDY_CACHE", str(_shared_cache(tmp_path_factory)))
    monkeypatch.delenv("DROPSTUDY_DATA", raising=False)


def _shared_cache(factory):
    folder = factory.getbasetemp() / "cache"
    folder.mkdir(exist_ok=True)
    return folder


_DATA = os.environ.get("DROPSTUDY_DATA")


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The folder that holds `mnist/`, from DROPSTUDY_DATA."""
    if _DATA is None or not (Path(_DATA) / "mnist").is_dir():
        pytest.skip("DROPSTUDY_DATA does not name a folder with mnist/ in it")
    return Path(_DATA).resolve()


@pytest.fixture
def our_kernels(monkeypatch):
    """Let this process train with kernels of our own, as the local workers do where they gain by them."""
    from dropstudy.engine.native import ffi  # noqa: PLC0415 - jax, which most tests do without
    from dropstudy.engine.native.build import VARIABLE, kernels  # noqa: PLC0415

    monkeypatch.setenv(VARIABLE, str(kernels().path))
    monkeypatch.setattr(ffi, "LEAST_WORK", 0)
    ffi.precisions.cache_clear()
    if "float32" not in ffi.precisions():
        pytest.skip(kernels().obstacle or "our kernels gain nothing on this processor")
    yield
    monkeypatch.undo()
    ffi.precisions.cache_clear()


@pytest.fixture(params=["XLA's kernels", "our kernels"])
def either_kernels(request):
    """Once with XLA's kernels and once with ours, where this machine runs them."""
    if request.param == "our kernels":
        request.getfixturevalue("our_kernels")
