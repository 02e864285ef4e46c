"""A file is there whole or not at all, whatever happens while it is written."""

import errno
import os
import re
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import expected
from dropstudy.core import atomic
from dropstudy.core.atomic import make_folder, sync_folder, write_bytes, write_text
from dropstudy.errors import StoreError
from file_systems import small_disk


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_has_the_given_bytes_and_no_other_file_is_left(tmp_path):
    path = tmp_path / "new" / "folders" / "file.bin"
    write_bytes(path, b"\0\xff one")
    assert path.read_bytes() == b"\0\xff one"
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert listing(path.parent) == ["file.bin"]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_is_written_as_utf_8_unchanged(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "text.txt"
    write_text(path, text)
    assert path.read_bytes().decode("utf-8") == text


@pytest.mark.parametrize(
    "name", ["two words", "Übung 学習 🎲", "n" * 255, "é" * 127, "-rf", ".hidden", "a\nb", "'\"$x`;%s{}"]
)
def test_any_file_name_that_the_system_allows_can_be_written(tmp_path, name):
    folder = tmp_path / name
    write_bytes(folder / name, b"content")
    assert (folder / name).read_bytes() == b"content"
    assert listing(folder) == [name]


def test_a_file_gets_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "usual").write_bytes(b"")
    write_bytes(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


# What goes wrong


class Killed(BaseException):
    """A BaseException such as Ctrl-C."""


@pytest.mark.parametrize("failing", ["os.fsync", "os.replace"])
@pytest.mark.parametrize("failure", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt(), Killed()])
def test_a_write_that_fails_leaves_the_old_file_and_no_temporary_one(tmp_path, monkeypatch, failing, failure):
    path = tmp_path / "figure.svg"
    write_bytes(path, b"old")

    def fail(*_):
        raise failure

    monkeypatch.setattr(failing, fail)
    with pytest.raises(StoreError if isinstance(failure, OSError) else type(failure)):
        write_bytes(path, b"new")
    assert listing(tmp_path) == ["figure.svg"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_reported_with_the_path_and_the_bytes_needed(tmp_path, monkeypatch, number):
    path = tmp_path / "file"

    def fail(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(StoreError, match=f"room for 12,345 bytes.*{expected.Store.FREE_SPACE}") as caught:
        write_bytes(path, bytes(12_345))
    assert str(path) in str(caught.value)
    assert os.strerror(number) in str(caught.value)


def test_a_full_disk_keeps_the_old_file_and_small_files_still_fit(tmp_path):
    with small_disk(tmp_path / "disk", 64) as disk:
        path = disk / "file"
        write_bytes(path, b"old")
        with pytest.raises(StoreError, match="room for 100,000 bytes"):
            write_bytes(path, bytes(100_000))
        assert listing(disk) == ["file"]
        assert path.read_bytes() == b"old"
        write_bytes(path, bytes(20_000))
        assert path.stat().st_size == 20_000


def test_a_disk_too_full_for_a_folder_is_named(tmp_path):
    with small_disk(tmp_path / "disk", 8) as disk:
        (disk / "filler").write_bytes(bytes(8 * 1024))
        with pytest.raises(StoreError, match=re.escape(str(disk / "folder" / "file"))):
            write_bytes(disk / "folder" / "file", bytes(100))
        assert not list(disk.glob("folder/*"))


def file_in_the_way(folder):
    (folder / "file").write_bytes(b"")
    return folder / "file" / "below"


def folder_in_the_way(folder):
    (folder / "taken" / "full").mkdir(parents=True)
    return folder / "taken"


@pytest.mark.parametrize("place", [file_in_the_way, folder_in_the_way, lambda folder: folder / ("n" * 256)])
def test_a_folder_that_cannot_be_written_is_named_and_unchanged(tmp_path, place):
    path = place(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StoreError, match=r"a folder that can be written.*Check the path") as caught:
        write_bytes(path, b"content")
    assert str(path) in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_readers_see_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "file"
    contents = {bytes([value]) * 200_000 for value in (1, 2)}
    write_bytes(path, bytes([1]) * 200_000)
    failures = []

    def write():
        try:
            for turn in range(30):
                write_bytes(path, bytes([1 + turn % 2]) * 200_000)
        except StoreError as error:
            failures.append(error)

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    seen = []
    while any(writer.is_alive() for writer in writers):
        seen.append(path.read_bytes())
    assert not failures
    assert seen
    assert contents.issuperset(seen)
    assert listing(tmp_path) == ["file"]


# What survives a power cut


@pytest.fixture
def log(monkeypatch):
    """Log of syncs and renames, in order: the names of files and folders."""
    events = []
    sync, replace = os.fsync, os.replace

    def name_of(descriptor):
        return Path(f"/proc/self/fd/{descriptor}").readlink().name

    def logged_sync(descriptor):
        events.append(("sync", name_of(descriptor)))
        sync(descriptor)

    def logged_replace(source, target):
        events.append(("rename", Path(source).name, Path(target).name))
        replace(source, target)

    monkeypatch.setattr("os.fsync", logged_sync)
    monkeypatch.setattr("os.replace", logged_replace)
    return events


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="names of open files are read from /proc")
def test_content_is_synced_then_renamed_then_the_folder_is_synced(tmp_path, log):
    write_bytes(tmp_path / "file", b"content")
    (_, draft), *rest = log
    assert atomic.TEMPORARY_NAME.fullmatch(draft)
    assert rest == [("rename", draft, "file"), ("sync", tmp_path.name)]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="names of open files are read from /proc")
def test_each_new_folder_is_synced_into_the_one_above_it(tmp_path, log):
    make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert log == [("sync", tmp_path.name), ("sync", "a"), ("sync", "b")]
    make_folder(tmp_path / "a" / "b" / "c")
    assert len(log) == 3


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EACCES])
def test_a_system_that_syncs_no_folders_can_still_be_written(tmp_path, monkeypatch, number):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("dropstudy.core.atomic.os.open", fail)
    sync_folder(tmp_path)


def test_a_folder_that_cannot_be_synced_is_named(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("dropstudy.core.atomic.os.open", fail)
    with pytest.raises(OSError, match="Input/output"):
        sync_folder(tmp_path)
