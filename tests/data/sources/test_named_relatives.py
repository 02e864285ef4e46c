"""Relatives of MNIST and CIFAR-10: forms of their own, archives, contents without a published digest."""

import errno
import gzip
import os

import numpy as np
import pytest

from dropstudy.data import describe
from dropstudy.data.catalogue import CATALOGUE
from dropstudy.data.load import load_dataset
from dropstudy.errors import DataError, DataUnavailable, InvalidArgument
from mirror_server import (
    archive_of,
    idx_bytes,
    mirror,
    published,
    says,
    sends,
    tiny_entry,
    tiny_examples,
    write_files,
)

RELATIVES = [name for name in CATALOGUE if name not in {"mnist", "fashion_mnist"}]
ARCHIVED = [name for name in RELATIVES if CATALOGUE[name].archive]
UNPINNED = ("kmnist", "qmnist", "emnist/balanced")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("DROPSTUDY_CACHE", str(folder))
    return folder


def contents_of(name):
    return published(name, tiny_examples(name))


# In the user's folder


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("name", RELATIVES)
def test_examples_are_upright_and_labels_count_from_0(tmp_path, monkeypatch, name, packed):
    entry = tiny_entry(monkeypatch, name)
    write_files(tmp_path / entry.folder_name, contents_of(name), packed=packed)
    found = load_dataset(name, data_dir=tmp_path)
    for array, expected in zip(("x_train", "y_train", "x_test", "y_test"), tiny_examples(name), strict=True):
        np.testing.assert_array_equal(getattr(found, array), expected)
    assert (found.name, found.classes, found.x_train.dtype) == (name, entry.classes, np.uint8)
    assert found.source == str(tmp_path / entry.folder_name)


@pytest.mark.parametrize(
    ("name", "inner"),
    [
        ("emnist/letters", "EMNIST/raw"),
        ("emnist/letters", "gzip"),
        ("emnist/letters", "emnist_source_files"),
        ("kmnist", "KMNIST/raw"),
        ("qmnist", "QMNIST/raw"),
        ("cifar10", "cifar-10-batches-bin"),
        ("cifar10", "CIFAR-10/cifar-10-batches-bin"),
        ("cifar10", "."),
    ],
)
def test_folders_may_be_those_of_torchvision_or_of_an_unpacked_archive(tmp_path, monkeypatch, name, inner):
    tiny_entry(monkeypatch, name)
    write_files(tmp_path / inner, contents_of(name), packed=False)
    assert load_dataset(name, data_dir=tmp_path).source == str(tmp_path / inner)


@pytest.mark.parametrize("rename", [str.upper, lambda name: name.replace("-idx", ".idx")])
@pytest.mark.parametrize("name", ["qmnist", "emnist/digits", "kmnist"])
def test_files_may_have_the_names_that_other_sites_use(tmp_path, monkeypatch, name, rename):
    tiny_entry(monkeypatch, name)
    write_files(
        tmp_path, {rename(file): content for file, content in contents_of(name).items()}, packed=False
    )
    np.testing.assert_array_equal(load_dataset(name, data_dir=tmp_path).y_test, tiny_examples(name)[3])


@pytest.mark.parametrize("name", UNPINNED)
def test_contents_without_a_digest_are_told_of(tmp_path, monkeypatch, name):
    entry = tiny_entry(monkeypatch, name)
    write_files(tmp_path, contents_of(name), packed=False)
    note = f"4 of 4 files of {name} were checked by size and shape alone"
    assert note in load_dataset(name, data_dir=tmp_path).notes[-1]
    for file in entry.files:
        (tmp_path / file.name).unlink()
    write_files(tmp_path, contents_of(name), packed=True)
    told = note in load_dataset(name, data_dir=tmp_path).notes[-1]
    assert told == (not entry.files[0].packed)  # packed as they were published: known by that


@pytest.mark.mnist
def test_files_of_mnist_are_refused_as_kmnist(mnist_folder):
    with pytest.raises(DataError, match="which is train-images-idx3-ubyte of mnist"):
        load_dataset("kmnist", data_dir=mnist_folder / "mnist")


@pytest.mark.parametrize("name", ["kmnist", "emnist/letters"])
@pytest.mark.parametrize("part", ["train", "test"])
def test_classes_of_other_shares_are_refused(tmp_path, monkeypatch, name, part):
    x_train, y_train, x_test, y_test = tiny_examples(name)
    (y_train if part == "train" else y_test)[0] = 1
    contents = published(name, (x_train, y_train, x_test, y_test))
    tiny_entry(monkeypatch, name, contents)
    write_files(tmp_path, contents)
    with pytest.raises(DataError, match=f"y_{part} of .*equally many examples of every class"):
        load_dataset(name, data_dir=tmp_path)


