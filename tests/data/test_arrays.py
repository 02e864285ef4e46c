import os
import subprocess
import sys
import tempfile
from dataclasses import replace

import numpy as np
import pytest
from filelock import FileLock

from dropstudy.core.types import DataReference
from dropstudy.data import cache
from dropstudy.data.arrays import arrays_folder, map_arrays, store_arrays, store_briefly, stored_test_set
from dropstudy.data.dataset import make_dataset
from dropstudy.errors import DataError
from dropstudy.runtime.local import LocalWorkers

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


def same(arrays, dataset):
    return all(
        stored.dtype == getattr(dataset, name).dtype and np.array_equal(stored, getattr(dataset, name))
        for name, stored in arrays._asdict().items()
        if name in NAMES
    )


@pytest.fixture
def read_only_cache(own_cache, tmp_path, monkeypatch):
    """Make the cache one that can only be read, with a temporary folder beside it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cache._temporary_folder.cache_clear()
    yield lambda: monkeypatch.setattr(cache, "_writable", lambda folder: folder != own_cache)
    cache._temporary_folder.cache_clear()


def test_a_read_only_cache_is_read(own_cache, read_only_cache):
    store_arrays(DATASET)
    read_only_cache()
    assert arrays_folder(store_arrays(DATASET)).parent.parent == own_cache


def test_damaged_arrays_in_a_read_only_cache_are_replaced_in_another_folder(read_only_cache):
    damage = arrays_folder(store_arrays(DATASET)) / "x_train.npy"
    flip_last_byte(damage)
    read_only_cache()
    assert same(map_arrays(store_arrays(DATASET)), DATASET)


def test_workers_find_arrays_in_a_temporary_folder(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")  # where not even the superuser can make a folder
    monkeypatch.setenv("DROPSTUDY_CACHE", str(tmp_path / "file" / "cache"))
    data = store_arrays(DATASET)
    workers = LocalWorkers(1, device=None)
    try:
        assert workers.submit(arrays_folder, data).result(60) == arrays_folder(data)
    finally:
        workers.shutdown(cancel_futures=True)


def test_arrays_in_no_cache_are_named_with_the_folders_searched(own_cache):
    with pytest.raises(DataError, match="DROPSTUDY_CACHE") as caught:
        map_arrays(DataReference("0" * 64, 1.0))
    assert caught.value.subject == f"dataset {'0' * 64}"
    assert str(own_cache / "arrays") in caught.value.expected


def test_arrays_come_back_as_they_were(own_cache):
    data = store_arrays(DATASET)
    assert arrays_folder(data) == own_cache / "arrays" / DATASET.sha256
    assert (data.scale, data.sha256) == (DATASET.scale, DATASET.sha256)
    assert same(map_arrays(data), DATASET)
    assert sorted(path.name for path in arrays_folder(data).iterdir()) == sorted(
        f"{name}.npy" for name in (*NAMES, *MADE)
    )


def test_float_features_come_back_as_they_were():
    features = replace(DATASET, x_train=DATASET.x_train / np.float32(7), sha256="f" * 64)
    assert same(map_arrays(store_arrays(features)), features)


def test_features_that_are_0_in_all_training_examples_are_marked():
    x_train = DATASET.x_train.copy()
    x_train[:, 0, :2] = 0
    x_train[1:, 2, 2] = 0  # once is not never
    x_train[0, 2, 2] = 1
    arrays = map_arrays(store_arrays(replace(DATASET, x_train=x_train, sha256="e" * 64)))
    assert arrays.used.tolist() == [2, 3, 4, 5, 6, 7, 8]
    assert np.array_equal(arrays.x_used, x_train.reshape(40, 9)[:, 2:])
    full = map_arrays(store_arrays(DATASET))
    assert full.used.tolist() == list(range(9))
    assert full.x_used.shape == (0, 9)


@pytest.mark.parametrize(("idle", "trained"), [(0, 40), (3, 37), (20, 32), (24, 16), (39, 16)])
def test_idle_features_fill_the_last_vector_where_that_leaves_some_out(idle, trained):
    x_train = np.full((5, 40), 3, np.uint8)
    left_out = np.sort(np.random.default_rng(idle).permutation(40)[:idle])
    x_train[:, left_out] = 0
    dataset = replace(DATASET, x_train=x_train, y_train=DATASET.y_train[:5], sha256=f"{idle:064d}")
    arrays = map_arrays(store_arrays(dataset))
    assert len(arrays.used) == trained
    assert set(arrays.used) >= set(range(40)) - set(left_out)
    assert np.array_equal(arrays.used, np.unique(arrays.used))
    if idle:
        assert np.array_equal(arrays.x_used, x_train[:, arrays.used])


def test_arrays_are_mapped_and_cannot_be_changed():
    arrays = map_arrays(store_arrays(DATASET))
    assert all(isinstance(array, np.memmap) for array in arrays)
    with pytest.raises(ValueError, match="read-only"):
        arrays.x_train[0, 0, 0] = 1


def test_arrays_are_written_once():
    data = store_arrays(DATASET)
    before = [path.stat().st_ino for path in sorted(arrays_folder(data).iterdir())]
    assert store_arrays(DATASET) == data
    assert [path.stat().st_ino for path in sorted(arrays_folder(data).iterdir())] == before


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
    data = store_arrays(DATASET)
    damage(arrays_folder(data) / f"{name}.npy")
    assert store_arrays(DATASET) == data
    assert same(map_arrays(data), DATASET)
    assert [path.name for path in arrays_folder(data).parent.iterdir() if path.name != ".lock"] == [
        DATASET.sha256
    ]


def test_mapped_arrays_stay_valid_when_the_file_is_written_again():
    data = store_arrays(DATASET)
    mapped = map_arrays(data)
    (arrays_folder(data) / "y_test.npy").unlink()
    store_arrays(DATASET)
    assert same(mapped, DATASET)


def test_temporary_files_of_a_killed_process_are_removed(own_cache):
    for suffix in ("new", "old"):
        leftover = own_cache / "arrays" / f".{DATASET.sha256}.{suffix}"
        leftover.mkdir(parents=True)
        (leftover / "x_train.npy").write_bytes(b"half an arr")
    data = store_arrays(DATASET)
    assert same(map_arrays(data), DATASET)
    assert [path.name for path in arrays_folder(data).parent.iterdir() if path.name != ".lock"] == [
        DATASET.sha256
    ]


WRITE_AND_READ = """
from test_arrays import examples, same
from dropstudy.data.arrays import map_arrays, store_arrays
big = examples(seed=3, n=200_000)
assert same(map_arrays(store_arrays(big)), big)
"""


def test_arrays_that_another_process_is_writing_stay_and_those_of_a_dead_one_go(own_cache):
    """Two studies of tables at once: each writes its own arrays, first under another name."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    reference, remove = store_briefly(DATASET)
    own = arrays_folder(reference).name.rpartition("-")[0]
    remove()
    alive, dead = (own_cache / "arrays" / f".{own}-{pid}.new" for pid in (os.getppid(), ended.pid))
    alive.mkdir()
    dead.mkdir()
    _, remove = store_briefly(DATASET)
    remove()
    assert alive.is_dir()
    assert not dead.exists()


