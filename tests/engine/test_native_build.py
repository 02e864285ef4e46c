"""Our kernels are compiled once, where they can be, and their want is no obstacle."""

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
from dropstudy.engine.native import build as room
from dropstudy.engine.native.build import VARIABLE, kernels
from dropstudy.runtime import doctor, local
from dropstudy.runtime.local import LocalWorkers

can_be_made = pytest.mark.skipif(
    (os.uname().sysname, os.uname().machine) != ("Linux", "x86_64") or not shutil.which("c++"),
    reason="our kernels are written for Linux on x86_64 and want a C++ compiler",
)


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DROPSTUDY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(room, "_failures", {})
    return tmp_path / "cache"


def compiler(folder, name, script):
    """A program that stands for a compiler."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.slow
@can_be_made
def test_the_library_is_made_once_and_found_again(empty_cache):
    path = kernels().path
    assert path.parent == empty_cache / "kernels"
    made = path.stat().st_mtime_ns
    command = (
        sys.executable,
        "-c",
        "from dropstudy.engine.native.build import kernels; print(kernels().path)",
    )
    said = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert said.stdout.strip() == str(path)
    assert path.stat().st_mtime_ns == made
    assert sorted(each.suffix for each in path.parent.iterdir()) == [".lock", ".sha256", ".so"]


@pytest.mark.usefixtures("empty_cache")
def test_many_that_ask_at_once_make_one(tmp_path, monkeypatch):
    calls = tmp_path / "calls"
    slow = f'echo >> {calls}; sleep 0.3; while [ "$1" != -o ]; do shift; done; touch "$2"'
    compiler(tmp_path, "c++", slow)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    with ThreadPoolExecutor(4) as threads:
        made = {threads.submit(kernels).result().path for _ in range(4)}
    assert len(made) == 1
    assert len(calls.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("script", "said"),
    [("echo 'fatal: no headers' >&2; exit 1", "fatal: no headers"), ("exit 3", "status 3")],
)
def test_a_compiler_that_fails_is_told_of_and_not_asked_again(
    empty_cache, tmp_path, monkeypatch, script, said
):
    calls = tmp_path / "calls"
    compiler(tmp_path, "c++", f"echo >> {calls}; {script}")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    for _ in range(2):
        assert kernels().path is None
        assert "c++ could not compile them" in kernels().obstacle
        assert said in kernels().obstacle
    assert len(calls.read_text().splitlines()) == 1
    assert not list(empty_cache.glob("kernels/*.so"))


@pytest.mark.usefixtures("empty_cache")
def test_a_machine_without_a_compiler_does_without(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert kernels() == (None, "no C++ compiler (c++, g++ or clang++) to compile them")
    with LocalWorkers(1) as worker_pool:
        assert worker_pool.probe().result(timeout=60).kernel_precisions == ()


@pytest.mark.usefixtures("empty_cache")
def test_another_system_does_without(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert kernels().path is None
    assert "arm64" in kernels().obstacle


@pytest.mark.usefixtures("empty_cache")
def test_they_can_be_switched_off(monkeypatch):
    monkeypatch.setenv(VARIABLE, "off")
    assert kernels() == (None, f"switched off by {VARIABLE}")
    with LocalWorkers(1) as worker_pool:
        assert worker_pool.probe().result(timeout=60).kernel_precisions == ()


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "one bit": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
    "no digest": lambda path: cache._digest_file(path).unlink(),
    "empty digest": lambda path: cache._digest_file(path).write_bytes(b""),
}


@pytest.fixture
def stand_in_compiler(tmp_path, monkeypatch):
    """Makes a file of some bytes, at once."""
    compiler(tmp_path, "c++", 'while [ "$1" != -o ]; do shift; done; echo compiled > "$2"')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


@pytest.mark.usefixtures("empty_cache", "stand_in_compiler")
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_library_is_made_again(damage):
    path = kernels().path
    damage(path)
    assert kernels() == (path, "")
    assert path.read_bytes() == b"compiled\n"
    assert cache.is_intact(path)


@pytest.mark.usefixtures("empty_cache", "stand_in_compiler")
def test_a_damaged_library_that_cannot_be_made_again_is_done_without(monkeypatch):
    kernels().path.write_bytes(b"")
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert kernels() == (None, "no C++ compiler (c++, g++ or clang++) to compile them")


@pytest.mark.usefixtures("empty_cache", "stand_in_compiler")
def test_another_kind_of_processor_has_a_library_of_its_own(monkeypatch):
    here = kernels().path
    monkeypatch.setattr(hardware, "_cpu_flags", lambda: {"sse2"})
    assert kernels().path not in {here, None}


@pytest.mark.parametrize("content", [b"", b"\x7fELF, and no more"])
def test_a_library_that_does_not_load_is_done_without(tmp_path, monkeypatch, content):
    (tmp_path / "library.so").write_bytes(content)
    monkeypatch.setattr("dropstudy.runtime.local.kernels", lambda: room.Kernels(tmp_path / "library.so"))
    with LocalWorkers(1) as worker_pool:
        assert worker_pool.probe().result(timeout=60).kernel_precisions == ()


@pytest.mark.usefixtures("empty_cache", "stand_in_compiler")
def test_a_library_that_has_gone_meanwhile_is_done_without():
    path = kernels().path
    path.unlink()
    path.mkdir()  # nor can it be made again
    with LocalWorkers(1) as worker_pool:
        assert worker_pool.probe().result(timeout=60).kernel_precisions == ()


def test_doctor_says_so_where_a_worker_dies(monkeypatch):
    monkeypatch.setenv(VARIABLE, "off")
    monkeypatch.setattr(local, "worker_info", partial(os._exit, 1))
    device, *_ = doctor.lines()
    assert "but its worker failed (TerminatedWorkerError: " in device
    assert "\n" not in device
