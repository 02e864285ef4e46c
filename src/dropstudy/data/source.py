"""The seam for data: every dataset comes from a `DataSource`. `load.py` chooses one; `sources/` has one per file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from dropstudy.core.types import Dataset

__all__ = ["DataSource", "Scale"]

Scale = float | Literal["auto"]
"""The network sees `x / scale`; `auto` finds it from the values of the training examples."""


class DataSource(Protocol):
    """A place or a format that examples come from: numbers of any kind and shape, with labels.

    A source finds the examples and reads them. `make_dataset` then checks them, converts them to the one form that
    studies use and computes their digest, whatever the source.
    """

    @property
    def name(self) -> str:
        """Name of the dataset."""

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
