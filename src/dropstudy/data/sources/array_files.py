"""Arrays in an `.npz` file, or in `.npy` files that lie in one folder, under the names that are usual."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import psutil

from dropstudy.core.text import first_of
from dropstudy.data.dataset import ARRAYS, check_count, make_dataset
from dropstudy.data.formats.files import open_file, reporting_damage
from dropstudy.data.formats.npy import npz_names, open_npy, open_npz
from dropstudy.errors import DataError, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dropstudy.core.dataset import Dataset
    from dropstudy.data.formats.files import StoredArray
    from dropstudy.data.source import DataOptions, Scale

__all__ = ["ArrayFiles", "holds_arrays", "npy_files", "standard_name"]

_X = "x|data|images?|features|inputs|examples|samples"
_Y = "y|labels?|targets?"
_PART = "train(?:ing)?|test(?:ing)?|val|valid|validation|dev"
_USUAL = re.compile(
    f"(?:(?P<before>{_PART})[_. -]?)?(?:(?P<x>{_X})|(?P<y>{_Y}))(?:[_. -]?(?P<after>{_PART}))?", re.IGNORECASE
)
_ALONE, _TRAIN, _TEST = ("x", "y"), ("x_train", "y_train"), ("x_test", "y_test")
_NAMED = 8  # arrays that a message names
_WRITE = "Write it with numpy.savez(file, x_train=..., y_train=..., x_test=..., y_test=...), or x=... and y=... alone."


def holds_arrays(path: Path) -> bool:
    """True for an `.npz` or `.npy` file, whether it exists or not, and for a folder with `.npy` files in it."""
    return path.suffix.lower() in {".npz", ".npy"} or (_is_folder(path) and bool(npy_files(path)))


@dataclass(frozen=True)
class ArrayFiles:
    """The arrays of an `.npz` file or of the `.npy` files of one folder.

    Args:
        path: the `.npz` file, an `.npy` file, which those beside it belong to, or the folder of `.npy` files.
        options: `test`, another such path with the test examples; or `test_size`.
    """

    path: Path
    options: DataOptions
    accepts: ClassVar[frozenset[str]] = frozenset({"test", "test_size"})

    @property
    def name(self) -> str:
        """Name of the file; for `.npy` files that of their folder."""
        return (self.path.resolve().parent if self.path.suffix.lower() == ".npy" else self.path).name

    def describe(self) -> list[str]:
        """List the file, and whether it exists."""
        return [f"{self.path}: {'exists' if self.path.exists() else 'no such file'}"]

    def load(self, scale: Scale, *, progress: bool = False) -> Dataset:  # noqa: ARG002 - nothing is downloaded
        """Check the headers of the arrays, then read them."""
        test, test_size = self.options.test, self.options.test_size
        files, test_files = _Files.at(self.path), None if test is None else _Files.at(test)
        picked = files.pick(_TRAIN, _ALONE) if test else files.pick(_TRAIN + _TEST, _TRAIN, _ALONE)
        stored, notes = files.open(picked), files.notes(picked)
        if test_files is not None:
            test_picked = test_files.pick(_TEST, _ALONE)
            stored += test_files.open(test_picked)
            notes += test_files.notes(test_picked)
            picked = dict(zip(ARRAYS, (*picked.values(), *test_picked.values()), strict=True))
        names = tuple(picked.values())
        if test_size is not None and len(names) == len(ARRAYS):
            raise InvalidArgument(
                "test_size",
                expected="data without a test set",
                received=f"{test_size:g} with {names[2]} of {test or self.path}",
                next_step="Leave it out, or give data without test examples.",
            )
        sources = (str(self.path), str(test or self.path))
        for (x, y), source in zip(((0, 1), (2, 3)), sources, strict=True):
            if y < len(names):
                check_count(stored[x].shape, stored[y].shape, names=names[x : y + 1], source=source)
        _check_memory(self.path, stored)
        arrays: dict[str, Any] = {name: array.read() for name, array in zip(ARRAYS, stored, strict=False)}
        return make_dataset(
            name=self.name,
            source=sources[0],
            test_source=sources[1],
            test_size=test_size,
            scale=scale,
            names=names,
            notes=notes,
            **arrays,
        )


@dataclass(frozen=True)
class _Files:
    """The arrays that a path leads to.

    Args:
        path: the `.npz` file, or the folder of the `.npy` files.
        names: of all arrays in it.
        usual: the names that say what an array holds, by its standard name: `x_train`, `y`.
        given: name of the array whose file was given.
    """

    path: Path
    names: tuple[str, ...]
    usual: dict[str, list[str]]
    given: str | None

    @classmethod
    def at(cls, path: Path) -> _Files:
        """List the arrays of an `.npz` file, an `.npy` file and those beside it, or a folder of `.npy` files."""
        given = None
        if path.suffix.lower() == ".npy":
            open_file(path, "an .npy file").close()
            path, given = path.parent, path.stem
        names = tuple(npy_files(path)) if _is_folder(path) else npz_names(path)
        usual: dict[str, list[str]] = {}
        for name in names:
            if standard := standard_name(name):
                usual.setdefault(standard, []).append(name)
        return cls(path, names, usual, given)

    def pick(self, *groups: tuple[str, ...]) -> dict[str, str]:
        """Return the names of the first group whose arrays are all there, by standard name.

        Raises:
            DataError: no group is there, or another could be meant.
        """
        if validation := [
            name for usual, names in self.usual.items() if usual.endswith("_val") for name in names
        ]:
            raise self._error(
                expected=f"{', '.join(ARRAYS)}: validation examples are held out of x_train",
                received=f"{', '.join(validation)} too, which would go unused",
                next_step="Append them to x_train and y_train and run with --validation-split and their number, which "
                "holds out as many, drawn at random; or leave them out of the file.",
            )
        group = next((group for group in groups if self.usual.keys() >= set(group)), ())
        rest = [name for name in self.usual if name not in group]
        if not group or (rest and group[-1] != _TEST[-1]):
            raise self._error(
                expected=f"arrays named {', or '.join(' and '.join(group) for group in groups)}, under these or other "
                "usual names such as train_images",
                received=_listed(self.names) or "no array",
                next_step=_WRITE,
            )
        if twice := next((self.usual[name] for name in group if len(self.usual[name]) > 1), None):
            raise self._error(
                expected="one array of each kind",
                received=f"{' and '.join(twice)}, which may mean the same",
                next_step="Leave all but one out.",
            )
        picked = {name: self.usual[name][0] for name in group}
        if self.given is not None and self.given not in picked.values():
            raise self._error(
                expected=f"one of {', '.join(f'{name}.npy' for name in picked.values())}",
                received=f"{self.given}.npy, whose name does not say what it holds",
                next_step="Name the folder, or rename the file.",
            )
        return picked

    def open(self, picked: dict[str, str]) -> list[StoredArray]:
        if _is_folder(self.path):
            files = npy_files(self.path)
            return [open_npy(files[name]) for name in picked.values()]
        return list(open_npz(self.path, list(picked.values())).values())

    def notes(self, picked: dict[str, str]) -> list[str]:
        """Say which arrays are used where their names leave room for doubt, and which are not."""
        notes = []
        place, end = (self.path.resolve().name, ".npy") if _is_folder(self.path) else (self.path.name, "")
        if end or any(usual != name for usual, name in picked.items()):
            taken = ", ".join(f"{name}{end} as {usual}" for usual, name in picked.items())
            notes.append(f"Of {place} are read: {taken}.")
        if others := [name for name in self.names if name not in picked.values()]:
            notes.append(f"Of {place} these arrays are not used: {_listed(others)}.")
        return notes

    def _error(self, *, expected: str, received: str, next_step: str) -> DataError:
        return DataError(str(self.path), expected=expected, received=received, next_step=next_step)


def standard_name(name: str) -> str | None:
    """Return the standard name of an array: `x_train` for `train_images`; None where its name does not say it."""
    found = _USUAL.fullmatch(name)
    if found is None or (found["before"] and found["after"]):
        return None
    part = (found["before"] or found["after"] or "").lower()
    kind = "x" if found["x"] else "y"
    if not part:
        return kind
    return f"{kind}_{'train' if part.startswith('train') else 'test' if part.startswith('test') else 'val'}"


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - false for a name that is too long, where Path.is_dir raises


def npy_files(folder: Path) -> dict[str, Path]:
    """The `.npy` files of a folder, by the name of their array."""
    with reporting_damage(str(folder), "a folder of .npy files"):
        return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".npy"}


def _listed(names: Iterable[str]) -> str:
    return first_of([ascii(name) for name in names], _NAMED)


def _check_memory(path: Path, stored: list[StoredArray]) -> None:
    """Refuse arrays that do not fit in memory, as stored and once more as float32, before they are unpacked."""
    needed = sum(prod(array.shape) * (array.dtype.itemsize + 4) for array in stored)
    free = psutil.virtual_memory().available
    if needed > free:
        raise DataError(
            str(path),
            expected=f"arrays that fit in memory, {free:,} bytes",
            received=f"arrays that take {needed:,} bytes once unpacked",
            next_step="Use fewer examples, or a machine with more memory.",
        )
