"""Datasets from arrays and data frames in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import narwhals as nw
import numpy as np

from dropstudy.data.dataset import make_dataset
from dropstudy.data.labels import flat_labels
from dropstudy.data.leaks import warned
from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from narwhals.typing import IntoFrame
    from numpy.typing import ArrayLike

    from dropstudy.core.dataset import Dataset
    from dropstudy.data.source import Scale

__all__ = ["dataset", "is_frame", "readable", "to_pandas"]

_FRAME_OPTIONS = ("target", "test", "group", "drop")
_LABELS = "label"  # column of labels that have no name


@overload
def dataset(
    x_train: ArrayLike,
    y_train: ArrayLike,
    x_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    *,
    test_size: float | None = None,
    classes: Sequence[str] | None = None,
    name: str | None = None,
    scale: Scale = "auto",
) -> Dataset: ...


@overload
def dataset(
    x_train: IntoFrame,
    *,
    target: str,
    test: IntoFrame | None = None,
    test_size: float | None = None,
    group: str | None = None,
    drop: Sequence[str] = (),
    name: str | None = None,
    scale: Scale = "auto",
) -> Dataset: ...


def dataset(
    x_train: Any,
    y_train: Any = None,
    x_test: Any = None,
    y_test: Any = None,
    *,
    target: str | None = None,
    test: Any = None,
    test_size: float | None = None,
    group: str | None = None,
    drop: Sequence[str] = (),
    classes: Sequence[str] | None = None,
    name: str | None = None,
    scale: Scale = "auto",
) -> Dataset:
    """Make a dataset of arrays or of a data frame, for `Study(dataset=...)`.

    Arrays are whatever NumPy reads: arrays, nested lists, tensors on the CPU. Data frames are those of pandas, polars
    and whatever else narwhals reads. A frame's labels are its column `target`, or `y_train` as in scikit-learn.

    Args:
        x_train: training examples, (n, ...); or a data frame, a row for each example.
        y_train: label of each example: text, numbers, booleans or one-hot rows.
        x_test: test examples. Without them some training examples are set aside, the same for all seeds.
        y_test: label of each test example.
        target: column of the frame that holds the labels.
        test: data frame of the test examples, with the same columns.
        test_size: share (below 1) or count of the examples that are set aside; None for a fifth.
        group: column of the frame whose equal values stay on one side of every split.
        drop: columns of the frame that are left out.
        classes: one name per class, where the labels are numbers from 0 to c - 1.
        name: of the data in tables and on the page.
        scale: the network sees `x / scale`; `auto` finds it from the values of the training examples.

    Returns:
        The dataset, independent of later changes to the arrays.

    Raises:
        InvalidArgument: arguments that do not go together, or are neither arrays nor a data frame.
        DataError: a study cannot use the values; it names the array or column, and the first wrong value.

    Example:
        >>> dataset([[0.1], [0.3], [0.7], [0.9]], ["a", "a", "b", "b"], [[0.2], [0.8]], ["a", "b"])
        Dataset('arrays': 4 training and 2 test examples of 1, 2 classes, from arrays in memory)
    """
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    options = {"target": target, "test": test, "group": group, "drop": tuple(drop) or None}
    if test_size is not None and (x_test is not None or test is not None):
        raise InvalidArgument(
            "test_size",
            expected="data without a test set",
            received=f"{test_size:g} and a test set",
            next_step="Leave one of them out.",
        )
    _check_order(arrays)
    if is_frame(x_train):
        if classes is not None:
            raise _unfit("classes", "arrays", "a data frame, whose labels are the names")
        return warned(_of_frame(arrays, options, test_size, name=name or "table", scale=scale))
    if isinstance(x_train, str | Path):
        raise InvalidArgument(
            "x_train",
            expected="arrays or a data frame",
            received=repr(str(x_train)),
            next_step="To read a file: dropstudy.load_dataset(path), with target= for a table; or compare(path).",
        )
    if given := next((option for option in _FRAME_OPTIONS if options[option] is not None), None):
        raise _unfit(given, "a data frame", f"a first argument of type {type(x_train).__name__}")
    return warned(_of_arrays(arrays, test_size, classes=classes, name=name or "arrays", scale=scale))


def _of_arrays(
    given: dict[str, Any], test_size: float | None, *, classes: Sequence[str] | None, name: str, scale: Scale
) -> Dataset:
    _check_pairs(given)
    arrays: dict[str, Any] = {
        name: None if values is None else readable(name, values) for name, values in given.items()
    }
    made = make_dataset(
        **arrays, name=name, test_size=test_size, classes=classes, scale=scale, source="arrays in memory"
    )
    # A later change of the caller's arrays must not change the data of a study.
    shared = {
        name: getattr(made, name).copy()
        for name, array in arrays.items()
        if isinstance(array, np.ndarray) and np.may_share_memory(array, getattr(made, name))
    }
    return replace(made, **shared)


def _check_order(given: dict[str, Any]) -> None:
    """Refuse the order of scikit-learn's `train_test_split`: the test examples second, the training labels third."""
    x, second, third, fourth = (_shape(values) for values in given.values())
    if not (x and second and third and fourth) or x[1:] != second[1:]:
        return
    swapped = (third[0], fourth[0]) == (x[0], second[0])
    right = (second[0], fourth[0], third[1:]) == (x[0], third[0], x[1:])
    if swapped and not right:
        raise InvalidArgument(
            "y_train",
            expected="the order x_train, y_train, x_test, y_test",
            received="examples second and labels third, the order in which train_test_split returns them",
            next_step="Swap the two in the middle, or name all: x_train=x_train, x_test=x_test, y_train=y_train, "
            "y_test=y_test.",
        )


