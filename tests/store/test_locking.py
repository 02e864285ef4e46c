"""Lock of a study: one writer at a time, whatever lies where the lock's files should be."""

import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dropstudy.errors import StoreError, StudyLocked
from dropstudy.store.locking import HOLDER, LOCK, holder, lock


@pytest.fixture
def place(tmp_path):
    return tmp_path / "studies" / "first"


@pytest.fixture
def other():
    """A process that lives as long as the test, and was there before it."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.communicate(b"\n")


def test_the_lock_leaves_nothing_behind_not_even_the_folders_that_it_made(place):
    with lock(place):
        assert {path.name for path in place.iterdir()} == {HOLDER, LOCK}
        assert holder(place) == f"process {os.getpid()} on {socket.gethostname()}"
    assert not place.parent.exists()


def test_a_folder_that_was_there_or_has_something_in_it_stays(place):
    place.parent.mkdir()
    with lock(place):
        (place / "file").touch()
    assert [path.name for path in place.iterdir()] == ["file"]
    (place / "file").unlink()
    with lock(place):
        pass
    assert place.is_dir()


def test_whoever_comes_second_is_told_who_runs_the_study(place):
    with lock(place):
        with pytest.raises(StudyLocked, match=f"process {os.getpid()} on"), lock(place):
            pass
        assert holder(place)


def test_a_study_whose_lock_was_deleted_is_still_somebodys(place):
    with lock(place):
        (place / LOCK).unlink()
        with pytest.raises(StudyLocked, match=f"process {os.getpid()} on"), lock(place):
            pass
        assert holder(place)
    with lock(place):
        pass


@pytest.mark.parametrize("lives", [True, False])
def test_of_processes_of_one_number_the_one_that_lived_then_holds_the_lock(place, other, lives):
    """A killed one leaves its name; another process may have its number now."""
    place.mkdir(parents=True)
    (place / HOLDER).write_text(f"process {other.pid} on {socket.gethostname()}")
    if lives:
        with pytest.raises(StudyLocked, match=f"process {other.pid} on"), lock(place):
            pass
        assert (place / HOLDER).exists()
    else:
        long_ago = time.time() - 10**6
        os.utime(place / HOLDER, (long_ago, long_ago))
        assert holder(place) == ""
        with lock(place):
            pass


def test_a_disk_that_is_full_when_the_lock_is_taken_is_named(place, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.open", full)
    with pytest.raises(StoreError, match=r"No space left on device.*Free some space"), lock(place):
        pass
    monkeypatch.undo()
    assert not place.parent.exists()
    with lock(place):  # nobody holds it
        assert (place / HOLDER).is_file()


def put_fifo(path, _):
    os.mkfifo(path)


def put_bytes(path, _):
    path.write_bytes(b"\xff\x1b[31mprocess\n1 on nowhere")


def put_link(path, victim):
    path.symlink_to(victim)


@pytest.mark.parametrize("put", [put_fifo, put_bytes, put_link])
def test_whatever_lies_where_the_holder_should_be_is_replaced_and_neither_waited_for_nor_followed(
    place, tmp_path, put
):
    place.mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    put(place / HOLDER, victim)
    assert holder(place).isprintable()
    with lock(place):
        assert holder(place).startswith(f"process {os.getpid()} on")
    assert victim.read_text() == "mine"


def test_a_link_where_the_lock_should_be_is_not_followed(place, tmp_path):
    place.mkdir(parents=True)
    victim = tmp_path / "victim"
    (place / LOCK).symlink_to(victim)
    with pytest.raises(StoreError, match="first: expected a folder that can be written"), lock(place):
        pass
    assert not victim.exists()


def test_a_folder_that_is_a_link_to_itself_leads_nowhere(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(StoreError, match="a broken link"), lock(tmp_path / "loop"):
        pass


def test_of_many_that_start_at_once_one_runs_and_the_others_are_told_so(place):
    """Each makes the folder if need be, and removes it; nobody takes that for a folder that cannot be written."""
    ran, told = [], []

    def start(_):
        for _ in range(8):
            try:
                with lock(place):
                    ran.append(os.path.exists(place / HOLDER))  # noqa: PTH110 - quick
            except StudyLocked:
                told.append(1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(4)))
    assert len(ran) + len(told) == 32
    assert ran
    assert all(ran)
    assert not Path(place).exists()
