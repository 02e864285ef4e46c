"""Scheduler: every run reaches its end despite faults of workers, files and the scheduler itself."""

import random
import shutil
import signal
import subprocess
import sys
import time
import weakref
from collections import Counter
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import expected
from dropstudy.engine.native.library import VARIABLE
from dropstudy.errors import StoreError
from dropstudy.runtime import local, scheduler
from dropstudy.runtime.scheduler import MAX_ATTEMPTS, train_runs
from dropstudy.runtime.scheduling import SEGMENT_SECONDS
from dropstudy.store.store import Store
from expected import Runtime
from fake_training import (
    DATA,
    SECONDS,
    ExecutorPool,
    FakeInputs,
    InlineExecutor,
    Recorder,
    assert_finished,
    first_epoch,
    groups_of_one,
    history_of,
    make_run,
    make_runs,
    same_tensors,
    segment_of,
    split,
    train,
)
from file_systems import quick_folder, small_disk
from kill_points import META, RUNS, kill_at_every_point, study


@pytest.fixture
def tmp_path():
    with quick_folder() as folder:
        yield folder


class Trainer:
    """Replacement of `local.train`: records the segments, and calls the fault of a run in place of training."""

    def __init__(self):
        self.segments = []
        self.faults = {}

    def __call__(self, segment):
        self.segments.append(segment)
        fault = self.faults.get(segment.run.key)
        return train(segment) if fault is None else fault(segment)

    def steps(self, run):
        """First epoch and number of epochs of each segment of a run."""
        return [
            (first_epoch(one), one.steps / run.condition.steps) for one in self.segments if one.run == run
        ]


@pytest.fixture(autouse=True)
def trainer(monkeypatch):
    # Each result is committed by itself, as where the disk is quicker than the workers.
    monkeypatch.setattr(scheduler, "COMMIT_INTERVAL", 0)
    trainer = Trainer()
    monkeypatch.setattr(local, "train", trainer)
    return trainer


@pytest.fixture
def open_study(tmp_path):
    """Open a study of given runs, each time in the same folder."""
    opened = []

    def open_(runs):
        store = Store(tmp_path / "study", create=True)
        opened.append(store)
        store.begin(META, runs)
        return store

    yield open_
    for store in opened:
        store.close()


def train_missing(store, *, executor=None, callback=None, worker_count=1):
    """Train what is missing, as a study does; returns the recorder."""
    recorder = Recorder() if callback is None else callback
    runs = store.runs("planned", "running", "failed")
    executor = InlineExecutor() if executor is None else executor
    train_runs(
        store,
        groups_of_one(runs),
        FakeInputs(split),
        pool=ExecutorPool(executor, worker_count),
        callback=recorder,
    )
    return recorder


# Segments of a run


def test_segments_follow_one_another_to_the_last_epoch_and_not_beyond(trainer, open_study):
    run = make_run(epochs=6)
    store = open_study([run])
    train_missing(store)
    per_segment = int(SEGMENT_SECONDS / SECONDS)
    assert per_segment == 2
    assert trainer.steps(run) == [(0, 1), (1, 2), (3, 2), (5, 1)]
    assert trainer.segments[0].state is None
    for before, after in zip(trainer.segments, trainer.segments[1:], strict=False):
        assert same_tensors(after.state, train(before).state)
    for segment in trainer.segments:
        assert segment.data == DATA
        assert np.array_equal(segment.train_index, split(run)[0])
    assert_finished(store, run)


@given(epochs=st.integers(1, 12), seconds=st.floats(0, 40))
@settings(deadline=None)
def test_each_epoch_is_trained_once_whatever_its_duration(epochs, seconds):
    trainer = Trainer()
    run = make_run(epochs=epochs)

    def timed(segment):
        # An epoch's time, shared among its steps.
        return replace(train(segment), seconds=seconds * segment.steps / run.condition.steps)

    trainer.faults[run.key] = timed
    with (
        pytest.MonkeyPatch.context() as patch,
        quick_folder() as folder,
        Store(folder, create=True) as store,
    ):
        patch.setattr(local, "train", trainer)
        store.begin(META, [run])
        recorder = train_missing(store)
        assert recorder.epochs == [(run.key, epoch) for epoch in range(1, epochs + 1)]
        assert sum(length for _, length in trainer.steps(run)) == epochs
        a_step = 1 / run.condition.steps
        slow = [length for _, length in trainer.steps(run)[1:] if length * seconds > SEGMENT_SECONDS]
        assert set(slow) <= {a_step}
        assert_finished(store, run)


