"""Watchdog: when silent workers are reported, when hung ones are killed, and that slow ones are not."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropstudy.core.model import ModelReference
from dropstudy.core.types import Condition
from dropstudy.errors import InvalidArgument
from dropstudy.runtime import watchdog
from dropstudy.runtime.watchdog import (
    CHECK_INTERVAL,
    MIN_TIMEOUT,
    REPORT_AFTER,
    REPORT_FACTOR,
    TIMEOUT_FACTOR,
    Silence,
    Timeouts,
    Watchdog,
)
from expected import Runtime
from fake_training import ExecutorPool, make_run, segment_of

SECONDS = st.floats(1e-3, 1e5)
EPOCHS = st.integers(1, 1000)
NOTEBOOK = Condition(784, (512, 512), 10, 60_000, 128)
SMALL = Condition(64, (16,), 10, 1437, 128)


class Pool(ExecutorPool):
    """Records the calls whose workers are killed."""

    can_kill = True

    def __init__(self):
        super().__init__(ThreadPoolExecutor(1), 1)
        self.killed = []

    def kill(self, future):
        self.killed.append(future)


@dataclass
class Task:
    segments: tuple
    silence: Silence = field(default_factory=Silence)


class Clock:
    now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(watchdog, "time", clock)
    return clock


@pytest.fixture
def pool():
    return Pool()


@pytest.fixture
def dog(clock, pool):
    return Watchdog(pool, Timeouts(), clock.now)


def tasks(*names, running=True):
    started = []
    for name in names:
        future = Future()
        if running:
            future.set_running_or_notify_cancel()
        started.append((future, Task((segment_of(make_run(name)),))))
    return started


def reports(dog, clock, running, seconds):
    """Reports by second."""
    found = {}
    for second in range(1, seconds + 1):
        clock.now += CHECK_INTERVAL
        if report := dog.check(running):
            found[second] = report
    return found


def test_silence_is_reported_after_half_a_minute_and_at_doubling_intervals(dog, clock):
    found = reports(dog, clock, tasks("a"), 300)
    assert list(found) == pytest.approx([30, 60, 120, 240], abs=2)
    assert next(iter(found.values())).startswith(Runtime.SILENT.format("'a', seed 0", 30))


def test_workers_silent_for_the_same_time_share_a_short_report(dog, clock):
    (report,) = reports(dog, clock, tasks(*"abcdefg"), 40).values()
    assert report.startswith(Runtime.SILENT.format("'a', seed 0; 'b', seed 0; 'c', seed 0 and 4 more", 30))


def test_only_the_silent_worker_is_reported(dog, clock):
    silent, found = tasks("silent"), []
    for _ in range(8):
        found += reports(dog, clock, silent + tasks("answers"), 5).values()
    (report,) = found
    assert "'silent'" in report
    assert "'answers'" not in report


def test_calls_that_wait_for_a_worker_are_neither_reported_nor_killed(dog, clock, pool):
    assert reports(dog, clock, tasks("a", running=False), 2000) == {}
    assert pool.killed == []


def test_long_segments_are_reported_after_a_multiple_of_the_expected_time(dog, clock):
    running = tasks("a")
    dog.timeouts.record(running[0][1].segments, 40.0)
    found = reports(dog, clock, running, 300)
    assert list(found) == pytest.approx([REPORT_FACTOR * 40, 2 * REPORT_FACTOR * 40], abs=2)


def test_workers_of_an_executor_are_reported_too_and_never_killed(clock):
    dog = Watchdog(ExecutorPool(ThreadPoolExecutor(1), 1), Timeouts(), clock.now)
    running = tasks("a")
    report, *_ = reports(dog, clock, running, 10_000).values()
    assert report == Runtime.SILENT.format("'a', seed 0", 30)
    assert running[0][1].silence.hung == ""


def test_a_hung_worker_is_killed_until_it_is_gone(dog, clock, pool):
    """A worker that was about to start had no process to kill."""
    running = tasks("a")
    limit = int(dog.timeouts.limit(running[0][1].segments))
    *_, report = reports(dog, clock, running, limit).values()
    assert report.endswith(Runtime.KILLED_AFTER.format(limit))
    assert pool.killed == []
    reports(dog, clock, running, 10)
    assert len(pool.killed) > 5
    assert running[0][1].silence.hung == f"silent for {limit + 9} s, so it was killed"


def test_time_in_which_the_study_was_suspended_is_no_silence(dog, clock, pool):
    """Stopped with Ctrl-Z, or waiting for its disk."""
    running = tasks("a")
    reports(dog, clock, running, 5)
    for _ in range(3):
        clock.now += 3600
        assert dog.check(running) is None
    assert pool.killed == []
    assert running[0][1].silence.seconds < REPORT_AFTER


# --- timeouts ---


def segments(*, epochs=1, condition=NOTEBOOK, lanes=1):
    run = replace(make_run(epochs=epochs), condition=condition)
    return (segment_of(run, epochs=epochs),) * lanes


@given(measured=EPOCHS, seconds=SECONDS, epochs=EPOCHS)
def test_a_segment_may_take_many_times_as_long_as_the_slowest_one_of_its_condition(measured, seconds, epochs):
    timeouts = Timeouts()
    timeouts.record(segments(epochs=measured), seconds)
    timeouts.record(segments(epochs=measured), seconds / 2)
    limit = timeouts.limit(segments(epochs=epochs))
    assert limit == pytest.approx(max(MIN_TIMEOUT, TIMEOUT_FACTOR * seconds * epochs / measured))


@given(seconds=SECONDS)
def test_a_measurement_of_one_condition_says_nothing_about_another(seconds):
    timeouts = Timeouts()
    before = timeouts.limit(segments(condition=SMALL))
    timeouts.record(segments(condition=NOTEBOOK), seconds)
    assert timeouts.limit(segments(condition=SMALL)) == before
    assert timeouts.expected(segments(condition=SMALL)) is None


@given(epochs=EPOCHS, lanes=st.integers(1, 64))
def test_before_a_measurement_a_computer_a_hundred_times_slower_than_a_laptop_has_its_time(epochs, lanes):
    """A core of 2020 makes more than 10 thousand million operations a second in such products."""
    multiplications = NOTEBOOK.parameters * NOTEBOOK.train_size * epochs * lanes
    operations = 2 * 3 * multiplications  # and additions; forward, and twice that for the gradients
    assert Timeouts().limit(segments(epochs=epochs, lanes=lanes)) > 100 * operations / 1e10


def test_a_hang_in_the_first_segment_is_found():
    assert Timeouts().limit(segments()) < 2 * 3600
    assert Timeouts().limit(segments(condition=SMALL)) < 3600


def test_the_environment_says_how_long_a_training_function_may_say_nothing(monkeypatch):
    function = replace(NOTEBOOK, model=ModelReference("fn", "0" * 64, 0, 1.0, "", (), function="m:fn"))
    segment = segment_of(replace(make_run(), condition=function))
    assert Timeouts().limit([segment]) == watchdog.FUNCTION_TIMEOUT
    monkeypatch.setenv(watchdog.VARIABLE, "7200")
    limits = Timeouts()
    limits.record([segment], 1.0)
    assert limits.limit([segment]) == 7200
    assert limits.limit([segment_of(make_run())]) != 7200
    monkeypatch.setenv(watchdog.VARIABLE, "2h")
    with pytest.raises(InvalidArgument, match="DROPSTUDY_FUNCTION_TIMEOUT: expected seconds above 0"):
        Timeouts()
