"""Real worker processes: their environment, their deaths, their shutdown."""

import atexit
import errno
import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zlib
from concurrent.futures import BrokenExecutor, CancelledError
from pathlib import Path

import psutil
import pytest
from loky.backend import fork_exec
from loky.backend.context import LokyContext

import fast_command
from command_line import run_process
from dropstudy.core.hardware import physical_cores
from dropstudy.data.cache import code_folder
from dropstudy.engine.native.library import VARIABLE
from dropstudy.errors import StoreError
from dropstudy.runtime import process
from dropstudy.runtime.local import LocalWorkers
from dropstudy.runtime.process import programs_folder
from dropstudy.study.study import Study
from expected import Runtime

TIMEOUT = 60  # seconds until a test counts as hung
HERE = str(Path(__file__).parents[1])


@pytest.fixture
def worker_pool():
    """Two workers, killed after the test."""
    before = children()
    workers = LocalWorkers(2)
    yield workers
    workers.shutdown(wait=True, cancel_futures=True)
    assert_gone(children() - before)


def children():
    """Child processes, without the resource tracker of loky."""
    return {
        child
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and "resource_tracker" not in " ".join(child.cmdline())
    }


def assert_gone(processes):
    _, alive = psutil.wait_procs(list(processes), timeout=TIMEOUT)
    assert alive == []


