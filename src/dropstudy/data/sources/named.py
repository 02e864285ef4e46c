"""The datasets of the catalogue: from the user's folders, the cache or a mirror, the first that has them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dropstudy.core.atomic import expand_home
from dropstudy.data import cache
from dropstudy.data.catalogue import CATALOGUE, NamedDataset
from dropstudy.data.dataset import make_dataset
from dropstudy.data.published import entries, is_pinned, read_named, stored_as
from dropstudy.data.sources.digits import Digits
from dropstudy.errors import DataError, DataUnavailable, InvalidArgument

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from dropstudy.core.dataset import Dataset
    from dropstudy.data.source import Scale

__all__ = ["MnistOrDigits", "NamedFiles"]

_ENVIRONMENT = "DROPSTUDY_DATA"
_INNER = (".", "raw", "gzip", "cifar-10-batches-bin", "cifar-10-batches-py", "emnist_source_files")
"""Folders that unpacked archives and torchvision make within a dataset's."""


@dataclass(frozen=True)
class NamedFiles:
    """The files of a named dataset.

    Args:
        dataset: its files and mirrors.
        data_dir: the folder to look in first.
    """

    dataset: NamedDataset
    data_dir: Path | None = None
    accepts: ClassVar[frozenset[str]] = frozenset()

    @property
    def name(self) -> str:
        """Name in the catalogue."""
        return self.dataset.name

    def describe(self) -> list[str]:
        """List folders and mirrors in the order of search, with the state of the files in each folder."""
        lines = []
        for name, folder in self._user_folders().items():
            origin = name.replace("data_dir", "--data-dir")
            if folder is None:
                lines.append(f"{origin}: not given")
            elif not folder.is_dir():
                lines.append(f"{origin}: {folder}: no such folder")
            else:
                lines.append(f"{origin}: {self._state(self._files_in(folder) or folder)}")
        lines += [f"cache: {self._state(folder)}" for folder in self._cache_folders()]
        archive = self.dataset.archive.name if self.dataset.archive else ""
        return [*lines, f"mirrors: {', '.join(f'{mirror}{archive}' for mirror in self.dataset.mirrors)}"]

    def is_here(self) -> bool:
        """True where all files are in a folder of the user's or in the cache; they are not read."""
        given = [folder for folder in self._user_folders().values() if folder is not None and folder.is_dir()]
        folders = [*filter(None, map(self._files_in, given)), *self._cache_folders()]
        return any(all(stored_as(file, folder) for file in self.dataset.files) for folder in folders)

    def load(self, scale: Scale, *, progress: bool) -> Dataset:
        """Read the files from the first place that has them.

        Files that are damaged, or differ from the published ones, are refused; only those in the cache are fetched
        again.
        """
        for origin, folder in self._user_folders().items():
            if folder is None:
                continue
            if not os.path.isdir(folder):  # noqa: PTH112 - raises nothing where a name is too long
                raise InvalidArgument(
                    origin,
                    expected="a folder",
                    received=f"{folder}, which is not a folder",
                    next_step=f"Name a folder that holds {self.dataset.folder_name}/, or leave it out.",
                )
            if found := self._files_in(folder):
                return self._read(found, scale)
            if origin == "data_dir":  # given for this command alone, so a mistake is likely
                raise InvalidArgument(
                    origin,
                    expected=f"a folder that holds {self.dataset.folder_name}/ or its {len(self.dataset.files)} files",
                    received=f"{folder}, which holds neither",
                    next_step=self._unpacking(folder) or "Name another folder, or leave it out.",
                )
        folders = self._cache_folders()
        for folder in folders:
            try:
                return self._read(folder, scale, cached=True)
            except DataError:
                continue
        self._fetch(folders[-1], progress=progress)
        return self._read(folders[-1], scale, cached=True)

    def _fetch(self, folder: Path, *, progress: bool) -> None:
        # Imported here, because requests and tqdm are slow to load and seldom needed.
        from dropstudy.data.download import fetch_all, fetch_archive  # noqa: PLC0415

        files, archive, mirrors = self.dataset.files, self.dataset.archive, self.dataset.mirrors
        if archive is None:
            fetch_all(files, folder, mirrors=mirrors, progress=progress)
            return
        sharing = (dataset for dataset in CATALOGUE.values() if dataset.archive == archive)
        members = [file for dataset in sharing for file in dataset.files]
        fetch_archive(archive, files, folder, members=members, mirrors=mirrors, progress=progress)

    def _cache_folders(self) -> list[Path]:
        return cache.download_folders(self.dataset.folder_name)

    def _user_folders(self) -> dict[str, Path | None]:
        given = {"data_dir": self.data_dir, _ENVIRONMENT: os.environ.get(_ENVIRONMENT) or None}
        return {origin: None if folder is None else expand_home(folder) for origin, folder in given.items()}

    def _within(self, folder: Path) -> list[Path]:
        """List the folders within a data folder that may hold the files, those of the dataset's name first."""
        named = [
            path
            for path in entries(folder)
            if _letters(path.name) == _letters(self.dataset.folder_name) and path.is_dir()
        ]
        named.sort(key=lambda path: path.name != self.dataset.folder_name)
        return [outer if inner == "." else outer / inner for outer in (*named, folder) for inner in _INNER]

    def _files_in(self, folder: Path) -> Path | None:
        """Folder within a data folder that holds any of the files."""
        candidates = self._within(folder)
        return next((c for c in candidates if any(stored_as(file, c) for file in self.dataset.files)), None)

    def _unpacking(self, folder: Path) -> str:
        """What to do in a folder that holds the archive, or the pickles of CIFAR-10, in place of the files."""
        archive = self.dataset.archive
        if archive is None:
            return ""
        for candidate in self._within(folder):
            if (candidate / archive.name).is_file():
                return f"Unpack {candidate / archive.name} there."
            if any((candidate / file.name.removesuffix(".bin")).is_file() for file in self.dataset.files):
                return (
                    f"Get {archive.name}: the files in {candidate} are pickles, which can run code when read."
                )
        return ""

    def _read(self, folder: Path, scale: Scale, *, cached: bool = False) -> Dataset:
        paths = []
        for file in self.dataset.files:
            stored = stored_as(file, folder)
            if not stored:
                raise DataError(
                    str(folder),
                    expected=f"all {len(self.dataset.files)} files of {self.name}",
                    received=f"no {file.name}, packed (.gz) or not",
                    next_step="Add it, or remove the others and let dropstudy fetch them.",
                )
            paths.append(stored[0])
        files = list(zip(self.dataset.files, paths, strict=True))
        arrays = [read_named(file, path, pinned=cached) for file, path in files]
        x_train, y_train, x_test, y_test = self.dataset.arrange(arrays)
        dataset = make_dataset(
            name=self.name,
            classes=self.dataset.classes,
            source=str(folder),
            scale=scale,
            x_train=x_train,
            y_train=y_train,
            x_test=x_test,
            y_test=y_test,
        )
        if self.dataset.balanced:
            _check_balance(dataset.y_train, "y_train", str(folder))
            _check_balance(dataset.y_test, "y_test", str(folder))
        # Files in the cache came out of an archive that was compared.
        unpinned = 0 if cached else sum(not is_pinned(file, path) for file, path in files)
        if not unpinned:
            return dataset
        note = (
            f"{unpinned} of {len(files)} files of {self.name} were checked by size and shape alone: no digest of "
            "their content is published."
        )
        return replace(dataset, notes=(*dataset.notes, note))

    def _state(self, folder: Path) -> str:
        """Number of a dataset's files in a folder, and the fault of each one that is missing or damaged."""
        wrong = []
        for file in self.dataset.files:
            stored = stored_as(file, folder)
            try:
                if stored:
                    read_named(file, stored[0])
                else:
                    wrong.append(f"no {file.name}")
            except DataError as error:
                wrong.append(f"{stored[0].name} is damaged or another file: {error.received}")
        count = len(self.dataset.files)
        if not wrong:
            return f"{folder}: all {count} files, intact"
        if not any(stored_as(file, folder) for file in self.dataset.files):
            return f"{folder}: no files"
        return f"{folder}: {count - len(wrong)} of {count} files intact; {'; '.join(wrong)}"


