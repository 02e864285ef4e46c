"""Read tables from CSV and Parquet files with pyarrow; errors name the file, the line and the column."""

from __future__ import annotations

import codecs
import csv
import gzip
import re
import shlex
from collections import deque
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from io import StringIO
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, cast

import psutil

from dropstudy.data.formats.files import open_file, reporting_damage
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa
    from pyarrow.csv import ParseOptions

__all__ = ["MISSING", "SUFFIXES", "StoredTable", "read_table"]

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".pq")
"""Endings of the names of files that are read as tables."""

_KIND = "a CSV or Parquet file"
_PARQUET, _GZIP = b"PAR1", b"\x1f\x8b"
_ENCODINGS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_DELIMITERS = "\t|;,"
_SNIFFED = 20  # rows that tell the delimiter
_DELIMITER_NAMES = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_NAMED_DELIMITER = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)
_LEAST_BEYOND = 2.0**63  # whole numbers from here on are no 64-bit integers
_MOST_COLUMNS = 20_000
_LONGEST_HEADER = 1 << 22  # bytes
_SAMPLE = 1 << 16  # characters in which decimal commas are looked for
_MOST_CODED = 1000  # different values of a column
_CHUNK, _CHECKED = 1 << 20, 64  # bytes unpacked at once, and chunks after which the memory is looked at
_MEMORY = 3  # most times its size that a table takes while it is read
MISSING = ["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None", "<NA>"]
"""Cells that count as missing; pandas' list without the rarest."""


@dataclass(frozen=True, eq=False)
class StoredTable:
    """A table as it is in a file.

    Args:
        frame: its rows.
        line: returns the line of a row, given its position; None for a file without lines.
        notes: sentences on how it was read.
    """

    frame: pd.DataFrame
    line: Callable[[int], int] | None = None
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
    table = _read_parquet(path) if start == _PARQUET else _read_csv(_CsvFile(path, start.startswith(_GZIP)))
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
            received=f"one of {size:,} bytes or more",
            next_step="Use fewer rows, or a machine with more memory.",
        )