def test_letters_that_count_from_0_are_refused(tmp_path, monkeypatch):
    contents = contents_of("emnist/letters")
    labels = "emnist-letters-train-labels-idx1-ubyte"
    contents[labels] = idx_bytes(tiny_examples("emnist/letters")[1])
    tiny_entry(monkeypatch, "emnist/letters", contents)
    write_files(tmp_path, contents)
    with pytest.raises(DataError, match=r"y_train of .*received 5 other, first at .*: -1"):
        load_dataset("emnist/letters", data_dir=tmp_path)


def test_labels_of_qmnist_that_are_bytes_are_refused(tmp_path, monkeypatch):
    contents = contents_of("qmnist")
    labels = "qmnist-train-labels-idx2-int"
    contents[labels] = idx_bytes(np.zeros((50, 8), np.uint8))
    tiny_entry(monkeypatch, "qmnist", contents)
    write_files(tmp_path, contents)
    with pytest.raises(DataError, match="0x0C, int32, received type 0x08, unsigned bytes") as caught:
        load_dataset("qmnist", data_dir=tmp_path)
    assert caught.value.subject == str(tmp_path / f"{labels}.gz")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda content: content[:-1], "bytes, 10 records of 3,073, received 30,729"),
        (lambda content: content + b"!", "received more"),
        (lambda content: bytes([content[0] ^ 1]) + content[1:], "content with MD5"),
        (lambda _: b"<!DOCTYPE html>", "received 15"),
    ],
    ids=["short", "long", "a bit", "web page"],
)
def test_fault_23_damaged_files_of_cifar_10(tmp_path, monkeypatch, damage, words):
    tiny_entry(monkeypatch, "cifar10")
    contents = contents_of("cifar10")
    contents["data_batch_3.bin"] = damage(contents["data_batch_3.bin"])
    write_files(tmp_path, contents, packed=False)
    with pytest.raises(DataError) as caught:
        load_dataset("cifar10", data_dir=tmp_path)
    assert caught.value.subject == str(tmp_path / "data_batch_3.bin")
    assert words in str(caught.value)
    assert any(
        "5 of 6 files intact; data_batch_3.bin" in line for line in describe.where("cifar10", tmp_path)
    )


def test_pickles_of_cifar_10_are_never_read(tmp_path):
    for folder in (tmp_path, tmp_path / "cifar10", tmp_path / "cifar-10-batches-py"):
        folder.mkdir(exist_ok=True)
        (folder / "data_batch_1").write_bytes(b"\x80\x04.")
        with pytest.raises(
            InvalidArgument, match=r"Get cifar-10-binary\.tar\.gz: the files in .* are pickles"
        ):
            load_dataset("cifar10", data_dir=tmp_path)
        (folder / "data_batch_1").unlink()


@pytest.mark.parametrize("name", ["cifar10", "emnist/letters"])
def test_an_archive_in_the_users_folder_is_to_be_unpacked(tmp_path, name):
    archive = tmp_path / CATALOGUE[name].folder_name / CATALOGUE[name].archive.name
    archive.parent.mkdir()
    archive.touch()
    with pytest.raises(InvalidArgument) as caught:
        load_dataset(name, data_dir=tmp_path)
    assert caught.value.next_step == f"Unpack {archive} there."


# From archives


def tiny_archive(monkeypatch, names, mirrors=()):
    """Entries of tiny datasets that are in one archive; returns it."""
    contents = {file: content for name in names for file, content in contents_of(name).items()}
    content, archive = archive_of(names[0], contents)
    for name in names:
        tiny_entry(monkeypatch, name, mirrors=mirrors, archive=archive)
    return content


