"""Read tables from CSV and Parquet files with pyarrow; errors name the file, the line and the column."""

from __future__ import annotations

import codecs
import csv
import gzip
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

import psutil

from dropstudy.data.formats.files import open_file, reporting_damage
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

__all__ = ["SUFFIXES", "StoredTable", "read_table"]

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".pq")
"""Endings of the names of files that are read as tables."""

_KIND = "a CSV or Parquet file"
_PARQUET, _GZIP = b"PAR1", b"\x1f\x8b"
_ENCODINGS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_DELIMITERS = ",;\t|"
_DELIMITER_NAMES = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_MOST_COLUMNS = 20_000
_LONGEST_HEADER = 1 << 22  # bytes
_SAMPLE = 1 << 16  # characters in which decimal commas are looked for
_MOST_CODED = 1000  # different values of a column
_MEMORY = 3  # most times its size that a table takes while it is read
_MISSING = ["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None", "<NA>"]
"""Cells that count as missing; pandas' list without the rarest."""


@dataclass(frozen=True, eq=False)
class StoredTable:
    """A table as it is in a file.

    Args:
        frame: its rows.
        first_line: line of its first row; None for a file without lines.
        notes: sentences on how it was read.
    """

    frame: pd.DataFrame
    first_line: int | None = None
    notes: tuple[str, ...] = ()


def read_table(path: Path) -> StoredTable:
    """Read a CSV or Parquet file; the first bytes tell which it is.

    CSV: UTF-8, or UTF-16 with a byte-order mark; commas, semicolons, tabs or vertical bars between cells; a decimal
    comma where cells are not separated by commas; packed by gzip or not. The first line has the names.

    Raises:
        DataError: there is no such file, it is no table, a row has too many or too few cells, or it changes while it
            is read.
    """
    with open_file(path, _KIND) as file:
        start = file.read(4)
    if not start:
        raise DataError(str(path), expected=_KIND, received="an empty file", next_step="Check the path.")
    before = path.stat()
    _check_memory(path, before.st_size)
    table = _read_parquet(path) if start == _PARQUET else _read_csv(path, packed=start.startswith(_GZIP))
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise DataError(
            str(path),
            expected="a file that does not change",
            received=f"one that changed while it was read, from {before.st_size:,} to {after.st_size:,} bytes",
            next_step="Wait until it is complete, or copy it, and try again.",
        )
    return table


def _check_memory(path: Path, size: int) -> None:
    free = psutil.virtual_memory().available
    if _MEMORY * size > free:
        raise DataError(
            str(path),
            expected=f"a table that fits in memory, of which {free:,} bytes are free",
            received=f"a file of {size:,} bytes",
            next_step="Use fewer rows, or a machine with more memory.",
        )


def _read_parquet(path: Path) -> StoredTable:
    from pyarrow import parquet  # noqa: PLC0415 - slow to import, and few studies have a table

    with reporting_damage(str(path), "a Parquet file"):
        return StoredTable(
            parquet.ParquetFile(path).read().to_pandas(ignore_metadata=True, split_blocks=True)
        )


def _read_csv(path: Path, *, packed: bool) -> StoredTable:
    from pyarrow import csv as arrow  # noqa: PLC0415 - as above

    encoding = _encoding(path, packed=packed)
    header, sample = _first_lines(path, encoding, packed=packed)
    delimiter = max(_DELIMITERS, key=header.count) if any(d in header for d in _DELIMITERS) else ","
    comma = delimiter != "," and bool(
        re.search(rf"(^|{re.escape(delimiter)})[-+]?\d+,\d+", sample, re.MULTILINE)
    )
    _check_header(path, header, delimiter)
    notes = [f"Its cells are separated by {_DELIMITER_NAMES[delimiter]}."] if delimiter != "," else []
    notes += ["Numbers have a decimal comma."] if comma else []
    missing = [*_MISSING]
    try:
        with reporting_damage(str(path), _KIND):
            table = arrow.read_csv(
                str(path),
                read_options=arrow.ReadOptions(encoding="utf8" if encoding != "utf-16" else encoding),
                parse_options=arrow.ParseOptions(
                    delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=True
                ),
                convert_options=arrow.ConvertOptions(
                    null_values=missing,
                    strings_can_be_null=True,
                    auto_dict_encode=True,  # text as codes, where it has few different values
                    auto_dict_max_cardinality=_MOST_CODED,
                    decimal_point="," if comma else ".",
                ),
            )
            frame = table.to_pandas(split_blocks=True, self_destruct=True)
    except DataError as error:
        _explain(path, encoding, delimiter, packed=packed)
        raise error from error.__cause__
    return StoredTable(frame, first_line=2, notes=tuple(notes))


