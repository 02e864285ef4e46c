"""Overview of data before anything is trained: examples, classes, columns, and what makes a result too good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dropstudy.core.tables import text
from dropstudy.core.text import counted, percent, plain_name
from dropstudy.data.describe import array_shapes
from dropstudy.data.leaks import repeats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dropstudy.core.dataset import Dataset

__all__ = ["columns_of", "overview"]

_MOST = 40  # classes, columns of a kind
_NAME, _CATEGORY, _LARGEST = 22, 20, 30  # characters


def overview(dataset: Dataset) -> list[str]:
    """Paragraphs and tables on a dataset, what a reader asks for first at the top. Tables fit 80 columns."""
    parts = ["\n".join((*_headline(dataset), *_notes(dataset))), _classes(dataset)]
    if dataset.table is None:
        return [*parts, "\n".join(array_shapes(dataset))]
    return [*parts, *_columns(dataset)]


def columns_of(frame: pd.DataFrame) -> str:
    """Table of the columns of a file, for a reader who has to name the one with the labels."""
    rows = [
        {
            "column": plain_name(str(name), _NAME),
            "holds": _kind(frame[name]),
            "values": f"{frame[name].nunique():,}",
            "missing": _share(float(frame[name].isna().mean())),
            "first": plain_name(str(next(iter(frame[name].dropna()), "-")), _NAME),
        }
        for name in frame.columns[:_MOST]
    ]
    heading = f"{len(frame):,} rows, {counted(frame.shape[1], 'column')}"
    return f"{heading}\n{_table(rows, left=('holds', 'first'))}{_more(frame.shape[1], 'of them')}"


def _headline(dataset: Dataset) -> tuple[str, str]:
    table = dataset.table
    examples = "examples" if table is None else "rows"
    parts = [
        f"{len(dataset.y_train):,} training and {len(dataset.y_test):,} test {examples}",
        f"{len(dataset.classes)} classes"
        if table is None
        else f"{len(dataset.classes)} classes of {table.target!r}",
        *([] if table is None else [counted(len(table.columns), "column")]),
        counted(dataset.features, "input"),
    ]
    largest = int(np.bincount(dataset.y_train).argmax())
    right = percent(float(np.mean(dataset.y_test == largest)))
    answer = repr(plain_name(dataset.classes[largest]))
    return (
        f"{plain_name(dataset.name)}: {', '.join(parts)}.",
        f"Always answering {answer}, the largest class, is right for {right} of the test {examples}.",
    )


def _notes(dataset: Dataset) -> Iterator[str]:
    """What was found and done, equal examples and groups included."""
    yield from (*dataset.warnings, *dataset.notes)
    example = "example" if dataset.table is None else "row"
    found = repeats(dataset)
    if not found.shared:
        yield f"No test {example} equals a training {example}."
    if found.training:
        verb = "equals" if found.training == 1 else "equal"
        yield f"{counted(found.training, f'training {example}')} {verb} an earlier one."
    if dataset.groups is not None:
        yield f"The training rows are of {counted(len(np.unique(dataset.groups)), 'group')}."


def _classes(dataset: Dataset) -> str:
    many = len(dataset.classes)
    train, test = (np.bincount(y, minlength=many) for y in (dataset.y_train, dataset.y_test))
    shown = range(many) if many <= _MOST else np.argsort(-train, kind="stable")[:_MOST]
    rows = [
        {
            "class": plain_name(dataset.classes[number]),
            "training": f"{train[number]:,}",
            "share": percent(train[number] / len(dataset.y_train)),
            "test": f"{test[number]:,}",
            "share of test": percent(test[number] / len(dataset.y_test)),
        }
        for number in shown
    ]
    return _table(rows) + _more(many, "that are smaller")


def _columns(dataset: Dataset) -> Iterator[str]:
    """Tables of number and category columns, of the training rows."""
    assert dataset.table is not None  # noqa: S101 - called for tables alone
    for kind, row in (("number", _number), ("category", _category)):
        places = [place for place, column in enumerate(dataset.table.columns) if column.kind == kind]
        if places:
            rows = [
                {"column": plain_name(dataset.table.columns[place].name, _NAME), **row(dataset, place)}
                for place in places[:_MOST]
            ]
            heading = f"{counted(len(places), f'{kind} column')}, in the training rows"
            yield f"{heading}\n{_table(rows, left=('largest',))}{_more(len(places), 'of them')}"


def _number(dataset: Dataset, place: int) -> dict[str, str]:
    values = dataset.x_train[:, place].astype(np.float64)
    present = values[~np.isnan(values)]
    found = {"missing": _share(1 - len(present) / len(values))}
    for name, number in (("min", np.min), ("median", np.median), ("max", np.max)):
        found[name] = f"{number(present):.6g}"
    return found


def _category(dataset: Dataset, place: int) -> dict[str, str]:
    assert dataset.table is not None  # noqa: S101 - as above
    categories = dataset.table.columns[place].categories
    codes: NDArray[Any] = dataset.x_train[:, place]
    present = codes[~np.isnan(codes)].astype(np.int64)
    counts = np.bincount(present, minlength=len(categories))
    largest = ""
    for code in np.argsort(-counts, kind="stable"):
        more = f"{plain_name(categories[code], _CATEGORY)} {100 * counts[code] / len(codes):.0f}%"
        if largest and len(largest) + 2 + len(more) > _LARGEST:
            break
        largest += f", {more}" if largest else more
    return {
        "missing": _share(1 - len(present) / len(codes)),
        "categories": f"{len(categories):,}",
        "largest": largest,
    }


def _kind(values: pd.Series[Any]) -> str:
    if pd.api.types.is_bool_dtype(values.dtype):
        return "true or false"
    if pd.api.types.is_numeric_dtype(values.dtype):
        return "numbers"
    return "dates" if pd.api.types.is_datetime64_any_dtype(values.dtype) else "text"


def _share(share: float) -> str:
    return "-" if share == 0 else percent(share)


def _table(rows: list[dict[str, str]], left: tuple[str, ...] = ()) -> str:
    return text(pd.DataFrame(rows), left=left).strip("\n")


def _more(count: int, what: str) -> str:
    return f"\nand {count - _MOST:,} more {what}" if count > _MOST else ""
