"""Study files that ship with dropstudy: examples, presets and tests at once."""

from __future__ import annotations

import difflib
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from dropstudy.spec.data_names import OPENML, TABLES, is_data_file

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from dropstudy.core.dataset import Dataset

_FOLDER = files(__package__)
_PUBLISHED = _FOLDER / "published"


@cache
def names() -> tuple[str, ...]:
    """Names of the presets, sorted: those for one's own questions, then those that repeat published results."""
    return (*_names(_FOLDER), *published())


@cache
def published() -> tuple[str, ...]:
    """Names of the presets that repeat published results, sorted: see `docs/known_results.md`."""
    return _names(_PUBLISHED)


def nearest(text: str) -> str | None:
    """Name of the preset that a text is a misspelling of."""
    return next(iter(difflib.get_close_matches(text, names(), n=1)), None)


def default(
    data: str | None, target: str | None, dataset: Dataset | None = None, *, model: bool = False
) -> str:
    """Name of the preset for data without another specification.

    `table` for a table; `tune` for other data of the user's own, and for a Keras model; `notebook` for data by name, or
    for none. A dataset in memory is known better: `table` where its examples are rows of numbers, `tune` where they are
    images.
    """
    if dataset is not None:
        return "table" if len(dataset.input_shape) == 1 else "tune"
    if target is not None or data in TABLES or (data or "").startswith(OPENML):
        return "table"
    return "tune" if model or (data is not None and is_data_file(data)) else "notebook"


def text(name: str) -> str:
    """The study file of a preset."""
    folder = _PUBLISHED if name in published() else _FOLDER
    return (folder / f"{name}.toml").read_text(encoding="utf-8")


def title(name: str) -> str:
    """The first line of a preset's leading comment."""
    return text(name).splitlines()[0].removeprefix("#").strip()


def duration(name: str) -> str:
    """Time on two cores by a preset's leading comment, such as "a night"; empty where it depends on the data."""
    found = re.search(r"^#.*\btakes (.+?) on two cores", text(name), re.MULTILINE)
    return found[1] if found else ""


def _names(folder: Traversable) -> tuple[str, ...]:
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")))