def _letters(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _check_balance(labels: NDArray[np.int64], array: str, source: str) -> None:
    counts = np.bincount(labels)
    if counts.min() != counts.max():
        raise DataError(
            f"{array} of {source}",
            expected="equally many examples of every class, as in the published files",
            received=f"{counts.min():,} to {counts.max():,}",
            next_step="Replace the files by the published ones.",
        )


@dataclass(frozen=True)
class MnistOrDigits:
    """MNIST, or the digits if MNIST is unavailable: the data of studies that name none."""

    data_dir: Path | None = None
    accepts: ClassVar[frozenset[str]] = frozenset()

    @property
    def name(self) -> str:
        """Name of the preferred dataset."""
        return self._mnist.name

    @property
    def _mnist(self) -> NamedFiles:
        return NamedFiles(CATALOGUE["mnist"], self.data_dir)

    def describe(self) -> list[str]:
        """List the places of MNIST, then the digits."""
        last = "digits: inside scikit-learn, used if MNIST is unavailable and no data were named"
        return [*self._mnist.describe(), last]

    def load(self, scale: Scale, *, progress: bool) -> Dataset:
        """Load MNIST, else the digits, marked as a fallback with the reason in their source."""
        try:
            return self._mnist.load(scale, progress=progress)
        except DataUnavailable as error:
            digits = Digits().load(scale)
            reason = f"MNIST is unavailable: {error.received}"
            return replace(digits, source=f"{digits.source}; {reason}", fallback=True)
