"""Examples for `dropstudy predict`, in the form and the units of the training data."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dropstudy.core.text import counted
from dropstudy.data.dataset import numbers
from dropstudy.data.example_files import NO_TARGET, Target, find_examples, find_table, labels_of
from dropstudy.data.formats.image_file import BYTE, DEEP, Form
from dropstudy.data.image_files import read_headers, read_images
from dropstudy.data.images import CLEAR, as_images, border, image_shape, square_shape
from dropstudy.data.table import checked_rows, unseen
from dropstudy.data.units import conversion
from dropstudy.errors import DataError, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from dropstudy.core.dataset import Table
    from dropstudy.core.profile import DataProfile
    from dropstudy.data.example_files import Found
    from dropstudy.data.formats.files import StoredArray

__all__ = ["Examples", "read_examples", "read_rows"]

_MOST_BYTES = 1 << 29  # of examples as float32, in one file; classifying them takes several times as much
_SET_SCALE = "Set with --scale what inputs are divided by, or convert the file to the training data's units."


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples to classify.

    Args:
        x: as in `Dataset`: (n, *input_shape), uint8 or float32, in the units of the training data; of a table
            (n, columns), float64.
        names: one per example, for people: `seven.png`, `digits.npy[3]`.
        notes: conversions and warnings, a sentence each.
        labels: of the examples, in whatever form they are there; None where there are none.
    """

    x: NDArray[np.generic]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    labels: Any = None


def read_examples(
    source: Any,
    profile: DataProfile,
    *,
    scale: float | None = None,
    invert: bool = False,
    target: Target = NO_TARGET,
    without: Sequence[str] = (),
) -> Examples:
    """Read examples from wherever `find_examples` finds them, and convert them to the units of the training data.

    Units:
        An image's black is 0 and its white is that of the training data; one of 16 bits holds the numbers of training
        data that have more than 8. Arrays are compared with the range of the training data: pixels from 0 to 255,
        0 to 1 and other ranges of pixels are converted to it, with a note.

    Args:
        source: a path, an array or a data frame. Of a table each row is an example. Files are identified by their
            first bytes, not their name; tables by their name.
        profile: of the data on which the network was trained.
        scale: the network sees the numbers divided by this; found from the values where it is None.
        invert: swap light and dark first.
        target: column of a table with the labels.
        without: other columns of a table that are no part of an example.

    Returns:
        One or more examples. Arrays may be (n, *input_shape), flat (n, d), or one example without the n; images may
        have channels first.

    Raises:
        InvalidArgument: `scale` is no number above 0, or `invert` is set where no value is white.
        DataError: nothing readable, another shape, numbers far outside the range of the training data or
            ambiguous, more examples than can be used at once, NaN or infinity. It names the file.
    """
    if scale is not None and not 0 < scale < np.inf:
        raise InvalidArgument("scale", expected="a number above 0, such as 255", received=f"{scale:g}")
    if invert and profile.white is None:
        raise InvalidArgument(
            "invert",
            expected="training data of pixels, from black to white",
            received=f"numbers from {profile.low:g} to {profile.high:g}",
            next_step="Invert the file itself.",
        )
    found = find_examples(source, target=target, without=without)
    if isinstance(found.stored, list):
        return _from_images(found, found.stored, profile, scale, invert=invert)
    return _from_array(found, found.stored, profile, scale, invert=invert)


def read_rows(source: Any, table: Table, target: str | None = None) -> Examples:
    """Read the rows of a CSV or Parquet file, or of a data frame, as those of a `Dataset`.

    Args:
        source: the file or frame.
        table: columns of the study.
        target: column with the labels, where it is another than that of the study.

    Raises:
        DataError: no table, a column is missing, or a cell is no number.
    """
    stored, where, name = find_table(source)
    x = checked_rows(table, stored, where)
    names = tuple(f"{name}[{number}]" for number in range(len(x)))
    labels = labels_of(stored.frame, Target(table.target, target), where)
    return Examples(x, names, (*stored.notes, *unseen(table, x, "row")), labels)


def _from_images(
    found: Found, images: list[Path], profile: DataProfile, scale: float | None, *, invert: bool
) -> Examples:
    """Bring images to the size, the colours, the background and the units of the training data."""
    shape = image_shape(profile.shape) or square_shape(profile.shape)
    if shape is None:
        raise DataError(
            str(images[0]),
            expected=f"examples of shape {profile.shape}, which no image has",
            received="an image",
            next_step="Give the numbers as an .npy file.",
        )
    if scale is None and profile.white is None:
        raise _no_white(found.source, profile)
    _check_bytes(found, (len(images), *profile.shape), 4)
    headers = read_headers(images, progress=True)
    height, width, channels = shape
    colour, ours = channels == 3, profile.white or 0.0  # noqa: PLR2004 - red, green and blue
    deep = headers[0].deep
    mode: Literal["L", "RGB", "I;16"] = "I;16" if deep else "RGB" if colour else "L"
    white = BYTE if not deep else ours if ours > BYTE else DEEP
    background = 0.0
    if profile.background is not None and profile.white is not None:
        background = white * min(max(profile.background / profile.white, 0.0), 1.0)
    form = Form(width, height, mode, background, white, invert)
    stored, notes = read_images(images, headers, form, subject=found.source, progress=True)
    factor = ours / white if scale is None else profile.scale / scale
    # Grey of 16 bits for a network that takes colours.
    pixels = np.stack([stored] * channels, axis=-1).astype(np.float32) if deep else stored
    x = _times(pixels.reshape(-1, *profile.shape), factor)
    folders = len({image.parent for image in images}) > 1
    names = tuple(f"{image.parent.name}/{image.name}" if folders else image.name for image in images)
    return _with_warnings(found, x, names, notes, profile)


