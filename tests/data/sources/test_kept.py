"""Datasets given in memory: kept by content, found again in another process, never used when damaged."""

import gc
import json
import subprocess
import sys
import tempfile
from dataclasses import replace

import numpy as np
import pytest

from dropstudy.core.dataset import Column, Table
from dropstudy.data import cache
from dropstudy.data.dataset import make_dataset
from dropstudy.data.load import load_dataset
from dropstudy.data.sources import kept
from dropstudy.data.sources.kept import KeptDataset, keep, name_of
from dropstudy.errors import DataError
from dropstudy.spec.data_names import KEPT
from file_systems import small_disk


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("DROPSTUDY_CACHE", str(folder))
    return folder


def examples(seed=0, name="some pixels", n=40):
    rng = np.random.default_rng(seed)
    return make_dataset(
        name=name,
        x_train=rng.normal(size=(n, 3)),
        y_train=np.arange(n) % 4,
        x_test=rng.normal(size=(8, 3)),
        y_test=np.arange(8) % 4,
        classes=["a", "b", "c", "é"],
        source="a test",
    )


def table():
    columns = (Column("mass", "number", missing=True), Column("island", "category", ("x", "y"), ("x",)))
    x = np.array([[1.5, 0], [np.nan, 1], [2.5, np.nan], [3, 0]])
    return replace(
        examples(n=4),
        x_train=x,
        x_test=np.add(x[::2], [0.25, 0]),
        y_test=np.array([0, 1]),
        table=Table(columns, "species"),
        groups=np.array([0, 0, 1, 1]),
        notes=("a note",),
    )


def folder_of(own_cache, dataset):
    return own_cache / "datasets" / name_of(dataset).removeprefix(KEPT)


def forgotten(dataset):
    """Keep a dataset and return its name, with no copy of it in memory that could stand for the one that is kept."""
    assert keep(dataset) == ""
    name = name_of(dataset)
    kept._in_memory.clear()
    return name


@pytest.mark.parametrize("given", [examples(), table()], ids=["arrays", "table"])
def test_a_dataset_comes_back_as_it_was(given):
    found = load_dataset(forgotten(given))
    assert found is not given
    for field in given.__dataclass_fields__:
        before, after = getattr(given, field), getattr(found, field)
        if isinstance(before, np.ndarray):
            assert before.dtype == after.dtype
            np.testing.assert_array_equal(before, after)
        else:
            assert before == after
    assert name_of(found) == name_of(given)


def test_another_process_finds_it():
    name = forgotten(examples())
    code = f"import dropstudy; print(dropstudy.load_dataset({name!r}).classes)"
    done = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == "('a', 'b', 'c', 'é')"


def test_the_name_is_that_of_the_content():
    given = examples()
    assert name_of(given) == name_of(examples(name="the same under another name"))
    different = [
        examples(seed=1),
        replace(given, classes=("a", "b", "c", "d")),
        replace(given, scale=2.0),
        replace(given, groups=np.zeros(40, np.int64)),
        table(),
    ]
    assert len({name_of(other) for other in (given, *different)}) == 6


def test_a_dataset_that_somebody_holds_is_not_read_and_one_that_nobody_holds_is_forgotten():
    given = examples()
    name = name_of(given)
    assert load_dataset(name) is given
    del given
    gc.collect()
    with pytest.raises(DataError):
        load_dataset(name)


def test_it_is_written_once(own_cache):
    given = examples()
    keep(given)
    before = [path.stat().st_ino for path in sorted(folder_of(own_cache, given).iterdir())]
    keep(given)
    assert [path.stat().st_ino for path in sorted(folder_of(own_cache, given).iterdir())] == before


def _change_description(folder, **fields):
    path = folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | fields), "utf-8")


def _flip_last_byte(path):
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


DAMAGE = {
    "array cut": lambda folder: (folder / "x_train.npy").write_bytes(
        (folder / "x_train.npy").read_bytes()[:-1]
    ),
    "array empty": lambda folder: (folder / "y_test.npy").write_bytes(b""),
    "array gone": lambda folder: (folder / "x_test.npy").unlink(),
    "one bit": lambda folder: _flip_last_byte(folder / "x_train.npy"),
    "objects": lambda folder: np.save(folder / "y_train.npy", np.array([{}], object), allow_pickle=True),
    "description gone": lambda folder: (folder / "dataset.json").unlink(),
    "description cut": lambda folder: (folder / "dataset.json").write_bytes(b'{"name": "x", '),
    "another class": lambda folder: _change_description(folder, classes=["b", "a", "c", "d"]),
    "a field gone": lambda folder: _change_description(folder, profile=None),
    "a number for text": lambda folder: _change_description(folder, notes=[1]),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_copy_is_refused_with_what_to_do_and_written_again(own_cache, damage):
    name = forgotten(examples())
    folder = folder_of(own_cache, examples())
    kept._in_memory.clear()
    damage(folder)
    with pytest.raises(DataError, match=r"Call dropstudy\.compare again with the same arrays") as caught:
        load_dataset(name)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "damaged" in KeptDataset(name).describe()[0]
    assert forgotten(examples()) == name
    assert name_of(load_dataset(name)) == name
    assert [path.name for path in folder.parent.iterdir() if path.name != ".lock"] == [folder.name]


def test_a_cache_that_cannot_be_written_keeps_it_for_this_process_and_says_so(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")  # where not even the superuser can make a folder
    monkeypatch.setenv("DROPSTUDY_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cache._temporary_folder.cache_clear()
    try:
        warning = keep(examples())
        assert "until this process ends" in warning
        assert "DROPSTUDY_CACHE" in warning
        name = name_of(examples())
        kept._in_memory.clear()
        assert name_of(load_dataset(name)) == name
    finally:
        cache._temporary_folder.cache_clear()


def test_a_copy_in_a_read_only_cache_needs_no_other(own_cache, monkeypatch):
    name = forgotten(examples())
    monkeypatch.setattr(cache, "_writable", lambda folder: folder != own_cache)
    assert keep(examples()) == ""
    kept._in_memory.clear()
    assert name_of(load_dataset(name)) == name


def test_a_full_disk_is_named_and_leaves_nothing_behind(tmp_path, monkeypatch):
    with small_disk(tmp_path / "disk", 256) as disk:
        monkeypatch.setenv("DROPSTUDY_CACHE", str(disk / "cache"))
        with pytest.raises(DataError, match="DROPSTUDY_CACHE") as caught:
            keep(examples(n=100_000))
        assert "\n" not in str(caught.value)
        assert [path.name for path in (disk / "cache" / "datasets").iterdir()] == [".lock"]
        assert keep(examples()) == ""


def test_another_scale_than_the_dataset_was_checked_with_is_refused():
    given = examples()
    assert load_dataset(name_of(given), scale=given.scale) is given
    with pytest.raises(DataError, match="scale of arrays:"):
        load_dataset(name_of(given), scale=3.5)
