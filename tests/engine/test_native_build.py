"""The training program is compiled once; where it cannot be compiled or loaded, XLA's programs do the work."""

import os
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from dropstudy.core import hardware
from dropstudy.data import cache
from dropstudy.engine.native import build
from dropstudy.engine.native.build import VARIABLE, kernels
from dropstudy.runtime import doctor, local
from dropstudy.runtime.local import LocalWorkers
from expected import Engine

can_be_compiled = pytest.mark.skipif(
    os.uname().sysname not in {"Linux", "Darwin"} or not shutil.which("c++"),
    reason="the program needs Linux or macOS and a C++ compiler",
)


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DROPSTUDY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(build, "_failures", {})
    return tmp_path / "cache"


@pytest.fixture
def compiler(empty_cache, tmp_path, monkeypatch):  # noqa: ARG001 - no library is there
    """Make a script the compiler of this machine, which is Linux on x86_64; returns the file that counts its calls."""
    calls = tmp_path / "calls"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")

    def install(script):
        path = tmp_path / "c++"
        path.write_text(f"#!/bin/sh\necho >> {calls}\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return calls

    install('while [ "$1" != -o ]; do shift; done; echo compiled > "$2"')
    return install


def worker_compiled():
    with LocalWorkers(1) as worker_pool:
        return worker_pool.probe().result(timeout=60).compiled


@pytest.mark.slow
@can_be_compiled
def test_the_library_is_compiled_once_and_found_again(empty_cache):
    path = kernels().path
    assert path.parent == empty_cache / "kernels"
    compiled = path.stat().st_mtime_ns
    code = "from dropstudy.engine.native.build import kernels; print(kernels().path)"
    output = subprocess.check_output([sys.executable, "-c", code], text=True)  # noqa: S603 - ours
    assert output.strip() == str(path)
    assert path.stat().st_mtime_ns == compiled
    assert sorted(each.suffix for each in path.parent.iterdir()) == [".lock", ".sha256", ".so"]


def test_concurrent_calls_compile_once(compiler):
    calls = compiler('sleep 0.3; while [ "$1" != -o ]; do shift; done; touch "$2"')
    with ThreadPoolExecutor(4) as threads:
        paths = {threads.submit(kernels).result().path for _ in range(4)}
    assert len(paths) == 1
    assert len(calls.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("script", "reason"),
    [("echo 'fatal: no headers' >&2; exit 1", "fatal: no headers"), ("exit 3", "status 3")],
)
def test_a_compiler_that_fails_is_named_and_not_called_again(empty_cache, compiler, script, reason):
    calls = compiler(script)
    for _ in range(2):
        path, obstacle = kernels()
        assert path is None
        assert Engine.COMPILER_FAILED.format(compiler="c++") in obstacle
        assert reason in obstacle
    assert len(calls.read_text().splitlines()) == 1
    assert not list(empty_cache.glob("kernels/*.so"))


@pytest.mark.usefixtures("compiler")
def test_without_a_compiler_xla_does_the_work(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert kernels() == (None, Engine.NO_COMPILER)
    assert not worker_compiled()


@pytest.mark.usefixtures("empty_cache")
def test_on_another_system_xla_does_the_work(monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Windows")
    assert kernels().path is None
    assert "Windows" in kernels().obstacle


@pytest.mark.usefixtures("empty_cache")
def test_they_can_be_switched_off(monkeypatch):
    monkeypatch.setenv(VARIABLE, "off")
    assert kernels() == (None, f"switched off by {VARIABLE}")
    assert not worker_compiled()


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "one bit": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
    "no digest": lambda path: cache._digest_file(path).unlink(),
    "empty digest": lambda path: cache._digest_file(path).write_bytes(b""),
}


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_library_is_compiled_again(damage):
    path = kernels().path
    damage(path)
    assert kernels() == (path, "")
    assert path.read_bytes() == b"compiled\n"
    assert cache.is_intact(path)


@pytest.mark.usefixtures("compiler")
def test_a_damaged_library_that_cannot_be_compiled_again_is_not_used(monkeypatch):
    kernels().path.write_bytes(b"")
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert kernels() == (None, Engine.NO_COMPILER)


@pytest.mark.usefixtures("compiler")
def test_another_kind_of_processor_has_a_library_of_its_own(monkeypatch):
    here = kernels().path
    monkeypatch.setattr(hardware, "_cpu_flags", lambda: {"sse2"})
    assert kernels().path not in {here, None}


@pytest.mark.parametrize("content", [b"", b"\x7fELF, and no more"])
def test_a_library_that_does_not_load_is_not_used(tmp_path, monkeypatch, content):
    (tmp_path / "library.so").write_bytes(content)
    monkeypatch.setattr("dropstudy.runtime.process.kernels", lambda: build.Kernels(tmp_path / "library.so"))
    assert not worker_compiled()


@pytest.mark.usefixtures("compiler")
def test_without_the_library_and_its_place_xla_does_the_work():
    path = kernels().path
    path.unlink()
    path.mkdir()  # so it cannot be compiled again
    assert not worker_compiled()


def test_doctor_reports_a_worker_that_dies(monkeypatch):
    monkeypatch.setenv(VARIABLE, "off")
    monkeypatch.setattr(local, "worker_info", partial(os._exit, 1))
    device, *_ = doctor.machine_lines()
    assert "but its worker failed (TerminatedWorkerError: " in device
    assert "\n" not in device
