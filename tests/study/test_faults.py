"""Faults of the complete command in a process of its own; docs/faults.md lists all faults and their tests."""

import os
import random
import shutil
import signal
import sqlite3
import threading
import time

import pytest

import expected
from command_line import read_until
from dropstudy.store.diff import compare
from dropstudy.store.store import Store
from fast_command import SETTINGS, run, started
from file_systems import quick_folder, small_disk

NAME = "Übung 学習 'a' \"b\" $HOME 🎲"
"""Name of the folder: with blanks, quotes and letters of all kinds."""


@pytest.fixture(scope="module")
def straight():
    """The study as it is when nothing happens to it."""
    with quick_folder() as place:
        assert run("run", *SETTINGS, "--out", place / "straight").code == 0
        yield place / "straight"


@pytest.fixture
def place():
    with quick_folder() as folder:
        yield folder / NAME


def run_to_the_end(folder, **options):
    """Run the same command again; returns its output."""
    output = run("run", *SETTINGS, "--out", folder, **options)
    assert output.code == 0, output.err
    return output


def assert_same(folder, straight):
    """Equal to the bit, run by run, with the same study file, and with nothing left over."""
    compared = compare(folder, straight)
    assert len(compared) == 6
    assert all(each.same for each in compared)
    assert study_file(folder) == study_file(straight)
    with Store(folder) as store:
        assert set(store.status().values()) == {"done"}
        assert [len(rows) for rows in store.histories().values()] == [4] * 6
    assert list(folder.glob("checkpoints/*")) == []
    assert list(folder.rglob("*.tmp")) == []


def study_file(folder):
    return (folder / "study.toml").read_text(encoding="utf-8")


def error_of(output):
    """The error that a command printed, on one line."""
    assert output.is_error()
    return output.err.removesuffix("\n")


# Killed


@pytest.mark.slow
def test_a_command_killed_at_random_times_ends_as_without_the_kills(place, straight):
    draw = random.Random(1)  # noqa: S311 - no secret
    kills = 0
    for _ in range(3):
        with started("run", *SETTINGS, "--out", place, seconds=0.1) as process:
            read_until(process, "; study in ")
            time.sleep(draw.uniform(0, 0.2))
            process.kill()
            kills += process.wait() == -signal.SIGKILL
    assert kills == 3
    assert (place / "study.holder").exists()  # the lock of the killed process is replaced
    run_to_the_end(place)
    assert_same(place, straight)


@pytest.mark.slow
def test_a_second_interrupt_ends_a_command_at_once_without_a_traceback(place, straight):
    with started("run", *SETTINGS, "--out", place, seconds=20) as process:
        read_until(process, "; study in ")
        time.sleep(0.2)
        began = time.monotonic()
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        _, errors = process.communicate(timeout=10)
        assert time.monotonic() - began < 10
    assert process.returncode == 130
    assert "Traceback" not in errors
    run_to_the_end(place)
    assert_same(place, straight)


# Two at once, and clocks


@pytest.mark.slow
def test_a_second_command_names_the_process_that_runs_the_study_and_does_not_disturb_it(place, straight):
    with started("run", *SETTINGS, "--out", place, seconds=0.5) as first:
        read_until(first, "; study in ")
        line = error_of(run("run", *SETTINGS, "--out", place))
        assert f"process {first.pid} on {os.uname().nodename}" in line
        assert str(place) in line
        assert run("show", place).code == 0  # to look is allowed
        first.communicate(timeout=60)
        assert first.returncode == 0
    assert_same(place, straight)


@pytest.mark.slow
def test_a_clock_that_jumps_and_a_pause_neither_lose_nor_duplicate_rows(place, straight):
    with started("run", *SETTINGS, "--out", place, seconds=0.1, clock=True) as process:
        read_until(process, "; study in ")
        os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(1)
        os.killpg(process.pid, signal.SIGCONT)
        time.sleep(0.3)
        process.kill()
    for path in place.rglob("*"):  # as a clock that was set back leaves them, and one that was set forth
        hours = 3600 * random.Random(path.name).choice((-50, 50))  # noqa: S311 - no secret
        os.utime(path, (time.time() + hours, time.time() + hours))
    run_to_the_end(place, clock=True)
    assert_same(place, straight)


