"""Labels of any form as whole numbers from 0, with a name for each class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dropstudy.core.text import first_of
from dropstudy.data.formats.npy import NUMERIC_KINDS
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["Labels", "class_name", "encode_labels", "flat_labels"]

_MAX_CLASSES = 65_536  # predicted labels are stored as uint16
_FEW = 20  # as many different labels are classes, however few examples there are
_SHOWN = 5  # classes that a message names
_EXPECTED = "labels of text, whole numbers or booleans"
_STORE = "Store labels as text, whole numbers or booleans: one for each example."


class Labels(NamedTuple):
    """Labels as codes.

    Args:
        train: codes from 0 to c - 1, (n,).
        test: likewise, (m,); empty where there is no test set.
        classes: name of each class, in the order of the codes.
        renamed: true where the codes are not the labels themselves: of text, and of numbers other than 0 to c - 1.
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    classes: tuple[str, ...]
    renamed: bool


def encode_labels(
    train: Any,
    test: Any = None,
    *,
    source: str,
    test_source: str | None = None,
    names: tuple[str, str] = ("y_train", "y_test"),
    place: Callable[[str, int], str] = "{}[{}]".format,
    test_place: Callable[[str, int], str] | None = None,
    classes: Sequence[str] | None = None,
) -> Labels:
    """Encode labels as whole numbers from 0, and name the classes.

    Classes are those of the training labels: numbers in the order of their values, text sorted, then False and True.
    One-hot rows are the numbers of their columns, or the names of the columns of a data frame.

    Args:
        train: labels of the training examples: text, whole numbers (floats too), booleans, or one-hot rows (n, c). An
            array, list, or column of a data frame; (n, 1) counts as (n,).
        test: likewise of the test examples; None for no test set.
        source: origin of the labels for messages: a file.
        test_source: origin of the test labels where it is another.
        names: of the two sets of labels for messages.
        place: place of a label for messages, given one of `names` and its position.
        test_place: likewise of a test label where it is another.
        classes: names of the classes, where the labels are numbers from 0 to c - 1.

    Raises:
        DataError: labels are missing or of mixed types, measure a quantity, name one class only, or more than 65,536;
            or a test label is none of the training labels.
    """
    training = _read(train, _Where(names[0], source, place))
    where = _Where(names[1], test_source or source, test_place or place)
    nothing = _Part(training.unique[:0], training.codes[:0], where)
    testing = nothing if test is None else _read(test, where)
    _check_several(training)
    if classes is not None:
        codes = [_numbered(part, len(classes)) for part in (training, testing)]
        _check_all_occur(codes[0], tuple(classes), training.where)
        return Labels(codes[0], codes[1], tuple(classes), renamed=False)
    _check_classes(training)
    values = training.unique.tolist()
    return Labels(
        training.codes,
        _in_classes(testing, training),
        tuple(map(class_name, values)),
        renamed=values != list(range(len(values))),  # False == 0 and True == 1
    )


def flat_labels(labels: Any, *, name: str, source: str) -> NDArray[Any]:
    """One label for each example: one-hot rows become the numbers of their columns, or the columns' names.

    Raises:
        DataError: rows that are not one-hot; otherwise as `encode_labels`.
    """
    part = _read(labels, _Where(name, source, "{}[{}]".format))
    flat: NDArray[Any] = part.unique[part.codes]
    return flat


@dataclass(frozen=True)
class _Where:
    """Which labels a message is about."""

    name: str
    source: str
    place: Callable[[str, int], str]

    def error(self, *, expected: str, received: str, next_step: str = _STORE) -> DataError:
        return DataError(
            f"{self.name} of {self.source}", expected=expected, received=received, next_step=next_step
        )

    def counted(self, which: NDArray[np.bool_], what: str) -> str:
        """Number and first place: "3 missing, first at y_train[12]"."""
        return f"{np.count_nonzero(which):,} {what}, first at {self.place(self.name, int(np.argmax(which)))}"


@dataclass(frozen=True)
class _Part:
    """Labels of one set: the different ones, sorted, and the position of each label among these."""

    unique: NDArray[Any]
    codes: NDArray[np.int64]
    where: _Where

    @property
    def text(self) -> bool:
        return self.unique.dtype == object

    def __len__(self) -> int:
        return len(self.codes)