def _check_pairs(given: dict[str, Any]) -> None:
    """Refuse labels without examples, examples without labels, and pairs of other lengths."""
    for x, y in (("x_train", "y_train"), ("x_test", "y_test")):
        if given[x] is None and given[y] is None:
            continue
        if given[x] is None or given[y] is None:
            missing, there = (x, y) if given[x] is None else (y, x)
            raise InvalidArgument(
                missing,
                expected=f"an array that belongs to {there}",
                received="none",
                next_step=f"Give {missing} too"
                + (", or a data frame with target= its column of labels." if missing == "y_train" else "."),
            )
        count, labels = _length(given[x]), _length(given[y])
        if None not in {count, labels} and count != labels:
            raise InvalidArgument(
                y,
                expected=f"{count:,} labels, one for each example of {x}",
                received=f"{labels:,}",
                next_step="Check that examples and labels belong together.",
            )


def _length(values: Any) -> int | None:
    shape = _shape(values)
    return shape[0] if shape else len(values) if isinstance(values, list | tuple) else None


def _shape(values: Any) -> tuple[int, ...]:
    """Shape of an array, a data frame or nested lists; empty where it has none."""
    if isinstance(values, list | tuple):
        try:
            return np.shape(values)
        except ValueError:  # lists of different lengths
            return ()
    shape = getattr(values, "shape", None)
    return tuple(shape) if isinstance(shape, tuple) else ()


def readable(argument: str, values: Any) -> Any:
    """Return whatever NumPy reads as an array; lists and frames of labels as they are.

    Raises:
        InvalidArgument: it is none, or has values that are masked.
    """
    received, next_step = f"a {type(values).__name__}", "Convert it with numpy.asarray first."
    if isinstance(values, list | tuple) or is_frame(values):
        return values
    if isinstance(values, str | Path):
        received = repr(str(values))
        next_step = "To read a file: dropstudy.load_dataset(path)."
    elif np.ma.is_masked(values):
        received = "an array with masked values"
        next_step = "Fill them in, or leave those examples out."
    else:
        try:
            array = np.asarray(values)
        except Exception as error:  # noqa: BLE001 - any library's: a tensor on a GPU, one that needs gradients
            received += f" ({' '.join(str(error).split())})"
        else:
            if array.dtype != object or array.ndim:
                return array
            if hasattr(values, "toarray"):
                next_step = f"Give {argument}.toarray()."
    raise InvalidArgument(
        argument,
        expected="an array, nested lists, or a tensor on the CPU",
        received=received,
        next_step=next_step,
    )


def _unfit(argument: str, meant_for: str, received: str) -> InvalidArgument:
    return InvalidArgument(
        argument,
        expected=f"{meant_for}, which {argument} is for",
        received=received,
        next_step=f"Leave {argument} out, or give the data as {meant_for}.",
    )


# Data frames


