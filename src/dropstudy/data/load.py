"""Examples to train on: where they are found, how they are read, and what is checked before use."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import replace
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import psutil

from dropstudy.core.atomic import at_home
from dropstudy.data import cache
from dropstudy.data.catalogue import CATALOGUE, found_in, places, read_named, stored_as
from dropstudy.data.dataset import make_dataset
from dropstudy.data.sources.digits import load_digits
from dropstudy.data.sources.npz import npz_keys, read_npz
from dropstudy.errors import DataError, DataUnavailable, InvalidArgument

if TYPE_CHECKING:
    from pathlib import Path

    from dropstudy.core.types import Dataset
    from dropstudy.data.catalogue import NamedDataset
    from dropstudy.data.sources.npz import Header

__all__ = ["NAMES", "load_dataset", "unknown_data"]

Scale = float | Literal["auto"]

NAMES = (*CATALOGUE, "digits")
"""The datasets that can be asked for by name."""

_NAMED = 5  # arrays of a file that go unused
_VALIDATION = re.compile("[xy]_?(val|valid|validation|dev)", re.IGNORECASE)
_NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")


def load_dataset(
    name_or_path: str | Path | None = None,
    *,
    data_dir: Path | None = None,
    scale: Scale = "auto",
    progress: bool = True,
) -> Dataset:
    """Load a dataset by name or path, checked and ready for a study.

    The files of `mnist` and `fashion_mnist` are taken from `data_dir`, the folder in `$DROPSTUDY_DATA`, the
    cache or a mirror, the first that has them. Files that are there but damaged, or other than published, are
    refused; only those in the cache are fetched again.

    Args:
        name_or_path: `mnist`, `fashion_mnist`, `digits`, or the path of an `.npz` file with `x_train`,
            `y_train`, `x_test` and `y_test`, as Keras has them. None means MNIST, or the digits with
            `fallback=True` where MNIST cannot be had; say so to the user. `mnist` by name never falls back.
        data_dir: a folder that holds `mnist/` or `fashion_mnist/`, or the four files themselves.
        scale: the network sees `x / scale`; `auto` finds it from the values of the training examples.
        progress: show a bar while files are fetched, where standard error is a terminal.

    Returns:
        The dataset; for MNIST 60,000 training and 10,000 test examples of 28 x 28 pixels.

    Raises:
        InvalidArgument: there is no such dataset or folder.
        DataUnavailable: the files are neither on this machine nor to be had from a mirror.
        DataError: a file is damaged, or does not hold what a study needs.

    Example:
        >>> load_dataset("digits").x_train.shape
        (1437, 8, 8)
    """
    if name_or_path is None:
        try:
            return _load_named(CATALOGUE["mnist"], data_dir, scale, progress=progress)
        except DataUnavailable as error:
            digits = load_digits(scale)
            reason = f"MNIST could not be had: {error.received}"
            return replace(digits, source=f"{digits.source}; {reason}", fallback=True)
    wanted = str(name_or_path)
    if wanted == "digits":
        return load_digits(scale)
    if wanted in CATALOGUE:
        return _load_named(CATALOGUE[wanted], data_dir, scale, progress=progress)
    if wanted.lower().endswith(".npz"):
        return _load_npz(at_home(wanted), scale)
    raise unknown_data(wanted)


def unknown_data(wanted: str) -> InvalidArgument:
    """The error for data that are neither named nor a file of a kind that is read."""
    near = difflib.get_close_matches(wanted.lower().replace("-", "_"), NAMES, n=1)
    return InvalidArgument(
        "data",
        expected=f"{', '.join(NAMES)}, or the path of an .npz file with {', '.join(_NPZ_KEYS)}",
        received=repr(wanted),
        next_step=f"Did you mean '{near[0]}'?" if near else "Convert other files with numpy.savez.",
    )


def _load_named(dataset: NamedDataset, data_dir: Path | None, scale: Scale, *, progress: bool) -> Dataset:
    for who, folder in places(data_dir):
        if not os.path.isdir(folder):  # noqa: PTH112 - raises nothing where a name is too long
            raise InvalidArgument(
                who,
                expected="a folder",
                received=f"{folder}, which is not one",
                next_step=f"Name a folder that holds {dataset.name}/, or leave it out.",
            )
        if found := found_in(dataset, folder):
            return _read_folder(dataset, found, scale)
        if who == "data_dir":  # named for this one command, so a slip of the hand more likely than a habit
            raise InvalidArgument(
                who,
                expected=f"a folder that holds {dataset.name}/ or its four IDX files",
                received=f"{folder}, which holds neither",
                next_step="Correct it, or leave it out.",
            )
    return _from_cache(dataset, scale) or _fetch(dataset, scale, progress=progress)


def _read_folder(dataset: NamedDataset, folder: Path, scale: Scale) -> Dataset:
    """Read the four files from a folder of the user's, who wants to hear of it if one is missing or wrong."""
    arrays: dict[str, Any] = {}
    for file in dataset.files:
        stored = stored_as(file, folder)
        if not stored:
            raise DataError(
                str(folder),
                expected=f"all four files of {dataset.name}",
                received=f"no {file.name}, packed (.gz) or not",
                next_step="Add it, or remove the others and let dropstudy fetch all four.",
            )
        arrays[file.array] = read_named(file, stored[0])
    return _named_dataset(dataset, arrays, str(folder), scale)


