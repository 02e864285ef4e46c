"""An `.npz` file with x_train, y_train, x_test and y_test, as Keras has them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import psutil

from dropstudy.data.dataset import check_count, make_dataset
from dropstudy.data.formats.npy import npz_names, open_npz
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from dropstudy.core.dataset import Dataset
    from dropstudy.data.formats.files import StoredArray
    from dropstudy.data.source import Scale

__all__ = ["ARRAYS", "NpzFile"]

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_NAMED = 5  # unused arrays that are named
_VALIDATION = re.compile("[xy]_?(val|valid|validation|dev)", re.IGNORECASE)


@dataclass(frozen=True)
class NpzFile:
    """The arrays of an `.npz` file."""

    path: Path
    accepts: ClassVar[frozenset[str]] = frozenset()

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.name

    def describe(self) -> list[str]:
        """List the file, and whether it exists."""
        return [f"{self.path}: {'exists' if self.path.is_file() else 'no such file'}"]

    def load(self, scale: Scale, *, progress: bool = False) -> Dataset:  # noqa: ARG002 - nothing is downloaded
        """Check the headers of the arrays, then read them."""
        others = [name for name in npz_names(self.path) if name not in ARRAYS]
        if validation := [name for name in others if _VALIDATION.fullmatch(name)]:
            raise DataError(
                str(self.path),
                expected=f"{', '.join(ARRAYS)}: validation examples are held out of x_train",
                received=f"{', '.join(validation)} too, which would go unused",
                next_step="Append them to x_train and y_train and run with --validation-split and their number, which "
                "holds out as many, drawn at random; or leave them out of the file.",
            )
        stored = open_npz(self.path, ARRAYS)
        for part in ("train", "test"):
            check_count(stored[f"x_{part}"].shape, stored[f"y_{part}"].shape, part, str(self.path))
        _check_memory(self.path, stored)
        arrays: dict[str, Any] = {name: array.read() for name, array in stored.items()}
        dataset = make_dataset(name=self.name, source=str(self.path), scale=scale, **arrays)
        if not others:
            return dataset
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        note = f"Of {self.name} these arrays are not used: {', '.join(map(ascii, others[:_NAMED]))}{more}."
        return replace(dataset, notes=(*dataset.notes, note))


def _check_memory(path: Path, stored: dict[str, StoredArray]) -> None:
    """Refuse arrays that do not fit in memory, as stored and once more as float32, before they are unpacked."""
    needed = sum(prod(array.shape) * (array.dtype.itemsize + 4) for array in stored.values())
    free = psutil.virtual_memory().available
    if needed > free:
        raise DataError(
            str(path),
            expected=f"arrays that fit in memory, {free:,} bytes",
            received=f"arrays that take {needed:,} bytes once unpacked",
            next_step="Use fewer examples, or a machine with more memory.",
        )