def until(condition):
    """Wait until a condition holds."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


# What tests send to workers


_GROWN = []


def grow(mebibytes):
    """Allocate memory and hold it, as training does; returns the process number."""
    _GROWN.append(bytearray(os.urandom(2**20)) * mebibytes)
    time.sleep(1.1)  # loky looks at most once a second
    return os.getpid()


def environment_of_worker():
    return dict(os.environ)


def meet(folder, count):
    """Wait until `count` workers have arrived; returns the process number."""
    (folder / str(os.getpid())).touch()
    until(lambda: len(list(folder.iterdir())) >= count)
    return os.getpid()


def stay_until_gone(mark):
    """Write the process number to the mark, and wait until the mark is removed."""
    draft = mark.with_suffix(".draft")
    draft.write_text(str(os.getpid()))
    draft.rename(mark)
    until(lambda: not mark.exists())
    return os.getpid()


def wait_for_ever(mark):
    mark.touch()
    time.sleep(3600)


def die(number=signal.SIGKILL):
    os.kill(os.getpid(), number)


def hang_at_the_end():
    atexit.register(time.sleep, 3600)


def raise_here():
    message = "in the worker"
    raise LookupError(message)


def busy_share(seconds):
    """Processor seconds per second of wall time, in products of large matrices."""
    import jax  # noqa: PLC0415 - in the worker alone
    import jax.numpy as jnp  # noqa: PLC0415 - as above

    product = jax.jit(lambda a: a @ a)
    square = jnp.ones((1500, 1500))
    product(square).block_until_ready()
    wall, processor = time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < seconds:
        product(square).block_until_ready()
    return (time.process_time() - processor) / (time.perf_counter() - wall)


def no_room(*_args, **_kwargs):
    """Raise the error of a system that allows no more processes."""
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


# The environment of a worker


def test_calls_run_in_processes_of_their_own_as_many_as_asked_for(worker_pool, tmp_path):
    places = [worker_pool.submit(meet, tmp_path, 2) for _ in range(2)]
    first, second = (place.result(timeout=TIMEOUT) for place in places)
    assert len({first, second, os.getpid()}) == 3
    again = {worker_pool.submit(os.getpid).result(timeout=TIMEOUT) for _ in range(6)}
    assert again <= {first, second}


def test_a_worker_has_one_thread_a_shared_cache_and_no_device_but_the_processor(worker_pool, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    environment = worker_pool.submit(environment_of_worker).result(timeout=TIMEOUT)
    assert environment["OMP_NUM_THREADS"] == environment["NPROC"] == "1"
    assert environment["JAX_PLATFORMS"] == "cpu"
    assert environment["JAX_COMPILATION_CACHE_DIR"] == str(code_folder(programs_folder()))
    assert environment["XLA_FLAGS"].split() == [
        "--xla_cpu_enable_fast_math=false",
        "--xla_cpu_multi_thread_eigen=false",
        "intra_op_parallelism_threads=1",
    ]
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ


def test_a_worker_on_a_gpu_has_the_shared_cache_and_no_limit_on_threads(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.delenv("XLA_PYTHON_CLIENT_PREALLOCATE", raising=False)
    monkeypatch.setenv(VARIABLE, "a library for the CPU")
    workers = LocalWorkers(1, "gpu")
    environment = workers.submit(environment_of_worker).result(timeout=TIMEOUT)
    workers.shutdown()
    assert environment["JAX_PLATFORMS"] == "cuda"
    assert environment["JAX_COMPILATION_CACHE_DIR"] == str(code_folder(programs_folder()))
    assert "XLA_FLAGS" not in environment
    assert environment["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert environment[VARIABLE] == "off"
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "true")
    assert process.environment("gpu")["XLA_PYTHON_CLIENT_PREALLOCATE"] == "true"


def test_a_worker_keeps_to_one_core(worker_pool):
    assert worker_pool.submit(busy_share, 1.0).result(timeout=TIMEOUT) < 1.3


def test_workers_use_the_loky_of_their_pool(worker_pool):
    """joblib, a dependency of scikit-learn, registers its own copy of loky under the same name."""
    importlib.import_module("joblib")
    pid = worker_pool.submit(os.getpid).result(timeout=TIMEOUT)
    assert "loky.backend.popen_loky_posix" in psutil.Process(pid).cmdline()


def test_compiled_programs_are_cached_for_the_next_worker(worker_pool):
    worker_pool.submit(busy_share, 0.0).result(timeout=TIMEOUT)
    assert list(code_folder(programs_folder()).iterdir())


@pytest.mark.slow
def test_damaged_programs_are_compiled_and_cached_again(tmp_path, monkeypatch):
    monkeypatch.setenv("DROPSTUDY_CACHE", str(tmp_path))
    monkeypatch.setenv(VARIABLE, "off")  # or they would be compiled, too

    def trained():
        with LocalWorkers(1) as worker_pool:
            worker_pool.submit(busy_share, 0.0).result(timeout=TIMEOUT)
        programs = sorted(code_folder(programs_folder()).glob("*-cache"))
        assert programs
        return {path.name: len(zlib.decompress(path.read_bytes())) for path in programs}

    sizes = trained()
    for number, path in enumerate(sorted(code_folder(programs_folder()).glob("*-cache"))):
        content = path.read_bytes()
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        path.write_bytes((b"", content[:middle], flipped)[number % 3])
    assert trained().keys() == sizes.keys()


def test_the_scheduler_imports_no_array_framework():
    rooms = "dropstudy.runtime.local, dropstudy.runtime.scheduler"
    code = f"import sys, {rooms}; print({{'jax', 'keras'}} & set(sys.modules))"
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_there_is_at_least_one_core_and_no_more_than_this_process_may_use():
    assert 1 <= physical_cores() <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize("error", [errno.EROFS, errno.ENOSPC, errno.ENOENT, errno.EACCES])
def test_a_folder_of_semaphores_that_cannot_be_written_is_named_before_training(tmp_path, monkeypatch, error):
    def lock(_):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(LokyContext, "Lock", lock)
    with pytest.raises(StoreError) as caught:
        Study(data="digits", hidden=(4,), epochs=1, seeds=1, out=tmp_path / "study").run()
    assert caught.value.subject == ("/dev/shm" if sys.platform == "linux" else "semaphores")  # noqa: S108 - its name
    assert caught.value.received == os.strerror(error)
    assert not (tmp_path / "study" / "study.db").exists()
    with LocalWorkers(1) as worker_pool:
        assert isinstance(worker_pool.submit(os.getpid).exception(timeout=TIMEOUT), StoreError)


MOUNTED = 'mount -t tmpfs -o size=4k{options} tmpfs /dev/shm && {{ {before}; exec "$@"; }} || exit 77'


@pytest.mark.skipif(not shutil.which("unshare"), reason="unshare mounts for one process only")
@pytest.mark.parametrize(
    ("options", "before", "received"),
    [
        (",ro", "true", "received Read-only file system"),
        (
            "",
            "head -c 8192 /dev/zero > /dev/shm/filler 2> /dev/null; true",
            "received No space left on device",
        ),
    ],
)
def test_a_mounted_folder_of_semaphores_that_cannot_be_written_is_named(tmp_path, options, before, received):
    script = MOUNTED.format(options=options, before=before)
    mounted = ("unshare", "--mount", "sh", "-c", script, "sh", *fast_command.PROGRAM)
    words = ("run", *fast_command.SETTINGS, "--out", tmp_path / "study")
    output = run_process(*words, program=mounted, **fast_command.environment())
    if output.code in {1, 77}:
        pytest.skip(f"not allowed to mount: {output.err}")
    assert output.is_error(f"Error: /dev/shm: {Runtime.NO_SEMAPHORES}", received)
    assert not (tmp_path / "study" / "study.db").exists()


# Killed workers


def test_a_worker_that_is_killed_fails_its_own_call_and_the_next_one_works(worker_pool, tmp_path):
    marks = [tmp_path / "doomed", tmp_path / "other"]
    doomed, other = (worker_pool.submit(stay_until_gone, mark) for mark in marks)
    until(lambda: all(mark.exists() for mark in marks))
    doomed_pid, other_pid = (int(mark.read_text()) for mark in marks)
    os.kill(doomed_pid, signal.SIGKILL)
    assert isinstance(doomed.exception(timeout=TIMEOUT), BrokenExecutor)
    assert not other.done()
    assert worker_pool.submit(os.getpid).result(timeout=TIMEOUT) not in {doomed_pid, other_pid}
    marks[1].unlink()
    assert other.result(timeout=TIMEOUT) == other_pid


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_call_reports_that_its_worker_was_killed(worker_pool, number):
    assert isinstance(worker_pool.submit(die, number).exception(timeout=TIMEOUT), BrokenExecutor)
    assert worker_pool.submit(os.getpid).result(timeout=TIMEOUT) != os.getpid()


def test_a_worker_killed_while_it_is_sent_a_large_segment_fails_that_call_only(worker_pool):
    """The segment is larger than the pipe, which fills up if the worker does not read."""
    pid = worker_pool.submit(os.getpid).result(timeout=TIMEOUT)
    os.kill(pid, signal.SIGSTOP)
    sent = worker_pool.submit(len, bytes(20_000_000))
    time.sleep(0.2)
    os.kill(pid, signal.SIGKILL)
    assert isinstance(sent.exception(timeout=TIMEOUT), BrokenExecutor)
    assert worker_pool.submit(len, bytes(20_000_000)).result(timeout=TIMEOUT) == 20_000_000


def test_a_worker_killed_as_hung_fails_its_own_call_only(worker_pool, tmp_path):
    marks = [tmp_path / "hung", tmp_path / "other"]
    hung, other = (worker_pool.submit(stay_until_gone, mark) for mark in marks)
    until(lambda: all(mark.exists() for mark in marks))
    waiting = worker_pool.submit(os.getpid)
    os.kill(int(marks[0].read_text()), signal.SIGSTOP)
    worker_pool.kill(waiting)  # has no worker yet: nothing to kill
    worker_pool.kill(hung)
    assert isinstance(hung.exception(timeout=TIMEOUT), BrokenExecutor)
    assert waiting.result(timeout=TIMEOUT) != int(marks[0].read_text())
    worker_pool.kill(waiting)  # answered: its worker is no longer its own
    assert not other.done()
    marks[1].unlink()
    assert other.result(timeout=TIMEOUT)
    assert worker_pool.submit(os.getpid).exception(timeout=TIMEOUT) is None


def test_a_worker_that_cannot_be_started_counts_as_lost(worker_pool, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(fork_exec, "fork_exec", no_room)
        error = worker_pool.submit(os.getpid).exception(timeout=TIMEOUT)
    assert isinstance(error, BrokenExecutor)
    assert "Resource temporarily unavailable" in str(error)
    assert worker_pool.submit(os.getpid).exception(timeout=TIMEOUT) is None


def test_an_error_in_a_worker_is_returned_with_its_traceback_and_the_worker_continues(worker_pool):
    pid = worker_pool.submit(os.getpid).result(timeout=TIMEOUT)
    error = worker_pool.submit(raise_here).exception(timeout=TIMEOUT)
    assert isinstance(error, LookupError)
    assert "in raise_here" in str(error.__cause__)
    assert worker_pool.submit(os.getpid).result(timeout=TIMEOUT) == pid


def test_workers_ignore_ctrl_c(worker_pool, tmp_path):
    mark = tmp_path / "mark"
    call = worker_pool.submit(stay_until_gone, mark)
    until(mark.exists)
    pid = int(mark.read_text())
    os.kill(pid, signal.SIGINT)
    time.sleep(0.1)
    mark.unlink()
    assert call.exception(timeout=TIMEOUT) is None
    assert call.result() == pid


# The end


def test_a_shutdown_finishes_submitted_calls_and_leaves_no_process():
    before = children()
    workers = LocalWorkers(2)
    calls = [workers.submit(pow, 2, number) for number in range(8)]
    workers.shutdown()
    assert [call.result(timeout=0) for call in calls] == [1, 2, 4, 8, 16, 32, 64, 128]
    assert children() == before
    with pytest.raises(RuntimeError):
        workers.submit(pow, 2, 2)


def test_a_worker_that_hangs_at_exit_does_not_delay_the_shutdown():
    with LocalWorkers(1) as workers:
        workers.submit(hang_at_the_end).result(timeout=TIMEOUT)
        started, began = children(), time.monotonic()
    assert time.monotonic() - began < TIMEOUT / 2
    assert_gone(started)


def test_a_shutdown_that_cancels_kills_busy_workers_and_starts_no_more(tmp_path):
    before = children()
    workers = LocalWorkers(2)
    marks = [tmp_path / str(number) for number in range(6)]
    calls = [workers.submit(wait_for_ever, mark) for mark in marks]
    until(lambda: sum(mark.exists() for mark in marks) == 2)
    started = children() - before
    assert len(started) == 2
    workers.shutdown(wait=False, cancel_futures=True)
    assert_gone(started)
    until(lambda: all(call.done() for call in calls))
    assert sum(call.cancelled() for call in calls) == 4
    assert all(call.cancelled() or call.exception() is not None for call in calls)
    assert sum(mark.exists() for mark in marks) == 2
    assert children() == before


def test_a_shutdown_that_cancels_while_workers_start_leaves_no_process(tmp_path):
    """A study is interrupted in its first second."""
    before = children()
    for delay in (0, 0.001, 0.01, 0.05, 0.1):
        workers = LocalWorkers(2)
        calls = [workers.submit(wait_for_ever, tmp_path / "mark") for _ in range(4)]
        time.sleep(delay)
        workers.shutdown(wait=True, cancel_futures=True)
        for call in calls:
            with pytest.raises((CancelledError, RuntimeError)):
                call.result(timeout=TIMEOUT)
        assert_gone(children() - before)


def test_a_call_submitted_just_before_the_shutdown_starts_no_worker():
    before = children()
    workers = LocalWorkers(1)
    workers.shutdown(cancel_futures=True)
    with pytest.raises(CancelledError):
        workers._call(os.getpid, [])  # what a thread does that was on its way when the end came
    assert children() == before


def test_unused_workers_end_too():
    LocalWorkers(2).shutdown()
    LocalWorkers(2).shutdown(wait=False, cancel_futures=True)


SCRIPT = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {here!r})
from dropstudy.runtime.local import LocalWorkers

def answer():
    return os.getpid()

workers = LocalWorkers(2)
print(workers.submit(answer).result(), flush=True)
{rest}
"""


