"""Tables in files: CSV and Parquet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dropstudy.data.formats.csv_parquet import SUFFIXES, read_table

if TYPE_CHECKING:
    from pathlib import Path

    from dropstudy.core.dataset import Dataset
    from dropstudy.data.source import DataOptions, Scale

__all__ = ["SUFFIXES", "TableFile"]


@dataclass(frozen=True)
class TableFile:
    """The rows of a CSV or Parquet file.

    Args:
        path: the file.
        options: target, and what else is asked for.
    """

    path: Path
    options: DataOptions
    accepts: ClassVar[frozenset[str]] = frozenset({"target", "test", "test_size", "group", "drop"})

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.name

    def describe(self) -> list[str]:
        """List the files, and whether they exist."""
        paths = [self.path, *([self.options.test] if self.options.test else [])]
        return [f"{path}: {'exists' if path.is_file() else 'no such file'}" for path in paths]

    def load(self, scale: Scale, *, progress: bool = False) -> Dataset:  # noqa: ARG002 - nothing is downloaded
        """Read the file, and that of the test rows if there is one."""
        from dropstudy.data.table import table_dataset  # noqa: PLC0415 - pandas is slow to import

        train = read_table(self.path)
        test = None if self.options.test is None else read_table(self.options.test)
        return table_dataset(
            train.frame,
            name=self.name,
            target=self.options.target,
            test_frame=None if test is None else test.frame,
            test_size=self.options.test_size,
            group=self.options.group,
            drop=self.options.drop,
            source=str(self.path),
            scale=scale,
            line=train.line,
            test_source=None if self.options.test is None else str(self.options.test),
            test_line=None if test is None else test.line,
            notes=(*train.notes, *(test.notes if test else ())),
        )