def test_an_epoch_longer_than_a_segment_is_reported_while_it_trains(trainer, open_study):
    run = make_run(epochs=2)
    trainer.faults[run.key] = lambda segment: replace(train(segment), seconds=100.0 * segment.steps)
    store = open_study([run])
    recorder = train_missing(store)
    # The first segment knows nothing of the pace; the second epoch is cut in two.
    assert trainer.steps(run) == [(0, 1), (1, 0.5), (1.5, 0.5)]
    assert recorder.segments == [(run.key, 3)]
    assert recorder.epochs == [(run.key, 1), (run.key, 2)]
    assert_finished(store, run)


@pytest.mark.parametrize("worker_count", [1, 2, 100])
@pytest.mark.parametrize("threads", [0, 1, 4])
def test_every_run_ends_as_if_trained_alone(open_study, worker_count, threads):
    runs = make_runs("a", "b", "c", seeds=(0, 1, 2), epochs=4)
    store = open_study(runs)
    if threads:
        with ThreadPoolExecutor(threads) as executor:
            recorder = train_missing(store, executor=executor, worker_count=worker_count)
    else:
        recorder = train_missing(store, worker_count=worker_count)
    for run in runs:
        assert_finished(store, run)
        assert [epoch for key, epoch in recorder.epochs if key == run.key] == [1, 2, 3, 4]
    assert sorted(recorder.ends) == sorted((run.key, "done", "") for run in runs)
    assert recorder.notices == []


def test_each_run_gets_the_rows_of_its_seed(trainer, open_study):
    held_out = np.arange(3, dtype=np.int32)
    runs = make_runs("a", seeds=(0, 5))
    store = open_study(runs)

    def holding_out(run):
        return split(run)[0], held_out + run.seed

    train_runs(
        store,
        groups_of_one(runs),
        FakeInputs(holding_out),
        pool=ExecutorPool(InlineExecutor(), 1),
        callback=Recorder(),
    )
    for segment in trainer.segments:
        assert np.array_equal(segment.train_index, split(segment.run)[0])
        assert np.array_equal(segment.validation_index, held_out + segment.run.seed)


def test_the_next_segment_is_dispatched_before_the_last_one_is_committed(open_study, trainer, monkeypatch):
    """The next segment is one of the same run or, at its end, of the next run."""
    runs = make_runs(*"abcdef", epochs=4)
    store = open_study(runs)
    commit = store.commit
    seen = []

    def watched(results, **options):
        dispatched = {(one.run.key, one.done) for one in trainer.segments}
        started = {key for key, _ in dispatched}
        for run, result in results:
            seen.append((run.key, result.done))
            if result.done < run.steps:
                assert (run.key, result.done) in dispatched
            else:
                assert len(started) >= min(len(runs), runs.index(run) + 3)  # two take turns
        commit(results, **options)

    monkeypatch.setattr(store, "commit", watched)
    train_missing(store, worker_count=1)
    assert {(run.key, run.steps) for run in runs} <= set(seen)
    assert len(seen) > 2 * len(runs)


def test_a_study_without_runs_ends_at_once(trainer, open_study):
    store = open_study([])
    recorder = train_missing(store)
    assert (trainer.segments, recorder.epochs, recorder.ends) == ([], [], [])


# Memory


def test_queued_and_ended_runs_take_no_memory(open_study, monkeypatch):
    """Rows are drawn when a run starts and released when it ends."""
    monkeypatch.setattr(local, "train", train)
    runs = make_runs("a", seeds=range(40), epochs=3)
    store = open_study(runs)
    drawn = []
    alive = []

    def watched_split(run):
        rows, held_out = split(run)
        drawn.append(weakref.ref(rows))
        alive.append(sum(ref() is not None for ref in drawn))
        return rows, held_out

    train_runs(
        store,
        groups_of_one(runs),
        FakeInputs(watched_split),
        pool=ExecutorPool(InlineExecutor(), 2),
        callback=Recorder(),
    )
    assert len(alive) == len(runs)
    assert max(alive) <= 3 + 2  # and the one that ends, and the one before it, which a name still holds