def start(tmp_path, rest):
    """Start a script without a main guard, as users write it; returns its process and its worker."""
    script = tmp_path / "scheduler.py"
    script.write_text(SCRIPT.format(here=HERE, rest=rest))
    command = [sys.executable, str(script)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_workers_do_not_outlive_a_scheduler_that_is_killed(tmp_path, busy):
    with start(
        tmp_path, f"{'workers.submit(time.sleep, 3600)' if busy else ''}\ntime.sleep(3600)"
    ) as process:
        worker = psutil.Process(int(process.stdout.readline()))
        started = psutil.Process(process.pid).children(recursive=True)
        assert worker in started
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert_gone(started)


def test_a_script_without_a_guard_ends_by_itself_once_its_workers_are_shut_down(tmp_path):
    with start(tmp_path, "workers.shutdown()") as process:
        pid = int(process.stdout.readline())
        assert process.wait(timeout=TIMEOUT) == 0
    assert not psutil.pid_exists(pid)


SLOW_END = """
import threading
import loky.backend.queues as queues, loky.backend.synchronize as synchronize

feed = queues.Queue._feed

def feed_and_linger(*words):
    feed(*words)
    time.sleep(0.2)

def remove(name):
    synchronize.sem_unlink(name)
    if threading.current_thread().name == "QueueFeederThread":
        time.sleep(0.6)
    synchronize.resource_tracker.unregister(name, "semlock")

queues.Queue._feed = staticmethod(feed_and_linger)
synchronize.SemLock._cleanup = staticmethod(remove)
workers.shutdown()
workers = LocalWorkers(1)
workers.submit(answer).result()
"""


@pytest.mark.slow
@pytest.mark.parametrize("end", ["shutdown()", "shutdown(cancel_futures=True)"])
def test_a_shutdown_leaves_nothing_that_loky_warns_about(tmp_path, end):
    """The threads that served the workers may end slowly."""
    with start(tmp_path, f"{SLOW_END}workers.{end}\ntime.sleep(0.5)") as process:
        _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0
    assert errors == ""


def test_a_script_that_does_not_shut_its_workers_down_ends_too(tmp_path):
    with start(tmp_path, "") as process:
        pid = int(process.stdout.readline())
        assert process.wait(timeout=TIMEOUT) == 0
    until(lambda: not psutil.pid_exists(pid))


def test_a_worker_that_needs_more_memory_is_not_restarted_as_leaking():
    with LocalWorkers(1) as worker_pool:
        first, *later = [worker_pool.submit(grow, size).result(timeout=TIMEOUT) for size in (1, 400, 1)]
    assert later == [first, first]