def _from_cache(dataset: NamedDataset, scale: Scale) -> Dataset | None:
    """Read the four files from the cache, or return None where it does not hold them all, intact."""
    for folder in cache.download_folders(dataset.name):
        try:
            return _read_folder(dataset, folder, scale)
        except DataError:
            continue
    return None


def _fetch(dataset: NamedDataset, scale: Scale, *, progress: bool) -> Dataset:
    # Imported here, because pooch, requests and tqdm are slow to load and seldom needed.
    from dropstudy.data.download import fetch_all  # noqa: PLC0415

    folder = cache.download_folders(dataset.name)[-1]
    paths = fetch_all(dataset.files, folder, mirrors=dataset.mirrors, progress=progress)
    pairs = zip(dataset.files, paths, strict=True)
    arrays = {file.array: read_named(file, path) for file, path in pairs}
    return _named_dataset(dataset, arrays, str(folder), scale)


def _named_dataset(dataset: NamedDataset, arrays: dict[str, Any], source: str, scale: Scale) -> Dataset:
    return make_dataset(name=dataset.name, classes=dataset.classes, source=source, scale=scale, **arrays)


def _load_npz(path: Path, scale: Scale) -> Dataset:
    others = [name for name in npz_keys(path) if name not in _NPZ_KEYS]
    validation = [name for name in others if _VALIDATION.fullmatch(name)]
    if validation:
        raise DataError(
            str(path),
            expected=f"{', '.join(_NPZ_KEYS)}: validation examples are held out of x_train",
            received=f"{', '.join(validation)} too, which would go unused",
            next_step="Append them to x_train and y_train and run with --validation-split and their number, which "
            "holds out as many, drawn at random; or leave them out of the file.",
        )
    arrays: dict[str, Any] = read_npz(path, _NPZ_KEYS, partial(_check_headers, path))
    dataset = make_dataset(name=path.name, source=str(path), scale=scale, **arrays)
    if not others:
        return dataset
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    note = f"Of {path.name} these arrays are not used: {', '.join(map(ascii, others[:_NAMED]))}{more}."
    return replace(dataset, notes=(*dataset.notes, note))


def _check_headers(path: Path, headers: dict[str, Header]) -> None:
    """Refuse arrays that cannot make a dataset, or have no room in memory, before they are unpacked."""
    for part in ("train", "test"):
        examples, labels = headers[f"x_{part}"][0], headers[f"y_{part}"][0]
        if examples and labels and examples[0] != labels[0]:
            raise DataError(
                f"y_{part} of {path}",
                expected=f"{examples[0]:,} labels, one for each example of x_{part}",
                received=f"{labels[0]:,} labels",
                next_step="Check that examples and labels belong together.",
            )
    # As stored, and once more as float32.
    needed = sum(prod(shape) * (dtype.itemsize + 4) for shape, dtype in headers.values())
    free = psutil.virtual_memory().available
    if needed > free:
        raise DataError(
            str(path),
            expected=f"arrays for which there is memory, {free:,} bytes",
            received=f"arrays that take {needed:,} bytes once unpacked",
            next_step="Use fewer examples, or a machine with more memory.",
        )
