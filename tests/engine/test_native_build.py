"""The compiled training program is found or made once; what is wrong with it ends in XLA's programs and a line."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psutil
import pytest

from command_line import TINY, run_process
from dropstudy.core import hardware
from dropstudy.data import cache
from dropstudy.data.load import load_dataset
from dropstudy.engine.native import build, check
from dropstudy.engine.native.build import CARRIED, SOURCE, Kernels, kernels
from dropstudy.engine.native.check import check_fault
from dropstudy.engine.native.library import VARIABLE, VERSION, load_fault, loaded_library
from dropstudy.runtime import doctor, local, process
from dropstudy.runtime.local import LocalWorkers
from dropstudy.runtime.workers import open_pool
from expected import Engine, Runtime
from file_systems import small_disk
from small_runs import run_on, segment_of, train_segment

COMPILER = shutil.which("c++")  # of this machine; tests put their own first
can_be_compiled = pytest.mark.skipif(
    os.uname().sysname not in {"Linux", "Darwin"} or not COMPILER,
    reason="the program needs Linux or macOS and a C++ compiler",
)

TO_OUTPUT = 'while [ "$1" != -o ]; do shift; done; '
"""Script of a compiler: its output file is then `$2`."""


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DROPSTUDY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(build, "_failures", {})
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def real_library(cache_folder):
    """A library that works here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DROPSTUDY_CACHE", str(cache_folder))
        patch.delenv(VARIABLE, raising=False)
        built = kernels()
    if built.path is None:
        pytest.skip(built.obstacle)
    return built.path


@pytest.fixture
def compiler(empty_cache, tmp_path, monkeypatch, real_library):  # noqa: ARG001 - no library is there
    """Make a script the compiler of this machine, which is Linux on x86_64; returns the file that counts its calls.

    It copies a library that works; whether it does is checked where a test asks for that.
    """
    calls = tmp_path / "calls"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(build, "check_fault", lambda _: "")

    def install(script):
        path = tmp_path / "c++"
        path.write_text(f"#!/bin/sh\necho >> {calls}\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return calls

    install(f'{TO_OUTPUT} cp {real_library} "$2"')
    return install


@pytest.fixture
def checked(compiler, monkeypatch):  # noqa: ARG001 - which replaces the check
    """Let a library that was just compiled be checked, as users have it."""
    monkeypatch.setattr(build, "check_fault", check_fault)


def library_of(code, path):
    """Compile a few lines of C++."""
    command = (COMPILER, "-shared", "-fPIC", "-x", "c++", "-", "-o", str(path))
    subprocess.run(command, input=f'extern "C" {{ {code} }}', text=True, check=True)  # noqa: S603 - ours
    return path


def processor_with(instructions, tmp_path, monkeypatch):
    """Give this machine a processor with some instructions."""
    path = tmp_path / "cpuinfo"
    path.write_text(f"model name : one of the tests\nflags : {' '.join(instructions)}\n")
    monkeypatch.setattr(hardware, "_CPU_INFO", path)


def worker_compiled():
    with LocalWorkers(1) as worker_pool:
        return worker_pool.probe().result(timeout=60).compiled


def line_of_xla():
    """Open a pool whose workers train with XLA's programs; returns the one line that says so."""
    lines = []
    with open_pool(None, workers=1, device="cpu", runs=1, notify=lines.append):
        pass
    assert process.environment("cpu")[VARIABLE] == "off"
    *before, line = lines
    assert len(before) <= 1
    assert all(text.startswith(Engine.COMPILING) for text in before)
    assert "\n" not in line
    assert Runtime.XLA_TRAINS.format(kernels().obstacle) == line
    return line


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


def test_concurrent_calls_compile_once(compiler, real_library):
    calls = compiler(f'sleep 0.3; {TO_OUTPUT} cp {real_library} "$2"')
    with ThreadPoolExecutor(4) as threads:
        paths = {threads.submit(kernels).result().path for _ in range(4)}
    assert len(paths) == 1
    assert len(calls.read_text().splitlines()) == 1


# What compilers print, and what of it a user needs.
WITHOUT_VECTORS = """
cat >&2 << 'END'
mlp.cc: In instantiation of 'Vec {anonymous}::Sqrt(Vec)':
mlp.cc:218:20: required from here
mlp.cc:36:15: error: vector_size attribute is not supported
mlp.cc:37:18: error: and more of this
END
exit 1
"""
FAILING = {
    "no headers": ("echo 'fatal: no headers' >&2; exit 1", "fatal: no headers"),
    "a status": ("exit 3", "status 3"),
    "an old one: flag": (
        """echo "c++: error: unrecognized command line option '-std=c++17'" >&2; exit 1""",
        "unrecognized command line option '-std=c++17'",
    ),
    "an old one: vectors": (WITHOUT_VECTORS, "mlp.cc:36:15: error: vector_size attribute is not supported"),
    "a crash": ("kill -SEGV $$", "killed by SIGSEGV"),
    "no memory": ("echo 'mlp.cc: some words' >&2; kill -KILL $$", "killed by SIGKILL"),
}


@pytest.mark.parametrize(("script", "reason"), FAILING.values(), ids=FAILING)
def test_a_compiler_that_fails_is_named_and_not_called_again(empty_cache, compiler, script, reason):
    calls = compiler(script)
    line = line_of_xla()
    assert Engine.COMPILER_FAILED.format(compiler="c++") in line
    assert line.endswith(f"{reason}.")
    assert len(calls.read_text().splitlines()) == 1
    assert not list(empty_cache.glob("kernels/*.so"))


@pytest.mark.usefixtures("empty_cache")
def test_a_compiler_that_cannot_be_started_is_named(compiler, tmp_path):
    compiler("")
    (tmp_path / "c++").write_bytes(b"\x7fELF, of another architecture")
    assert "Exec format error" in line_of_xla()


def assert_ends(pid_file):
    """Wait for the end of a process; a parent that does not ask after it leaves a zombie."""
    pid, deadline = int(pid_file.read_text()), time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_compiler_that_hangs_is_killed_with_its_processes(compiler, tmp_path, monkeypatch):
    compiler(f"sleep 1000 & echo $! > {tmp_path / 'pid'}; wait")
    monkeypatch.setattr(build, "_TIMEOUT", 1.0)
    assert "not done within 1 s" in line_of_xla()
    assert_ends(tmp_path / "pid")


def test_an_interrupted_command_ends_its_compiler(compiler, tmp_path):
    pid_file = tmp_path / "pid"
    calls = compiler(f"sleep 1000 & echo $! > {pid_file}.new; mv {pid_file}.new {pid_file}; wait")
    code = "from dropstudy.engine.native.build import kernels; kernels()"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) as command:  # noqa: S603 - ours
        while not pid_file.exists():
            assert command.poll() is None
            time.sleep(0.01)
        command.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in command.stderr.read()
    assert_ends(pid_file)
    assert len(calls.read_text().splitlines()) == 1


