"""Tables inside scikit-learn: always available, trained in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dropstudy.spec.data_names import TABLES

if TYPE_CHECKING:
    from dropstudy.core.dataset import Dataset
    from dropstudy.data.source import DataOptions, Scale

__all__ = ["BUNDLED", "BundledTable"]

_ABOUT = (
    "tumours inside scikit-learn: 569 rows, 30 columns, 2 classes",
    "wines inside scikit-learn: 178 rows, 13 columns, 3 classes",
)
BUNDLED = dict(zip(TABLES, _ABOUT, strict=True))
"""Names of the tables, and what each one holds."""

_TARGET = "target"  # scikit-learn's name of the column with the labels


@dataclass(frozen=True)
class BundledTable:
    """A table inside scikit-learn, with the names of its columns and classes.

    W. Wolberg, O. Mangasarian, N. Street, W. Street, Breast Cancer Wisconsin (Diagnostic), UCI 1993,
    https://doi.org/10.24432/C5DW2B. S. Aeberhard, M. Forina, Wine, UCI 1992, https://doi.org/10.24432/C5PC7J.

    Args:
        name: one of `BUNDLED`.
        options: share of rows for the test, columns to leave out.
    """

    name: str
    options: DataOptions
    accepts: ClassVar[frozenset[str]] = frozenset({"test_size", "drop"})

    def describe(self) -> list[str]:
        """List where the table is."""
        return [f"{self.name}: inside scikit-learn, always available"]

    def load(self, scale: Scale, *, progress: bool = False) -> Dataset:  # noqa: ARG002 - nothing is downloaded
        """Load the table and set rows aside for the test."""
        # Imported here: pandas and scikit-learn are slow to import.
        import sklearn  # noqa: PLC0415
        from sklearn.datasets import load_breast_cancer, load_wine  # noqa: PLC0415

        from dropstudy.data.table import table_dataset  # noqa: PLC0415

        loader = load_wine if self.name == "wine" else load_breast_cancer
        bunch = loader(as_frame=True)
        frame = bunch.frame.assign(**{_TARGET: bunch.target_names[bunch.target]})
        return table_dataset(
            frame,
            name=self.name,
            target=_TARGET,
            test_size=self.options.test_size,
            drop=self.options.drop,
            source=f"scikit-learn {sklearn.__version__}, sklearn.datasets.{loader.__name__}",
            scale=scale,
        )
