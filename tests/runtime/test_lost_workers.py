"""Workers that are killed, hang or run out of memory, real ones, in the middle of a study."""

import os
import re
import resource
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from dropstudy.errors import DropstudyError
from dropstudy.runtime import local, watchdog
from dropstudy.runtime.scheduler import MAX_ATTEMPTS, train_runs
from dropstudy.runtime.watchdog import Timeouts
from dropstudy.store.store import Store
from expected import Runtime
from fake_training import (
    FakeInputs,
    Recorder,
    assert_finished,
    groups_of_one,
    history_of,
    make_runs,
    split,
    train,
)
from file_systems import quick_folder

OTHERS = ("well", "well too")


@pytest.fixture
def folder():
    with quick_folder() as folder:
        yield folder


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def crashes():
    os.kill(os.getpid(), signal.SIGILL)  # as code for another processor


def hangs():
    os.kill(os.getpid(), signal.SIGSTOP)  # as where the system takes its memory, or a driver never answers
    time.sleep(3600)


def out_of_memory():
    """For real: the system refuses what is asked for."""
    in_use = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (in_use + 2**26, resource.RLIM_INFINITY))
    try:
        np.ones(2**28)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def train_with_fault(marks, fault, times, segments):
    """Train by the rule, but let the run "faulty" meet a fault in its second segment, the first `times` times."""
    (segment,) = segments
    if segment.run.arm.name == "faulty" and segment.done > 0 and len(list(marks.iterdir())) < times:
        (marks / f"{time.monotonic_ns()}").touch()
        fault()
    return (train(segment),)


def study(folder, monkeypatch, fault, *, times):
    """Train three runs, one of them faulty, on two real workers; returns the recorder and the number of faults."""
    marks = folder / "marks"
    marks.mkdir()
    monkeypatch.setattr(local, "train_group", partial(train_with_fault, marks, fault, times))
    runs = make_runs("faulty", *OTHERS)
    worker_pool = local.LocalWorkers(2)
    recorder = Recorder()
    try:
        with Store(folder / "study", create=True) as store:
            store.begin({}, runs)
            train_runs(store, groups_of_one(runs), FakeInputs(split), pool=worker_pool, callback=recorder)
    finally:
        worker_pool.shutdown(wait=True, cancel_futures=True)
    return runs, recorder, len(list(marks.iterdir()))


@pytest.fixture
def short_timeouts(monkeypatch):
    """Seconds after which a worker counts as hung, with time for a slow machine to start one."""
    monkeypatch.setattr(Timeouts, "limit", lambda _, segments: 5.0 if segments[0].done else 30.0)
    monkeypatch.setattr(watchdog, "CHECK_INTERVAL", 0.1)


FAULTY = "'faulty', seed 0"
FAULTS = {
    killed: f"{Runtime.WORKER_DIED.format(FAULTY)} (SIGKILL); {Runtime.TRYING_AGAIN}",
    crashes: f"{Runtime.WORKER_DIED.format(FAULTY)} (SIGILL); {Runtime.TRYING_AGAIN} {Runtime.WITHOUT_COMPILED}",
    out_of_memory: f"{Runtime.OUT_OF_MEMORY.format(FAULTY)}; {Runtime.TRYING_AGAIN}",
    hangs: f"{Runtime.WORKER_DIED.format(FAULTY)} (silent for ",
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_lost_segment_is_repeated_and_the_run_ends_as_without_the_loss(folder, monkeypatch, fault, request):
    if fault is hangs:
        request.getfixturevalue("short_timeouts")
    times = 1 if fault is hangs else MAX_ATTEMPTS - 1
    runs, recorder, met = study(folder, monkeypatch, fault, times=times)
    assert met == times
    # On a slow machine others too.
    notices = [text for text in recorder.notices if Runtime.TRYING_AGAIN in text]
    assert len(notices) == times
    assert all(text.startswith(FAULTS[fault]) for text in notices)
    with Store(folder / "study") as store:
        for run in runs:
            assert_finished(store, run)
    assert sorted(recorder.epochs) == sorted((run.key, epoch) for run in runs for epoch in range(1, 6))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (killed, Runtime.DIED_EACH_TIME),
        (out_of_memory, Runtime.NO_MEMORY_EACH_TIME),
    ],
)
def test_after_the_last_attempt_that_run_alone_fails_with_its_cause(folder, monkeypatch, fault, cause):
    runs, _, met = study(folder, monkeypatch, fault, times=100)
    assert met == MAX_ATTEMPTS
    faulty, *others = runs
    with Store(folder / "study") as store:
        assert store.status()[faulty.key] == "failed"
        assert [row.epoch for row in history_of(store, faulty)] == [1]  # what was committed stays
        (failure,) = store.failures()
        assert failure.startswith(f"{FAULTY} failed: {cause.format(MAX_ATTEMPTS)}")
        assert store.path("traceback", faulty.key).read_text()
        for run in others:
            assert_finished(store, run)


def refuses():
    raise DropstudyError("a setting of the run", expected="something else", received="this")


def test_a_function_that_raises_fails_its_run_at_once_and_its_traceback_is_stored(folder, monkeypatch):
    runs, recorder, met = study(folder, monkeypatch, refuses, times=100)
    assert met == 1
    assert not any("trying again" in text for text in recorder.notices)
    with Store(folder / "study") as store:
        assert "a setting of the run: expected something else" in store.failures()[0]
        assert "in refuses" in store.path("traceback", runs[0].key).read_text()
        for run in runs[1:]:
            assert_finished(store, run)


# Python runs it before anything else in every process; the worker's command names loky's module.
NEVER_STARTS = """
import os, pathlib, signal, time
if b"popen_loky_posix" in pathlib.Path("/proc/self/cmdline").read_bytes():
    mark = pathlib.Path({mark!r})
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(3600)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="asks Linux which process this is")
@pytest.mark.usefixtures("short_timeouts")
def test_a_worker_that_never_starts_is_reported_then_killed_and_its_segment_repeated(folder, monkeypatch):
    mark = folder / "mark"
    (folder / "sitecustomize.py").write_text(NEVER_STARTS.format(mark=str(mark)))
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    monkeypatch.setattr(watchdog, "REPORT_AFTER", 1.0)
    runs, recorder, _ = study(folder, monkeypatch, killed, times=0)
    assert mark.exists()
    words = "\n".join(recorder.notices)
    assert "No result of '" in words
    assert Runtime.KILLED_AFTER.format(30) in words
    assert re.search(r"\(silent for 3\d s.*, so it was killed\); trying again", words)
    with Store(folder / "study") as store:
        for run in runs:
            assert_finished(store, run)