CRASH = "int dropstudy_version() { __builtin_trap(); }"
HANG = "int dropstudy_version() { for (volatile int i = 0;; i++); }"
ANOTHER = f"has interface 99, expected {VERSION}"
OTHER_VERSION = "int dropstudy_version() { return 99; }"
NO_MORE = f"int dropstudy_version() {{ return {VERSION}; }}"
NOTHING_DONE = f"{NO_MORE} int dropstudy_train() {{ return 0; }} void dropstudy_uniform() {{}}"
BAD_LIBRARIES = {
    "crashes": (CRASH, "killed by SIG"),
    "hangs": (HANG, "not done within 2 s"),
    "other version": (OTHER_VERSION, ANOTHER),
    "lacks a function": (NO_MORE, "dropstudy_"),
    "wrong numbers": (NOTHING_DONE, "its numbers are wrong"),
}


@pytest.mark.usefixtures("checked")
@pytest.mark.parametrize("fault", BAD_LIBRARIES)
def test_a_library_that_does_not_work_is_not_kept(empty_cache, compiler, tmp_path, monkeypatch, fault):
    code, reason = BAD_LIBRARIES[fault]
    bad = library_of(code, tmp_path / "bad.so")
    compiler(f'{TO_OUTPUT} cp {bad} "$2"')
    monkeypatch.setattr(check, "_CHECK_TIMEOUT", 2.0 if code == HANG else 60.0)
    line = line_of_xla()
    assert Engine.CHECK_FAILED.format(compiler=tmp_path / "c++") in line
    assert reason in line
    assert not list(empty_cache.glob("kernels/*.so"))


@pytest.mark.usefixtures("checked")
@pytest.mark.parametrize("size", [None, 0, 100, 20_000])
def test_a_compiler_that_writes_too_little_is_found(compiler, real_library, size):
    compiler("" if size is None else f'{TO_OUTPUT} head -c {size} {real_library} > "$2"')
    assert Engine.CHECK_FAILED.split("{compiler}")[1] in line_of_xla()


