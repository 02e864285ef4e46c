"""Datasets from tables: which columns a network sees, and the rows as numbers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from math import isqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dropstudy.core.dataset import Dataset, Table
from dropstudy.core.profile import DataProfile
from dropstudy.core.text import counted
from dropstudy.data.column_names import Place, check_columns, check_names, is_index, listed
from dropstudy.data.columns import (
    as_numbers,
    category_places,
    cells,
    check_cells,
    check_numbers,
    columns_of,
    marks_taken,
)
from dropstudy.data.dataset import make_dataset
from dropstudy.data.digest import add_array
from dropstudy.data.holdout import hold_out
from dropstudy.data.labels import encode_labels
from dropstudy.data.preprocessing import RECIPE, UNSEEN
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from dropstudy.data.formats.csv_parquet import StoredTable
    from dropstudy.data.source import Scale

__all__ = ["checked_rows", "raw_rows", "table_dataset", "unseen"]

_LEAST_PIXELS, _LEAST_WHITE, _WHITE = 64, 16, 255
_NAMED = 5  # columns that a sentence names


def table_dataset(
    frame: pd.DataFrame,
    *,
    name: str,
    target: str | None,
    test_frame: pd.DataFrame | None = None,
    test_size: float | None = None,
    group: str | None = None,
    drop: Sequence[str] = (),
    source: str,
    scale: Scale = "auto",
    line: Callable[[int], int] | None = None,
    test_source: str | None = None,
    test_line: Callable[[int], int] | None = None,
    notes: Sequence[str] = (),
) -> Dataset:
    """Make a dataset of a table. What is fitted to its columns is fitted later, for each run (`preprocessing`).

    Columns of numbers stay numbers. Columns of text are categories. Constant columns are left out. A table of nothing
    but whole numbers from 0 to at most 255 in a square number of columns is one of images.

    Args:
        frame: rows for training, and for the test where there is no `test_frame`.
        name: of the dataset.
        target: column with the labels.
        test_frame: rows of the test, with the same columns.
        test_size: share or count of the rows set aside for the test, where there is no `test_frame`.
        group: column whose equal values stay on one side of every split; the network does not see it.
        drop: columns to leave out.
        source: origin of the rows for messages: a file.
        scale: divisor of a table of images; tables of other columns are standardised.
        line: returns the line of a row in a CSV file, for messages.
        test_source: origin of the test rows, for messages.
        test_line: likewise of a test row.
        notes: sentences on how the rows were read.

    Raises:
        DataError: a column is missing, or cannot be used; it is named, with the first wrong cell.
    """
    train = Place(frame, source, line)
    test = None
    if test_frame is not None:
        test = Place(test_frame, test_source or f"the test rows of {name}", test_line)
    target, group = (None if column is None else str(column) for column in (target, group))
    drop = [str(column) for column in drop]
    target = check_columns(train, test, target, group, drop)
    left_out = [column for column in (group, *drop) if column is not None]
    kept = [column for column in frame.columns if column not in {target, *left_out}]
    if index := [column for column in kept if is_index(frame[column], column)]:
        kept = [column for column in kept if column not in index]
        notes = (
            *notes,
            "Left out, since it numbers the rows: the column without a name, as pandas writes one.",
        )
    groups = None if group is None else _group_numbers(train, group)
    raw, names = _labels(frame[target]), (f"column {target!r}",) * 2
    if test is None:
        labels = encode_labels(raw, source=source, names=names, place=lambda _, row: train.where(row))
        rows, test_rows, note = hold_out(
            labels.train, test_size, source=source, groups=groups, classes=labels.classes
        )
        y_train, y_test, notes = labels.train[rows], labels.train[test_rows], (*notes, note)
        groups = None if groups is None else groups[rows]
    else:
        rows, test_rows, there = np.arange(len(frame)), np.arange(len(test.frame)), test.where
        labels = encode_labels(
            raw,
            _labels(test.frame[target]),
            source=source,
            test_source=test.source,
            names=names,
            place=lambda _, row: train.where(row),
            test_place=lambda _, row: there(row),
        )
        y_train, y_test = labels.train, labels.test
        if group is not None:
            _refuse_shared_groups(train, test, group)
    test = test or train
    if (side := _image_side(frame, kept)) and groups is None:
        return make_dataset(
            name=name,
            x_train=_pixels(frame, kept, rows, side),
            y_train=raw[rows],
            x_test=_pixels(test.frame, kept, test_rows, side),
            y_test=_labels(test.frame[target])[test_rows],
            scale=scale,
            source=source,
            notes=(*notes, f"Its {len(kept)} columns are read as the pixels of images, {side} x {side}."),
        )
    columns, x_train, x_test, constant = columns_of(train, test, kept, rows, test_rows)
    if not columns:
        raise DataError(
            source,
            expected=f"a column beside {target!r} whose values differ between rows",
            received=f"{counted(len(constant), 'column')} of one value each"
            if constant
            else "no other column",
            next_step="Check the file, and which columns are dropped.",
        )
    if constant:
        notes = (*notes, f"Left out, since all training rows have one value: {listed(constant)}.")
    table = Table(tuple(columns), target)
    return Dataset(
        name=name,
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        classes=labels.classes,
        scale=1.0,
        sha256=_sha256(table, labels.classes, x_train, y_train, x_test, y_test, groups),
        source=source,
        profile=_profile(table),
        notes=(*notes, *_notes(table), *marks_taken(table, train, test), *unseen(table, x_test, "test row")),
        table=table,
        groups=groups,
    )


def raw_rows(table: Table, frame: pd.DataFrame) -> NDArray[np.float64]:
    """Rows of a table as numbers, (n, columns): codes for categories, NaN for missing cells.

    Columns lie one after the other in memory, since all that follows takes them one at a time.

    Args:
        table: the columns.
        frame: a table that has them; other columns are ignored.
    """
    x = np.empty((len(frame), len(table.columns)), order="F")
    for number, column in enumerate(table.columns):
        if column.kind == "number":
            x[:, number] = as_numbers(frame[column.name])
        else:
            codes, texts = cells(frame[column.name])
            x[:, number] = category_places(texts, column.categories)[codes]
    return x


def checked_rows(table: Table, stored: StoredTable, source: str) -> NDArray[np.float64]:
    """Rows of another file, as `raw_rows`, to classify.

    Raises:
        DataError: a column is missing, or a cell of a number column is no number.
    """
    place = Place(stored.frame, source, stored.line, may_drop=False)
    check_names(place)
    missing = [column.name for column in table.columns if column.name not in place.frame.columns]
    if missing:
        raise DataError(
            source,
            expected="the columns that the network was trained on",
            received=f"a table without {listed(missing)}",
            next_step="Give the columns the names that they had in training.",
        )
    for column in table.columns:
        check_cells(place, column.name)
        if column.kind == "number":
            check_numbers(place, column.name)
    return raw_rows(table, place.frame)


def unseen(table: Table, x: NDArray[np.float64], what: str) -> list[str]:
    """Sentence on categories that no training row has; none where there are no such.

    Args:
        table: the columns.
        x: rows, (n, columns).
        what: noun for a row.
    """
    found = [
        f"{column.name!r} in {counted(many, what)}"
        for place, column in enumerate(table.columns)
        if column.kind == "category" and (many := int(np.count_nonzero(x[:, place] == UNSEEN)))
    ]
    if not found:
        return []
    more = f" and {len(found) - _NAMED} more columns" if len(found) > _NAMED else ""
    return [f"Categories that no training row has are ignored: of {', '.join(found[:_NAMED])}{more}."]


def _labels(values: pd.Series[Any]) -> NDArray[Any] | pd.Categorical:
    """Labels of a column, text as codes; blanks around a text do not count."""
    coded = isinstance(values.dtype, pd.CategoricalDtype)
    if not coded and pd.api.types.infer_dtype(values) != "string":
        array: NDArray[Any] = values.to_numpy()
        return np.array([*map(_stripped, array), None], object)[:-1] if array.dtype == object else array
    codes, found = (values.cat.codes, values.cat.categories) if coded else pd.factorize(values)
    texts = [_stripped(text) for text in found]
    if not all(isinstance(text, str) for text in texts):
        return np.array([*texts, None], object)[codes]
    names = pd.Index(dict.fromkeys(texts), dtype=object)
    return pd.Categorical.from_codes(
        np.append(names.get_indexer(pd.Index(texts, dtype=object)), -1)[codes], names
    )


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


# Groups, images, digest


def _group_numbers(place: Place, group: str) -> NDArray[np.int64]:
    check_cells(place, group)
    codes, _ = cells(place.frame[group])
    if (codes < 0).any():
        raise DataError(
            f"column {group!r} of {place.source}",
            expected="a group for each row",
            received=f"an empty cell in {place.where(int((codes < 0).argmax()))}",
            next_step="Fill it in: rows without a group could stand on both sides of a split.",
        )
    return codes.astype(np.int64)


def _refuse_shared_groups(train: Place, test: Place, group: str) -> None:
    _group_numbers(test, group)
    shared = sorted({*cells(train.frame[group])[1]} & {*cells(test.frame[group])[1]})
    if shared:
        raise DataError(
            f"column {group!r} of {test.source}",
            expected="groups that the training rows do not have",
            received=f"{counted(len(shared), 'group')} in both, such as {shared[0]!r}",
            next_step="Give each group to one file, or leave the test file out: rows are then set aside by group.",
        )


def _image_side(frame: pd.DataFrame, kept: Sequence[str]) -> int:
    """Height and width of the images whose pixels the columns are; 0 where they are not."""
    side = isqrt(len(kept))
    if side * side != len(kept) or len(kept) < _LEAST_PIXELS:
        return 0
    kinds = {frame[name].dtype.kind for name in kept}
    if not kinds <= set("iuf"):
        return 0
    values = frame[list(kept)].to_numpy()
    whole = bool((values == np.floor(values)).all())  # false with a missing cell
    low, high = float(values.min()), float(values.max())
    # Pixels share their range; in a table some columns stay far below the largest one.
    bright = np.count_nonzero(values.max(axis=0) * 2 >= high)
    return side if whole and low == 0 and _LEAST_WHITE <= high <= _WHITE and bright * 2 >= len(kept) else 0


def _pixels(frame: pd.DataFrame, kept: Sequence[str], rows: NDArray[np.intp], side: int) -> NDArray[Any]:
    values = frame[list(kept)].to_numpy()[rows]
    return values.reshape(len(rows), side, side)


def _profile(table: Table) -> DataProfile:
    """Profile of a table, whose columns have no common units: its inputs are standardised, and never converted."""
    return DataProfile(
        dtype="table",
        shape=(table.features,),
        low=-1.0,
        high=1.0,
        whole=False,
        typical=1.0,
        scale=1.0,
        white=None,
        background=None,
        background_share=None,
    )


def _notes(table: Table) -> list[str]:
    numbers = [column for column in table.columns if column.kind == "number"]
    texts = [column for column in table.columns if column.kind == "category"]
    missing = [column.name for column in table.columns if column.missing]
    parts = []
    if numbers:
        parts.append(f"{counted(len(numbers), 'number column')} standardised")
    if texts:
        parts.append(f"{counted(len(texts), 'category column')} one-hot")
    lines = [f"{', '.join(parts)}: {counted(table.features, 'input')}, fitted on each run's training rows."]
    if missing:
        lines.append(
            f"Cells are missing in {listed(missing)}: numbers get the median, categories one of their own, and an "
            "input says so."
        )
    return lines


def _sha256(table: Table, classes: Sequence[str], *arrays: NDArray[Any] | None) -> str:
    """Digest the content of a table: columns, classes, rows, labels and groups, independent of file and machine."""
    about = {
        "columns": [asdict(column) for column in table.columns],
        "classes": list(classes),
        "recipe": RECIPE,
    }
    digest = hashlib.sha256(b"dropstudy table 1\n" + json.dumps(about, sort_keys=True).encode() + b"\n")
    for array in arrays:
        if array is not None:
            add_array(digest, array.T)  # columns lie one after the other
    return digest.hexdigest()
