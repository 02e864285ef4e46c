"""Examples without labels, for `dropstudy predict`: images, folders of images, arrays."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dropstudy.core.text import counted
from dropstudy.data.dataset import numbers
from dropstudy.data.formats.csv_parquet import SUFFIXES, read_table
from dropstudy.data.formats.files import StoredArray, open_file, reporting_damage
from dropstudy.data.formats.idx import open_idx
from dropstudy.data.formats.image_file import BYTE, DEEP, IMAGE_STARTS, IMAGE_SUFFIXES, Form
from dropstudy.data.formats.npy import npz_names, open_npy, open_npz
from dropstudy.data.image_files import is_hidden, natural, read_headers, read_images
from dropstudy.data.images import CLEAR, as_images, border, image_shape, square_shape
from dropstudy.data.preprocessing import from_tensors, transform
from dropstudy.data.table import checked_rows, unseen
from dropstudy.data.units import conversion
from dropstudy.errors import DataError, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from dropstudy.core.dataset import Table
    from dropstudy.core.profile import DataProfile

__all__ = ["Examples", "read_examples", "read_rows"]

_NPY, _ZIP, _GZIP, _IDX = b"\x93NUMPY", b"PK", b"\x1f\x8b", b"\0\0"
_NPZ_NAMES = ("x", "x_test")
_MOST_BYTES = 1 << 29  # of examples as float32, in one file; classifying them takes several times as much
_SET_SCALE = "Set with --scale what inputs are divided by, or convert the file to the training data's units."


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples to classify.

    Args:
        x: (n, *input_shape), uint8 or float32, in the units of the training data: the network sees `x / scale`.
        names: one per example, for people: `seven.png`, `digits.npy[3]`.
        notes: conversions and warnings, a sentence each.
    """

    x: NDArray[np.generic]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_examples(
    path: Path,
    profile: DataProfile,
    *,
    scale: float | None = None,
    invert: bool = False,
    without: Sequence[str] = (),
) -> Examples:
    """Read examples from an image, a folder of images (by name, 2 before 10), or an `.npy`, `.npz` or IDX file.

    A CSV or Parquet file has one example in each row. Other files are identified by their first bytes, not their name.
    Of a folder the files named `*.png`, `*.jpg` and so on are read. Of an `.npz` the array `x` is read, else `x_test`,
    else its only one.

    Units:
        An image's black is 0 and its white is that of the training data; one of 16 bits holds the numbers of training
        data that have more than 8. Arrays are compared with the range of the training data: pixels from 0 to 255,
        0 to 1 and other ranges of pixels are converted to it, with a note.

    Args:
        path: the file or folder.
        profile: of the data on which the network was trained.
        scale: the network sees the file's numbers divided by this; found from the values where it is None.
        invert: swap light and dark first.
        without: columns of a table that are no part of an example, such as its label.

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
    images = _images_in(path)
    if images is not None:
        return _from_images(path, images, profile, scale, invert=invert)
    stored = _columns_of(path, without) if path.name.lower().endswith(SUFFIXES) else _open_array(path)
    return _from_array(stored, path, profile, scale, invert=invert)


def read_rows(path: Path, table: Table, tensors: Mapping[str, NDArray[Any]]) -> Examples:
    """Read the rows of a CSV or Parquet file, and prepare them as those of training were.

    Args:
        path: the file.
        table: columns of the study.
        tensors: what is stored with the weights of a run, with its preprocessing.

    Raises:
        DataError: no table, a column is missing, or a cell is no number.
        ModelError: the preprocessing does not belong to the columns.
    """
    stored = read_table(path)
    rows = checked_rows(table, stored, str(path))
    x = transform(table, from_tensors(tensors, table), rows)
    names = tuple(f"{path.name}[{number}]" for number in range(len(x)))
    return Examples(x, names, (*stored.notes, *unseen(table, rows, "row")))


def _images_in(path: Path) -> list[Path] | None:
    """List the images of a path; None for a file of another kind."""
    if not path.is_dir():
        with open_file(path, "an image, a folder of images, an .npy, .npz or IDX file") as file:
            return [path] if file.read(8).startswith(IMAGE_STARTS) else None
    with reporting_damage(str(path), "a folder of images"):
        files = [file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES]
        files = [file for file in files if not is_hidden(file) and not file.is_dir()]
    if not files:
        raise DataError(
            str(path),
            expected="a folder of images",
            received=f"one without a file named {', '.join(f'*{suffix}' for suffix in IMAGE_SUFFIXES)}",
            next_step="Name the folder that holds the images itself, or save them as PNG.",
        )
    return sorted(files, key=lambda file: natural(file.name))


def _from_images(
    path: Path, images: list[Path], profile: DataProfile, scale: float | None, *, invert: bool
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
        raise _no_white(path, profile)
    _check_bytes(path, (len(images), *profile.shape), 4)
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
    stored, notes = read_images(images, headers, form, subject=str(path), progress=True)
    factor = ours / white if scale is None else profile.scale / scale
    # Grey of 16 bits for a network that takes colours.
    pixels = np.stack([stored] * channels, axis=-1).astype(np.float32) if deep else stored
    x = _times(pixels.reshape(-1, *profile.shape), factor)
    return _with_warnings(x, tuple(image.name for image in images), notes, profile)


def _no_white(path: Path, profile: DataProfile) -> DataError:
    return DataError(
        str(path),
        expected=f"numbers from {profile.low:g} to {profile.high:g}, as the training data hold",
        received="an image, whose black and white have no value in that range",
        next_step="Give the numbers as an .npy file, or set with --scale what its 0 to 255 are divided by.",
    )


def _from_array(
    stored: StoredArray, path: Path, profile: DataProfile, scale: float | None, *, invert: bool
) -> Examples:
    first = profile.shape[-1:] + profile.shape[:-1]
    swapped = len(first) == 3 and stored.shape[-3:] == first != profile.shape  # noqa: PLR2004 - of an image in colour
    shape = _batch_shape(stored.shape[:-3] + profile.shape if swapped else stored.shape, profile.shape, path)
    _check_bytes(path, shape, max(stored.dtype.itemsize, 4))
    values = numbers(stored.read(), array=path.name, subject=str(path))
    x = (np.moveaxis(values, -3, -1) if swapped else values).reshape(shape)
    notes: list[str] = []
    if scale is None:
        boolean = stored.dtype.kind == "b"
        factor, notes = conversion(profile, x, boolean=boolean, subject=str(path), next_step=_SET_SCALE)
    else:
        factor = profile.scale / scale
    if swapped:
        notes.append(f"{path.name} holds images of shape {first}, channels first: read as {profile.shape}.")
    x = _times(x, factor)
    if invert and profile.white is not None:
        x = (np.float32(profile.white) - x.astype(np.float32)).astype(np.float32)
    return _with_warnings(x, tuple(f"{path.name}[{i}]" for i in range(len(x))), notes, profile)


def _check_bytes(path: Path, shape: tuple[int, ...], itemsize: int) -> None:
    needed = prod(shape) * itemsize
    if needed > _MOST_BYTES:
        raise DataError(
            str(path),
            expected=f"at most {_MOST_BYTES:,} bytes of examples at once",
            received=f"{shape[0]:,} examples, {needed:,} bytes",
            next_step=f"Split the {'folder' if path.is_dir() else 'file'}.",
        )


def _times(x: NDArray[Any], factor: float) -> NDArray[Any]:
    return x if factor == 1 else x.astype(np.float32) * np.float32(factor)


def _with_warnings(
    x: NDArray[Any], names: tuple[str, ...], notes: list[str], profile: DataProfile
) -> Examples:
    """The examples, with notes on those of one value only and on those inverted against the training data."""
    notes = list(notes)
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
    return Examples(x, names, tuple(notes))


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


def _columns_of(path: Path, without: Sequence[str]) -> StoredArray:
    """Columns of a table as an array, (n, columns); an image's pixels, say."""
    frame = read_table(path).frame.drop(columns=list(without), errors="ignore")
    text = [name for name, kind in frame.dtypes.items() if kind.kind not in "iuf"]
    if text:
        raise DataError(
            f"column {text[0]!r} of {path}",
            expected="numbers, as the training data hold",
            received="text",
            next_step="Leave the column out of the file.",
        )
    values = frame.to_numpy()
    return StoredArray(values.shape, values.dtype, lambda: values)


