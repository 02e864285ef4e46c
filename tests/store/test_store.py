"""Store: committed results survive kills, damage and full disks, and are recorded once."""

import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import expected
from dropstudy.core.atomic import temporary_path
from dropstudy.core.tensors import read_tensors
from dropstudy.errors import DamagedFile, StoreError
from dropstudy.store.paths import StudyPaths
from dropstudy.store.store import DATABASE, Store
from fake_training import (
    assert_finished,
    complete_result,
    files_of,
    history_of,
    make_run,
    make_runs,
    run_key,
    same_tensors,
    segment_of,
    train,
)
from file_systems import quick_folder, small_disk
from kill_points import RUN, SEGMENTS, commits, kill_at_every_point


@pytest.fixture
def tmp_path():
    with quick_folder() as folder:
        yield folder


@pytest.fixture
def store(tmp_path):
    """An open store with RUN planned."""
    with Store(tmp_path / "study", create=True) as opened:
        opened.begin({}, [RUN])
        yield opened


def advance(store, run, epochs):
    """Train and commit the next segment."""
    done, state = store.checkpoint(run.key)
    result = train(segment_of(run, state=state, first_epoch=done // run.condition.steps, epochs=epochs))
    store.commit([(run, result)])
    return result


def finish(store):
    """Train and commit RUN epoch by epoch."""
    while store.status()[RUN.key] != "done":
        advance(store, RUN, 1)


def checkpoint(store, run=RUN):
    """Path of the only checkpoint of a run."""
    (path,) = store.folder.glob(f"checkpoints/{run.key}-*")
    return path


# Reading what was written


def test_runs_come_back_as_they_were_planned(store):
    runs = (
        RUN,
        replace(make_run("Übung 'x' \"y\"", rate=0.25), validation_split=0.1),
        replace(make_run(seed=2**40), validation_split=7, precision="bfloat16"),
    )
    store.begin({}, runs)
    assert store.runs() == runs
    assert set(store.status().values()) == {"planned"}


def test_metadata_come_back_and_later_values_replace_earlier_ones(store):
    store.begin({"classes": ["ä", "</script>"], "scale": 255.0, "fallback": True, "n": 3}, [])
    store.begin({"n": 4, "more": None}, [])
    assert store.meta == {
        "classes": ["ä", "</script>"],
        "scale": 255.0,
        "fallback": True,
        "n": 4,
        "more": None,
    }


def test_a_second_plan_keeps_progress_and_sets_the_order(store):
    advance(store, RUN, 2)
    wanted = (make_run("new"), RUN, make_run("newer"))
    store.begin({}, wanted)
    assert store.runs() == wanted
    assert store.status() == {RUN.key: "running", run_key("new"): "planned", run_key("newer"): "planned"}
    assert len(history_of(store, RUN)) == 2


def test_a_plan_is_recorded_completely_or_not_at_all(store):
    with pytest.raises(TypeError, match="not JSON serializable"):
        store.begin({"one": 1, "two": object()}, make_runs("new"))
    assert store.meta == {}
    assert store.runs() == (RUN,)


def test_a_run_resumes_from_the_store_alone(store):
    result = advance(store, RUN, 2)
    done, state = store.checkpoint(RUN.key)
    assert done == 2 * RUN.condition.steps
    assert same_tensors(state, result.state)
    assert store.status() == {RUN.key: "running"}
    assert history_of(store, RUN) == result.history


def test_a_run_names_every_device_that_trained_a_part_of_it(store):
    whole = complete_result(RUN)
    first = replace(train(segment_of(RUN, state=None, first_epoch=0, epochs=2)), device="cpu on a")
    for part in (first, replace(whole, history=whole.history[2:], device="cpu on b")):
        store.commit([(RUN, part)])
    assert [row["device"] for row in store.finals()] == ["cpu on a; cpu on b"]
    store.restart([RUN])
    store.commit([(RUN, replace(whole, device="cpu on c"))])
    assert [row["device"] for row in store.finals()] == ["cpu on c"]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5))
@settings(deadline=None)
def test_a_run_ends_the_same_however_it_is_cut_into_segments(lengths):
    run = make_run("cut", epochs=sum(lengths))
    with quick_folder() as folder, Store(folder, create=True) as store:
        store.begin({}, [run])
        for length in lengths:
            advance(store, run, length)
        assert_finished(store, run)


