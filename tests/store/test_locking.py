"""Lock of a study: one writer at a time, whatever is at the paths of the lock's files."""

import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import expected
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


def test_the_lock_removes_its_files_and_the_folders_it_created(place):
    with lock(place):
        assert {path.name for path in place.iterdir()} == {HOLDER, LOCK}
        assert holder(place) == f"process {os.getpid()} on {socket.gethostname()}"
    assert not place.parent.exists()


def test_an_existing_or_nonempty_folder_stays(place):
    place.parent.mkdir()
    with lock(place):
        (place / "file").touch()
    assert [path.name for path in place.iterdir()] == ["file"]
    (place / "file").unlink()
    with lock(place):
        pass
    assert place.is_dir()


def test_a_second_process_is_refused_with_the_name_of_the_first(place):
    with lock(place):
        with pytest.raises(StudyLocked, match=f"process {os.getpid()} on"), lock(place):
            pass
        assert holder(place)


def test_a_study_whose_lock_was_deleted_is_still_locked(place):
    with lock(place):
        (place / LOCK).unlink()
        with pytest.raises(StudyLocked, match=f"process {os.getpid()} on"), lock(place):
            pass
        assert holder(place)
    with lock(place):
        pass


@pytest.mark.parametrize("lives", [True, False])
def test_a_reused_process_number_does_not_hold_the_lock(place, other, lives):
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


def test_a_full_disk_is_named_when_the_lock_is_acquired(place, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.open", full)
    with (
        pytest.raises(StoreError, match=f"No space left on device.*{expected.Store.FREE_SPACE}"),
        lock(place),
    ):
        pass
    monkeypatch.undo()
    assert not place.parent.exists()
    with lock(place):  # free
        assert (place / HOLDER).is_file()


def put_fifo(path, _):
    os.mkfifo(path)


def put_bytes(path, _):
    path.write_bytes(b"\xff\x1b[31mprocess\n1 on nowhere")


def put_link(path, victim):
    path.symlink_to(victim)


@pytest.mark.parametrize("put", [put_fifo, put_bytes, put_link])
def test_anything_at_the_path_of_the_holder_is_replaced_and_not_followed(place, tmp_path, put):
    place.mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    put(place / HOLDER, victim)
    assert holder(place).isprintable()
    with lock(place):
        assert holder(place).startswith(f"process {os.getpid()} on")
    assert victim.read_text() == "mine"


def test_a_link_at_the_path_of_the_lock_is_not_followed(place, tmp_path):
    place.mkdir(parents=True)
    victim = tmp_path / "victim"
    (place / LOCK).symlink_to(victim)
    with pytest.raises(StoreError, match="first: expected a folder that can be written"), lock(place):
        pass
    assert not victim.exists()


def test_a_folder_that_links_to_itself_is_refused(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(StoreError, match="a broken link"), lock(tmp_path / "loop"):
        pass


def test_one_of_many_simultaneous_commands_runs_and_the_others_are_refused(place):
    """Each makes the folder if need be; none reports a folder that cannot be written, and none leaves it empty."""
    ran, refused = [], []

    def start(_):
        for _ in range(8):
            try:
                with lock(place):
                    ran.append(os.path.exists(place / HOLDER))  # noqa: PTH110 - quick
            except StudyLocked:
                refused.append(1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(4)))
    assert len(ran) + len(refused) == 32
    assert ran
    assert all(ran)
    assert not place.exists()


def test_a_folder_is_removed_although_another_command_waits_for_its_lock(place):
    """The second one opens the lock while the first holds it, and goes on when the first leaves."""
    with ThreadPoolExecutor(1) as pool:

        def wait():
            with lock(place):
                return True

        for _ in range(10):
            with lock(place):
                waiting = pool.submit(wait)
                time.sleep(0.01)
            assert waiting.result()
            assert not place.parent.exists()


def test_a_file_that_is_put_into_a_new_folder_at_the_last_moment_stays(place, monkeypatch):
    rename = type(place).rename

    def late(path, target):
        if path == place:
            (path / "mine").touch()
        return rename(path, target)

    monkeypatch.setattr(type(place), "rename", late)
    with lock(place):
        pass
    assert [path.name for path in place.iterdir()] == ["mine"]
    assert [path.name for path in place.parent.iterdir()] == [place.name]