def is_frame(values: Any) -> bool:
    """True for a data frame of pandas, polars or whatever else narwhals reads."""
    return isinstance(nw.from_native(values, pass_through=True), nw.DataFrame | nw.LazyFrame)


def to_pandas(argument: str, values: Any) -> pd.DataFrame:
    """A data frame as one of pandas, whose columns can be changed without changing the caller's.

    Raises:
        InvalidArgument: it is no data frame; `argument` is named.
    """
    frame = nw.from_native(values, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect()
    if not isinstance(frame, nw.DataFrame):
        raise InvalidArgument(
            argument,
            expected="a data frame, as the first argument is",
            received=f"a {type(values).__name__}",
            next_step="Give both sets in one form.",
        )
    converted: pd.DataFrame = frame.to_pandas()
    return converted.copy(deep=False)  # the caller's keeps its columns


def _of_frame(
    arrays: dict[str, Any],
    options: dict[str, Any],
    test_size: float | None,
    *,
    name: str,
    scale: Scale,
) -> Dataset:
    target, test = options["target"], options["test"]
    frame = to_pandas("x_train", arrays["x_train"])
    labels = arrays["y_train"]
    if isinstance(labels, str):
        raise InvalidArgument(
            "target",
            expected="the column of the labels, by name: target=",
            received=f"{labels!r} without a name",
            next_step=f"Write target={labels!r}.",
        )
    if labels is None:
        for argument in ("x_test", "y_test"):
            if arrays[argument] is not None:
                raise InvalidArgument(
                    argument,
                    expected="test rows as test=, where target names the labels",
                    received=argument,
                    next_step="Give a data frame with the labels as test=.",
                )
        if target is None:
            columns = ", ".join(map(repr, list(frame.columns)[-5:]))
            raise InvalidArgument(
                "target",
                expected="the column that holds the labels",
                received="none",
                next_step=f"Write target= its name. The last columns are {columns}.",
            )
        test_frame = None if test is None else to_pandas("test", test)
    else:
        for argument in ("target", "test"):
            if options[argument] is not None:
                raise InvalidArgument(
                    argument,
                    expected=f"either {argument}, or labels apart as y_train",
                    received=f"{argument} and y_train",
                    next_step="Give compare(frame, target=..., test=...) or compare(x_train, y_train, x_test, y_test).",
                )
        _check_pairs(arrays)
        target, frame = _with_labels("y_train", frame, labels)
        test_frame = None
        if arrays["x_test"] is not None:
            test_frame = to_pandas("x_test", arrays["x_test"])
            _, test_frame = _with_labels("y_test", test_frame, arrays["y_test"], name=target)
    from dropstudy.data.table import table_dataset  # noqa: PLC0415 - pandas is slow to import

    return table_dataset(
        frame,
        name=name,
        target=target,
        test_frame=test_frame,
        test_size=test_size,
        group=options["group"],
        drop=options["drop"] or (),
        source="the data frame",
        scale=scale,
    )


def _with_labels(
    argument: str, frame: pd.DataFrame, labels: Any, name: str | None = None
) -> tuple[str, pd.DataFrame]:
    """A frame with labels as one more column, by position as in scikit-learn, and the name of that column."""
    if name is None:
        columns = [str(column) for column in getattr(labels, "columns", ())]
        name = columns[0] if len(columns) == 1 else str(getattr(labels, "name", None) or _LABELS)
    values = np.asarray(readable(argument, labels))
    if values.ndim == 2 and values.shape[1] == 1:  # noqa: PLR2004 - a column
        values = values[:, 0]
    if values.ndim == 2 and values.dtype.kind in "biuf":  # noqa: PLR2004 - one-hot rows
        values = flat_labels(labels, name=argument, source="the data frame")
    if values.ndim != 1:
        raise InvalidArgument(
            argument,
            expected="one column of labels beside a data frame, or one-hot rows",
            received=f"labels of shape {values.shape}",
            next_step="Give one label for each row; or test rows as test=.",
        )
    if name in map(str, frame.columns):
        raise InvalidArgument(
            argument,
            expected="labels that are not among the columns of the examples",
            received=f"a column {name!r} in both",
            next_step=f"Leave it out of the examples, or write compare(frame, target={name!r}).",
        )
    return name, frame.assign(**{name: values})