def _read_parquet(path: Path) -> StoredTable:
    from pyarrow import parquet  # noqa: PLC0415 - slow to import, and few studies have a table

    with reporting_damage(str(path), "a Parquet file"), parquet.ParquetFile(path) as file:
        # Equal cells take no space in the file, and eight bytes each in memory.
        _check_memory(path, file.metadata.num_rows * file.metadata.num_columns * 8 // _MEMORY)
        return StoredTable(file.read().to_pandas(ignore_metadata=True, split_blocks=True))


@dataclass(frozen=True)
class _CsvFile:
    """A file of text; `packed` by gzip or not, whatever its name says; `skip` lines before the header are no rows."""

    path: Path
    packed: bool
    encoding: str = "utf-8"
    skip: int = 0

    def text(self) -> TextIO:
        if self.packed:
            return gzip.open(self.path, "rt", encoding=self.encoding, newline="")
        return self.path.open(encoding=self.encoding, newline="")

    def binary(self) -> BinaryIO:
        return cast("BinaryIO", gzip.open(self.path) if self.packed else self.path.open("rb"))

    def records(self, delimiter: str) -> Generator[tuple[int, int, list[str]]]:
        """First and last line of each record that is not an empty line, and its cells."""
        with self.text() as file:
            deque(islice(file, self.skip), maxlen=0)
            reader, last = csv.reader(file, delimiter=delimiter), self.skip
            for cells in reader:
                if cells:
                    yield last + 1, self.skip + reader.line_num, cells
                last = self.skip + reader.line_num

    def line(self, delimiter: str, row: int) -> int:
        """Line of a row of the table: cells with line breaks and empty lines move it."""
        try:
            return next(islice(self.records(delimiter), row + 1, None))[0]
        except (StopIteration, csv.Error):  # a cell that Python's reader finds too long
            return row + 2 + self.skip


def _read_csv(file: _CsvFile) -> StoredTable:
    import pyarrow as pa  # noqa: PLC0415 - as above
    from pyarrow import csv as arrow  # noqa: PLC0415 - as above

    path = file.path
    file = replace(file, encoding=_encoding(file))
    header, sample = _first_lines(file)
    if named := _NAMED_DELIMITER.fullmatch(header):  # Excel's first line, which is no header
        file = replace(file, skip=1)
        header, sample = _first_lines(file)
    delimiter = named[1] if named else _delimiter(header + sample)
    comma = delimiter != "," and _has_decimal_commas(sample, delimiter)
    with reporting_damage(str(path), _KIND):
        _check_header(path, header, delimiter)
    if not sample.strip():
        raise DataError(str(path), expected="rows", received="a header alone", next_step="Check the file.")
    if file.packed:
        _check_unpacked(file)
    notes = (
        [f"Its cells are separated by {_DELIMITER_NAMES.get(delimiter, delimiter)}."]
        if delimiter != ","
        else []
    )
    notes += ["Numbers have a decimal comma."] if comma else []
    try:
        with reporting_damage(str(path), _KIND):
            read = partial(
                _read_arrow,
                file,
                arrow.ParseOptions(
                    delimiter=delimiter, newlines_in_values=_has_quotes(file), ignore_empty_lines=True
                ),
                null_values=MISSING,
                strings_can_be_null=True,
                auto_dict_encode=True,  # text as codes, where it has few different values
                auto_dict_max_cardinality=_MOST_CODED,
                decimal_point="," if comma else ".",
            )
            table = _with_long_integers(read(), read)
            if any(pa.types.is_binary(getattr(kind, "value_type", kind)) for kind in table.schema.types):
                raise ValueError("text in another encoding")
            frame = table.to_pandas(split_blocks=True, self_destruct=True)
    except DataError as error:
        _explain(file, delimiter)
        raise error from error.__cause__
    frame.columns = frame.columns.str.strip()
    return StoredTable(frame, line=partial(file.line, delimiter), notes=tuple(notes))


def _read_arrow(file: _CsvFile, parse_options: ParseOptions, **conversion: Any) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415 - as above
    from pyarrow import csv as arrow  # noqa: PLC0415 - as above

    with pa.input_stream(str(file.path), compression="gzip" if file.packed else None) as stream:
        return arrow.read_csv(
            stream,
            read_options=arrow.ReadOptions(
                encoding=file.encoding if file.encoding == "utf-16" else "utf8", skip_rows=file.skip
            ),
            parse_options=parse_options,
            convert_options=arrow.ConvertOptions(**conversion),
        )


def _with_long_integers(table: pa.Table, read: Callable[..., pa.Table]) -> pa.Table:
    """The table, with integers beyond 64 bits as text: as floats, which pyarrow makes of them, ids are rounded."""
    import pyarrow as pa  # noqa: PLC0415 - as above
    from pyarrow import compute  # noqa: PLC0415 - as above

    for number, field in enumerate(table.schema):
        if pa.types.is_floating(field.type):
            ends = compute.min_max(table.column(number)).as_py().values()
            if any(end is not None and _LEAST_BEYOND <= abs(end) < inf for end in ends):
                texts = read(column_types={field.name: pa.string()}, include_columns=[field.name]).column(0)
                if compute.all(compute.match_substring_regex(texts, r"^\s*[-+]?\d+\s*$")).as_py():
                    table = table.set_column(number, field.name, texts)
    return table


def _has_quotes(file: _CsvFile) -> bool:
    """True where cells may have line breaks; a plain file is searched, since reading is faster without them."""
    if file.packed:
        return True
    with reporting_damage(str(file.path), _KIND), file.binary() as binary:
        return any(b'"' in part for part in iter(partial(binary.read, 1 << 20), b""))


def _encoding(file: _CsvFile) -> str:
    with reporting_damage(str(file.path), _KIND), file.binary() as binary:
        start = binary.read(4)
    return next((name for mark, name in _ENCODINGS.items() if start.startswith(mark)), "utf-8")


def _first_lines(file: _CsvFile) -> tuple[str, str]:
    """The header, without empty lines before it, and the lines after it as far as they are a sample."""
    try:
        with reporting_damage(str(file.path), _KIND), file.text() as text:
            lines = islice(iter(partial(text.readline, _LONGEST_HEADER), ""), file.skip, None)
            header = next((line for line in lines if line.strip("\r\n")), "")
            while header.count('"') % 2 and len(header) < _LONGEST_HEADER and (more := next(lines, "")):
                header += more  # a name with a line break
            sample = text.read(_SAMPLE)
    except DataError as error:
        if isinstance(error.__cause__, UnicodeDecodeError):
            _explain(file, ",")
        raise
    if "\0" in header + sample:
        raise DataError(
            str(file.path),
            expected="text in UTF-8, or in UTF-16 with a byte-order mark",
            received="a file with zero bytes, which text does not have",
            next_step="Save it as CSV in UTF-8.",
        )
    return header, sample


def _delimiter(text: str) -> str:
    """The delimiter with which most rows have as many cells as the header; the one of more cells where several do."""

    def rows_and_cells(delimiter: str) -> tuple[int, int]:
        reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
        try:
            rows = [row for row in islice(reader, _SNIFFED) if row]
        except csv.Error:  # a cell as long as the header of a wide table
            return 0, 0
        cells = len(rows[0]) if rows else 0
        return (sum(len(row) == cells for row in rows) if cells > 1 else 0), cells

    best = max(_DELIMITERS, key=rows_and_cells)
    return best if rows_and_cells(best)[0] else ","


def _has_decimal_commas(sample: str, delimiter: str) -> bool:
    """True where cells are numbers with a comma, and none is one with a point: both would be read as one of them."""
    cells = re.findall(rf'[^{re.escape(delimiter)}"\r\n]+', sample)
    comma, point = (
        any(re.fullmatch(rf"\s*[-+]?\d*{mark}\d+\s*", cell) for cell in cells) for mark in (",", r"\.")
    )
    return comma and not point


def _check_unpacked(file: _CsvFile) -> None:
    """Refuse a file that is small only as long as it is packed."""
    size = 0
    with reporting_damage(str(file.path), _KIND), file.binary() as binary:
        while chunk := binary.read(_CHUNK):
            size += len(chunk)
            if size % (_CHECKED * _CHUNK) < len(chunk):
                _check_memory(file.path, size)


def _check_header(path: Path, header: str, delimiter: str) -> None:
    """Refuse a first line that is one of data, or that has more columns than any table."""
    names = next(csv.reader(StringIO(header, newline=""), delimiter=delimiter), [])
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
            f"the header of {path}",
            expected="the names of the columns",
            received=f"numbers, such as {numbers[0]}: the header is missing",
            next_step="Write a first line with a name for each column.",
        )
    if empty := [number for number, name in enumerate(names, 1) if not name.strip()][1:]:
        raise DataError(
            f"the header of {path}",
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


def _explain(file: _CsvFile, delimiter: str) -> None:
    """Name the line that a fast reader stumbled over: read the lines one by one.

    Raises:
        DataError: a line is not text in this encoding, or has another number of cells than the header.
    """
    expected = 0
    try:
        with closing(file.records(delimiter)) as records:
            for first, last, cells in records:
                expected = expected or len(cells)
                if len(cells) != expected:
                    many = last > first
                    raise DataError(
                        f"{file.path}, {f'lines {first} to {last}' if many else f'line {first}'}",
                        expected=f"{expected} cells, as in the header",
                        received=f"{len(cells)}",
                        next_step="These lines are one row, because of a quote in the first of them: is it closed?"
                        if many
                        else "Correct the line: a separator inside a text needs quotes around the text.",
                    )
    except UnicodeDecodeError as error:
        _explain_encoding(file, error)
    except (OSError, EOFError, csv.Error):
        return  # the first error says what is wrong


def _explain_encoding(file: _CsvFile, error: UnicodeDecodeError) -> None:
    """Name the line with the first bytes that are not text.

    Raises:
        DataError: always in UTF-8, and in UTF-16 without the line.
    """
    with file.binary() as binary:
        for number, line in enumerate(binary if file.encoding != "utf-16" else (), 1):
            try:
                line.decode()
            except UnicodeDecodeError as wrong:
                name = file.path.name
                raise DataError(
                    f"{file.path}, line {number}",
                    expected="text in UTF-8",
                    received=f"the byte 0x{line[wrong.start]:02x}, of another encoding",
                    next_step="If it is a text file, convert it: "
                    f"iconv -f windows-1252 -t utf-8 {shlex.quote(name)} > {shlex.quote(f'utf-8-{name}')}",
                ) from error
    raise DataError(
        str(file.path),
        expected="text in UTF-16, as its byte-order mark says",
        received=f"bytes that are not ({error.reason})",
        next_step="Save it as CSV in UTF-8.",
    ) from error
