"""Examples without labels, for `dropstudy predict DIR INPUT`: images, folders of images, arrays."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from dropstudy.data.dataset import damage_named, numbers, open_file
from dropstudy.data.images import BYTE, read_images
from dropstudy.data.sources.idx import read_idx
from dropstudy.data.sources.npz import npz_keys, read_npy, read_npz
from dropstudy.data.units import as_images, border, convert
from dropstudy.errors import DataError, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from dropstudy.core.profile import DataProfile

__all__ = ["Examples", "read_examples"]

_PNG, _NPY, _ZIP, _GZIP, _IDX = b"\x89PNG", b"\x93NUMPY", b"PK", b"\x1f\x8b", b"\0\0"
_NPZ_KEYS = ("x", "x_test")
_MOST_BYTES = 1 << 29  # of examples as float32, in one file: several times as much is needed to classify them
_CLEAR = 0.5  # share of the border from which on training data have a background
_SETTLE = "Say with --scale S that the network is to see INPUT / S, or give it the training data's units."


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples to classify.

    Args:
        x: (n, *input_shape), uint8 or float32, in the units of the training data: the network sees `x / scale`.
        names: one per example, for people: `seven.png`, `digits.npy[3]`.
        notes: what was done to them, and what looks wrong, a sentence each.
    """

    x: NDArray[np.generic]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_examples(
    path: Path, profile: DataProfile, *, scale: float | None = None, invert: bool = False
) -> Examples:
    """Read examples from a PNG image, a folder of them (by name), or an `.npy`, `.npz` or IDX file.

    A file's first bytes say what it is, its name does not matter. In a folder the files named `*.png` are
    read, others left alone. An `.npz` gives the array `x`, else `x_test`, else its only one.

    Units:
        An image's black is 0 and its white is that of the training data. Arrays are held against the range of the
        training data: pixels from 0 to 255, 0 to 1 and other ranges of pixels are converted to it, with a note.

    Args:
        path: the file or folder.
        profile: of the data on which the network was trained.
        scale: the network is to see the file's numbers divided by this; found from the values where it is None.
        invert: turn light into dark first.

    Returns:
        One or more examples. Arrays may be (n, *input_shape), flat (n, d), or one example without the n.

    Raises:
        InvalidArgument: `scale` is no number above 0, or `invert` is asked for where no value is white.
        DataError: nothing readable there, another shape, numbers far outside the range of the training data or too
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
        pixels, notes = read_images(images, profile, invert=invert)
        if scale is None and profile.white is None:
            raise _no_white(path, profile)
        factor = profile.white / BYTE if scale is None and profile.white else profile.scale / (scale or 1.0)
        names = tuple(image.name for image in images)
        return _looked_at(_times(pixels, factor), names, notes, profile)
    return _from_array(path, profile, scale, invert=invert)


def _images_in(path: Path) -> list[Path] | None:
    """The images that a path leads to; None for a file of another kind."""
    if not path.is_dir():
        with open_file(path, "an image, a folder of images, an .npy, .npz or IDX file") as file:
            return [path] if file.read(len(_PNG)) == _PNG else None
    with damage_named(str(path), "a folder of PNG images"):
        files = sorted(file for file in path.iterdir() if file.suffix.lower() == ".png")
    if not files:
        raise DataError(
            str(path),
            expected="a folder of PNG images",
            received="one without a file named *.png",
            next_step="Name the folder that holds the images itself, or save them as PNG.",
        )
    return files


def _no_white(path: Path, profile: DataProfile) -> DataError:
    return DataError(
        str(path),
        expected=f"numbers from {profile.low:g} to {profile.high:g}, as the training data hold",
        received="an image, whose black and white have no place there",
        next_step="Give the numbers as an .npy file, or say with --scale what its 0 to 255 are divided by.",
    )


def _from_array(path: Path, profile: DataProfile, scale: float | None, *, invert: bool) -> Examples:
    shape: tuple[int, ...] = ()

    def accept(stored: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        nonlocal shape
        shape = _batch_shape(stored, profile.shape, path)
        needed = prod(shape) * max(dtype.itemsize, 4)
        if needed > _MOST_BYTES:
            raise DataError(
                str(path),
                expected=f"at most {_MOST_BYTES:,} bytes of examples at once",
                received=f"{shape[0]:,} examples, {needed:,} bytes",
                next_step="Split the file.",
            )

    values = _read_array(path, accept)
    x = numbers(values, array=path.name, subject=str(path)).reshape(shape)
    notes: list[str] = []
    if scale is None:
        factor, notes = convert(
            profile, x, boolean=values.dtype.kind == "b", subject=str(path), settle=_SETTLE
        )
    else:
        factor = profile.scale / scale
    x = _times(x, factor)
    if invert and profile.white is not None:
        x = (np.float32(profile.white) - x.astype(np.float32)).astype(np.float32)
    return _looked_at(x, tuple(f"{path.name}[{i}]" for i in range(len(x))), notes, profile)


def _times(x: NDArray[Any], factor: float) -> NDArray[Any]:
    return x if factor == 1 else x.astype(np.float32) * np.float32(factor)


def _looked_at(x: NDArray[Any], names: tuple[str, ...], notes: list[str], profile: DataProfile) -> Examples:
    """The examples, with a note on those of one value only, and on those that are the negative of the training data."""
    notes = list(notes)
    flat = x.reshape(len(x), -1)
    empty = flat.min(axis=1) == flat.max(axis=1)
    if flat.shape[1] > 1 and empty.any():
        first = int(empty.argmax())
        notes.append(
            f"{_some(empty, 'hold')} one value only, the first {names[first]} ({flat[first, 0]:g}): nothing can be "
            "seen there. Where the picture is dark ink on transparent ground, try --invert."
        )
    images, white = as_images(x), profile.white
    if images is not None and white is not None and profile.background is not None:
        other_end = white - profile.background
        clear = (profile.background_share or 0) >= _CLEAR and abs(other_end - profile.background) > white / 2
        grounds = np.median(border(images).astype(np.float32), axis=1)
        negative = (np.abs(grounds - other_end) < white / 4) & ~empty
        if clear and negative.any():
            tone, ours = ("light", "dark") if profile.background < other_end else ("dark", "light")
            notes.append(
                f"{_some(negative, 'show')} a {tone} background, the training data a {ours} one: add --invert "
                "if light and dark are the other way round."
            )
    return Examples(x, names, tuple(notes))


def _some(which: NDArray[np.bool_], verb: str) -> str:
    """Count of examples with a verb: "1 of 60 examples holds"."""
    count = int(np.count_nonzero(which))
    return f"{count:,} of {len(which):,} example{'s' * (len(which) != 1)} {verb}{'s' * (count == 1)}"


def _read_array(path: Path, accept: Callable[[tuple[int, ...], np.dtype[Any]], None]) -> NDArray[Any]:
    with open_file(path, "an image, a folder of images, an .npy, .npz or IDX file") as file:
        start = file.read(8)
    if start.startswith(_NPY):
        return read_npy(path, accept)
    if start.startswith(_ZIP):
        key = _npz_key(path)
        return read_npz(path, [key], lambda headers: accept(*headers[key]))[key]
    if start.startswith((_GZIP, _IDX)):
        return read_idx(path, lambda shape: accept(shape, np.dtype(np.uint8)))
    raise DataError(
        str(path),
        expected="a PNG image, an .npy, .npz or IDX file",
        received=f"a file that starts with {start!r}" if start else "an empty file",
        next_step="Save pictures as PNG and numbers with numpy.save.",
    )


def _npz_key(path: Path) -> str:
    keys = npz_keys(path)
    for key in _NPZ_KEYS:
        if key in keys:
            return key
    if len(keys) == 1:
        return keys[0]
    raise DataError(
        str(path),
        expected="an array named x or x_test, or one array only",
        received=f"arrays named {', '.join(keys)}" if keys else "no array",
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
