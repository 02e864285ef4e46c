"""Checks and digest of a dataset: examples of every source pass through `make_dataset`."""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from dropstudy.core.dataset import Dataset
from dropstudy.data.digest import add_array
from dropstudy.data.formats.npy import NUMERIC_KINDS
from dropstudy.data.holdout import hold_out
from dropstudy.data.images import channels_last
from dropstudy.data.labels import encode_labels
from dropstudy.data.units import conversion, profile_of
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from dropstudy.core.profile import DataProfile
    from dropstudy.data.source import Scale

__all__ = ["ARRAYS", "check_count", "content_sha256", "make_dataset", "numbers"]

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
"""The arrays of a dataset."""


def make_dataset(
    *,
    name: str,
    x_train: ArrayLike,
    y_train: ArrayLike,
    x_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    test_size: float | None = None,
    classes: Sequence[str] | None = None,
    scale: Scale = "auto",
    source: str,
    test_source: str | None = None,
    names: Sequence[str] = ARRAYS,
    notes: Sequence[str] = (),
) -> Dataset:
    """Check examples and labels and convert them to the one form that studies use.

    Args:
        name: of the dataset.
        x_train: training examples, (n, *input_shape). Whole numbers from 0 to 255 become uint8, whatever their type
            was, so that the same numbers are the same data; everything else becomes float32. Images with channels first
            become images with channels last.
        y_train: labels in any form that `encode_labels` knows: text, whole numbers, booleans, one-hot rows.
        x_test: test examples, (m, *input_shape), in the units of x_train. Without it and y_test some training examples
            are set aside for the test (`hold_out`).
        y_test: as y_train.
        test_size: share (below 1) or count of the examples to set aside; None for a fifth.
        classes: one name per class where labels are numbers from 0 to c - 1; without it the labels are the names.
        scale: the network sees `x / scale`; `auto` finds it from the values of x_train.
        source: origin of the arrays for messages: a file, a folder, a library.
        test_source: origin of the test examples where it is another.
        names: of the four arrays for messages, where they are others; or of two where there is no test set.
        notes: sentences on how the arrays were found.

    Raises:
        DataError: a study cannot use the arrays; it names the array and the element.
    """
    if (x_test is None) != (y_test is None):
        raise DataError(
            test_source or source,
            expected=f"{ARRAYS[2]} and {ARRAYS[3]}, or neither",
            received=f"{ARRAYS[3 if x_test is None else 2]} alone",
            next_step="Give the test set's examples and labels, or leave both out.",
        )
    names = (*names, *ARRAYS[len(names) :])
    sources = (source, test_source or source)
    train, found = _examples(x_train, names[0], source)
    labels = encode_labels(
        y_train, y_test, source=source, test_source=test_source, names=(names[1], names[3]), classes=classes
    )
    check_count(train.shape, labels.train.shape, names=names[:2], source=source)
    if x_test is None:
        rows, test_rows, note = hold_out(labels.train, test_size, source=source)
        train, test = train[rows], train[test_rows]
        labels = labels._replace(train=labels.train[rows], test=labels.train[test_rows])
        notes = (*notes, note)
    else:
        test, more = _examples(x_test, names[2], sources[1])
        found = (*found, *more)
        check_count(test.shape, labels.test.shape, names=names[2:], source=sources[1])
        _check_shapes(train, test, names, sources[1])
    divisor = scale if scale == "auto" else _check_scale(scale, source)
    stored = [np.asarray(x).dtype for x in (x_train, x_train if x_test is None else x_test)]
    profile, more = profile_of(train, dtype=str(stored[0]), scale=divisor)
    found = (*found, *more)
    if x_test is not None:  # those set aside are in the same units
        _check_units(profile, test, names, sources[1])
    if stored[0] != stored[1]:
        found += (
            f"{names[2]} is stored as {stored[1]} and {names[0]} as {stored[0]}: equal numbers count as equal values.",
        )
    if profile.whole and all(_fit_bytes(x) for x in (train, test)):
        train, test = train.astype(np.uint8, copy=False), test.astype(np.uint8, copy=False)
    else:
        train, test = train.astype(np.float32, copy=False), test.astype(np.float32, copy=False)

    arrays = (train, labels.train, test, labels.test)

    return Dataset(
        name=name,
        x_train=train,
        y_train=labels.train,
        x_test=test,
        y_test=labels.test,
        classes=labels.classes,
        scale=profile.scale,
        sha256=content_sha256(arrays, profile.scale, labels.classes if labels.renamed else ()),
        source=source,
        profile=profile,
        notes=(*notes, *found),
    )