def _open_array(path: Path) -> StoredArray:
    with open_file(path, "an image, a folder of images, an .npy, .npz or IDX file") as file:
        start = file.read(8)
    if start.startswith(_NPY):
        return open_npy(path)
    if start.startswith(_ZIP):
        name = _npz_name(path)
        return open_npz(path, [name])[name]
    if start.startswith((_GZIP, _IDX)):
        return open_idx(path)
    raise DataError(
        str(path),
        expected="an image, an .npy, .npz or IDX file",
        received=f"a file that starts with {start!r}" if start else "an empty file",
        next_step="Save images as PNG and numbers with numpy.save.",
    )


def _npz_name(path: Path) -> str:
    names = npz_names(path)
    for name in (*_NPZ_NAMES, *names[: len(names) == 1]):
        if name in names:
            return name
    raise DataError(
        str(path),
        expected="an array named x or x_test, or one array only",
        received=f"arrays named {', '.join(names)}" if names else "no array",
        next_step="Write the examples with numpy.savez(file, x=...).",
    )


def _batch_shape(shape: tuple[int, ...], input_shape: tuple[int, ...], path: Path) -> tuple[int, ...]:
    """Return (n, *input_shape) for an array that holds such examples, flat or not, or a single one."""
    features = (prod(input_shape),)
    if shape in {input_shape, features}:
        return (1, *input_shape)
    if shape and shape[1:] in {input_shape, features}:
        return (shape[0], *input_shape)
    raise DataError(
        str(path),
        expected=f"examples of shape {input_shape}, or flat with {features[0]} numbers each",
        received=f"an array of shape {shape}",
        next_step="Give the examples the shape on which the network was trained.",
    )