def test_the_seconds_of_a_finished_run_are_stored(store):
    result = complete_result(RUN)
    timed = tuple(replace(row, seconds=float(row.epoch)) for row in result.history)
    store.commit([(RUN, replace(result, history=timed))])
    assert [row.seconds for row in history_of(store, RUN)] == [1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_diverged_run_keeps_only_its_history(store, bad):
    advance(store, RUN, 2)
    result = train(segment_of(RUN, state=store.checkpoint(RUN.key)[1], first_epoch=2))
    lost = replace(result.history[0], loss=bad, clean_loss=float("-inf"))
    store.commit([(RUN, replace(result, history=(lost,), diverged=True))])
    history = history_of(store, RUN)
    assert [row.epoch for row in history] == [1, 2, 3]
    assert not np.isfinite([history[2].loss, history[2].clean_loss]).any()
    assert history[2].accuracy == lost.accuracy
    assert store.status() == {RUN.key: "diverged"}
    assert store.failures() == [f"'arm', seed 0 diverged: {expected.Runtime.NOT_FINITE.format(3)}"]
    assert store.finals() == []
    assert files_of(store.folder, RUN.key) == set()


def test_a_run_that_diverges_in_its_first_segment_is_recorded(store):
    store.commit([(RUN, replace(train(segment_of(RUN)), diverged=True))])
    assert store.status() == {RUN.key: "diverged"}
    assert len(history_of(store, RUN)) == 1


def test_a_failed_run_stores_its_traceback_and_resumes(store):
    advance(store, RUN, 2)
    store.fail(RUN, "ValueError: no", "Traceback (most recent call last):\n  ü\n")
    assert store.status() == {RUN.key: "failed"}
    assert store.failures() == ["'arm', seed 0 failed: ValueError: no"]
    text = store.path("traceback", RUN.key).read_text(encoding="utf-8")
    assert text == "Traceback (most recent call last):\n  ü\n"
    store.begin({}, [RUN])
    assert store.checkpoint(RUN.key)[0] == 2 * RUN.condition.steps
    assert files_of(store.folder, RUN.key) == {
        f"tracebacks/{RUN.key}.txt",
        f"checkpoints/{checkpoint(store).name}",
    }
    advance(store, RUN, 3)
    assert_finished(store, RUN)
    assert store.failures() == []
    assert store._db.execute("SELECT error FROM run").fetchall() == [(None,)]


def test_runs_can_be_selected_by_status(store):
    others = make_runs("a", "b", "c")
    store.begin({}, (RUN, *others))
    advance(store, others[0], 5)
    store.fail(others[1], "why", "")
    assert store.runs("done") == (others[0],)
    assert store.runs("failed", "planned") == (RUN, others[1], others[2])
    assert store.runs("diverged") == ()


def test_a_planned_or_restarted_run_has_no_progress(store):
    assert store.checkpoint(RUN.key) == (0, None)
    assert history_of(store, RUN) == ()
    advance(store, RUN, 2)
    advance(store, RUN, 2)
    store.restart([RUN])
    assert store.checkpoint(RUN.key) == (0, None)
    assert history_of(store, RUN) == ()
    assert store.status() == {RUN.key: "planned"}
    assert files_of(store.folder, RUN.key) == set()
    advance(store, RUN, 5)
    assert_finished(store, RUN)


@pytest.mark.parametrize("name", ["two words", "Übung 学習 🎲", "n" * 200, "a?mode=ro#b%20c"])
def test_any_folder_name_will_do(tmp_path, name):
    run = make_run("arm/with\\odd: name")
    with Store(tmp_path / name, create=True) as store:
        store.begin({}, [run])
        advance(store, run, 2)
        advance(store, run, 3)
    with Store(tmp_path / name) as store:
        assert_finished(store, run)


# Several runs in a commit


def test_results_committed_together_equal_separate_commits(store):
    runs = make_runs("a", "b", "c", "d")
    store.begin({}, runs)
    a, b, c, d = runs
    store.commit([(b, train(segment_of(b, epochs=2)))])
    state = store.checkpoint(b.key)[1]
    going_on = train(segment_of(b, state=state, first_epoch=2, epochs=3))
    store.commit(
        [
            (a, complete_result(a)),
            (b, going_on),
            (c, train(segment_of(c, epochs=2))),
            (d, replace(train(segment_of(d, epochs=2)), diverged=True)),
        ]
    )
    assert_finished(store, a)
    assert_finished(store, b)
    assert same_tensors(store.checkpoint(c.key)[1], train(segment_of(c, epochs=2)).state)
    assert store.status()[d.key] == "diverged"
    assert files_of(store.folder, c.key) == {f"checkpoints/{checkpoint(store, c).name}"}


def test_a_commit_stores_all_or_nothing(store):
    runs = make_runs("a", "b")
    store.begin({}, runs)
    store.commit([(runs[1], train(segment_of(runs[1], epochs=2)))])
    again = train(segment_of(runs[1], epochs=2))  # its epochs are there already
    with pytest.raises(sqlite3.IntegrityError):
        store.commit([(runs[0], complete_result(runs[0])), (runs[1], again)])
    assert store.status() == {runs[0].key: "planned", runs[1].key: "running", RUN.key: "planned"}
    assert history_of(store, runs[0]) == ()
    assert [row.epoch for row in history_of(store, runs[1])] == [1, 2]
    store.commit([(runs[0], complete_result(runs[0]))])
    advance(store, runs[1], 3)
    assert_finished(store, runs[0])
    assert_finished(store, runs[1])


def test_progress_has_the_status_and_epochs_of_every_run(store):
    done, half, failed, _ = runs = make_runs("done", "half", "failed", "planned")
    store.begin({}, (*runs, RUN))
    store.commit([(done, complete_result(done)), (half, train(segment_of(half, epochs=2)))])
    store.fail(failed, "why", "Traceback")
    progress = store.progress()
    assert [each.run for each in progress[:4]] == list(runs)
    assert [each.status for each in progress[:4]] == ["done", "running", "failed", "planned"]
    assert [each.epochs_done for each in progress[:4]] == [5, 2, 0, 0]
    assert [each.last for each in progress[:4]] == [
        history_of(store, done)[4],
        history_of(store, half)[1],
        None,
        None,
    ]
    assert [each.test_accuracy for each in progress[:4]] == [0.5, None, None, None]


def test_only_runs_with_an_epoch_have_a_history(store):
    runs = make_runs("a", "b", "c")
    half = train(segment_of(runs[0], epochs=2))
    store.begin({}, runs)
    store.commit([(runs[2], complete_result(runs[2])), (runs[0], half)])
    assert store.histories() == {runs[0].key: half.history, runs[2].key: complete_result(runs[2]).history}


# Weights


def test_a_study_may_store_no_weights(store):
    advance(store, RUN, 2)
    _, state = store.checkpoint(RUN.key)
    result = train(segment_of(RUN, state=state, first_epoch=2, epochs=3))
    store.commit([(RUN, result)], keep_weights=False)
    assert files_of(store.folder, RUN.key) == {f"predictions/{RUN.key}.safetensors"}
    assert store.result_files().read("predictions", RUN.key)
    assert store.lost() == ()
    with pytest.raises(StoreError, match=f"{expected.Store.NO_WEIGHTS}.*new study"):
        store.result_files().read("weights", RUN.key)


def test_dropping_weights_removes_nothing_else(store):
    other = make_run("other")
    store.begin({}, [RUN, other])
    store.commit([(RUN, complete_result(RUN)), (other, complete_result(other))])
    before = StudyPaths(store.folder).sizes()
    size = store.path("weights", RUN.key).stat().st_size
    store.drop_weights([RUN.key])
    assert StudyPaths(store.folder).sizes() == {**before, "weights": before["weights"] - size}
    assert store.lost() == ()
    assert store.status()[RUN.key] == "done"
    assert history_of(store, RUN) == complete_result(RUN).history
    with pytest.raises(StoreError, match=expected.Store.NO_WEIGHTS):
        store.result_files().read("weights", RUN.key)
    assert_finished(store, other)
    store.drop_weights([RUN.key])  # again is no harm
    store.path("predictions", RUN.key).unlink()
    assert store.lost() == (RUN,)


def test_lost_runs_are_those_whose_files_are_missing(store):
    runs = make_runs("a", "b", "c")
    store.begin({}, runs)
    store.commit([(run, complete_result(run)) for run in runs])
    assert store.lost() == ()
    store.path("weights", runs[0].key).unlink()
    store.path("predictions", runs[2].key).unlink()
    assert store.lost() == (runs[0], runs[2])
    store.restart(store.lost())
    assert set(store.runs("planned")) == {runs[0], runs[2], RUN}
    assert files_of(store.folder, runs[0].key) == set()
    assert_finished(store, runs[1])


# Kills and interruptions


def test_a_history_belongs_to_a_planned_run(store):
    with pytest.raises(sqlite3.IntegrityError):
        store.commit([(make_run("unplanned"), complete_result(make_run("unplanned")))])
    assert store.histories().get(run_key("unplanned"), ()) == ()


@pytest.fixture(scope="module")
def kills():
    with quick_folder() as folder:
        yield kill_at_every_point("commits", folder)


@pytest.mark.slow
def test_a_kill_at_any_point_leaves_the_last_committed_segment(kills):
    """SIGKILL before each action of commits on the disk; then the rest is committed."""
    killed, points, survivor = kills
    with Store(survivor) as store:
        assert_finished(store, RUN)
    states = {0: None}
    state = None
    for first, epochs in SEGMENTS:
        state = train(segment_of(RUN, state=state, first_epoch=first, epochs=epochs)).state
        states[first + epochs] = state
    seen = []
    for folder, before in killed:
        if not (folder / DATABASE).exists():
            later = points[points.index(before) :]
            assert any(re.fullmatch(r"replace .* study\.db", point) for point in later), (
                f"no database after {before}"
            )
            seen.append(-1)
        else:
            with Store(folder) as store:
                seen.append(committed(store, states, before))
        commits(folder)
        with Store(folder) as store:
            assert_finished(store, RUN)
    assert seen == sorted(seen), "a later kill left less"
    assert set(seen) == {-1, 0, 2, 4, 5}
    kinds = {before.split()[0] for _, before in killed}
    assert kinds == {"SQL", "write", "fsync", "replace", "unlink", "mkdir"}


def committed(store, states, before):
    """Check that a store is consistent; returns the number of its epochs."""
    status = store.status().get(RUN.key)
    epochs = [row.epoch for row in history_of(store, RUN)]
    assert epochs == list(range(1, len(epochs) + 1)), before
    if status == "done":
        assert len(epochs) == RUN.epochs, before
        assert store.result_files().read("weights", RUN.key), before
        assert store.result_files().read("predictions", RUN.key), before
    elif status is not None:
        done, state = store.checkpoint(RUN.key)
        assert done == len(epochs) * RUN.condition.steps, before
        assert state is states[0] if done == 0 else same_tensors(state, states[len(epochs)]), before
    return len(epochs)


def test_files_are_on_disk_before_the_commit_that_names_them_and_old_ones_are_removed_after_it(kills):
    _, points, _ = kills
    kinds = [point.split()[0] for point in points]
    commits = [number for number, point in enumerate(points) if point == "SQL COMMIT"]
    renames = [
        number
        for number, point in enumerate(points)
        if point.startswith("replace ") and "safetensors" in point
    ]
    # A checkpoint each but the last, which has weights and predictions.
    assert len(renames) == len(SEGMENTS) + 1
    for renamed in renames:
        draft, name = points[renamed].split()[1:]
        written = points.index(f"write {draft}")
        synced = points.index(f"fsync {draft}")
        folder_synced = points.index(
            "fsync checkpoints" if f"{RUN.key}-" in name else "fsync weights", renamed
        )
        commit = next(number for number in commits if number > renamed)
        assert written < synced < renamed < folder_synced < commit
        assert kinds.index("SQL", renamed) > folder_synced
    for number, point in enumerate(points):
        if point.startswith(f"unlink {RUN.key}-"):
            replaced = [at for at in renames if at < number]
            assert replaced
            assert any(replaced[-1] < commit < number for commit in commits)


def test_a_kill_while_sqlite_writes_its_pages_is_rolled_back(tmp_path):
    """With room for few pages in memory, SQLite overwrites the database before the commit."""
    with Store(tmp_path, create=True) as store:
        store.begin({}, make_runs("a", seeds=range(500)))
        before = store.runs()
    script = """
import os, signal, sys
from pathlib import Path
from dropstudy.store.store import Store
store = Store(Path(sys.argv[1]), write=True)
store._db.execute("PRAGMA cache_size = 1")
with store._transaction() as db:
    db.execute("UPDATE run SET error = 'half done', seed = -1")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)  # noqa: S603 - our own
    assert done.returncode == -signal.SIGKILL
    assert b"half done" in (tmp_path / DATABASE).read_bytes()
    with Store(tmp_path) as store:
        assert store.runs() == before
    assert b"half done" not in (tmp_path / DATABASE).read_bytes()


@pytest.mark.parametrize("clean", [False, True])
def test_a_checkpoint_that_no_commit_names_is_ignored_and_removed(store, clean):
    first = advance(store, RUN, 2)
    good = checkpoint(store)
    shutil.copy(good, good.with_name(f"{RUN.key}-0123456789abcdef.safetensors"))
    (good.parent / f"{run_key('unplanned')}-fedcba9876543210.safetensors").write_bytes(b"half")
    temporary = [temporary_path(folder) for folder in (good.parent, store.folder)]
    for path in temporary:
        path.write_bytes(b"half")
    done, state = store.checkpoint(RUN.key)
    assert done == 2 * RUN.condition.steps
    assert same_tensors(state, first.state)
    if clean:
        store.begin({}, [RUN])
        assert list(good.parent.iterdir()) == [good]
        assert not any(path.exists() for path in temporary)
    advance(store, RUN, 1)
    advance(store, RUN, 2)
    store.begin({}, [RUN])
    assert_finished(store, RUN)


@pytest.mark.parametrize("where", ["INSERT", "UPDATE", "COMMIT"])
def test_an_interrupted_commit_can_be_repeated(store, where):
    result = train(segment_of(RUN, epochs=2))

    def interrupt(sql):
        if sql.startswith(where):
            connection.interrupt()

    connection = store._db
    connection.set_trace_callback(interrupt)
    with pytest.raises(StoreError, match="interrupted"):
        store.commit([(RUN, result)])
    connection.set_trace_callback(None)
    assert history_of(store, RUN) == ()
    store.commit([(RUN, result)])
    assert history_of(store, RUN) == result.history


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_exception_rolls_a_transaction_back(store, error):
    def half_done():
        with store._transaction() as db:
            db.execute("UPDATE run SET status = 'done'")
            raise error

    with pytest.raises(error):
        half_done()
    assert store.status() == {RUN.key: "planned"}
    advance(store, RUN, 5)
    assert_finished(store, RUN)


def test_a_reader_sees_complete_segments_while_another_writes(store):
    for first, epochs in SEGMENTS:
        with Store(store.folder) as reader:
            advance(store, RUN, epochs)
            assert len(history_of(reader, RUN)) == first
            assert reader.status()[RUN.key] == ("running" if first else "planned")
    with Store(store.folder) as reader:
        assert_finished(reader, RUN)


# Damage


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << place % 8
    path.write_bytes(content)


def cut(path, place):
    content = path.read_bytes()
    path.write_bytes(content[: place % len(content)])


@pytest.fixture(scope="module")
def half_done():
    """Study with a finished and a running run."""
    done, running = make_runs("done", "running")
    with quick_folder() as folder, Store(folder, create=True) as store:
        store.begin({}, [done, running])
        advance(store, done, done.epochs)
        advance(store, running, 2)
        yield store


@given(place=st.integers(0, 2**32), damage=st.sampled_from([flip, cut]))
@settings(deadline=None)
@pytest.mark.parametrize(
    ("path", "read"),
    [
        (f"checkpoints/{run_key('running')}-*.safetensors", Store.checkpoint),
        (
            f"weights/{run_key('done')}.safetensors",
            lambda store, key: store.result_files().read("weights", key),
        ),
        (
            f"predictions/{run_key('done')}.safetensors",
            lambda store, key: store.result_files().read("predictions", key),
        ),
    ],
)
def test_damage_anywhere_in_a_file_is_found_and_named(half_done, path, read, place, damage):
    (path,) = half_done.folder.glob(path)
    key = path.name[:64]
    content = path.read_bytes()
    read(half_done, key)
    damage(path, place)
    try:
        with pytest.raises(DamagedFile) as caught:
            read(half_done, key)
    finally:
        path.write_bytes(content)
    assert str(path) in str(caught.value)


def test_a_checkpoint_of_another_epoch_is_refused(store):
    advance(store, RUN, 1)
    earlier = checkpoint(store).read_bytes()
    advance(store, RUN, 1)
    checkpoint(store).write_bytes(earlier)
    with pytest.raises(DamagedFile, match=checkpoint(store).name):
        store.checkpoint(RUN.key)


def test_a_missing_checkpoint_is_named(store):
    advance(store, RUN, 2)
    path = checkpoint(store)
    path.unlink()
    with pytest.raises(DamagedFile, match=rf"{path.name}.*no such file"):
        store.checkpoint(RUN.key)


@pytest.mark.parametrize("what", ["weights", "predictions"])
def test_missing_results_are_named(store, what):
    with pytest.raises(StoreError, match=rf"{what}/{RUN.key}\.safetensors.*finished run"):
        store.result_files().read(what, RUN.key)
    advance(store, RUN, 5)
    store.path(what, RUN.key).unlink()
    with pytest.raises(
        StoreError, match=rf"{what}/{RUN.key}\.safetensors.*no such file.*dropstudy run"
    ) as caught:
        store.result_files().read(what, RUN.key)
    assert str(store.folder) in str(caught.value)


def test_a_weights_file_names_its_run(store):
    advance(store, RUN, 5)
    _, about = read_tensors(store.path("weights", RUN.key))
    assert about == {"key": RUN.key, "arm": "arm", "seed": "0"}


# The disk


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk", 128) as folder:
        yield folder


@pytest.mark.parametrize("room", range(0, 24, 4))
def test_a_full_disk_is_named_and_the_last_segment_stays(disk, room):
    """Free space decides which file fails: the checkpoint, the database or its journal."""
    study = disk / "study"
    with Store(study, create=True) as store:
        store.begin({}, [RUN])
        first = advance(store, RUN, 1)
        free = shutil.disk_usage(disk).free
        (disk / "filler").write_bytes(bytes(free - room * 1024))
        with pytest.raises(
            StoreError, match=rf"room for [\d,]+ bytes.*{expected.Store.FREE_SPACE}"
        ) as caught:
            finish(store)
        assert str(study) in str(caught.value)
    (disk / "filler").unlink()
    with Store(study, write=True) as store:
        done, state = store.checkpoint(RUN.key)
        assert len(history_of(store, RUN)) == done // RUN.condition.steps >= 1
        if done == RUN.condition.steps:
            assert same_tensors(state, first.state)
        finish(store)
        assert_finished(store, RUN)


def test_a_study_can_be_read_on_a_read_only_disk(disk):
    with Store(disk, create=True) as store:
        store.begin({"data": "digits"}, [RUN])
        advance(store, RUN, 5)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)  # noqa: S603, S607 - our own arguments
    with Store(disk) as store:
        assert_finished(store, RUN)
        assert store.meta == {"data": "digits"}
    with Store(disk, write=True) as store, pytest.raises(StoreError, match="readonly"):
        store.begin({"data": "mnist"}, [])


@pytest.mark.parametrize("act", ["commit", "fail", "restart"])
def test_a_deleted_study_is_not_created_again(store, act):
    advance(store, RUN, 1)
    shutil.rmtree(store.folder)
    with pytest.raises(StoreError, match=rf"study\.db.*{expected.Store.DELETED}"):
        {
            "commit": lambda: store.commit([(RUN, complete_result(RUN))]),
            "fail": lambda: store.fail(RUN, "why", "Traceback"),
            "restart": lambda: store.restart([RUN]),
        }[act]()
    assert not store.folder.exists()


def test_recorded_runs_can_be_read_without_dropstudy(store):
    advance(store, RUN, 5)
    row = store._db.execute("SELECT arm, seed, specification FROM run").fetchone()
    assert row[:2] == ("arm", 0)
    assert json.loads(row[2])["condition"]["hidden"] == [2]


# A replaced database


@pytest.mark.parametrize(
    "how", [shutil.copyfile, lambda old, place: old.replace(place)], ids=["copied", "moved"]
)
def test_replacing_an_open_database_by_an_older_one_is_found_and_loses_no_epoch(store, tmp_path, how):
    advance(store, RUN, 1)
    old = tmp_path / "old.db"
    shutil.copyfile(store.folder / DATABASE, old)
    advance(store, RUN, 2)
    _, state = store.checkpoint(RUN.key)
    how(old, store.folder / DATABASE)
    last = train(segment_of(RUN, state=state, first_epoch=3, epochs=2))
    with pytest.raises(
        StoreError, match=r"as this process wrote it last.*replaced.*Run the same command again"
    ):
        store.commit([(RUN, last)])
    with Store(store.folder, write=True) as reopened:
        assert [row.epoch for row in history_of(reopened, RUN)] == [1]
        assert reopened.status()[RUN.key] == "running"
        with pytest.raises(DamagedFile, match="no such file"):  # its checkpoint is that of a later time
            reopened.checkpoint(RUN.key)
        reopened.restart([RUN])
        finish(reopened)
        reopened.begin({}, [RUN])
        assert_finished(reopened, RUN)
