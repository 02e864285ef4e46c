import os
import pickle
import subprocess
import sys
import tempfile
from dataclasses import replace

import numpy as np
import pytest
from filelock import FileLock

from dropstudy.data import cache
from dropstudy.data.dataset import make_dataset
from dropstudy.errors import DataError

NAMES = ("x_train", "y_train", "x_test", "y_test")
MADE = ("used", "x_used")


def examples(seed=0, n=40):
    rng = np.random.default_rng(seed)
    return make_dataset(
        name="some pixels",
        x_train=rng.integers(0, 256, (n, 3, 3), dtype=np.uint8),
        y_train=np.arange(n) % 4,
        x_test=rng.integers(0, 256, (8, 3, 3), dtype=np.uint8),
        y_test=np.arange(8) % 4,
        source="a test",
    )


DATASET = examples()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("DROPSTUDY_CACHE", str(folder))
    return folder


@pytest.fixture
def no_cache(tmp_path, monkeypatch):
    """A cache folder that cannot be made, not even by the superuser: its parent is a file."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DROPSTUDY_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cache._temporary_folder.cache_clear()
    yield tmp_path / "file" / "cache"
    cache._temporary_folder.cache_clear()


def same(arrays, dataset):
    return all(
        stored.dtype == getattr(dataset, name).dtype and np.array_equal(stored, getattr(dataset, name))
        for name, stored in arrays._asdict().items()
        if name in NAMES
    )


def test_the_cache_is_where_the_environment_says(own_cache):
    assert cache.cache_folder() == own_cache
    assert own_cache.is_dir()


def test_without_a_word_from_the_environment_it_is_the_users_own(tmp_path, monkeypatch):
    monkeypatch.delenv("DROPSTUDY_CACHE")
    monkeypatch.setattr(cache, "user_cache_dir", lambda name: str(tmp_path / "users" / name))
    assert cache.cache_folder() == tmp_path / "users" / "dropstudy"


def test_an_empty_variable_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("DROPSTUDY_CACHE", "")
    monkeypatch.setattr(cache, "user_cache_dir", lambda name: str(tmp_path / "users" / name))
    assert cache.cache_folder() == tmp_path / "users" / "dropstudy"


def test_a_folder_that_cannot_be_written_gives_way_to_a_temporary_one(no_cache):
    folder = cache.cache_folder()
    assert folder.is_dir()
    assert folder.parent == no_cache.parent.parent
    assert cache.cache_folder() == folder  # one for the whole process
    assert cache.cache_folders() == (no_cache, folder)
    assert cache.download_folders("mnist")[-1] == folder / "downloads" / "mnist"


def test_a_cache_that_can_only_be_read_is_read(own_cache, tmp_path, monkeypatch):
    there = cache.arrays_on_disk(DATASET)
    monkeypatch.setattr(cache, "_writable", lambda folder: folder != own_cache)
    monkeypatch.setattr(cache, "_temporary_folder", lambda: tmp_path / "temporary")
    assert cache.arrays_on_disk(DATASET) == there


def test_arrays_come_back_as_they_were(own_cache):
    files = cache.arrays_on_disk(DATASET)
    assert files.folder == own_cache / "arrays" / DATASET.sha256
    assert (files.scale, files.sha256) == (DATASET.scale, DATASET.sha256)
    assert same(cache.map_arrays(files), DATASET)
    assert sorted(path.name for path in files.folder.iterdir()) == sorted(
        f"{name}.npy" for name in (*NAMES, *MADE)
    )


def test_float_features_come_back_as_they_were():
    features = replace(DATASET, x_train=DATASET.x_train / np.float32(7), sha256="f" * 64)
    assert same(cache.map_arrays(cache.arrays_on_disk(features)), features)


def test_features_that_are_0_in_all_training_examples_are_told_from_the_others():
    x_train = DATASET.x_train.copy()
    x_train[:, 0, :2] = 0
    x_train[1:, 2, 2] = 0  # once is not never
    x_train[0, 2, 2] = 1
    arrays = cache.map_arrays(cache.arrays_on_disk(replace(DATASET, x_train=x_train, sha256="e" * 64)))
    assert arrays.used.tolist() == [2, 3, 4, 5, 6, 7, 8]
    assert np.array_equal(arrays.x_used, x_train.reshape(40, 9)[:, 2:])
    full = cache.map_arrays(cache.arrays_on_disk(DATASET))
    assert full.used.tolist() == list(range(9))
    assert full.x_used.shape == (0, 9)


@pytest.mark.parametrize(("idle", "trained"), [(0, 40), (3, 37), (20, 32), (24, 16), (39, 16)])
def test_idle_features_fill_the_last_vector_where_that_leaves_some_out(idle, trained):
    x_train = np.full((5, 40), 3, np.uint8)
    left_out = np.sort(np.random.default_rng(idle).permutation(40)[:idle])
    x_train[:, left_out] = 0
    dataset = replace(DATASET, x_train=x_train, y_train=DATASET.y_train[:5], sha256=f"{idle:064d}")
    arrays = cache.map_arrays(cache.arrays_on_disk(dataset))
    assert len(arrays.used) == trained
    assert set(arrays.used) >= set(range(40)) - set(left_out)
    assert np.array_equal(arrays.used, np.unique(arrays.used))
    if idle:
        assert np.array_equal(arrays.x_used, x_train[:, arrays.used])


def test_arrays_are_mapped_and_cannot_be_changed():
    arrays = cache.map_arrays(cache.arrays_on_disk(DATASET))
    assert all(isinstance(array, np.memmap) for array in arrays)
    with pytest.raises(ValueError, match="read-only"):
        arrays.x_train[0, 0, 0] = 1


def test_the_record_travels_to_other_processes():
    files = cache.arrays_on_disk(DATASET)
    assert pickle.loads(pickle.dumps(files)) == files  # noqa: S301 - our own bytes, written a moment ago


def test_arrays_are_written_once():
    files = cache.arrays_on_disk(DATASET)
    before = [path.stat().st_ino for path in sorted(files.folder.iterdir())]
    assert cache.arrays_on_disk(DATASET) == files
    assert [path.stat().st_ino for path in sorted(files.folder.iterdir())] == before


def test_two_datasets_live_side_by_side():
    one, other = (cache.arrays_on_disk(examples(seed)) for seed in (1, 2))
    assert one.folder != other.folder
    assert same(cache.map_arrays(one), examples(1))
    assert same(cache.map_arrays(other), examples(2))


def flip_last_byte(path):
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


DAMAGE = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "rubbish": lambda path: path.write_bytes(b"not an array"),
    "one bit": flip_last_byte,
    "gone": lambda path: path.unlink(),
    "another shape": lambda path: np.save(path, np.zeros((2, 2))),
    "objects": lambda path: np.save(path, np.array([{}], dtype=object), allow_pickle=True),
}


@pytest.mark.parametrize("name", [*NAMES, "used"])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_array_is_written_again(damage, name):
    files = cache.arrays_on_disk(DATASET)
    damage(files.folder / f"{name}.npy")
    assert cache.arrays_on_disk(DATASET) == files
    assert same(cache.map_arrays(files), DATASET)
    assert [path.name for path in files.folder.parent.iterdir() if path.name != ".lock"] == [DATASET.sha256]


def test_who_has_mapped_the_arrays_keeps_them_when_they_are_written_again():
    files = cache.arrays_on_disk(DATASET)
    mapped = cache.map_arrays(files)
    (files.folder / "y_test.npy").unlink()
    cache.arrays_on_disk(DATASET)
    assert same(mapped, DATASET)


def test_what_a_killed_process_left_is_swept(own_cache):
    for suffix in ("new", "old"):
        leftover = own_cache / "arrays" / f".{DATASET.sha256}.{suffix}"
        leftover.mkdir(parents=True)
        (leftover / "x_train.npy").write_bytes(b"half an arr")
    files = cache.arrays_on_disk(DATASET)
    assert same(cache.map_arrays(files), DATASET)
    assert [path.name for path in files.folder.parent.iterdir() if path.name != ".lock"] == [DATASET.sha256]


WRITE_AND_READ = """
from test_cache import examples, same
from dropstudy.data import cache
big = examples(seed=3, n=200_000)
assert same(cache.map_arrays(cache.arrays_on_disk(big)), big)
"""


def test_two_processes_at_once_give_one_valid_folder(own_cache):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WRITE_AND_READ]
    both = [subprocess.Popen(command, env=environment) for _ in "ab"]  # noqa: S603 - our own interpreter
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert len([path for path in (own_cache / "arrays").iterdir() if path.name != ".lock"]) == 1


def test_a_process_that_never_ends_its_writing_is_not_waited_for_for_ever(own_cache, monkeypatch):
    monkeypatch.setattr(cache, "_PATIENCE", 0.2)
    (own_cache / "arrays").mkdir(parents=True)
    with FileLock(own_cache / "arrays" / ".lock", is_singleton=False), pytest.raises(DataError) as caught:
        cache.arrays_on_disk(DATASET)
    assert caught.value.subject == str(own_cache / "arrays" / ".lock")
    assert same(cache.map_arrays(cache.arrays_on_disk(DATASET)), DATASET)


def test_no_room_names_the_folder_and_the_bytes(own_cache):
    own_cache.mkdir()
    (own_cache / "arrays").write_text("a file where the folder should be")
    with pytest.raises(DataError, match="DROPSTUDY_CACHE") as caught:
        cache.arrays_on_disk(DATASET)
    assert caught.value.subject == str(own_cache / "arrays" / DATASET.sha256)
    numbers_of_columns = 9 * 4  # of 3 x 3 pixels none is 0 everywhere
    size = sum(getattr(DATASET, name).nbytes for name in NAMES) + numbers_of_columns
    assert f"{size:,} bytes" in caught.value.expected


def test_a_disk_that_fills_up_leaves_nothing_behind(own_cache, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(DataError, match="No space left on device"):
        cache.arrays_on_disk(DATASET)
    assert [path.name for path in (own_cache / "arrays").iterdir()] == [".lock"]


def test_a_worker_that_finds_no_array_says_which():
    files = cache.arrays_on_disk(DATASET)
    (files.folder / "x_test.npy").unlink()
    with pytest.raises(DataError) as caught:
        cache.map_arrays(files)
    assert caught.value.subject == str(files.folder / "x_test.npy")
