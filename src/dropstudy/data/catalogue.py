"""The named datasets: their files, the digests of their content, and the mirrors that serve them.

Every digest below is the SHA-256 of a file's UNPACKED content. Mirrors pack the same content differently, so
the digest of a .gz file depends on the packer, not on the data alone.

- MNIST: computed from the files themselves. The same digests are, for instance, in the Makefile of
  https://github.com/EntroMorphic/sstt, which verifies unpacked MNIST and Fashion-MNIST files with sha256sum.
- Fashion-MNIST: published by others, not computed here. All four are in that Makefile. Those of the
  training labels and test images are also the Git LFS object ids (SHA-256 of the content) of the files of
  60008 and 7840016 bytes in data/FashionMNIST/raw of https://github.com/Caryox/adversarial-robustness.
  Files in such a raw folder were unpacked by torchvision, which first checks the MD5 sums below.

The digests most often published for Fashion-MNIST are of the .gz files: SHA-256 3aede38d... for the training
images in tensorflow_datasets/url_checksums/fashion_mnist.txt, MD5 8d4fb7e6... in Zalando Research's README.
They are not used here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from dropstudy.data.formats.idx import idx_sha256, open_idx
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CATALOGUE", "NamedDataset", "NamedFile", "entries", "read_named", "stored_as"]

_REPLACE = "Replace it by the published file, or remove it and let dropstudy fetch that."


@dataclass(frozen=True)
class NamedFile:
    """An IDX file whose content is known.

    Args:
        array: `x_train`, `y_train`, `x_test` or `y_test`.
        name: its name, without `.gz`.
        sha256: digest of its unpacked content.
        size: bytes of its unpacked content.
    """

    array: str
    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class NamedDataset:
    """A dataset that has a name.

    Args:
        name: its name, and that of its folder within a data folder.
        classes: one name per class.
        files: one for each of x_train, y_train, x_test and y_test.
        mirrors: addresses to which `<file>.gz` is added, ending in `/`, in the order of preference.
    """

    name: str
    classes: tuple[str, ...]
    files: tuple[NamedFile, ...]
    mirrors: tuple[str, ...]


def _four_files(
    *, train_images: str, train_labels: str, test_images: str, test_labels: str
) -> tuple[NamedFile, ...]:
    """Files under MNIST's names, which its relatives share. Sizes: header, then a byte per value."""
    return (
        NamedFile("x_train", "train-images-idx3-ubyte", train_images, 16 + 60_000 * 28 * 28),
        NamedFile("y_train", "train-labels-idx1-ubyte", train_labels, 8 + 60_000),
        NamedFile("x_test", "t10k-images-idx3-ubyte", test_images, 16 + 10_000 * 28 * 28),
        NamedFile("y_test", "t10k-labels-idx1-ubyte", test_labels, 8 + 10_000),
    )


_MNIST = NamedDataset(
    name="mnist",
    classes=tuple("0123456789"),
    files=_four_files(
        train_images="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        train_labels="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        test_images="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        test_labels="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",  # torchvision's
        "https://storage.googleapis.com/cvdf-datasets/mnist/",  # TensorFlow Datasets'
        "https://raw.githubusercontent.com/fgnt/mnist/master/",
    ),
)

_FASHION_MNIST = NamedDataset(
    name="fashion_mnist",
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
    files=_four_files(
        train_images="c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        train_labels="bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        test_images="5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        test_labels="0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    mirrors=(
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",  # Keras'
        # Its authors' repository and bucket. The bucket's better known s3-website address has no https.
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
    ),
)

CATALOGUE = {dataset.name: dataset for dataset in (_MNIST, _FASHION_MNIST)}
"""The named datasets that are files. `digits` is not here: it is part of scikit-learn."""


def stored_as(file: NamedFile, folder: Path) -> list[Path]:
    """List the paths of a file in a folder, unpacked or packed, its published name first; dead links count.

    Names vary: `train-images.idx3-ubyte`, capital letters, `.IDX` at the end.
    """
    stem = re.escape(file.name.partition("-idx")[0])
    form = re.compile(rf"{stem}([-._]idx\d?)?([-._]ubyte)?([-._]idx)?(\.gz)?", re.IGNORECASE)
    found = [
        path
        for path in entries(folder)
        if form.fullmatch(path.name) and (path.is_file() or (path.is_symlink() and not path.exists()))
    ]
    return sorted(found, key=lambda path: (path.name != file.name, path.name != f"{file.name}.gz", path.name))


def entries(folder: Path) -> list[Path]:
    """List a folder's content, sorted; nothing where it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:  # not there, no folder, or closed
        return []


def read_named(file: NamedFile, path: Path) -> NDArray[np.uint8]:
    """Read a file of a named dataset, packed or not, and check that it is that file.

    Raises:
        DataError: it is damaged, or another file.
    """
    stored = open_idx(path)
    size = 4 + 4 * len(stored.shape) + prod(stored.shape)
    if size != file.size:
        raise DataError(
            str(path),
            expected=f"{file.name}, of {file.size:,} bytes once unpacked",
            received=f"a file of {size:,}, as its header says",
            next_step=_REPLACE,
        )
    array = stored.read()
    found = idx_sha256(array)
    if found != file.sha256:
        raise DataError(
            str(path),
            expected=f"content with SHA-256 {file.sha256} once unpacked",
            received=f"content with SHA-256 {found}{_known_as(found)}",
            next_step=_REPLACE,
        )
    return array


def _known_as(sha256: str) -> str:
    """Name the file and dataset with this digest, if any: named datasets share their file names."""
    owners = (
        f", which is {file.name} of {dataset.name}"
        for dataset in CATALOGUE.values()
        for file in dataset.files
        if file.sha256 == sha256
    )
    return next(owners, "")