# The folder


@pytest.mark.slow
def test_a_deleted_folder_stops_the_command_with_an_error_and_is_not_created_again(place, straight):
    elsewhere = place.with_name("elsewhere")
    with started("run", *SETTINGS, "--out", place, seconds=0.1) as process:
        read_until(process, "Epoch 1/")
        place.rename(elsewhere)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors.startswith(
        f"Error: {place / 'study.db'}: expected the database of the study that is running"
    )
    assert expected.Store.DELETED in errors
    assert not place.exists()
    elsewhere.rename(place)
    run_to_the_end(place)
    assert_same(place, straight)


@pytest.mark.slow
@pytest.mark.parametrize("kibibytes", [60, 140])
def test_a_full_disk_stops_the_command_and_stored_progress_is_resumed(tmp_path, straight, kibibytes):
    """The smaller, the earlier: in the study file, the database, a checkpoint or a finished run's files."""
    with small_disk(tmp_path / "disk", 1024) as disk:
        (disk / "filler").write_bytes(bytes((1024 - kibibytes) * 1024))
        folder = disk / "study"
        line = error_of(run("run", *SETTINGS, "--out", folder))
        assert str(folder) in line
        assert "room for " in line or "No space left" in line
        assert expected.Store.FREE_SPACE in line
        (disk / "filler").unlink()
        run_to_the_end(folder)
        assert_same(folder, straight)


@pytest.mark.slow
def test_a_report_on_a_full_disk_leaves_the_study_unchanged(tmp_path, straight):
    with small_disk(tmp_path / "disk", 1024) as disk:
        folder = shutil.copytree(straight, disk / "study")
        (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - 40 * 1024))
        line = error_of(run("report", folder, figures=True))
        assert "room for " in line
        assert str(folder) in line
        assert list(folder.rglob("*.tmp")) == []
        assert_same(folder, straight)


# Looking on


@pytest.mark.slow
def test_readers_see_complete_states_and_do_not_disturb_the_study(place, straight):
    seen, failures = [], []

    def look():
        while first.poll() is None:
            try:
                with Store(place) as store:
                    progress, status = store.progress(), store.status()
                    histories = store.histories()
            except Exception as error:  # noqa: BLE001 - whatever it is
                failures.append(error)
                return
            for each in progress:
                rows = histories.get(each.run.key, ())
                if len(rows) != each.epochs_done or status[each.run.key] != each.status:
                    failures.append(each)
            seen.append(sum(len(rows) for rows in histories.values()))

    with started("run", *SETTINGS, "--out", place, seconds=0.05) as first:
        read_until(first, "; study in ")
        lookers = [threading.Thread(target=look) for _ in range(2)]
        for looker in lookers:
            looker.start()
        first.communicate(timeout=60)
        for looker in lookers:
            looker.join()
    assert first.returncode == 0
    assert failures == []
    assert len(set(seen)) > 3
    assert_same(place, straight)


def test_a_reader_suspended_while_reading_delays_the_study_and_does_not_end_it(place, straight):
    """It holds the database's shared lock, which is what SQLite's own tools do when they are stopped."""
    with started("run", *SETTINGS, "--out", place, seconds=0.05) as process:
        read_until(process, "; study in ")
        reader = sqlite3.connect(place / "study.db", isolation_level=None)
        reader.execute("BEGIN")
        before = reader.execute("SELECT count(*) FROM history").fetchone()
        time.sleep(3)
        assert process.poll() is None
        assert reader.execute("SELECT count(*) FROM history").fetchone() == before
        reader.execute("COMMIT")
        reader.close()
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert_same(place, straight)
