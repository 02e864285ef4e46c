import re

import pytest

from dropstudy.data.catalogue import CATALOGUE

COUNTS = {
    "mnist": (10, 60_000, 10_000),
    "fashion_mnist": (10, 60_000, 10_000),
    "kmnist": (10, 60_000, 10_000),
    "qmnist": (10, 60_000, 60_000),
    "emnist/balanced": (47, 112_800, 18_800),
    "emnist/letters": (26, 124_800, 20_800),
    "emnist/digits": (10, 240_000, 40_000),
    "emnist/mnist": (10, 60_000, 10_000),
    "emnist/byclass": (62, 697_932, 116_323),
    "emnist/bymerge": (47, 697_932, 116_323),
    "cifar10": (10, 50_000, 10_000),
}
"""Classes, training and test examples, as their authors publish them."""


def test_every_entry_has_its_counts():
    assert COUNTS.keys() == CATALOGUE.keys()


@pytest.mark.parametrize("name", CATALOGUE)
def test_entries_are_complete(name):
    entry = CATALOGUE[name]
    classes, train, test = COUNTS[name]
    assert entry.name == name
    assert len(set(entry.classes)) == len(entry.classes) == classes
    assert f": {train:,} + {test:,}, " in entry.about
    assert entry.mirrors
    assert all(re.fullmatch("https?://.*/", address) for address in entry.mirrors)
    if entry.balanced:
        assert train % classes == test % classes == 0


@pytest.mark.parametrize("name", CATALOGUE)
def test_sizes_are_those_of_the_examples(name):
    _, train, test = COUNTS[name]
    sizes = [file.size for file in CATALOGUE[name].files]
    if name == "cifar10":
        assert sizes == [30_730_000] * 6  # the authors' page: each file is exactly that long
    elif name == "qmnist":
        assert sizes == [47_040_016, 1_920_012] * 2
    else:
        assert sizes == [16 + 784 * train, 8 + train, 16 + 784 * test, 8 + test]


@pytest.mark.parametrize("name", CATALOGUE)
def test_what_is_downloaded_is_compared_with_a_digest(name):
    """A file or its archive; by SHA-256 where the way there is not encrypted."""
    entry = CATALOGUE[name]
    compared = [entry.archive.digest] if entry.archive else [f.digest or f.packed for f in entry.files]
    encrypted = all(address.startswith("https:") for address in entry.mirrors)
    assert all(
        re.fullmatch("[0-9a-f]{64}|[0-9a-f]{32}" if encrypted else "[0-9a-f]{64}", d) for d in compared
    )


def test_splits_of_emnist_are_one_download():
    splits = [entry for name, entry in CATALOGUE.items() if name.startswith("emnist/")]
    assert len({(entry.archive, entry.folder_name) for entry in splits}) == 1


def test_letters_of_emnist_are_named_by_its_mapping():
    """Rows of emnist-balanced-mapping.txt and emnist-byclass-mapping.txt: a label, then the ASCII code."""
    merged = CATALOGUE["emnist/balanced"].classes
    assert [ord(merged[label]) for label in (0, 10, 35, 36, 37, 38, 46)] == [48, 65, 90, 97, 98, 100, 116]
    by_class = CATALOGUE["emnist/byclass"].classes
    assert [ord(by_class[label]) for label in (9, 10, 36, 61)] == [57, 65, 97, 122]
    assert CATALOGUE["emnist/letters"].classes[0] == "Aa"
