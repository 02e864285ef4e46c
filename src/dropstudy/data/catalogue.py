"""The named datasets that are files: what they hold, the digests of their content, and the mirrors that serve them.

A `digest` is of a file's UNPACKED content, `packed` of a file as its authors pack it. Mirrors pack the same content
differently, so a digest of the content is preferred. Digests of 64 hexadecimal digits are SHA-256, those of 32 MD5.

- MNIST: computed from the files themselves. The same digests are, for instance, in the Makefile of
  https://github.com/EntroMorphic/sstt, which verifies unpacked MNIST and Fashion-MNIST files with sha256sum.
- Fashion-MNIST: published by others, not computed here. All four are in that Makefile. Those of the
  training labels and test images are also the Git LFS object ids (SHA-256 of the content) of the files of
  60008 and 7840016 bytes in data/FashionMNIST/raw of https://github.com/Caryox/adversarial-robustness.
- Kuzushiji-MNIST: of the .gz files, in tensorflow_datasets/url_checksums/kmnist.txt and in torchvision-ruby.
- QMNIST: of the .gz files, in torchvision/datasets/mnist.py.
- CIFAR-10: of the archive in tensorflow_datasets/url_checksums/cifar10.txt; of the files in it, MD5, in
  https://github.com/rai-project/dldataset.
- EMNIST: of the archive, in tensorflow_datasets/url_checksums/emnist.txt. None of the files in it is published
  anywhere that we trust: of files that the user unpacked, only counts, shapes and class balance are checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase, digits
from typing import TYPE_CHECKING, Any

import numpy as np

from dropstudy.spec.data_names import EMNIST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["CATALOGUE", "CIFAR_RECORD", "Archive", "NamedDataset", "NamedFile"]

CIFAR_RECORD = 1 + 3 * 32 * 32
"""Bytes of an example in CIFAR-10's files: its label, then its red, green and blue values."""


@dataclass(frozen=True)
class NamedFile:
    """A file of a named dataset.

    Args:
        name: its name, without `.gz`. Its end says the type: `-ubyte` or `-int` of an IDX file, else `.bin`.
        size: bytes of its unpacked content.
        digest: of its unpacked content; empty if none was published.
        packed: digest of it as its authors pack it; empty if none was published.
    """

    name: str
    size: int
    digest: str = ""
    packed: str = ""


@dataclass(frozen=True)
class Archive:
    """An archive that holds the files of one dataset or more.

    Args:
        name: its name, which ends in `.zip` or `.tar.gz`.
        size: its bytes.
        digest: of it.
    """

    name: str
    size: int
    digest: str


Arrays = tuple["NDArray[Any]", "NDArray[Any]", "NDArray[Any]", "NDArray[Any]"]
"""x_train, y_train, x_test and y_test."""


def _four(arrays: Sequence[NDArray[Any]]) -> Arrays:
    x_train, y_train, x_test, y_test = arrays
    return x_train, y_train, x_test, y_test


def _upright(arrays: Sequence[NDArray[Any]]) -> Arrays:
    """Exchange rows and columns of the images: EMNIST's files hold them as MATLAB does, column after column."""
    x_train, y_train, x_test, y_test = arrays
    return x_train.swapaxes(1, 2), y_train, x_test.swapaxes(1, 2), y_test


def _upright_from_1(arrays: Sequence[NDArray[Any]]) -> Arrays:
    """Count the labels of EMNIST's letters from 0: A is 1 in the files."""
    x_train, y_train, x_test, y_test = _upright(arrays)
    return x_train, y_train.astype(np.int64) - 1, x_test, y_test.astype(np.int64) - 1


def _first_column(arrays: Sequence[NDArray[Any]]) -> Arrays:
    """Take the class from QMNIST's labels, (n, 8); the others are writer, form and place of the digit."""
    x_train, y_train, x_test, y_test = arrays
    return x_train, y_train[:, 0], x_test, y_test[:, 0]


def _colour(arrays: Sequence[NDArray[Any]]) -> Arrays:
    """Take CIFAR-10's records apart, five files for training and one for the test; channels become last."""

    def split(records: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0]

    return (*split(np.concatenate(arrays[:-1])), *split(arrays[-1]))


@dataclass(frozen=True)
class NamedDataset:
    """A dataset that has a name.

    Args:
        name: its name.
        about: what it holds, in a line: training and test examples, height and width.
        classes: one name per class.
        files: the files.
        mirrors: addresses to which `<file>.gz` or the archive's name is added, ending in `/`, in the order of
            preference.
        folder: name of its folder within a data folder; like its own if empty.
        archive: the archive that mirrors serve in place of single files.
        arrange: x_train, y_train, x_test and y_test from the content of the files.
        balanced: true where all classes have equally many examples.
    """

    name: str
    about: str
    classes: tuple[str, ...]
    files: tuple[NamedFile, ...]
    mirrors: tuple[str, ...]
    folder: str = ""
    archive: Archive | None = None
    arrange: Callable[[Sequence[NDArray[Any]]], Arrays] = _four
    balanced: bool = False

    @property
    def folder_name(self) -> str:
        """Name of its folder within a data folder or the cache."""
        return self.folder or self.name


def _images(count: int) -> int:
    """Bytes of an IDX file of images, 28 x 28: its header, then a byte per value."""
    return 16 + count * 28 * 28


def _labels(count: int) -> int:
    return 8 + count


