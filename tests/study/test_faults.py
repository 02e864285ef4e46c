"""Faults met by the whole command, in a process of its own. docs/faults.md lists all faults, and the test of each."""

import os
import random
import shutil
import signal
import sqlite3
import threading
import time

import pytest

from acting import SETTINGS, say, started, until
from dropstudy.store.diff import compare
from dropstudy.store.store import Store
from file_systems import quick_folder, small_disk

NAME = "Übung 学習 'a' \"b\" $HOME 🎲"
"""Name of the folder: with blanks, quotes and letters of all kinds."""


@pytest.fixture(scope="module")
def straight():
    """The study as it is when nothing happens to it."""
    with quick_folder() as place:
        assert say("run", *SETTINGS, "--out", place / "straight").returncode == 0
        yield place / "straight"


@pytest.fixture
def place():
    with quick_folder() as folder:
        yield folder / NAME


def run_to_the_end(folder, **acts):
    """The same command again, and what it said."""
    said = say("run", *SETTINGS, "--out", folder, **acts)
    assert said.returncode == 0, said.stderr
    return said


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


def one_line(said):
    """The one line in which an error is told."""
    assert said.returncode == 2, said
    (line,) = said.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


# Killed


@pytest.mark.slow
def test_a_command_killed_at_random_times_ends_as_if_it_never_was(place, straight):
    draw = random.Random(1)  # noqa: S311 - no secret
    kills = 0
    for _ in range(3):
        with started("run", *SETTINGS, "--out", place, seconds=0.1) as process:
            until(process, "Starting.")
            time.sleep(draw.uniform(0, 0.2))
            process.kill()
            kills += process.wait() == -signal.SIGKILL
    assert kills == 3
    assert (place / "study.holder").exists()  # the lock that the dead one left is taken over
    run_to_the_end(place)
    assert_same(place, straight)


@pytest.mark.slow
def test_a_second_interrupt_ends_a_command_at_once_without_a_traceback(place, straight):
    with started("run", *SETTINGS, "--out", place, seconds=20) as process:
        until(process, "Starting.")
        time.sleep(0.2)
        began = time.monotonic()
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        _, said = process.communicate(timeout=10)
        assert time.monotonic() - began < 10
    assert process.returncode == 130
    assert "Traceback" not in said
    run_to_the_end(place)
    assert_same(place, straight)


# Two at once, and clocks


@pytest.mark.slow
def test_a_second_command_is_told_who_runs_the_study_and_the_first_is_not_disturbed(place, straight):
    with started("run", *SETTINGS, "--out", place, seconds=0.5) as first:
        until(first, "Starting.")
        line = one_line(say("run", *SETTINGS, "--out", place))
        assert f"process {first.pid} on {os.uname().nodename}" in line
        assert str(place) in line
        assert say("show", place).returncode == 0  # to look is allowed
        first.communicate(timeout=60)
        assert first.returncode == 0
    assert_same(place, straight)


@pytest.mark.slow
def test_a_clock_that_jumps_by_hours_and_a_pause_lose_and_double_nothing(place, straight):
    with started("run", *SETTINGS, "--out", place, seconds=0.1, clock=True) as process:
        until(process, "Starting.")
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
def test_a_folder_that_vanishes_stops_the_command_which_says_so_and_makes_no_other(place, straight):
    elsewhere = place.with_name("elsewhere")
    with started("run", *SETTINGS, "--out", place, seconds=0.1) as process:
        until(process, "Epoch 1/")
        place.rename(elsewhere)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.startswith(f"Error: {place / 'study.db'}: expected the database of the study that is running")
    assert "moved or deleted" in said
    assert not place.exists()
    elsewhere.rename(place)
    run_to_the_end(place)
    assert_same(place, straight)


@pytest.mark.slow
@pytest.mark.parametrize("kibibytes", [60, 140])
def test_a_disk_that_fills_up_stops_the_command_and_what_was_kept_is_gone_on_with(
    tmp_path, straight, kibibytes
):
    """The smaller, the earlier: in the study file, the database, a checkpoint or a finished run's files."""
    with small_disk(tmp_path / "disk", 1024) as disk:
        (disk / "filler").write_bytes(bytes((1024 - kibibytes) * 1024))
        folder = disk / "study"
        line = one_line(say("run", *SETTINGS, "--out", folder))
        assert str(folder) in line
        assert "room for " in line or "No space left" in line
        assert "Free some space" in line
        (disk / "filler").unlink()
        run_to_the_end(folder)
        assert_same(folder, straight)


@pytest.mark.slow
def test_a_report_for_which_there_is_no_room_leaves_the_study_as_it_was(tmp_path, straight):
    with small_disk(tmp_path / "disk", 1024) as disk:
        folder = shutil.copytree(straight, disk / "study")
        (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - 40 * 1024))
        line = one_line(say("report", folder, figures=True))
        assert "room for " in line
        assert str(folder) in line
        assert list(folder.rglob("*.tmp")) == []
        assert_same(folder, straight)


# Looking on


@pytest.mark.slow
def test_who_looks_on_sees_whole_states_and_the_study_is_not_disturbed(place, straight):
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
        until(first, "Starting.")
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


def test_a_reader_that_is_stopped_while_it_reads_delays_the_study_and_does_not_end_it(place, straight):
    """It holds the database's shared lock, which is what SQLite's own tools do when they are stopped."""
    with started("run", *SETTINGS, "--out", place, seconds=0.05) as process:
        until(process, "Starting.")
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