def _text(path: Path, encoding: str, *, packed: bool) -> TextIO:
    return (
        gzip.open(path, "rt", encoding=encoding, newline="")
        if packed
        else path.open(encoding=encoding, newline="")
    )


def _encoding(path: Path, *, packed: bool) -> str:
    with reporting_damage(str(path), _KIND), gzip.open(path) if packed else path.open("rb") as file:
        start = file.read(4)
    return next((name for mark, name in _ENCODINGS.items() if start.startswith(mark)), "utf-8")


def _first_lines(path: Path, encoding: str, *, packed: bool) -> tuple[str, str]:
    """The header, and the lines after it as far as they are a sample."""
    try:
        with reporting_damage(str(path), _KIND), _text(path, encoding, packed=packed) as file:
            return file.readline(_LONGEST_HEADER), file.read(_SAMPLE)
    except DataError as error:
        if isinstance(error.__cause__, UnicodeDecodeError):
            _explain(path, encoding, ",", packed=packed)
        raise


def _check_header(path: Path, header: str, delimiter: str) -> None:
    """Refuse a first line that is one of data, or that has more columns than any table."""
    names = next(csv.reader([header], delimiter=delimiter), [])
    if len(names) > _MOST_COLUMNS:
        raise DataError(
            str(path),
            expected=f"at most {_MOST_COLUMNS:,} columns",
            received=f"{len(names):,}",
            next_step="Leave columns out, or save the numbers as an .npz file.",
        )
    numbers = [name.strip() for name in names if _is_number(name)]
    if any(not name.isdecimal() for name in numbers) or len(set(numbers)) < len(numbers):
        raise DataError(
            f"{path}, line 1",
            expected="the names of the columns",
            received=f"numbers, such as {numbers[0]}: the header is missing",
            next_step="Write a first line with a name for each column.",
        )
    if empty := [number for number, name in enumerate(names, 1) if not name.strip()][1:]:
        raise DataError(
            f"{path}, line 1",
            expected="a name for each column",
            received=f"no name for column {empty[0]} of {len(names)}",
            next_step="Name it, or remove the separator at the end of the line.",
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _explain(path: Path, encoding: str, delimiter: str, *, packed: bool) -> None:
    """Name the line that a fast reader stumbled over: read the lines one by one.

    Raises:
        DataError: a line is not text in this encoding, or has another number of cells than the header.
    """
    expected, line = 0, 0
    try:
        with _text(path, encoding, packed=packed) as file:
            reader = csv.reader(file, delimiter=delimiter)
            for row in reader:
                expected, line = expected or len(row), reader.line_num
                if row and len(row) != expected:
                    raise DataError(
                        f"{path}, line {line}",
                        expected=f"{expected} cells, as in the header",
                        received=f"{len(row)}",
                        next_step="Correct the line: a comma inside a text needs quotes around the text.",
                    )
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, after line {line}",
            expected="text in UTF-8",
            received=f"the byte 0x{error.object[error.start]:02x}, of another encoding",
            next_step=f"Convert it: iconv -f windows-1252 -t utf-8 {path.name} > utf-8-{path.name}",
        ) from error
    except (OSError, EOFError, csv.Error):
        return  # the first error says what is wrong