# A disk slower than the workers


@pytest.fixture
def slow_disk(monkeypatch):
    """Slow every commit, so that later results share the next one; returns the batches in order."""
    monkeypatch.setattr(scheduler, "COMMIT_INTERVAL", 5)
    batches = []
    commit = Store.commit

    def slowly(store, results, **options):
        batches.append([(run, result) for run, result in results])
        commit(store, results, **options)
        time.sleep(0.02)

    monkeypatch.setattr(Store, "commit", slowly)
    return batches


def test_results_faster_than_the_disk_are_committed_together(open_study, slow_disk):
    runs = make_runs("a", "b", seeds=range(20), epochs=6)
    store = open_study(runs)
    recorder = train_missing(store, worker_count=2)
    assert len(slow_disk) < len(runs) / 2
    assert max(len({run.key for run, _ in batch}) for batch in slow_disk) > 3
    assert all(len(batch) == len({run.key for run, _ in batch}) for batch in slow_disk)  # a run once in each
    for run in runs:
        assert_finished(store, run)
        assert [epoch for key, epoch in recorder.epochs if key == run.key] == [1, 2, 3, 4, 5, 6]
    assert sorted(recorder.ends) == sorted((run.key, "done", "") for run in runs)


def test_a_result_waits_for_its_commit_half_a_second_at_most(open_study, slow_disk, monkeypatch):
    """Also after a long commit, and without further results."""
    monkeypatch.setattr(scheduler, "COMMIT_INTERVAL", 1e6)
    store = open_study(make_runs("a", epochs=5))
    started, reported = [], {}

    def slowly(segments):
        started.append(time.monotonic())
        time.sleep(1.5 if len(started) == 3 else 0)
        return tuple(map(train, segments))

    class Watch(Recorder):
        def on_epoch_end(self, _, row):
            reported[row.epoch] = time.monotonic()

    monkeypatch.setattr(local, "train_group", slowly)
    with ThreadPoolExecutor(1) as executor:
        train_missing(store, executor=executor, callback=Watch(), worker_count=1)
    assert sorted(reported) == [1, 2, 3, 4, 5]
    assert len(slow_disk) == 3
    _, second, third = started
    assert reported[1] - second < 0.4  # the first has nothing to wait for
    assert 0.3 < reported[2] - third < 1.2  # while the third segment trains
    assert reported[5] - third > 1.4


def test_a_failure_is_recorded_after_earlier_segments_of_its_run(open_study, trainer, slow_disk):
    run = make_run(epochs=6)
    trainer.faults[run.key] = raises_after_3_epochs
    store = open_study([run])
    recorder = train_missing(store)
    assert len(slow_disk) >= 1
    assert store.status() == {run.key: "failed"}
    assert [row.epoch for row in history_of(store, run)] == [1, 2, 3]
    assert [event[1] for event in recorder.ends] == ["failed"]


def test_uncommitted_results_are_limited_in_size(open_study, monkeypatch, slow_disk):
    monkeypatch.setattr(scheduler, "_MAX_UNCOMMITTED", 1000)  # bytes; a state has 144
    store = open_study(make_runs("a", "b", seeds=range(20), epochs=6))
    train_missing(store)
    assert max(len(batch) for batch in slow_disk) <= 1000 / 144 + 3


# Workers that die, functions that raise


def dies(times):
    """Fault: the worker dies in the first `times` attempts."""
    left = Counter(lives=times)

    def fault(segment):
        if left["lives"]:
            left["lives"] -= 1
            raise BrokenExecutor("killed,\n  exit code -9")
        return train(segment)

    return fault