def test_a_library_that_works_passes_its_check(real_library):
    assert check_fault(real_library) == ""


@pytest.mark.usefixtures("compiler")
def test_a_full_disk_ends_in_a_line(tmp_path, monkeypatch):
    with small_disk(tmp_path / "full", 16) as folder:
        monkeypatch.setenv("DROPSTUDY_CACHE", str(folder / "cache"))
        assert Engine.NOT_STORED in line_of_xla()
        assert "No space left on device" in kernels().obstacle
        assert not list(folder.glob("cache/kernels/*.so"))


@pytest.mark.usefixtures("compiler")
def test_a_full_disk_of_temporary_files_ends_in_a_line(tmp_path, monkeypatch):
    with small_disk(tmp_path / "full", 16) as folder:
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        assert "No space left on device" in line_of_xla()


@pytest.mark.usefixtures("compiler")
def test_a_cache_that_cannot_be_written_is_replaced_for_one_command(tmp_path, monkeypatch):
    lines = []
    (tmp_path / "temporary").mkdir(mode=0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    cache._temporary_folder.cache_clear()
    with small_disk(tmp_path / "fixed", 1000) as folder:
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)  # noqa: S603, S607 - as small_disk
        monkeypatch.setenv("DROPSTUDY_CACHE", str(folder))
        path = kernels(lines.append).path
    cache._temporary_folder.cache_clear()
    assert path.is_relative_to(tmp_path / "temporary")
    assert lines == [Engine.COMPILING + "in each command, since the cache cannot be written."]


@pytest.mark.slow
@can_be_compiled
def test_a_study_trains_whatever_the_compiler_does(tmp_path):
    (tmp_path / "c++").write_text(f'#!/bin/sh\n{TO_OUTPUT} head -c 20000 /bin/sh > "$2"\n')
    (tmp_path / "c++").chmod(0o755)
    command = ("run", *TINY, "--rates", "0.5", "--out", tmp_path / "study")
    done = run_process(
        *command,
        DROPSTUDY_CACHE=tmp_path / "cache",
        PATH=f"{tmp_path}:{os.environ['PATH']}",
        **{VARIABLE: ""},
    )
    assert done.code == 0
    assert done.out.count(Runtime.XLA_TRAINS.split("{}")[0]) == 1
    assert "Traceback" not in done.out + done.err


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
    "no digest": lambda path: cache.digest_file(path).unlink(),
    "empty digest": lambda path: cache.digest_file(path).write_bytes(b""),
}


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_library_is_compiled_again(real_library, damage):
    path = kernels().path
    damage(path)
    assert kernels() == (path, "")
    assert path.read_bytes() == real_library.read_bytes()
    assert cache.is_intact(path)


@pytest.mark.usefixtures("compiler")
def test_a_damaged_library_that_cannot_be_compiled_again_is_not_used(monkeypatch):
    kernels().path.write_bytes(b"")
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert kernels() == (None, Engine.NO_COMPILER)


@pytest.mark.usefixtures("compiler")
def test_another_kind_of_processor_has_a_library_of_its_own(tmp_path, monkeypatch):
    here = kernels().path
    processor_with(["sse2"], tmp_path, monkeypatch)
    assert kernels().path not in {here, None}


@pytest.mark.parametrize("name", [path.name for path in (SOURCE, *sorted(SOURCE.parent.glob("*.h")))])
def test_a_change_in_any_file_of_the_program_compiles_it_anew(name, compiler, tmp_path, monkeypatch):  # noqa: ARG001 - or this machine's compiler
    folder = tmp_path / "package"
    shutil.copytree(SOURCE.parent, folder)
    monkeypatch.setattr(build, "SOURCE", folder / SOURCE.name)
    before = kernels().path
    with (folder / name).open("a") as file:
        file.write("// changed\n")
    assert kernels().path not in {None, before}


@pytest.fixture
def wheel(compiler, tmp_path, monkeypatch, real_library):  # noqa: ARG001 - or this machine's compiler
    """Folder of a package that carries libraries, and a machine without a compiler."""
    folder = tmp_path / "package"
    folder.mkdir()
    shutil.copy(SOURCE, folder)
    for each in CARRIED:
        cache.store_code(folder / each.file, real_library.read_bytes())
    monkeypatch.setattr(build, "SOURCE", folder / SOURCE.name)
    monkeypatch.setattr("shutil.which", lambda _: None)
    return folder


