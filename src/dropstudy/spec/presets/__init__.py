"""Study files that ship with dropstudy: examples, presets and tests at once."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dropstudy.core.dataset import Dataset

BUNDLED_TABLES = ("breast-cancer", "wine")
"""Named datasets that are tables, and know their target."""


def names() -> tuple[str, ...]:
    """Names of the presets, sorted."""
    folder = files(__package__)
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")))


def default(data: str | None, target: str | None, dataset: Dataset | None = None) -> str:
    """Name of the preset for data without another specification: `table` for a table, else `notebook`."""
    is_table = dataset.table is not None if dataset else target is not None or data in BUNDLED_TABLES
    return "table" if is_table else "notebook"


def text(name: str) -> str:
    """The study file of a preset."""
    return (files(__package__) / f"{name}.toml").read_text(encoding="utf-8")


def title(name: str) -> str:
    """The first line of a preset's leading comment."""
    return text(name).splitlines()[0].removeprefix("#").strip()
