"""Datasets by name or path: choose the source of data."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from dropstudy.core.atomic import expand_home
from dropstudy.data.catalogue import CATALOGUE
from dropstudy.data.formats.files import nearest
from dropstudy.data.leaks import warned
from dropstudy.data.source import DataOptions
from dropstudy.data.sources.array_files import ArrayFiles, holds_arrays
from dropstudy.data.sources.bundled import BUNDLED, BundledTable
from dropstudy.data.sources.digits import Digits
from dropstudy.data.sources.kept import KeptDataset
from dropstudy.data.sources.named import MnistOrDigits, NamedFiles
from dropstudy.data.sources.openml import OpenMLTable
from dropstudy.data.sources.own_data import OwnData
from dropstudy.data.sources.table_file import SUFFIXES, TableFile
from dropstudy.errors import InvalidArgument
from dropstudy.spec.data_names import KEPT, OPENML, OWN_DATA, is_data_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.dataset import Dataset
    from dropstudy.core.types import StudySpec
    from dropstudy.data.source import DataSource, Scale

__all__ = ["ABOUT", "NAMES", "dataset_of", "load_dataset", "source_of"]

_MOST_FILES = 10_000
"""Files among which an image is looked for, to recognise a folder of images."""

NO_OPTIONS = DataOptions()
_CONVERT = "Save a table as CSV in UTF-8, and arrays with numpy.savez."
_TABLE = "a table"
_MEANT_FOR = {
    "target": _TABLE,
    "test": "a file or folder without a test set",
    "test_size": "data without a test set",
    "group": _TABLE,
    "drop": _TABLE,
    "image_size": "a folder of images",
}
"""Data that an option applies to."""

ABOUT = {
    **{name: dataset.about for name, dataset in CATALOGUE.items()},
    Digits.name: Digits.about,
    **BUNDLED,
    f"{OPENML}NAME": "a table of openml.org, such as openml:credit-g or openml:31",
}
"""The datasets that have a name, and what each one holds."""

NAMES = tuple(ABOUT)


def load_dataset(
    name_or_path: str | Path | None = None,
    *,
    data_dir: Path | None = None,
    scale: Scale = "auto",
    progress: bool = True,
    target: str | None = None,
    test: str | Path | None = None,
    test_size: float | None = None,
    group: str | None = None,
    drop: Sequence[str] = (),
    image_size: tuple[int, int] | None = None,
) -> Dataset:
    """Load a dataset by name or path, checked and ready for a study.

    The files of `mnist` and other named datasets are read from `data_dir`, the folder in `$DROPSTUDY_DATA`, the
    cache or a mirror, the first that has them. Files that are damaged, or differ from the published ones, are
    refused; only those in the cache are fetched again.

    Args:
        name_or_path: a name, such as `mnist` or `emnist/letters` (`dropstudy data` lists them), or the path of an
            `.npz` file with `x_train`, `y_train`, `x_test` and `y_test`, of a folder with `.npy` files of these
            names, or of a folder of images: one folder for each class, or `train` and `test` with such folders. None
            means MNIST, or the digits with `fallback=True` if MNIST is unavailable. `mnist` by name never falls back.
        data_dir: a folder that holds a folder of the dataset's name, such as `mnist/`, or the files themselves.
        scale: the network sees `x / scale`; `auto` finds it from the values of the training examples.
        progress: show a bar while files are fetched, where standard error is a terminal.
        target: column of a table that holds the labels.
        test: file of the test examples, where `name_or_path` holds those for training alone.
        test_size: share (below 1) or count of the examples set aside for the test, where there is no test set; None
            for a fifth.
        group: column of a table whose equal values stay on one side of every split.
        drop: columns of a table that are left out.
        image_size: height and width that images are resized to.

    Returns:
        The dataset; for MNIST 60,000 training and 10,000 test examples of shape (28, 28).

    Raises:
        InvalidArgument: there is no such dataset or folder.
        DataUnavailable: the files are neither on this machine nor on a mirror that answers.
        DataError: a file is damaged, or does not hold what a study needs.

    Example:
        >>> load_dataset("digits").x_train.shape
        (1437, 8, 8)
    """
    options = DataOptions(
        target=target,
        test=None if test is None else expand_home(str(test)),
        test_size=test_size,
        group=group,
        drop=tuple(drop),
        image_size=image_size,
    )
    return warned(_load(name_or_path, data_dir, options, scale, progress=progress))


def dataset_of(
    spec: StudySpec, *, data_dir: Path | None, scale: Scale | None = None, warn: bool = True
) -> Dataset:
    """Load the dataset of a study. Errors as of `load_dataset`.

    Args:
        spec: of the study.
        data_dir: as for `load_dataset`.
        scale: replaces that of the specification.
        warn: look for what makes test accuracy look too good, in a pass over all examples.
    """
    given = {field.name: getattr(spec, field.name) for field in fields(DataOptions)}
    options = DataOptions(**{**given, "test": None if spec.test is None else expand_home(spec.test)})
    dataset = _load(spec.data, data_dir, options, scale or spec.scale, progress=True)
    return warned(dataset) if warn and dataset.name != OWN_DATA else dataset


def _load(
    name_or_path: str | Path | None,
    data_dir: Path | None,
    options: DataOptions,
    scale: Scale,
    *,
    progress: bool,
) -> Dataset:
    if options.test is not None and options.test_size is not None:
        raise InvalidArgument(
            "test_size",
            expected="data without a test set",
            received=f"{options.test_size:g} and {options.test}",
            next_step="Leave one of them out.",
        )
    source = source_of(name_or_path, data_dir, options)
    for option, value in options.given.items():
        if option not in source.accepts:
            received = str(value) if isinstance(value, Path) else repr(value)
            expected = f"data that --{option.replace('_', '-')} applies to: {_MEANT_FOR[option]}"
            raise InvalidArgument(
                option,
                expected=expected,
                received=f"{received} with {source.name}",
                next_step="Leave it out.",
            )
    return source.load(scale, progress=progress)


def source_of(
    name_or_path: str | Path | None,
    data_dir: Path | None = None,
    options: DataOptions = NO_OPTIONS,
) -> DataSource:
    """Choose the source of data; arguments as for `load_dataset`.

    Raises:
        InvalidArgument: data that are neither named nor a file of a kind that is read.
    """
    if name_or_path is None:
        return MnistOrDigits(data_dir)
    wanted = str(name_or_path)
    if named := _named(wanted, data_dir, options):
        return named
    if wanted.lower().endswith(SUFFIXES):
        return TableFile(expand_home(wanted), options)
    if wanted and holds_arrays(path := expand_home(wanted)):
        return ArrayFiles(path, options)
    if wanted and os.path.isdir(expand_home(wanted)):  # noqa: PTH112 - false for a name that is too long
        # Imported here, because Pillow is slow to import, and few data are images.
        from dropstudy.data.sources.image_folder import ImageFolder  # noqa: PLC0415

        return ImageFolder(expand_home(wanted), options)
    raise _unreadable(wanted)


def _unreadable(wanted: str) -> InvalidArgument:
    """Tell a file that is not there, one of a kind that is not read, and a name that no dataset has."""
    kinds = f"{', '.join(SUFFIXES)}, .npz or .npy file, or of a folder of .npy files or of images"
    path, near = expand_home(wanted), _near(wanted)
    expected, received, next_step = f"{', '.join(NAMES)}, or the path of a {kinds}", repr(wanted), _CONVERT
    if near:
        next_step = f"Did you mean {' or '.join(map(repr, near))}?"
    elif wanted and os.path.exists(path):  # noqa: PTH110 - false for a name that is too long
        expected, received = f"the path of a {kinds}", f"{wanted!r}, a file of another kind"
    elif is_data_file(wanted):
        expected, received = "the path of a file or folder", f"{wanted!r}: there is none"
        next_step = nearest(path)
    return InvalidArgument("data", expected=expected, received=received, next_step=next_step)


def looks_like_data(path: str | Path) -> bool:
    """True for the path of a table or of arrays by its name, and for a folder with arrays or images in it."""
    place = Path(path)
    if place.name.lower().endswith(SUFFIXES):
        return True
    try:
        if holds_arrays(place):
            return True
        if not place.is_dir():
            return False
        from dropstudy.data.formats.image_file import IMAGE_SUFFIXES  # noqa: PLC0415 - Pillow is slow to import

        files = (name for _, _, names in os.walk(place) for name in names)
        return any(name.lower().endswith(IMAGE_SUFFIXES) for name in islice(files, _MOST_FILES))
    except (OSError, ValueError):  # a name that no file can have
        return False


def _named(wanted: str, data_dir: Path | None, options: DataOptions) -> DataSource | None:
    """Source of data by their name; None for other data."""
    if wanted == Digits.name:
        return Digits()
    if wanted in BUNDLED:
        return BundledTable(wanted, options)
    if wanted in CATALOGUE:
        return NamedFiles(CATALOGUE[wanted], data_dir)
    if wanted.startswith(OPENML):
        return OpenMLTable(wanted, options)
    if wanted.startswith(KEPT):
        return KeptDataset(wanted)
    return OwnData() if wanted == OWN_DATA else None


def _near(wanted: str) -> list[str]:
    """List the names that may be meant: the nearest one, or those that have the word before their `/`."""
    by_word = [name for name in NAMES if name.partition("/")[0] == wanted.lower() != name]
    plain = {re.sub("[^a-z0-9]", "", name): name for name in NAMES}
    found = difflib.get_close_matches(re.sub("[^a-z0-9]", "", wanted.lower()), plain, n=1)
    return by_word or [plain[name] for name in found]