def numbers(values: ArrayLike, *, array: str, subject: str) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Return the values as uint8 where they are uint8, else as float32, in C order.

    Args:
        values: an array of any shape.
        array: its name, for errors: `x_train` gives `first at x_train[12, 5]`.
        subject: its name with that of the file it is from.

    Raises:
        DataError: text, objects or complex numbers; NaN; infinity or a float beyond float32's range.
    """
    original = _numeric(values, subject, "an array of integers or floats")
    if original.dtype == np.uint8:
        return np.asarray(original, dtype=np.uint8, order="C")
    with np.errstate(over="ignore"):  # overflow becomes infinity, which is reported below
        result = np.asarray(original, dtype=np.float32, order="C")
    if not np.isfinite(result).all():
        found = [_counted(np.isnan(result), "NaN", array), _counted(np.isinf(result), "infinite", array)]
        raise DataError(
            subject,
            expected="finite numbers within float32's range",
            received=" and ".join(filter(None, found)),
            next_step="Fill in or drop these examples.",
        )
    return result


def _examples(values: ArrayLike, array: str, source: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return examples, images among them with channels last, and a note where they had them first."""
    examples = numbers(values, array=array, subject=f"{array} of {source}")
    if examples.ndim < 2 or examples.size == 0:  # noqa: PLR2004 - examples, and numbers within each
        raise DataError(
            f"{array} of {source}",
            expected="at least one example, in an array of shape (examples, ...)",
            received=f"an array of shape {examples.shape}",
            next_step="Check which array was stored under this name.",
        )
    images = channels_last(examples)
    if images is None:
        return examples, ()
    note = f"{array} holds images of shape {examples.shape[1:]}, channels first: read as {images.shape[1:]}."
    return images, (note,)


def _check_shapes(train: NDArray[Any], test: NDArray[Any], names: Sequence[str], source: str) -> None:
    if train.shape[1:] != test.shape[1:]:
        raise DataError(
            f"{names[2]} of {source}",
            expected=f"examples of shape {train.shape[1:]}, as in {names[0]}",
            received=f"examples of shape {test.shape[1:]}",
            next_step="Give both sets the same shape.",
        )


def _check_units(profile: DataProfile, test: NDArray[Any], names: Sequence[str], source: str) -> None:
    """Refuse test examples in other units: every result on the test set would be wrong."""
    advice = "Give both sets the same units: multiply or divide one of them, and save the file again."
    subject = f"{names[2]} of {source}"
    factor, _ = conversion(profile, test, subject=subject, next_step=advice)
    if factor != 1:
        raise DataError(
            subject,
            expected=f"numbers in the range of {names[0]}, from {profile.low:g} to {profile.high:g}",
            received=f"numbers from {test.min():g} to {test.max():g}",
            next_step=advice,
        )


def _fit_bytes(x: NDArray[Any]) -> bool:
    """True where all values are whole numbers from 0 to 255."""
    return x.dtype == np.uint8 or bool(x.min() >= 0 and x.max() <= 255 and (x == np.floor(x)).all())  # noqa: PLR2004 - of a byte


def check_count(
    x_shape: tuple[int, ...], y_shape: tuple[int, ...], *, names: Sequence[str], source: str
) -> None:
    """Refuse examples and labels that differ in number, by their shapes.

    Args:
        x_shape: of the examples.
        y_shape: of their labels.
        names: of the examples and of the labels.
        source: origin of the arrays.

    Raises:
        DataError: they differ.
    """
    if x_shape and y_shape and x_shape[0] != y_shape[0]:
        raise DataError(
            f"{names[1]} of {source}",
            expected=f"{x_shape[0]:,} labels, one for each example of {names[0]}",
            received=f"{y_shape[0]:,} labels",
            next_step="Check that examples and labels belong together.",
        )


def _check_scale(scale: float, source: str) -> float:
    if not (math.isfinite(scale) and scale > 0):
        raise DataError(
            f"scale of {source}",
            expected="a finite number above 0",
            received=str(scale),
            next_step="Leave it out: it is then inferred. Or use 255 for 8-bit pixels and 1 for features.",
        )
    return float(scale)


def _numeric(values: ArrayLike, subject: str, expected: str) -> NDArray[Any]:
    try:
        array = np.asarray(values)
    except ValueError:  # lists of different lengths
        received = "lists of different lengths"
    else:
        if array.dtype.kind in NUMERIC_KINDS:
            return array
        received = f"values of type {array.dtype}"
    raise DataError(
        subject,
        expected=expected,
        received=received,
        next_step="Store plain numbers, all examples of one shape.",
    )


def _counted(wrong: NDArray[np.bool_], what: str, array: str) -> str:
    """Count wrong values and name the index of the first: `3 NaN, first at x_train[12, 5]`; empty for none."""
    count = int(np.count_nonzero(wrong))
    if not count:
        return ""
    place = ", ".join(str(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))
    return f"{count:,} {what}, first at {array}[{place}]"


def content_sha256(arrays: Sequence[NDArray[Any]], scale: float, names: tuple[str, ...]) -> str:
    """Digest the content of a dataset, independent of file and machine.

    SHA-256 over a version line; then for x_train, y_train, x_test and y_test in this order a line with
    little-endian type and shape, and the values in C order, little-endian; then a line with the scale.
    Types are those of `make_dataset`'s result, so that (n, 1) labels digest as (n,) labels.

    Labels that are not 0 to c - 1 end with a line of their names. They change no number of a run, but they are content:
    a study of cats and dogs does not go on with a file in which the same rows are called otherwise, and show the old
    names. Names that we give to numbers, as to MNIST's, are no content.
    """
    digest = hashlib.sha256(b"dropstudy dataset 1\n")
    for array in arrays:
        add_array(digest, array)
    digest.update(f"scale {scale!r}\n".encode())
    if names:
        digest.update(f"classes {json.dumps(names)}\n".encode())
    return digest.hexdigest()