def _read(labels: Any, where: _Where) -> _Part:
    """Bring labels of any form to one: text or numbers, (n,), none missing."""
    texts = list(getattr(labels, "categories", ()))
    if texts and all(isinstance(text, str) for text in texts):
        return _coded(labels.codes, texts, where)
    try:
        # A list becomes an array of objects first: NumPy would turn ["a", 1, None] into text.
        array = np.asarray(labels, dtype=object if isinstance(labels, list | tuple) else None)
    except ValueError:  # lists of different lengths
        raise where.error(
            expected="one label for each example", received="lists of different lengths"
        ) from None
    columns = getattr(labels, "columns", None)
    match array.shape:
        case (n,) if n:
            flat = _typed(array, where)
        case (n, 1) if n:
            flat = _typed(array[:, 0], where)
        case (n, c) if n * c:
            rows = replace(where, place=lambda name, i: where.place(name, i // c))
            which = _one_hot(_typed(array.ravel(), rows).reshape(n, c), where)
            flat = which if columns is None else _typed(np.asarray(columns, dtype=object)[which], where)
        case shape:
            raise where.error(
                expected="labels of shape (n,), or one-hot rows of shape (n, classes)",
                received=f"an array of shape {shape}",
            )
    if flat.dtype == object:
        import pandas as pd  # noqa: PLC0415 - slow to import, and most labels are numbers

        codes, values = pd.factorize(flat, sort=True)
        return _Part(np.asarray(values, dtype=object), codes.astype(np.int64), where)
    values, codes = np.unique(flat, return_inverse=True)
    return _Part(values, codes.astype(np.int64, copy=False), where)


def _coded(codes: NDArray[Any], texts: Sequence[str], where: _Where) -> _Part:
    """Read text that is stored as codes, without a look at each row: the different ones, -1 for a missing one."""
    if len(codes) and codes.min() < 0:
        _refuse_missing(np.array([*(not text.strip() for text in texts), True])[codes], where)
    _check_texts(texts, codes, where)
    present = np.flatnonzero(np.bincount(codes, minlength=len(texts))).tolist()
    order = sorted(present, key=texts.__getitem__)
    places = np.zeros(len(texts), np.int64)
    places[order] = np.arange(len(order))
    return _Part(np.array([texts[place] for place in order], dtype=object), places[codes], where)


def _typed(array: NDArray[Any], where: _Where) -> NDArray[Any]:
    """Return labels (n,) as an array of numbers, or of objects that are text. None of them is missing."""
    kind = array.dtype.kind
    if kind in "OUST":
        array = _from_objects(array.astype(object), where)
    elif kind not in NUMERIC_KINDS:
        raise where.error(expected=_EXPECTED, received=f"values of type {array.dtype}")
    if array.dtype.kind == "f":
        array = array.astype(np.float64)
        _refuse_missing(np.isnan(array), where)
        if (infinite := np.isinf(array)).any():
            raise where.error(expected=_EXPECTED, received=where.counted(infinite, "infinite"))
    return array


def _from_objects(array: NDArray[Any], where: _Where) -> NDArray[Any]:
    """Return objects as an array of numbers, or of text."""
    import pandas as pd  # noqa: PLC0415 - slow to import, and most labels are numbers

    absent = np.asarray(pd.isna(array))
    if absent.any():
        blank = [isinstance(label, str | bytes) and not label.strip() for label in array]
        _refuse_missing(absent | blank, where)
    types = list(map(type, array))
    kinds: dict[str, int] = {}  # with the position of the first
    for one in dict.fromkeys(types):
        kinds.setdefault(_kind(one), types.index(one))
    if len(kinds) > 1:
        found = (f"{kind} ({array[i]!r} at {where.place(where.name, i)})" for kind, i in kinds.items())
        raise where.error(expected=f"{_EXPECTED}, all of one type", received=" and ".join(found))
    match next(iter(kinds), "text"):
        case "text" | "bytes":
            codes, unique = pd.factorize(array)
            return _text(unique, codes, where)
        case "numbers" | "booleans":
            numbers = np.array(array.tolist())
            if numbers.dtype.kind in NUMERIC_KINDS:
                return numbers
            raise where.error(expected=_EXPECTED, received="numbers of more than 64 bits")
        case other:
            raise where.error(expected=_EXPECTED, received=other)


def _kind(one: type) -> str:
    if issubclass(one, str):
        return "text"
    if issubclass(one, bytes):
        return "bytes"
    if issubclass(one, bool | np.bool_):
        return "booleans"
    return "numbers" if issubclass(one, Real) else f"values of type {one.__name__}"


def _text(unique: NDArray[Any], codes: NDArray[Any], where: _Where) -> NDArray[Any]:
    """Return labels as text, given the different ones."""
    try:
        texts = [label.decode() if isinstance(label, bytes) else label for label in unique]
    except UnicodeDecodeError:
        raise where.error(expected=_EXPECTED, received="bytes that are not UTF-8") from None
    _check_texts(texts, codes, where)
    labels: NDArray[Any] = np.array(texts, dtype=object)[codes]
    return labels


def _check_texts(texts: Sequence[str], codes: NDArray[Any], where: _Where) -> None:
    """Refuse text that is blank or that no file can hold."""
    blank = np.array([not text.strip() for text in texts])
    if blank.any():
        _refuse_missing(blank[codes], where)
    # Half a surrogate pair, as names of files have it where they are not UTF-8.
    halves = np.array([any("\ud800" <= c <= "\udfff" for c in text) for text in texts])
    if halves.any():
        raise where.error(
            expected=_EXPECTED, received=where.counted(halves[codes], "that are not valid Unicode")
        )


def _refuse_missing(missing: NDArray[np.bool_], where: _Where) -> None:
    if missing.any():
        raise where.error(
            expected="a label for each example",
            received=where.counted(missing, "missing"),
            next_step="Fill in these labels, or leave these examples out.",
        )


def _one_hot(rows: NDArray[Any], where: _Where) -> NDArray[np.int64]:
    """Return the column of each row's 1."""
    if rows.dtype == object:
        raise where.error(
            expected="labels of shape (n,), or one-hot rows",
            received=f"text of shape {rows.shape}",
        )
    ones = rows == 1
    wrong = (ones.sum(axis=1) != 1) | (~ones & (rows != 0)).any(axis=1)
    if wrong.any():
        raise where.error(
            expected="one-hot rows: a single 1, and 0 elsewhere",
            received=f"{where.counted(wrong, 'other')}, of shape {rows.shape}",
            next_step="Store one label for each example, or rows as keras.utils.to_categorical makes.",
        )
    columns: NDArray[np.int64] = ones.argmax(axis=1)
    return columns


def _check_several(train: _Part) -> None:
    if len(train.unique) == 1:
        raise train.where.error(
            expected="examples of at least two classes",
            received=f"only label {_shown(train)}",
            next_step="Check the labels: a classifier needs two classes or more.",
        )


def _check_classes(train: _Part) -> None:
    """Refuse training labels that measure a quantity, or tell examples apart."""
    values, count = train.unique, len(train.unique)
    if not train.text and values.dtype != bool and _measured(values):
        raise train.where.error(
            expected="classes",
            received=f"{count:,} different numbers from {class_name(values[0].item())} to "
            f"{class_name(values[-1].item())}, "
            "as a quantity has them: predicting one is regression",
            next_step="dropstudy compares classifiers: divide the quantity into classes, or choose another target. "
            "If the numbers are classes, store them as text.",
        )
    if count > _MAX_CLASSES or (count > _FEW and 2 * count > len(train)):
        raise train.where.error(
            expected=f"at most {_MAX_CLASSES:,} classes, with at least two examples each on average",
            received=f"{count:,} different labels of {len(train):,} examples",
            next_step="Check which column or array holds the classes.",
        )


def _measured(values: NDArray[Any]) -> bool:
    """True for numbers, sorted, that measure something and do not number classes.

    Fractions measure. Of whole numbers more than 20 do, unless they run from 0 or 1 without a gap, as codes of classes
    do and as prices, ages and years rarely do.
    """
    if values.dtype.kind == "f" and bool((values != np.floor(values)).any()):
        return True
    first, last = values[0].item(), values[-1].item()
    return len(values) > _FEW and (first not in {0, 1} or last - first + 1 != len(values))


def _in_classes(test: _Part, train: _Part) -> NDArray[np.int64]:
    """Return the codes of test labels, which are those of equal training labels."""
    if len(test) and test.text != train.text:
        kinds = {True: "text", False: "numbers"}
        raise test.where.error(
            expected=f"{kinds[train.text]}, as in {train.where.name}",
            received=f"{kinds[test.text]}, such as {_shown(test, 1)}",
            next_step="Write the labels of both sets in the same way.",
        )
    codes = {value: code for code, value in enumerate(train.unique.tolist())}
    found = np.array([codes.get(value, -1) for value in test.unique.tolist()], dtype=np.int64)
    if (found < 0).any():
        others = _Part(test.unique[found < 0], test.codes, test.where)
        raise test.where.error(
            expected=f"the classes of {train.where.name}: {_shown(train)}",
            received=f"{test.where.counted((found < 0)[test.codes], 'of other classes')}: {_shown(others)}",
            next_step="Write the labels of both sets in the same way, or add training examples of these classes.",
        )
    return found[test.codes]


def _numbered(part: _Part, count: int) -> NDArray[np.int64]:
    """Return labels of named classes. They are whole numbers from 0 to count - 1."""
    whole = set(range(count))
    right = np.array([value in whole for value in part.unique.tolist()], bool)
    if not right.all():
        first = part.unique[np.argmin(right)]
        raise part.where.error(
            expected=f"labels that are whole numbers from 0 to {count - 1}, since {count} classes are named",
            received=f"{part.where.counted(~right[part.codes], 'other')}: {first}",
            next_step="Number the classes from 0, in the order of their names.",
        )
    return part.unique.astype(np.int64)[part.codes]


def _check_all_occur(codes: NDArray[np.int64], classes: tuple[str, ...], where: _Where) -> None:
    empty = np.flatnonzero(np.bincount(codes, minlength=len(classes)) == 0)
    if empty.size:
        shown = first_of([f"{label} ({classes[label]!r})" for label in empty], _SHOWN)
        raise where.error(
            expected=f"a training example of each of the {len(classes):,} classes",
            received=f"none of class {shown}",
            next_step="Add examples, or name only the classes that occur.",
        )


def class_name(value: Any) -> str:
    """Name of a class: its text, or its number without a decimal point."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _shown(part: _Part, most: int = _SHOWN) -> str:
    names = [class_name(value)[:60] for value in part.unique[:most].tolist()]
    more = f" and {len(part.unique) - most:,} more" if len(part.unique) > most else ""
    return ", ".join(map(repr, names) if part.text else names) + more
