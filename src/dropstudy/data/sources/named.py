"""The datasets of the catalogue: from the user's folders, the cache or a mirror, the first that has them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from dropstudy.core.atomic import expand_home
from dropstudy.data import cache
from dropstudy.data.catalogue import CATALOGUE, NamedDataset, entries, read_named, stored_as
from dropstudy.data.dataset import make_dataset
from dropstudy.data.sources.digits import Digits
from dropstudy.errors import DataError, DataUnavailable, InvalidArgument

if TYPE_CHECKING:
    from pathlib import Path

    from dropstudy.core.dataset import Dataset
    from dropstudy.data.source import Scale

__all__ = ["MnistOrDigits", "NamedFiles"]

_ENVIRONMENT = "DROPSTUDY_DATA"


@dataclass(frozen=True)
class NamedFiles:
    """The four IDX files of a named dataset.

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
        for origin, folder in self._user_folders().items():
            if folder is None:
                lines.append(f"{origin}: not given")
            elif not folder.is_dir():
                lines.append(f"{origin}: {folder}: no such folder")
            else:
                lines.append(f"{origin}: {self._state(self._files_in(folder) or folder)}")
        lines += [f"cache: {self._state(folder)}" for folder in cache.download_folders(self.name)]
        return [*lines, f"mirrors: {', '.join(self.dataset.mirrors)}"]

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
                    next_step=f"Name a folder that holds {self.name}/, or leave it out.",
                )
            if found := self._files_in(folder):
                return self._read(found, scale)
            if origin == "data_dir":  # given for this command alone, so a mistake is likely
                raise InvalidArgument(
                    origin,
                    expected=f"a folder that holds {self.name}/ or its four IDX files",
                    received=f"{folder}, which holds neither",
                    next_step="Name another folder, or leave it out.",
                )
        folders = cache.download_folders(self.name)
        for folder in folders:
            try:
                return self._read(folder, scale)
            except DataError:
                continue
        # Imported here, because requests and tqdm are slow to load and seldom needed.
        from dropstudy.data.download import fetch_all  # noqa: PLC0415

        paths = fetch_all(self.dataset.files, folders[-1], mirrors=self.dataset.mirrors, progress=progress)
        return self._read_files(paths, folders[-1], scale)

    def _user_folders(self) -> dict[str, Path | None]:
        given = {"data_dir": self.data_dir, _ENVIRONMENT: os.environ.get(_ENVIRONMENT) or None}
        return {origin: None if folder is None else expand_home(folder) for origin, folder in given.items()}

    def _files_in(self, folder: Path) -> Path | None:
        """Folder within a data folder that holds any of the files: one of the dataset's name, or the data folder."""
        named = [
            path for path in entries(folder) if _letters(path.name) == _letters(self.name) and path.is_dir()
        ]
        named.sort(key=lambda path: path.name != self.name)
        for candidate in (*named, folder):
            if any(stored_as(file, candidate) for file in self.dataset.files):
                return candidate
        return None

    def _read(self, folder: Path, scale: Scale) -> Dataset:
        paths = []
        for file in self.dataset.files:
            stored = stored_as(file, folder)
            if not stored:
                raise DataError(
                    str(folder),
                    expected=f"all four files of {self.name}",
                    received=f"no {file.name}, packed (.gz) or not",
                    next_step="Add it, or remove the others and let dropstudy fetch all four.",
                )
            paths.append(stored[0])
        return self._read_files(paths, folder, scale)

    def _read_files(self, paths: list[Path], folder: Path, scale: Scale) -> Dataset:
        files = zip(self.dataset.files, paths, strict=True)
        arrays: dict[str, Any] = {file.array: read_named(file, path) for file, path in files}
        return make_dataset(
            name=self.name, classes=self.dataset.classes, source=str(folder), scale=scale, **arrays
        )

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
    return re.sub("[^a-z]", "", name.lower())


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
