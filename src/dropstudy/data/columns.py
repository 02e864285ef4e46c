"""Columns of a table: their kinds, and the cells that no network can use, named by line."""

from __future__ import annotations

import difflib
import re
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from dropstudy.core.dataset import Column
from dropstudy.core.text import counted, first_of
from dropstudy.data.preprocessing import is_rare
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = [
    "Place",
    "as_numbers",
    "cells",
    "check_cells",
    "check_columns",
    "check_names",
    "check_numbers",
    "column_of",
    "listed",
]

_LARGEST = 1e100  # squares of larger numbers overflow
_MOST_CATEGORIES = 1000
_FEW = 20  # as many distinct values are categories in every table
_ROWS_A_CATEGORY = 10  # a text column with fewer rows for each of its values tells rows apart, not kinds
_MOST = 0.5  # share of cells of one form from which the others are mistakes, not categories
_NAMED = 5  # columns that a message names
_DAY, _MONTH, _TIME = r"(0?[1-9]|[12]\d|3[01])", r"(0?[1-9]|1[0-2])", r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?"
_MONTH_NAME = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE = re.compile(
    rf"((\d{{4}}([-/.]){_MONTH}\3{_DAY}|({_DAY}([-/.]){_MONTH}|{_MONTH}([-/.]){_DAY})[-/.](\d{{4}}|\d\d)"
    rf"|({_DAY}[- ])?{_MONTH_NAME}[- ]({_DAY},? )?\d{{4}})([ T]{_TIME}.*)?|{_TIME})",
    re.IGNORECASE,
)
_DECIMAL_COMMA = re.compile(r"[-+]?(\d{1,3}(\.\d{3})+|\d+),\d+")
_DRESSED = re.compile(r"[-+]?[$€£¥]?\s?[-+]?(\d{1,3}([,' ]\d{3})+|\d+)(\.\d+)?\s?[%$€£¥]?")


class Place(NamedTuple):
    """A table of the user: its rows, its name for messages, and what returns a row's line, or None for no file.

    A column can be left out of training (`may_drop`), but not of rows to classify.
    """

    frame: pd.DataFrame
    source: str
    line: Callable[[int], int] | None = None
    may_drop: bool = True

    def where(self, position: int) -> str:
        """Place of a row for people: a line of the file, or the label of the row."""
        if self.line is None:
            return f"row {self.frame.index[position]}"
        return f"line {self.line(position)}"

    def advice(self, what: str, column: str) -> str:
        """What to do, or to leave a column out where that is possible."""
        return f"{what}, or leave the column out: {dropping(column)}" if self.may_drop else f"{what}."


def check_columns(
    train: Place, test: Place | None, target: str | None, group: str | None, drop: Sequence[str]
) -> str:
    """Refuse names that a table does not have, once or at all. Returns the target."""
    check_names(train)
    names = train.frame.columns.tolist()
    if target is None:
        raise DataError(
            train.source,
            expected="the name of the column with the labels, as target",
            received=f"none; its columns are {listed(names)}",
            next_step=f"For instance: --target {_likely_target(train.frame)}" if names else "Check the file.",
        )
    for argument, wanted in (("target", target), ("group", group), *(("drop", name) for name in drop)):
        if wanted is not None and wanted not in names:
            near = difflib.get_close_matches(wanted, names, n=1)
            raise DataError(
                f"{argument} of {train.source}",
                expected=f"one of its columns: {listed(names)}",
                received=repr(wanted),
                next_step=f"Did you mean {near[0]!r}?" if near else "Check the spelling.",
            )
    if target in {group, *drop}:
        raise DataError(
            f"target of {train.source}",
            expected="a column that is neither dropped nor the group",
            received=repr(target),
            next_step="Name another column.",
        )
    if not len(train.frame) or (test is not None and not len(test.frame)):
        empty = train if not len(train.frame) or test is None else test
        raise DataError(empty.source, expected="rows", received="a header alone", next_step="Check the file.")
    if test is not None:
        check_names(test)
        missing = [name for name in names if name not in {*test.frame.columns, *drop}]
        if missing:
            raise DataError(
                test.source,
                expected=f"the columns of {train.source}",
                received=f"a table without {listed(missing)}",
                next_step="Give both files the same columns, or leave these out with drop.",
            )
    return target