def test_two_processes_at_once_give_one_valid_folder(own_cache):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WRITE_AND_READ]
    both = [subprocess.Popen(command, env=environment) for _ in "ab"]  # noqa: S603 - our own interpreter
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert len([path for path in (own_cache / "arrays").iterdir() if path.name != ".lock"]) == 1


def test_waiting_for_a_process_that_writes_arrays_has_a_timeout(own_cache, monkeypatch):
    monkeypatch.setattr("dropstudy.data.cache._TIMEOUT", 0.2)
    (own_cache / "arrays").mkdir(parents=True)
    with FileLock(own_cache / "arrays" / ".lock", is_singleton=False), pytest.raises(DataError) as caught:
        store_arrays(DATASET)
    assert caught.value.subject == str(own_cache / "arrays" / ".lock")
    assert same(map_arrays(store_arrays(DATASET)), DATASET)


def test_a_full_disk_is_named_with_the_folder_and_the_bytes(own_cache):
    own_cache.mkdir()
    (own_cache / "arrays").write_text("a file where the folder should be")
    with pytest.raises(DataError, match="DROPSTUDY_CACHE") as caught:
        store_arrays(DATASET)
    assert caught.value.subject == str(own_cache / "arrays" / DATASET.sha256)
    numbers_of_columns = 9 * 4  # of 3 x 3 pixels none is 0 everywhere
    size = sum(getattr(DATASET, name).nbytes for name in NAMES) + numbers_of_columns
    assert f"{size:,} bytes" in caught.value.expected


def test_a_disk_that_fills_up_leaves_nothing_behind(own_cache, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(DataError, match="No space left on device"):
        store_arrays(DATASET)
    assert [path.name for path in (own_cache / "arrays").iterdir()] == [".lock"]


@pytest.mark.parametrize("classes", [None, ["a", "b", "c", "d"]])
def test_a_test_set_comes_from_the_arrays_in_the_cache_as_long_as_they_are_as_written(classes):
    labels = np.arange(40) % 4 if classes is None else np.array(classes)[np.arange(40) % 4]
    x = np.random.default_rng(0).integers(0, 256, (40, 3, 3), dtype=np.uint8)
    dataset = make_dataset(
        name="pixels", x_train=x, y_train=labels, x_test=x[:8], y_test=labels[:8], source="a test"
    )
    known = dataset.sha256, dataset.scale, dataset.classes
    assert stored_test_set(*known) is None
    folder = arrays_folder(store_arrays(dataset))
    x_test, y_test = stored_test_set(*known)
    np.testing.assert_array_equal(x_test, dataset.x_test)
    np.testing.assert_array_equal(y_test, dataset.y_test)
    for name in NAMES:
        whole = np.load(folder / f"{name}.npy")
        np.save(folder / f"{name}.npy", whole[::-1])
        assert stored_test_set(*known) is None
        np.save(folder / f"{name}.npy", whole)
    (folder / "y_test.npy").unlink()
    assert stored_test_set(*known) is None


def test_a_worker_names_the_array_that_is_missing():
    data = store_arrays(DATASET)
    (arrays_folder(data) / "x_test.npy").unlink()
    with pytest.raises(DataError) as caught:
        map_arrays(data)
    assert caught.value.subject == str(arrays_folder(data) / "x_test.npy")
