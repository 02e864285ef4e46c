"""Columns of a table: their kinds, and the cells that no network can use, named by line."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from dropstudy.core.dataset import Column
from dropstudy.core.text import counted, first_of
from dropstudy.data.column_names import FEW, NAMED, Place, dropping
from dropstudy.data.preprocessing import UNSEEN, is_rare
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dropstudy.core.dataset import Table

__all__ = [
    "as_numbers",
    "category_places",
    "cells",
    "check_cells",
    "check_numbers",
    "columns_of",
    "marks_taken",
]

_THREADS = min(4, os.cpu_count() or 1)  # each takes the space of a column
_LARGEST = 1e100  # squares of larger numbers overflow
_EXACT = 2**53  # larger whole numbers are rounded
_MOST_CATEGORIES = 1000
_ROWS_A_CATEGORY = 10  # a text column with fewer rows for each of its values tells rows apart, not kinds
_MOST = 0.5  # share of cells of one form from which the others are mistakes, not categories
_DAY, _MONTH, _TIME = r"(0?[1-9]|[12]\d|3[01])", r"(0?[1-9]|1[0-2])", r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?"
_YEAR = r"(19|20|21)\d\d"
_MONTH_NAME = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE = re.compile(
    rf"((\d{{4}}([-/.]){_MONTH}\3{_DAY}|({_DAY}([-/.]){_MONTH}|{_MONTH}([-/.]){_DAY})[-/.](\d{{4}}|\d\d)"
    rf"|{_YEAR}[-/]{_MONTH}|{_MONTH}[-/]{_YEAR}"
    rf"|({_DAY}[- ])?{_MONTH_NAME}[- ]({_DAY},? )?\d{{4}})([ T]{_TIME}.*)?|{_TIME})",
    re.IGNORECASE,
)
_DATES_WORDS = "dates or times", "Turn them into numbers, such as the year or the days since a start"
# Numbers that are dates, and the fewest that are no chance.
_FIRST_DAY, _LAST_DAY, _DATES = 1900_01_01, 2100_12_31, 3
_DECIMAL_COMMA = re.compile(r"[-+]?(\d{1,3}(\.\d{3})+|\d+),\d+")
_DRESSED = re.compile(r"[-+]?[$€£¥]?\s?[-+]?(\d{1,3}([,' ]\d{3})+|\d+)(\.\d+)?\s?[%$€£¥]?")

_MARKS = {
    *("?", "-", "--", ".", "*", "na", "n.a.", "n/a", "nan", "nil", "null", "none", "missing", "unknown"),
    *("#n/a", "#null!", "#value!", "#div/0!"),  # of spreadsheets
}
"""Cells, in small letters, that stand for no value in a column of numbers."""


class _Found(NamedTuple):
    """Columns of a table that a network can use, their cells as numbers, and the names of those that it cannot."""

    columns: list[Column]
    x_train: NDArray[np.float64]
    x_test: NDArray[np.float64]
    constant: list[str]


def columns_of(
    train: Place, test: Place, names: Sequence[str], rows: NDArray[np.intp], test_rows: NDArray[np.intp]
) -> _Found:
    """Describe columns by their training rows, and return these and the test rows as numbers (`raw_rows`).

    Each column is read once, in one of several threads. Those that have one value in the training rows, or none, are
    left out and named.

    Raises:
        DataError: some cannot be used; it names them all.
    """
    x_train, x_test = (np.empty((len(which), len(names)), order="F") for which in (rows, test_rows))

    def read(place: int) -> Column | DataError | None:
        try:
            return _column_of(
                train, test, names[place], rows, test_rows, out=(x_train[:, place], x_test[:, place])
            )
        except DataError as error:
            return error

    with ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(read, range(len(names))))
    wrong = {name: error for name, error in zip(names, found, strict=True) if isinstance(error, DataError)}
    if len(wrong) == 1:
        raise next(iter(wrong.values()))
    if wrong:
        each = [f"{error.received} ({error.subject})" for error in wrong.values()]
        raise DataError(
            f"{len(wrong)} columns of {train.source}",
            expected="numbers or categories",
            received=first_of(each, NAMED, "; ").replace(f" of {train.source})", ")"),
            next_step=f"Correct them, or leave them out: {dropping([*wrong])}",
        )
    columns: list[Column] = []
    for place, column in enumerate(found):
        if isinstance(column, Column):
            if len(columns) < place:  # moved one by one: a copy of all takes its space again
                for x in (x_train, x_test):
                    x[:, len(columns)] = x[:, place]
            columns.append(column)
    constant = [name for name, column in zip(names, found, strict=True) if column is None]
    return _Found(columns, x_train[:, : len(columns)], x_test[:, : len(columns)], constant)


def _column_of(
    train: Place,
    test: Place,
    name: str,
    rows: NDArray[np.intp],
    test_rows: NDArray[np.intp],
    *,
    out: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> Column | None:
    """Describe a column by its training rows; None where these have one value, or none. Writes its cells to `out`."""
    check_cells(train, name)
    if is_number_column(train, name):
        np.take(check_numbers(train, name), rows, out=out[0], mode="clip")
        low, high = np.fmin.reduce(out[0]), np.fmax.reduce(out[0])  # NaN where there is no number
        missing = bool(np.isnan(out[0].min()))
        _check_dates(train, name, out[0], low, high)
        _check_exact(train, name, low, high)
        if np.isnan(low) or (low == high and not missing):
            return None
        if test is not train:
            check_cells(test, name)
        np.take(check_numbers(test, name), test_rows, out=out[1], mode="clip")
        return Column(name, "number", missing=missing)
    check_cells(test, name)
    codes, texts = cells(train.frame[name])
    _check_text(train, name, texts, int(np.count_nonzero(codes >= 0)))
    used = codes[rows]
    absent, *found = np.bincount(np.add(used, 1, dtype=np.intp), minlength=len(texts) + 1).tolist()
    counts = np.array(found)
    order = sorted(np.flatnonzero(counts).tolist(), key=texts.__getitem__)
    if len(order) + (absent > 0) < 2:  # noqa: PLR2004 - values that differ
        return None
    rare = is_rare(counts[order], len(rows))
    categories = tuple(texts[place] for place in order)
    inputs = tuple(name for name, few in zip(categories, rare, strict=True) if not few)
    places = category_places(texts, categories)
    np.take(places, used, out=out[0], mode="wrap")
    if test is not train:
        codes, texts = cells(test.frame[name])
        places = category_places(texts, categories)
    np.take(places, codes[test_rows], out=out[1], mode="wrap")
    return Column(name, "category", categories, inputs, missing=absent > 0)


def category_places(texts: Sequence[str], categories: Sequence[str]) -> NDArray[np.float64]:
    """Position of each text among the categories, or UNSEEN; NaN, the last one, for missing cells, whose code is -1."""
    places = pd.Index(categories).get_indexer(pd.Index(texts, dtype=object)).astype(float)
    places[places < 0] = UNSEEN
    return np.append(places, np.nan)


def is_number_column(place: Place, name: str) -> bool:
    """True for a column of numbers, also where they are text; refuses one that nearly is, at its first other cell."""
    values = place.frame[name]
    if pd.api.types.is_numeric_dtype(values.dtype) or _are_booleans(values):
        return True
    kind = values.dtype.categories.dtype if isinstance(values.dtype, pd.CategoricalDtype) else values.dtype
    if not _is_text(kind):
        return False
    codes, texts = cells(values)
    numbers = ~np.isnan(as_numbers(pd.Series(texts, dtype=object)))
    if not numbers.any() and codes.max() >= 0:
        return False
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    wrong = ~numbers & ~_are_marks(texts)
    right, many = int(counts[numbers].sum()), int(counts[wrong].sum())
    if many > right or (not right and counts.sum()):
        return False
    if not many:
        return True
    position = int((wrong[codes] & (codes >= 0)).argmax())
    raise DataError(
        f"column {name!r} of {place.source}",
        expected=f"numbers, as {right:,} of its {counts.sum():,} cells are",
        received=f"{texts[codes[position]]!r} in {place.where(position)}{_first_of_all(many)}",
        next_step=place.advice("Correct such cells or leave them empty", name),
    )


def marks_taken(table: Table, train: Place, test: Place) -> list[str]:
    """Sentence on the cells of number columns that hold a mark for a missing value, such as "?"; none where none do."""
    found = []
    for column in table.columns:
        for place in (train, test)[: 1 + (test is not train)]:
            values = place.frame[column.name]
            if column.kind == "number" and not pd.api.types.is_numeric_dtype(values.dtype):
                codes, texts = cells(values)
                counts = np.bincount(codes[codes >= 0], minlength=len(texts))
                for text in np.asarray(texts, object)[_are_marks(texts)]:
                    many = counted(int(counts[texts.index(text)]), "cell")
                    found.append(f"{text!r} in {many} of {column.name!r}")
    return [f"Taken as missing: {first_of(found, NAMED)}."] if found else []


def _are_marks(texts: Sequence[str]) -> NDArray[np.bool_]:
    return np.array([text.lower() in _MARKS for text in texts], bool)


def check_numbers(place: Place, name: str) -> NDArray[np.float64]:
    """Return a number column; refuse a cell that is text, infinite or too large, and name its line."""
    values = place.frame[name]
    numbers = as_numbers(values)
    plain = pd.api.types.is_numeric_dtype(values.dtype) or _are_booleans(values)
    most = max(np.fmax.reduce(numbers, initial=0), -np.fmin.reduce(numbers, initial=0))
    if plain and most <= _LARGEST:
        return numbers
    wrong = np.abs(numbers) > _LARGEST
    if not plain:
        codes, texts = cells(values)
        wrong |= np.isnan(numbers) & ~np.append(_are_marks(texts), True)[codes]
    if wrong.any():
        position = int(wrong.argmax())
        cell = values.iloc[position]
        raise DataError(
            f"column {name!r} of {place.source}",
            expected=f"finite numbers below {_LARGEST:g}",
            received=f"{repr(cell) if isinstance(cell, str) else cell} in {place.where(position)}"
            f"{_first_of_all(int(wrong.sum()))}",
            next_step=place.advice("Correct such cells or leave them empty", name),
        )
    return numbers


def _first_of_all(many: int) -> str:
    return f", the first of {many:,} such cells" if many > 1 else ""


def _check_dates(place: Place, name: str, numbers: NDArray[np.float64], low: float, high: float) -> None:
    """Refuse numbers that are all dates, such as 20200131: of other whole numbers of this size one in 28 is one."""
    if not (low >= _FIRST_DAY and high <= _LAST_DAY):
        return
    found = np.unique(numbers[~np.isnan(numbers)])
    days = pd.Series(found.astype(np.int64).astype(str)) if not (found % 1).any() else pd.Series([""])
    if len(found) >= _DATES and pd.to_datetime(days, format="%Y%m%d", errors="coerce").notna().all():
        raise _in_other_form(place, name, *_DATES_WORDS, days[0])


def _check_exact(place: Place, name: str, low: float, high: float) -> None:
    """Refuse whole numbers that are too long to be told apart: they are names, not measurements."""
    if not max(-low, high) > _EXACT:
        return
    values = place.frame[name]
    long = [text for text in cells(values)[1] if text.lstrip("+-").isdecimal() and abs(int(text)) > _EXACT]
    if long and values.dtype.kind != "f":
        raise DataError(
            f"column {name!r} of {place.source}",
            expected=f"whole numbers up to {_EXACT:,}",
            received=f"longer ones, such as {long[0]}",
            next_step=f"An id has no use for a network: leave the column out: {dropping([name])}",
        )


def _in_other_form(place: Place, name: str, what: str, advice: str, example: str) -> DataError:
    return DataError(
        f"column {name!r} of {place.source}",
        expected="numbers or categories",
        received=f"{what}, such as {example!r}",
        next_step=place.advice(advice, name),
    )


def _check_text(place: Place, name: str, texts: Sequence[str], present: int) -> None:
    """Refuse dates, numbers that are not written plainly, and text that tells rows apart."""
    kind = place.frame[name].dtype
    times = pd.api.types.is_datetime64_any_dtype(kind) or pd.api.types.is_timedelta64_dtype(kind)
    for form, what, advice in (
        (_DATE, *_DATES_WORDS),
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
            raise _in_other_form(place, name, what, advice, alike[0])
    most = max(FEW, min(_MOST_CATEGORIES, present // _ROWS_A_CATEGORY))
    if len(texts) > most:
        raise DataError(
            f"column {name!r} of {place.source}",
            expected=f"at most {most:,} different texts in {present:,} rows",
            received=f"{len(texts):,} different texts, such as {texts[0]!r}",
            next_step=f"A name or a free text has no use for a network: leave the column out: {dropping([name])}",
        )


def as_numbers(values: pd.Series[Any]) -> NDArray[np.float64]:
    """Return a column's numbers, (n,); NaN where there is none."""
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "biuf":
        return values.to_numpy(np.float64)  # quickly: tables have thousands of such columns
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, texts = cells(values)
        coded: NDArray[np.float64] = np.append(as_numbers(pd.Series(texts, dtype=object)), np.nan)[codes]
        return coded
    if not (pd.api.types.is_numeric_dtype(values.dtype) or _is_text(values.dtype)):
        return np.full(len(values), np.nan)  # a date is no number of nanoseconds
    numbers = pd.to_numeric(values, errors="coerce")
    found: NDArray[np.float64] = numbers.to_numpy(np.float64, na_value=np.nan)
    return found


def cells(values: pd.Series[Any]) -> tuple[NDArray[np.integer], list[str]]:
    """Return a column as codes, (n,), -1 for a missing cell, and the different values as text.

    Blanks around a text do not count, and a cell of nothing else is missing.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, found = values.cat.codes.to_numpy(), values.cat.categories
    else:
        codes, found = pd.factorize(values)
    texts = [_text(value) for value in found]
    if len(set(texts)) < len(texts) or "" in texts:  # the number 1 and the text "1"
        again, unique = pd.factorize(pd.Series([text or None for text in texts], dtype=object))
        return np.append(again, -1)[codes], [str(text) for text in unique]
    return codes, texts


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