def check_names(place: Place) -> None:
    """Make the names of columns text, and refuse two that are equal."""
    place.frame.columns = pd.Index([str(name) for name in place.frame.columns])
    if twice := place.frame.columns[place.frame.columns.duplicated()].tolist():
        raise DataError(
            place.source,
            expected="a name for each column that no other has",
            received=f"more than one column {twice[0]!r}",
            next_step="Rename one of them.",
        )


def _likely_target(frame: pd.DataFrame) -> str:
    """The first column of few values, for a message."""
    likely = (name for name in frame.columns if 1 < frame[name].astype(str).nunique() <= _FEW)
    return str(next(likely, frame.columns[-1]))


def column_of(train: Place, test: Place, name: str, rows: NDArray[np.intp]) -> Column | None:
    """Describe a column by its training rows; None where these have one value, or none."""
    check_cells(train, name)
    if is_number_column(train, name):
        check_numbers(train, name)
        numbers = as_numbers(train.frame[name])[rows]
        present = numbers[~np.isnan(numbers)]
        if not present.size or (present.min() == present.max() and present.size == numbers.size):
            return None
        if test is not train:
            check_cells(test, name)
            check_numbers(test, name)
        return Column(name, "number", missing=present.size < numbers.size)
    check_cells(test, name)
    codes, texts = cells(train.frame[name])
    _check_text(train, name, texts, int(np.count_nonzero(codes >= 0)))
    used = codes[rows]
    counts = np.bincount(used[used >= 0], minlength=len(texts))
    absent = int(np.count_nonzero(used < 0))
    order = sorted(np.flatnonzero(counts).tolist(), key=texts.__getitem__)
    if len(order) + (absent > 0) < 2:  # noqa: PLR2004 - values that differ
        return None
    rare = is_rare(counts[order], len(rows))
    categories = tuple(texts[place] for place in order)
    inputs = tuple(name for name, few in zip(categories, rare, strict=True) if not few)
    return Column(name, "category", categories, inputs, missing=absent > 0)


def is_number_column(place: Place, name: str) -> bool:
    """True for a column of numbers, also where they are text; refuses one that nearly is, at its first other cell."""
    values = place.frame[name]
    if pd.api.types.is_numeric_dtype(values.dtype) or _are_booleans(values):
        return True
    kind = values.dtype.categories.dtype if isinstance(values.dtype, pd.CategoricalDtype) else values.dtype
    if not _is_text(kind):
        return False
    codes, texts = cells(values)
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    wrong = np.isnan(as_numbers(pd.Series(texts, dtype=object)))
    many = int(counts[wrong].sum())
    if not many:
        return True
    if many > _MOST * counts.sum():
        return False
    position = int((wrong[codes] & (codes >= 0)).argmax())
    raise DataError(
        f"column {name!r} of {place.source}",
        expected=f"numbers, as {counts.sum() - many:,} of its {counts.sum():,} cells are",
        received=f"{texts[codes[position]]!r} in {place.where(position)}",
        next_step=f"Correct the cell or leave it empty; or leave the column out: {dropping(name)}",
    )


def check_numbers(place: Place, name: str) -> None:
    """Refuse a cell of a number column that is text, infinite or too large, and name its line."""
    values = place.frame[name]
    numbers = as_numbers(values)
    wrong = np.abs(numbers) > _LARGEST
    if not (pd.api.types.is_numeric_dtype(values.dtype) or _are_booleans(values)):
        wrong |= np.isnan(numbers) & (cells(values)[0] >= 0)
    if wrong.any():
        position = int(wrong.argmax())
        cell = values.iloc[position]
        raise DataError(
            f"column {name!r} of {place.source}",
            expected=f"finite numbers below {_LARGEST:g}",
            received=f"{repr(cell) if isinstance(cell, str) else cell} in {place.where(position)}, "
            f"the first of {counted(int(wrong.sum()), 'such cell')}",
            next_step=place.advice("Correct such cells or leave them empty", name),
        )