def _no_white(source: str, profile: DataProfile) -> DataError:
    return DataError(
        source,
        expected=f"numbers from {profile.low:g} to {profile.high:g}, as the training data hold",
        received="an image, whose black and white have no value in that range",
        next_step="Give the numbers as an .npy file, or set with --scale what its 0 to 255 are divided by.",
    )


def _from_array(
    found: Found, stored: StoredArray, profile: DataProfile, scale: float | None, *, invert: bool
) -> Examples:
    first = profile.shape[-1:] + profile.shape[:-1]
    swapped = len(first) == 3 and stored.shape[-3:] == first != profile.shape  # noqa: PLR2004 - of an image in colour
    shape = _batch_shape(
        stored.shape[:-3] + profile.shape if swapped else stored.shape, profile.shape, found.source
    )
    _check_bytes(found, shape, max(stored.dtype.itemsize, 4))
    values = numbers(stored.read(), array=found.name, subject=found.source)
    x = (np.moveaxis(values, -3, -1) if swapped else values).reshape(shape)
    notes: list[str] = []
    if scale is None:
        boolean = stored.dtype.kind == "b"
        factor, notes = conversion(profile, x, boolean=boolean, subject=found.source, next_step=_SET_SCALE)
    else:
        factor = profile.scale / scale
    if swapped:
        notes.append(f"{found.name} holds images of shape {first}, channels first: read as {profile.shape}.")
    x = _times(x, factor)
    if invert and profile.white is not None:
        x = (np.float32(profile.white) - x.astype(np.float32)).astype(np.float32)
    return _with_warnings(found, x, tuple(f"{found.name}[{i}]" for i in range(len(x))), notes, profile)


def _check_bytes(found: Found, shape: tuple[int, ...], itemsize: int) -> None:
    needed = prod(shape) * itemsize
    if needed > _MOST_BYTES:
        raise DataError(
            found.source,
            expected=f"at most {_MOST_BYTES:,} bytes of examples at once",
            received=f"{shape[0]:,} examples, {needed:,} bytes",
            next_step=f"Split the {'folder' if isinstance(found.stored, list) else 'file'}.",
        )


def _times(x: NDArray[Any], factor: float) -> NDArray[Any]:
    return x if factor == 1 else x.astype(np.float32) * np.float32(factor)


def _with_warnings(
    found: Found, x: NDArray[Any], names: tuple[str, ...], notes: list[str], profile: DataProfile
) -> Examples:
    """The examples, with notes on those of one value only and on those inverted against the training data."""
    notes = [*found.notes, *notes]
    flat = x.reshape(len(x), -1)
    constant = flat.min(axis=1) == flat.max(axis=1)
    if flat.shape[1] > 1 and constant.any():
        first = int(constant.argmax())
        notes.append(
            f"{_count_with_verb(constant, 'hold')} one value only, the first {names[first]} ({flat[first, 0]:g}): "
            "nothing can be recognised. If the picture is dark ink on a transparent background, try --invert."
        )
    inverted = _inverted(x, profile) & ~constant
    if inverted.any():
        tone, ours = (
            ("dark", "light") if 2 * (profile.background or 0) > (profile.white or 0) else ("light", "dark")
        )
        notes.append(
            f"{_count_with_verb(inverted, 'show')} a {tone} background, the training data a {ours} one: add --invert "
            "if light and dark are swapped."
        )
    return Examples(x, names, tuple(notes), found.labels)


def _inverted(x: NDArray[Any], profile: DataProfile) -> NDArray[np.bool_]:
    """Mask of the images whose background is the other end of the scale than that of the training data."""
    images, white, background = as_images(x), profile.white, profile.background
    none = np.zeros(len(x), bool)
    if images is None or white is None or background is None or (profile.background_share or 0) < CLEAR:
        return none
    other_end = white - background
    if abs(other_end - background) <= white / 2:
        return none
    middles = np.median(border(images).astype(np.float32), axis=1)
    inverted: NDArray[np.bool_] = np.abs(middles - other_end) < white / 4
    return inverted


def _count_with_verb(which: NDArray[np.bool_], verb: str) -> str:
    """Count of examples with a verb: "1 of 60 examples holds"."""
    count = int(np.count_nonzero(which))
    return f"{count:,} of {counted(len(which), 'example')} {verb}{'s' * (count == 1)}"


def _batch_shape(shape: tuple[int, ...], input_shape: tuple[int, ...], source: str) -> tuple[int, ...]:
    """Return (n, *input_shape) for an array that holds such examples, flat or not, or a single one."""
    features = (prod(input_shape),)
    if shape in {input_shape, features}:
        return (1, *input_shape)
    if shape and shape[0] and shape[1:] in {input_shape, features}:
        return (shape[0], *input_shape)
    columns = len(shape) == 2 and shape[1] > features[0]  # noqa: PLR2004 - rows, some of whose columns may be no input
    raise DataError(
        source,
        expected=f"examples of shape {input_shape}, or flat with {features[0]} numbers each",
        received=f"an array of shape {shape}",
        next_step="Give the examples the shape on which the network was trained."
        + (" If a column of a table holds the labels, name it with --target." if columns else ""),
    )