def kept(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


@pytest.mark.parametrize("name", ARCHIVED)
def test_an_archive_is_fetched_once_and_unpacked(monkeypatch, own_cache, name):
    content = tiny_archive(monkeypatch, [name])
    with mirror(sends(content)) as good:
        entry = tiny_entry(monkeypatch, name, mirrors=[good.url], archive=CATALOGUE[name].archive)
        first = load_dataset(name, progress=False)
    again = load_dataset(name)  # the mirror is gone: offline
    assert good.asked == [entry.archive.name]
    assert first.sha256 == again.sha256
    np.testing.assert_array_equal(again.x_train, tiny_examples(name)[0])
    ending = "" if name == "cifar10" else ".gz"
    assert kept(own_cache / "downloads" / entry.folder_name) == sorted(
        f"{f.name}{ending}" for f in entry.files
    )
    assert not any("checked by size" in note for note in again.notes)


def test_all_splits_of_emnist_come_from_one_download(monkeypatch):
    splits = [name for name in ARCHIVED if name.startswith("emnist/")]
    content = tiny_archive(monkeypatch, splits)
    with mirror(sends(content)) as good:
        for name in splits:
            tiny_entry(monkeypatch, name, mirrors=[good.url], archive=CATALOGUE[name].archive)
        for name in splits:
            assert load_dataset(name, progress=False).name == name
    assert good.asked == ["gzip.zip"]


@pytest.mark.parametrize("damage", [b"", b"rubbish", None])
@pytest.mark.parametrize("name", ["emnist/letters", "cifar10"])
def test_fault_21_a_damaged_file_in_the_cache_is_fetched_again(monkeypatch, own_cache, name, damage):
    content = tiny_archive(monkeypatch, [name])
    with mirror(sends(content)) as good:
        entry = tiny_entry(monkeypatch, name, mirrors=[good.url], archive=CATALOGUE[name].archive)
        first = load_dataset(name, progress=False)
        folder = own_cache / "downloads" / entry.folder_name
        path = folder / kept(folder)[0]
        path.write_bytes(path.read_bytes()[:-3] if damage is None else damage)
        assert load_dataset(name, progress=False).sha256 == first.sha256
    assert good.asked == [entry.archive.name] * 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (says(404), "HTTP 404 Not Found"),
        (sends(b"<!DOCTYPE html>"), "a wrong or damaged file (a file with SHA-256"),
        (sends(b"PK\3\4" + bytes(40), length=900), "the connection was cut"),
        (sends(bytes(1 << 20)), "more bytes than the file has"),
    ],
    ids=["404", "web page", "cut", "too long"],
)
@pytest.mark.parametrize("name", ["emnist/letters", "cifar10"])
def test_faults_19_and_20_a_bad_mirror_is_named_and_the_next_asked(
    monkeypatch, own_cache, name, answer, words
):
    content = tiny_archive(monkeypatch, [name])
    archive = CATALOGUE[name].archive
    with mirror(answer) as bad:
        tiny_entry(monkeypatch, name, mirrors=[bad.url], archive=archive)
        with pytest.raises(DataUnavailable) as caught:
            load_dataset(name, progress=False)
        assert words in caught.value.received
        assert archive.name in caught.value.next_step
        assert kept(own_cache / "downloads" / CATALOGUE[name].folder_name) == []
        with mirror(sends(content)) as good:
            tiny_entry(monkeypatch, name, mirrors=[bad.url, good.url], archive=archive)
            load_dataset(name, progress=False)


def test_an_archive_that_the_user_stored_in_the_cache_is_used_and_stays(monkeypatch, own_cache):
    content = tiny_archive(monkeypatch, ["cifar10"])
    path = own_cache / "downloads" / "cifar10" / "cifar-10-binary.tar.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(content[:-1])
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz with SHA-256"):
        load_dataset("cifar10")
    path.write_bytes(content)
    assert load_dataset("cifar10").x_train.shape == (50, 32, 32, 3)
    assert path.read_bytes() == content


def test_fault_13_no_room_to_unpack_an_archive_is_named(monkeypatch, own_cache):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    content = tiny_archive(monkeypatch, ["cifar10"])
    with mirror(sends(content)) as good:
        tiny_entry(monkeypatch, "cifar10", mirrors=[good.url], archive=CATALOGUE["cifar10"].archive)
        with monkeypatch.context() as patched:
            patched.setattr("shutil.copyfileobj", full)
            with pytest.raises(
                DataError, match=f"space for {2 * len(content):,} bytes.*No space left"
            ) as caught:
                load_dataset("cifar10", progress=False)
        assert caught.value.subject == str(own_cache / "downloads" / "cifar10")
        assert load_dataset("cifar10", progress=False).name == "cifar10"
    assert good.asked == ["cifar-10-binary.tar.gz"]  # what was fetched before is used


@pytest.mark.parametrize("name", ["kmnist", "qmnist"])
def test_fault_20_a_file_that_is_packed_otherwise_is_not_taken_from_a_mirror(monkeypatch, own_cache, name):
    other = published(name, tiny_examples(name, seed=1))
    with mirror(
        lambda handler, file, _: sends(gzip.compress(other[file.removesuffix(".gz")]))(handler)
    ) as bad:
        tiny_entry(monkeypatch, name, mirrors=[bad.url])
        with pytest.raises(DataUnavailable, match="a wrong or damaged file"):
            load_dataset(name, progress=False)
    assert kept(own_cache / "downloads" / name) == []