def _check_text(place: Place, name: str, texts: Sequence[str], present: int) -> None:
    """Refuse dates, numbers that are not written plainly, and text that tells rows apart."""
    kind = place.frame[name].dtype
    times = pd.api.types.is_datetime64_any_dtype(kind) or pd.api.types.is_timedelta64_dtype(kind)
    for form, what, advice in (
        (_DATE, "dates or times", "Turn them into numbers, such as the year or the days since a start"),
        (
            _DECIMAL_COMMA,
            "numbers with a comma",
            "Write them with a point, or without a separator of thousands",
        ),
        (_DRESSED, "numbers with a sign or a separator", "Write them as plain numbers"),
    ):
        some = texts[:_MOST_CATEGORIES]
        alike = [text for text in some if times or form.fullmatch(text)]
        if some and len(alike) > _MOST * len(some):
            raise DataError(
                f"column {name!r} of {place.source}",
                expected="numbers or categories",
                received=f"{what}, such as {alike[0]!r}",
                next_step=place.advice(advice, name),
            )
    most = max(_FEW, min(_MOST_CATEGORIES, present // _ROWS_A_CATEGORY))
    if len(texts) > most:
        raise DataError(
            f"column {name!r} of {place.source}",
            expected=f"at most {most:,} different texts in {present:,} rows",
            received=f"{len(texts):,}, such as {texts[0]!r}",
            next_step=f"A name or a free text has no use for a network: leave the column out: {dropping(name)}",
        )


def as_numbers(values: pd.Series[Any]) -> NDArray[np.float64]:
    """Return a column's numbers, (n,); NaN where there is none."""
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "biuf":
        return values.to_numpy(np.float64)  # quickly: tables have thousands of such columns
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, texts = cells(values)
        return np.append(as_numbers(pd.Series(texts, dtype=object)), np.nan)[codes]
    if not (pd.api.types.is_numeric_dtype(values.dtype) or _is_text(values.dtype)):
        return np.full(len(values), np.nan)  # a date is no number of nanoseconds
    numbers = pd.to_numeric(values, errors="coerce")
    found: NDArray[np.float64] = numbers.to_numpy(np.float64, na_value=np.nan)
    return found


def cells(values: pd.Series[Any]) -> tuple[NDArray[np.intp], list[str]]:
    """Return a column as codes, (n,), -1 for a missing cell, and the different values as text.

    Blanks around a text do not count, and a cell of nothing else is missing.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, found = values.cat.codes.to_numpy(np.intp), values.cat.categories
    else:
        codes, found = pd.factorize(values)
    texts = [_text(value) for value in found]
    if len(set(texts)) < len(texts) or "" in texts:  # the number 1 and the text "1"
        again, unique = pd.factorize(pd.Series([text or None for text in texts], dtype=object))
        return np.append(again, -1)[codes], [str(text) for text in unique]
    return codes.astype(np.intp, copy=False), texts


def _text(value: Any) -> str:
    """A cell as text: 1.0 is "1", since a missing cell in a column of whole numbers makes them floats."""
    return str(int(value) if isinstance(value, float | np.floating) and value.is_integer() else value).strip()


def _is_text(kind: Any) -> bool:
    return pd.api.types.is_object_dtype(kind) or pd.api.types.is_string_dtype(kind)


def _are_booleans(values: pd.Series[Any]) -> bool:
    """True for booleans of which some are missing."""
    return values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) == "boolean"


def check_cells(place: Place, name: str) -> None:
    """Refuse a column whose cells hold more than one value: lists, or columns within a column."""
    values = place.frame[name]
    if values.dtype != object or pd.api.types.infer_dtype(values, skipna=True) != "mixed":
        return
    nested = np.array([not pd.api.types.is_hashable(value) for value in values])
    if nested.any():
        position = int(nested.argmax())
        raise DataError(
            f"column {name!r} of {place.source}",
            expected="one number or text in each cell",
            received=f"a {type(values.iloc[position]).__name__} in {place.where(position)}",
            next_step=place.advice("Write a column for each value in it", name),
        )


def dropping(name: str) -> str:
    """Flag that leaves a column out, to copy."""
    return f"--drop {shlex.quote(name)}"


def listed(names: Sequence[str]) -> str:
    """List the names of some columns, and the number of the others."""
    return first_of([repr(str(name)) for name in names], _NAMED)