_MNIST_FILES = (
    ("train-images-idx3-ubyte", _images(60_000)),
    ("train-labels-idx1-ubyte", _labels(60_000)),
    ("t10k-images-idx3-ubyte", _images(10_000)),
    ("t10k-labels-idx1-ubyte", _labels(10_000)),
)
"""Names and sizes that MNIST shares with its relatives."""


def _like_mnist(*digests: str) -> tuple[NamedFile, ...]:
    return tuple(
        NamedFile(name, size, digest) for (name, size), digest in zip(_MNIST_FILES, digests, strict=True)
    )


_MNIST = NamedDataset(
    name="mnist",
    about="handwritten digits: 60,000 + 10,000, 28 x 28",
    classes=tuple(digits),
    files=_like_mnist(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",  # torchvision's
        "https://storage.googleapis.com/cvdf-datasets/mnist/",  # TensorFlow Datasets'
        "https://raw.githubusercontent.com/fgnt/mnist/master/",
    ),
)

_FASHION_MNIST = NamedDataset(
    name="fashion_mnist",
    about="pieces of clothing: 60,000 + 10,000, 28 x 28",
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    files=_like_mnist(
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    mirrors=(
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",  # Keras'
        # Its authors' repository and bucket. The bucket's better known s3-website address has no https.
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
    ),
)

_KMNIST_PACKED = (
    "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
    "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
    "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
    "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
)

_KMNIST = NamedDataset(
    name="kmnist",
    about="handwritten hiragana: 60,000 + 10,000, 28 x 28",
    classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    files=tuple(
        NamedFile(name, size, packed=packed)
        for (name, size), packed in zip(_MNIST_FILES, _KMNIST_PACKED, strict=True)
    ),
    mirrors=(
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",  # its authors'
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",  # as torchvision and TensorFlow Datasets have it
    ),
    balanced=True,
)

_QMNIST = NamedDataset(
    name="qmnist",
    about="MNIST with all test digits: 60,000 + 60,000, 28 x 28",
    classes=tuple(digits),
    files=(
        NamedFile(
            "qmnist-train-images-idx3-ubyte", _images(60_000), packed="ed72d4157d28c017586c42bc6afe6370"
        ),
        NamedFile(
            "qmnist-train-labels-idx2-int", 12 + 60_000 * 8 * 4, packed="0058f8dd561b90ffdd0f734c6a30e5e4"
        ),
        NamedFile(
            "qmnist-test-images-idx3-ubyte", _images(60_000), packed="1394631089c404de565df7b7aeaf9412"
        ),
        NamedFile(
            "qmnist-test-labels-idx2-int", 12 + 60_000 * 8 * 4, packed="5b5b05890a5e13444e108efe57b788aa"
        ),
    ),
    mirrors=("https://raw.githubusercontent.com/facebookresearch/qmnist/master/",),  # its authors'
    arrange=_first_column,
)

_CIFAR_SIZE = 10_000 * CIFAR_RECORD
_CIFAR_MD5 = {
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
}

_CIFAR_10 = NamedDataset(
    name="cifar10",
    about="animals and vehicles: 50,000 + 10,000, 32 x 32",
    classes=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
    files=tuple(NamedFile(name, _CIFAR_SIZE, md5) for name, md5 in _CIFAR_MD5.items()),
    mirrors=("https://www.cs.toronto.edu/~kriz/",),  # its authors'
    archive=Archive(
        "cifar-10-binary.tar.gz",
        170_052_171,
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    ),
    arrange=_colour,
    balanced=True,
)

_EMNIST_ARCHIVE = Archive(
    "gzip.zip", 561_753_746, "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e"
)
_MERGED = (*digits, *ascii_uppercase, *"abdefghnqrt")
"""Digits and letters, where 15 small letters that look like their capitals are one class with them."""


def _emnist(
    split: str, about: str, classes: Sequence[str], train: int, test: int, *, balanced: bool = True
) -> NamedDataset:
    counts = {"train": train, "test": test}
    return NamedDataset(
        name=f"{EMNIST}{split}",
        about=f"{about}: {train:,} + {test:,}, 28 x 28",
        classes=tuple(classes),
        files=tuple(
            NamedFile(f"emnist-{split}-{part}-{content}", size(count))
            for part, count in counts.items()
            for content, size in (("images-idx3-ubyte", _images), ("labels-idx1-ubyte", _labels))
        ),
        mirrors=(
            "https://biometrics.nist.gov/cs_links/EMNIST/",  # its authors'; torchvision's
            "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/",  # TensorFlow Datasets'
        ),
        folder="emnist",
        archive=_EMNIST_ARCHIVE,
        arrange=_upright_from_1 if split == "letters" else _upright,
        balanced=balanced,
    )


_EMNIST = (
    _emnist("balanced", "digits and letters", _MERGED, 112_800, 18_800),
    _emnist(
        "letters",
        "letters, capital and small",
        [f"{capital}{capital.lower()}" for capital in ascii_uppercase],
        124_800,
        20_800,
    ),
    _emnist("digits", "digits", digits, 240_000, 40_000),
    _emnist("mnist", "digits, as many as MNIST has", digits, 60_000, 10_000),
    _emnist(
        "byclass",
        "digits, capital and small letters",
        (*digits, *ascii_uppercase, *ascii_lowercase),
        697_932,
        116_323,
        balanced=False,
    ),
    _emnist("bymerge", "digits and letters", _MERGED, 697_932, 116_323, balanced=False),
)

CATALOGUE = {
    dataset.name: dataset for dataset in (_MNIST, _FASHION_MNIST, _KMNIST, _QMNIST, *_EMNIST, _CIFAR_10)
}
"""The named datasets that are files. `digits` is not here: it is part of scikit-learn."""
