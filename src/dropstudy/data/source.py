"""The seam for data: every dataset comes from a `DataSource`. `load.py` chooses one; `sources/` has one per file."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from dropstudy.core.dataset import Dataset

__all__ = ["DataOptions", "DataSource", "Scale"]

Scale = float | Literal["auto"]
"""The network sees `x / scale`; `auto` finds it from the values of the training examples."""


@dataclass(frozen=True)
class DataOptions:
    """How to read data; each means what the field of `StudySpec` with its name does."""

    target: str | None = None
    test: Path | None = None
    test_size: float | int | None = None
    group: str | None = None
    drop: tuple[str, ...] = ()
    image_size: tuple[int, int] | None = None

    @property
    def given(self) -> dict[str, object]:
        """The options that are given, by name."""
        return {
            field.name: value
            for field in fields(self)
            if (value := getattr(self, field.name)) not in {None, ()}
        }


class DataSource(Protocol):
    """A place or a format that examples come from: numbers of any kind and shape, with labels.

    A source finds the examples and reads them. `make_dataset` then checks them, converts them to the one form that
    studies use and computes their digest, whatever the source.
    """

    @property
    def name(self) -> str:
        """Name of the dataset."""

    @property
    def accepts(self) -> frozenset[str]:
        """Names of the `DataOptions` that this source understands; others are refused."""

    def describe(self) -> list[str]:
        """List the places that are searched, in order, and the state of the data in each."""

    def load(self, scale: Scale, *, progress: bool) -> Dataset:
        """Find the data, read them and return what `make_dataset` makes of them.

        Args:
            scale: the network sees `x / scale`.
            progress: show the progress of a download.

        Raises:
            DataUnavailable: there are none.
            DataError: files are damaged, or hold no dataset that a study can use.
        """