@pytest.mark.parametrize("deaths", range(MAX_ATTEMPTS))
def test_a_segment_whose_worker_died_is_repeated(trainer, open_study, deaths):
    unlucky, other = runs = make_runs("unlucky", "other")
    trainer.faults[unlucky.key] = dies(deaths)
    store = open_study(runs)
    recorder = train_missing(store)
    assert_finished(store, unlucky)
    assert_finished(store, other)
    assert trainer.steps(unlucky)[: deaths + 1] == [(0, 1)] * (deaths + 1)
    assert len(recorder.notices) == deaths
    assert all(Runtime.WORKER_DIED.format("'unlucky', seed 0") in text for text in recorder.notices)


@pytest.mark.parametrize("name", ["first", "middle", "last"])
def test_a_run_whose_worker_always_dies_fails_with_its_cause_and_the_others_continue(
    trainer, open_study, name
):
    runs = make_runs("first", "middle", "last")
    (unlucky,) = (run for run in runs if run.arm.name == name)
    trainer.faults[unlucky.key] = dies(10**6)
    store = open_study(runs)
    recorder = train_missing(store)
    assert trainer.steps(unlucky) == [(0, 1)] * MAX_ATTEMPTS
    cause = f"{Runtime.DIED_EACH_TIME.format(MAX_ATTEMPTS)}: killed, exit code -9"
    assert (unlucky.key, "failed", cause) in recorder.ends
    assert store.failures() == [f"'{name}', seed 0 failed: {cause}"]
    for run in runs:
        if run != unlucky:
            assert_finished(store, run)


def test_attempts_are_counted_per_segment(trainer, open_study):
    """A long run may lose more workers than one segment."""
    run = make_run(epochs=8)
    failed = Counter()

    def dies_once_per_segment(segment):
        failed[first_epoch(segment)] += 1
        if failed[first_epoch(segment)] < MAX_ATTEMPTS:
            raise BrokenExecutor
        return train(segment)

    trainer.faults[run.key] = dies_once_per_segment
    store = open_study([run])
    recorder = train_missing(store)
    assert_finished(store, run)
    assert len(recorder.notices) == (MAX_ATTEMPTS - 1) * len(failed) > MAX_ATTEMPTS


def test_what_workers_tell_the_user_is_shown_once(trainer, open_study):
    runs = make_runs("a", "b", epochs=6)
    for run in runs:
        trainer.faults[run.key] = lambda segment: replace(train(segment), notice="Slow today.")
    assert train_missing(open_study(runs)).notices == ["Slow today."]


def raises_after_3_epochs(segment):
    return train(segment) if first_epoch(segment) < 3 else raises(segment)


def raises(segment):
    message = f"no room\nat step {segment.done}, " + "very " * 500 + "long"
    raise ValueError(message)


def test_a_function_that_raises_is_not_repeated_and_the_others_continue(trainer, open_study):
    wrong, *others = runs = make_runs("wrong", "b", "c")
    trainer.faults[wrong.key] = raises
    store = open_study(runs)
    recorder = train_missing(store)
    assert trainer.steps(wrong) == [(0, 1)]
    ((_, _, cause),) = [end for end in recorder.ends if end[1] == "failed"]
    assert cause.startswith("ValueError: no room at step 0, very very")
    assert "\n" not in cause
    assert len(cause) < 400
    text = store.path("traceback", wrong.key).read_text(encoding="utf-8")
    assert "in raises" in text
    assert "very " * 500 in text
    for run in others:
        assert_finished(store, run)


def test_an_error_without_a_message_is_reported_by_its_type(trainer, open_study):
    def fails(_):
        raise ZeroDivisionError

    run = make_run()
    trainer.faults[run.key] = fails
    store = open_study([run])
    assert train_missing(store).ends == [(run.key, "failed", "ZeroDivisionError")]


def test_a_failed_run_is_resumed_by_the_next_call(trainer, open_study):
    run = make_run(epochs=6)
    trainer.faults[run.key] = raises_after_3_epochs
    store = open_study([run])
    train_missing(store)
    assert store.status() == {run.key: "failed"}
    assert len(history_of(store, run)) == 3
    trainer.faults.clear()
    trainer.segments.clear()
    train_missing(store)
    assert trainer.steps(run)[0] == (3, 1)
    assert_finished(store, run)
    assert store.failures() == []


