"""Workers of which nothing is heard: who is told what and when, and when they are given up."""

from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass, field

import pytest

from dropstudy import load_dataset
from dropstudy.errors import InvalidArgument
from dropstudy.runtime import watchdog
from dropstudy.runtime.run import lanes
from dropstudy.runtime.timeouts import Patience
from dropstudy.runtime.watchdog import LOOK, TELL_AFTER, TELL_TIMES, Silence, Watch
from standin import make_run, segment_of


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


class Workers(Executor):
    """Has workers that use as much of a processor as they are told to, and cannot be killed at once."""

    def __init__(self, clock):
        self.clock, self.share, self.given_up = clock, 0.0, []

    def give_up(self, future):
        self.given_up.append(future)

    def processor_seconds(self, _future):
        return 7.0 + self.share * self.clock.now


class Strangers(Executor):
    """An executor of somebody else's, which tells nothing of its workers."""


@dataclass
class Work:
    segments: tuple
    silence: Silence = field(default_factory=Silence)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(watchdog, "time", clock)
    return clock


def under_way(*names, running=True):
    active = []
    for name in names:
        future = Future()
        if running:
            future.set_running_or_notify_cancel()
        active.append((future, Work((segment_of(make_run(name)),))))
    return active


def told(watch, clock, active, seconds):
    """Messages with their seconds, while so many seconds pass."""
    said = []
    for second in range(1, seconds + 1):
        clock.now += LOOK
        if words := watch.look(active):
            said.append((second, words))
    return said


def test_silence_is_told_of_after_half_a_minute_and_again_ever_more_rarely(clock):
    said = told(Watch(Workers(clock), Patience()), clock, under_way("a"), 300)
    assert [second for second, _ in said] == pytest.approx([30, 60, 120, 240], abs=2)
    assert said[0][1].startswith("Nothing has come of 'a', seed 0 for 30 s.")


def test_those_that_were_silent_equally_long_are_told_of_in_one_line_which_stays_short(clock):
    ((_, words),) = told(Watch(Workers(clock), Patience()), clock, under_way(*"abcdefg"), 40)
    assert "'a', seed 0; 'b', seed 0; 'c', seed 0 and 4 more for 30 s" in words
    assert "Their 7 workers" in words


def test_one_that_is_silent_is_told_of_while_others_are_heard(clock):
    watch, silent = Watch(Workers(clock), Patience()), under_way("silent")
    said = []
    for _ in range(8):
        said += told(watch, clock, silent + under_way("heard"), 5)
    ((_, words),) = said
    assert "'silent'" in words
    assert "'heard'" not in words


def test_what_no_worker_has_begun_is_not_told_of_and_not_given_up(clock):
    workers = Workers(clock)
    assert told(Watch(workers, Patience()), clock, under_way("a", running=False), 2000) == []
    assert workers.given_up == []


def test_where_segments_are_long_nobody_is_told_before_they_should_be_there(clock):
    active, patience = under_way("a"), Patience()
    patience.learn(active[0][1].segments, 40.0)
    said = told(Watch(Workers(clock), patience), clock, active, 300)
    assert [second for second, _ in said] == pytest.approx([TELL_TIMES * 40, 2 * TELL_TIMES * 40], abs=2)


@pytest.mark.parametrize(("share", "used", "idle"), [(0.9, "27.", False), (0.0, "0.0", True)])
def test_it_is_said_whether_a_worker_computes_or_waits(clock, share, used, idle):
    workers = Workers(clock)
    workers.share = share
    ((_, words),) = told(Watch(workers, Patience()), clock, under_way("a"), 40)
    assert f"Its worker has used {used}" in words
    assert ("as if waiting" in words) == idle


def test_an_executor_that_tells_nothing_of_its_workers_is_watched_too(clock):
    ((_, words),) = told(Watch(Strangers(), Patience()), clock, under_way("a"), 40)
    assert words == "Nothing has come of 'a', seed 0 for 30 s."


def test_a_worker_that_is_silent_for_too_long_is_given_up_until_it_is_gone(clock):
    """Whoever was about to start when it was given up had no process that could be killed."""
    active, patience, workers = under_way("a"), Patience(), Workers(clock)
    watch, allowed = Watch(workers, patience), int(patience.allowed(active[0][1].segments))
    *_, (_, words) = told(watch, clock, active, allowed)
    assert f"A worker that is silent for {allowed} s is ended" in words
    assert workers.given_up == []
    told(watch, clock, active, 10)
    assert len(workers.given_up) > 5
    assert active[0][1].silence.hung == f"it was silent for {allowed + 9} s, and was ended"


def test_time_in_which_nobody_looked_is_no_silence(clock):
    """The study was stopped with Ctrl-Z, or waited for its disk."""
    workers, active = Workers(clock), under_way("a")
    watch = Watch(workers, Patience())
    told(watch, clock, active, 5)
    for _ in range(3):
        clock.now += 3600
        assert watch.look(active) is None
    assert workers.given_up == []
    assert active[0][1].silence.seconds < TELL_AFTER


# --- a question to the first worker ---


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(watchdog, "LOOK", 0.01)
    monkeypatch.setattr(watchdog, "TELL_AFTER", 0.03)
    monkeypatch.setattr(watchdog, "TO_BEGIN", 0.2)


class Killing(Executor):
    """Kills for good."""

    def give_up(self, future):
        future.set_exception(BrokenExecutor())


@pytest.mark.usefixtures("impatient")
def test_a_first_worker_that_never_answers_is_told_of_then_killed():
    said = []
    assert watchdog.answer(Killing(), Future(), said.append) is None
    assert 2 <= len(said) <= 4
    assert all(words.startswith("The first worker has not answered for ") for words in said)


def test_a_first_worker_that_answers_is_not_told_of():
    future, said = Future(), []
    future.set_result(7)
    assert watchdog.answer(Strangers(), future, said.append) == 7
    future = Future()
    future.set_exception(BrokenExecutor())
    assert watchdog.answer(Strangers(), future, said.append) is None
    assert said == []


def test_a_gpu_whose_worker_dies_is_refused_in_words():
    class Dying(Executor):
        def submit(self, *_, **__):
            future = Future()
            future.set_exception(BrokenExecutor())
            return future

    run, dataset = make_run("a"), load_dataset("digits")
    assert lanes((run,), dataset, Dying(), "cpu") == 1
    with pytest.raises(InvalidArgument, match="device: expected a GPU that a worker can use"):
        lanes((run,), dataset, Dying(), "gpu")