AVX512, AVX2 = CARRIED


@pytest.mark.parametrize("carried", CARRIED, ids=lambda carried: carried.name)
def test_the_fastest_library_that_the_processor_runs_is_taken_from_the_wheel(
    wheel, tmp_path, monkeypatch, carried, empty_cache
):
    processor_with([*carried.instructions, "one more"], tmp_path, monkeypatch)
    assert kernels() == (wheel / carried.file, "")
    assert not (empty_cache / "kernels").exists()


@pytest.mark.parametrize("missing", sorted(AVX2.instructions))
def test_a_processor_that_lacks_an_instruction_takes_no_library_of_the_wheel(
    wheel, tmp_path, monkeypatch, missing
):  # fmt: skip
    assert wheel
    processor_with(AVX512.instructions - {missing}, tmp_path, monkeypatch)
    line = line_of_xla()
    assert "the wheel's are for AVX-512 and AVX2" in line
    assert Engine.NO_COMPILER in line


def test_another_architecture_takes_no_library_of_the_wheel(wheel, tmp_path, monkeypatch):
    assert wheel
    processor_with(AVX512.instructions, tmp_path, monkeypatch)
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert Engine.NO_COMPILER in line_of_xla()


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_library_of_the_wheel_is_not_used(wheel, tmp_path, monkeypatch, damage):
    processor_with(AVX512.instructions, tmp_path, monkeypatch)
    damage(wheel / AVX512.file)
    assert kernels() == (wheel / AVX2.file, "")


@can_be_compiled
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="flags of x86-64")
@pytest.mark.parametrize("carried", CARRIED, ids=lambda carried: carried.name)
def test_the_instructions_asked_for_are_those_that_the_compiler_may_use(carried):
    def macros(flag):
        command = (COMPILER, flag, "-dM", "-E", "-x", "c++", os.devnull)
        lines = subprocess.check_output(command, text=True).splitlines()  # noqa: S603 - ours
        return {line.split()[1].strip("_").lower() for line in lines if line.split()[2:] == ["1"]}

    linux = {"lzcnt": "abm", "bmi": "bmi1"}
    used = {linux.get(name, name) for name in macros(carried.flag) - macros("-march=x86-64-v2")}
    # XSAVE is the system's to use; the others say that a fused multiplication is fast.
    assert {name for name in used if not name.startswith("fp_fast_fma")} - {"xsave"} == carried.instructions


NOT_LOADED = {
    "empty": (lambda path: path.touch(), "file too short"),
    "damaged": (lambda path: path.write_bytes(b"\x7fELF, and no more"), "file too short"),
    "none": (lambda _: None, "No such file"),
    "another version": (partial(library_of, OTHER_VERSION), ANOTHER),
}


@can_be_compiled
@pytest.mark.parametrize(("make", "reason"), NOT_LOADED.values(), ids=NOT_LOADED)
def test_a_library_that_cannot_be_loaded_is_not_used(tmp_path, monkeypatch, make, reason):
    make(tmp_path / "library.so")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "library.so"))
    assert loaded_library() is None
    assert load_fault().startswith(Engine.NOT_LOADED)
    assert reason in load_fault()


@pytest.fixture
def not_loaded(tmp_path, monkeypatch):
    """Give workers a library that cannot be loaded, although it was compiled; returns the reason."""
    library_of(OTHER_VERSION, tmp_path / "library.so")
    for user in ("doctor", "process", "workers"):
        monkeypatch.setattr(f"dropstudy.runtime.{user}.kernels", lambda *_: Kernels(tmp_path / "library.so"))
    return ANOTHER


@can_be_compiled
def test_doctor_says_why_a_library_cannot_be_loaded(not_loaded):
    (program,) = (line for line in doctor.machine_lines() if line.startswith("program: "))
    assert program.startswith(f"program: XLA's: {Engine.NOT_LOADED}")
    assert not_loaded in program
    assert "\n" not in program


@can_be_compiled
def test_a_worker_says_why_a_library_cannot_be_loaded(tmp_path, monkeypatch):
    segment = segment_of(run_on(load_dataset("digits")), load_dataset("digits"), steps=1)
    assert train_segment(segment).notice == ""
    monkeypatch.setenv(VARIABLE, str(library_of(OTHER_VERSION, tmp_path / "library.so")))
    notice = train_segment(segment).notice
    assert notice == Runtime.XLA_TRAINS.format(load_fault())
    assert ANOTHER in notice


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