def test_a_run_that_diverges_ends_with_its_history_and_the_others_continue(trainer, open_study):
    lost, other = runs = make_runs("lost", "other", epochs=6)

    def diverges(segment):
        result = train(segment)
        if first_epoch(segment) < 3:
            return result
        row = replace(result.history[0], loss=float("nan"))
        return replace(result, history=(row,), final=None, diverged=True)

    trainer.faults[lost.key] = diverges
    store = open_study(runs)
    recorder = train_missing(store)
    assert trainer.steps(lost)[-1] == (3, 2)
    assert [row.epoch for row in history_of(store, lost)] == [1, 2, 3, 4]
    assert [epoch for key, epoch in recorder.epochs if key == lost.key] == [1, 2, 3, 4]
    assert (lost.key, "diverged", Runtime.NOT_FINITE.format(4)) in recorder.ends
    assert store.status()[lost.key] == "diverged"
    assert_finished(store, other)


# Resuming


class Stop(Recorder):
    """Raises an error after a number of epochs, as Ctrl-C or a closed terminal does."""

    def __init__(self, after, error=KeyboardInterrupt):
        super().__init__()
        self.after, self.error = after, error

    def on_epoch_end(self, run, row):
        super().on_epoch_end(run, row)
        if len(self.epochs) == self.after:
            raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError])
@pytest.mark.parametrize("after", range(1, 24))
def test_a_study_stopped_after_any_epoch_resumes_from_the_store(trainer, open_study, after, error):
    runs = make_runs("a", "b", seeds=(0, 1), epochs=6)
    store = open_study(runs)
    with pytest.raises(error):
        train_missing(store, callback=Stop(after, error))
    done = {run.key: len(history_of(store, run)) for run in runs}
    assert sum(done.values()) >= after
    store.close()
    trainer.segments.clear()
    store = open_study(runs)
    recorder = train_missing(store)
    for run in runs:
        assert_finished(store, run)
        if done[run.key] < run.epochs:
            assert trainer.steps(run)[0] == (done[run.key], 1)
        else:
            assert trainer.steps(run) == []
    assert len(recorder.epochs) == 24 - sum(done.values())


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_a_run_with_a_damaged_checkpoint_starts_again_and_says_so(trainer, open_study, damage):
    damaged, other = runs = make_runs("damaged", "other", epochs=6)
    store = open_study(runs)
    with pytest.raises(KeyboardInterrupt):
        train_missing(store, callback=Stop(4))
    assert store.status() == {damaged.key: "running", other.key: "running"}
    done = len(history_of(store, other))
    (path,) = store.folder.glob(f"checkpoints/{damaged.key}-*")
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        flipped = bytes([content[len(content) // 2] ^ 1])
        rest = flipped + content[len(content) // 2 + 1 :] if damage == "flipped" else b""
        path.write_bytes(content[: len(content) // 2] + rest)
    trainer.segments.clear()
    recorder = train_missing(store)
    (notice,) = recorder.notices
    assert str(path) in notice
    assert "'damaged', seed 0 starts again" in notice
    assert trainer.steps(damaged)[0] == (0, 1)
    assert trainer.steps(other)[0] == (done, 1)
    assert_finished(store, damaged)
    assert_finished(store, other)


# A store that cannot be written


def test_a_full_disk_stops_the_study_with_what_was_committed(tmp_path):
    runs = make_runs("a", "b", "c", epochs=6)
    with small_disk(tmp_path / "disk", 128) as disk:
        folder = disk / "study"
        with Store(folder, create=True) as store:
            store.begin(META, runs)
            (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - 24 * 1024))
            with ThreadPoolExecutor(2) as executor, pytest.raises(StoreError, match=r"room for [\d,]+ bytes"):
                train_missing(store, executor=executor, worker_count=2)
        (disk / "filler").unlink()
        with Store(folder, write=True) as store:
            store.begin(META, runs)  # sweeps
            kept = sum(len(history_of(store, run)) for run in runs)
            recorder = train_missing(store)
            assert kept + len(recorder.epochs) == 18
            for run in runs:
                assert_finished(store, run)


def test_a_deleted_folder_stops_the_study_and_is_not_created_again(open_study):
    run = make_run(epochs=6)
    store = open_study([run])

    class Vandal(Recorder):
        def on_epoch_end(self, _, row):
            if row.epoch == 3:
                shutil.rmtree(store.folder)

    with pytest.raises(StoreError, match=expected.Store.DELETED):
        train_missing(store, callback=Vandal())
    assert not store.folder.exists()


# A scheduler that is killed


@pytest.mark.slow
def test_a_study_killed_at_any_point_ends_as_without_the_kill(tmp_path):
    """SIGKILL before each action of a study on the disk."""
    killed, _, survivor = kill_at_every_point("study", tmp_path)
    assert len(killed) > 100
    for folder, before in [*killed, (survivor, "the end")]:
        study(folder)
        with Store(folder) as store:
            for run in RUNS:
                assert [row.epoch for row in history_of(store, run)] == [1, 2, 3, 4, 5], before
                assert_finished(store, run)


SCRIPT = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import fake_training
from dropstudy.runtime import local, scheduler
from dropstudy.store.store import Store

def slowly(given):
    time.sleep(0.04)
    return tuple(map(fake_training.train, given))

local.train_group = slowly
runs = fake_training.make_runs("a", "b", seeds=range(3), epochs=8)
worker_pool = local.LocalWorkers(2)
with Store(Path(sys.argv[2]), create=True) as store:
    store.begin({}, runs)
    print("started", flush=True)
    todo = store.runs("planned", "running", "failed")
    groups, recorder = fake_training.groups_of_one(todo), fake_training.Recorder()
    scheduler.train_runs(
        store, groups, fake_training.FakeInputs(fake_training.split), pool=worker_pool, callback=recorder
    )
worker_pool.shutdown()
"""


@pytest.mark.slow
def test_a_study_killed_at_random_times_while_workers_train_ends_the_same(tmp_path, monkeypatch):
    """A script without a main guard is killed and started again, several times."""
    monkeypatch.setenv(VARIABLE, "off")  # or each kill would leave a compiler at work
    script = tmp_path / "study.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(Path(__file__).parents[1]), str(tmp_path / "study")]
    draw = random.Random(5)  # noqa: S311 - no secret
    kills = 0
    left = []
    for _ in range(5):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
        with process:
            assert process.stdout.readline() == "started\n"
            time.sleep(draw.uniform(0.1, 0.7))
            left += psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            process.kill()
        kills += process.returncode == -signal.SIGKILL
    assert kills > 0
    subprocess.run(command, check=True, capture_output=True, timeout=120)  # noqa: S603 - our own
    with Store(tmp_path / "study") as store:
        runs = make_runs("a", "b", seeds=range(3), epochs=8)
        assert store.runs() == runs
        for run in runs:
            assert_finished(store, run)
    _, alive = psutil.wait_procs(left, timeout=60)
    assert alive == []


# Groups


@pytest.fixture
def side_by_side(monkeypatch):
    """Train groups by the rule; returns the number of lanes of each call."""
    lanes = []

    def train_group(segments):
        lanes.append(len(segments))
        return tuple(local.train(segment) for segment in segments)

    monkeypatch.setattr(local, "train_group", train_group)
    return lanes


def train_in(groups, store):
    recorder = Recorder()
    train_runs(store, groups, FakeInputs(split), pool=ExecutorPool(InlineExecutor(), 1), callback=recorder)
    return recorder


def test_runs_of_a_group_end_as_if_trained_alone(open_study, side_by_side):
    runs = make_runs("a", "b", "c", epochs=5)
    store = open_study(runs)
    train_in([runs], store)
    assert set(side_by_side) == {3}
    for run in runs:
        assert_finished(store, run)


def test_the_other_lanes_continue_when_one_ends_early(open_study, side_by_side, trainer):
    runs = make_runs("a", "b", "c", epochs=5)
    store = open_study(runs)
    trainer.faults[runs[1].key] = lambda segment: replace(train(segment), diverged=True, final=None)
    train_in([runs], store)
    assert side_by_side[0] == 3
    assert set(side_by_side[1:]) == {2}
    assert store.status()[runs[1].key] == "diverged"
    assert_finished(store, runs[0])
    assert_finished(store, runs[2])


def test_a_group_that_does_not_fit_is_trained_in_halves(open_study, monkeypatch):
    lanes = []

    def train_group(segments):
        lanes.append(len(segments))
        if len(segments) > 2:
            raise MemoryError("the device has no room")
        return tuple(train(segment) for segment in segments)

    monkeypatch.setattr(local, "train_group", train_group)
    runs = make_runs(*"abcde", epochs=2)
    store = open_study(runs)
    recorder = train_in([runs], store)
    assert max(lanes[1:]) < 5
    assert any("halves" in notice for notice in recorder.notices)
    for run in runs:
        assert_finished(store, run)


def test_runs_at_different_epochs_are_trained_apart(open_study, side_by_side):
    runs = make_runs("ahead", "behind", epochs=6)
    store = open_study(runs)
    store.commit([(runs[0], train(segment_of(runs[0], epochs=2)))])
    train_in([runs], store)
    assert set(side_by_side) == {1}
    for run in runs:
        assert_finished(store, run)


class Group:
    """Replacement of `local.train_group`: records the group sizes, and raises for groups with a faulty run."""

    def __init__(self, faulty, error, *, alone=True):
        self.sizes, self.faulty, self.error, self.alone = [], faulty, error, alone

    def __call__(self, segments):
        self.sizes.append(len(segments))
        names = {segment.run.arm.name for segment in segments}
        if names & self.faulty and (self.alone or len(segments) > 1):
            raise self.error
        return tuple(train(segment) for segment in segments)


LANES = "abcdefgh"


@given(
    faulty=st.sets(st.sampled_from(LANES), min_size=1),
    error=st.sampled_from([ValueError("no such loss"), RuntimeError("INTERNAL: XLA"), KeyError("w")]),
)
@settings(deadline=None, max_examples=15)
def test_an_error_in_one_lane_is_shown_at_once_and_fails_that_lane_only(faulty, error):
    group = Group(faulty, error)
    runs = make_runs(*LANES, epochs=6)
    with (
        pytest.MonkeyPatch.context() as patch,
        quick_folder() as folder,
        Store(folder, create=True) as store,
    ):
        patch.setattr(local, "train_group", group)
        store.begin(META, runs)
        recorder = train_in([runs], store)
        (notice,) = recorder.notices
        assert f"8 runs side by side raised {type(error).__name__}: " in notice
        # Once by themselves, and those that are well side by side again.
        well = len(LANES) - len(faulty)
        assert group.sizes[:9] == [8, *[1] * 8]
        assert set(group.sizes[9:]) == ({well} if well else set())
        for run in runs:
            if run.arm.name in faulty:
                assert store.status()[run.key] == "failed"
                assert (
                    f"raise self.error\n{type(error).__name__}"
                    in store.path("traceback", run.key).read_text()
                )
            else:
                assert_finished(store, run)
    assert sorted(key for key, status, _ in recorder.ends if status == "failed") == sorted(
        run.key for run in runs if run.arm.name in faulty
    )


def test_a_group_that_raises_although_no_lane_does_is_trained_lane_by_lane(open_study, monkeypatch):
    group = Group(set("abc"), ValueError("these conditions do not fit"), alone=False)
    monkeypatch.setattr(local, "train_group", group)
    runs = make_runs(*"abc", epochs=6)
    store = open_study(runs)
    recorder = train_in([runs], store)
    assert len(recorder.notices) == 1
    assert (group.sizes[0], set(group.sizes[1:])) == (3, {1})
    for run in runs:
        assert_finished(store, run)


def test_a_single_lane_whose_worker_dies_is_repeated_before_the_others_continue(open_study, monkeypatch):
    group = Group({"b"}, ValueError("of this lane"))
    deaths = []

    def train_group(segments):
        if len(segments) == 1 and segments[0].run.arm.name == "c" and len(deaths) < MAX_ATTEMPTS - 1:
            deaths.append(1)
            raise BrokenExecutor
        return group(segments)

    monkeypatch.setattr(local, "train_group", train_group)
    runs = make_runs(*"abc", epochs=6)
    store = open_study(runs)
    train_in([runs], store)
    assert store.status()[runs[1].key] == "failed"
    assert set(group.sizes[4:]) == {2}
    for run in (runs[0], runs[2]):
        assert_finished(store, run)
