"""Examples without labels, for `dropstudy predict DIR INPUT`: images, folders of images, arrays."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from dropstudy.data.checks import PIXEL_SCALE, damage_named, numbers, open_file
from dropstudy.data.idx import read_idx
from dropstudy.data.npz import npz_keys, read_npy, read_npz
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Examples", "read_examples"]

_PNG, _NPY, _ZIP, _GZIP, _IDX = b"\x89PNG", b"\x93NUMPY", b"PK", b"\x1f\x8b", b"\0\0"
_IMAGE = "a PNG image"
_NPZ_KEYS = ("x", "x_test")
_EIGHT_BIT_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA"}


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples to classify.

    Args:
        x: (n, *input_shape), uint8 or float32, in the raw units of the training data: the network sees
            `x / scale`.
        names: one per example, for people: `seven.png`, `digits.npy[3]`.
    """

    x: NDArray[np.generic]
    names: tuple[str, ...]


def read_examples(path: Path, *, input_shape: tuple[int, ...], scale: float) -> Examples:
    """Read examples from a PNG image, a folder of them (by name), or an `.npy`, `.npz` or IDX file.

    A file's first bytes say what it is, its name does not matter. In a folder the files named `*.png` are
    read, others left alone. An `.npz` gives the array `x`, else `x_test`, else its only one.

    Units:
        An image's black is 0 and its white is `scale`, whatever the training data were: 255 for MNIST,
        16 for the digits, 1 for features. Colour becomes grey as Pillow does it (ITU-R 601-2 luma), but for
        networks that take (height, width, 3).
        Integers in arrays are in the raw units of the training data.
        Floats are so too, unless all lie within [0, 1] while `scale` is not 1: those were divided already,
        as Keras users do, and are multiplied by `scale` here. Booleans count as such floats.

    Args:
        path: the file or folder.
        input_shape: of one example, as the network was trained, for instance (28, 28).
        scale: what the network divides by.

    Returns:
        One or more examples. Arrays may be (n, *input_shape), flat (n, d), or one example without the n.

    Raises:
        DataError: nothing readable there, another size or shape, NaN or infinity. It names the file.
    """
    if path.is_dir():
        return _read_folder(path, input_shape, scale)
    with open_file(path, "an image, a folder of images, an .npy, .npz or IDX file") as file:
        start = file.read(8)
    if start.startswith(_PNG):
        return Examples(_read_image(path, input_shape, scale)[np.newaxis], (path.name,))
    return _from_array(_read_array(path, start), path, input_shape, scale)


def _read_array(path: Path, start: bytes) -> NDArray[Any]:
    if start.startswith(_NPY):
        return read_npy(path)
    if start.startswith(_ZIP):
        key = _npz_key(path)
        return read_npz(path, [key])[key]
    if start.startswith((_GZIP, _IDX)):
        return read_idx(path)
    raise DataError(
        str(path),
        expected=f"{_IMAGE}, an .npy, .npz or IDX file",
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


def _from_array(values: NDArray[Any], path: Path, input_shape: tuple[int, ...], scale: float) -> Examples:
    x = numbers(values, array=path.name, subject=str(path))
    shaped = x.reshape(_batch_shape(x.shape, input_shape, path))
    if values.dtype.kind in "bf" and scale != 1 and x.min() >= 0 and x.max() <= 1:
        shaped = shaped * np.float32(scale)
    return Examples(shaped, tuple(f"{path.name}[{i}]" for i in range(len(shaped))))


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


def _read_folder(folder: Path, input_shape: tuple[int, ...], scale: float) -> Examples:
    with damage_named(str(folder), "a folder of PNG images"):
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() == ".png")
    if not files:
        raise DataError(
            str(folder),
            expected="a folder of PNG images",
            received="one without a file named *.png",
            next_step="Name the folder that holds the images itself, or save them as PNG.",
        )
    images = np.stack([_read_image(file, input_shape, scale) for file in files])
    return Examples(images, tuple(file.name for file in files))


def _read_image(path: Path, input_shape: tuple[int, ...], scale: float) -> NDArray[np.generic]:
    """Read one image into an array of the network's input shape, black 0 and white `scale`."""
    mode = "RGB" if input_shape[2:] == (3,) else "L"
    with (
        open_file(path, _IMAGE) as file,
        damage_named(str(path), _IMAGE),
        warnings.catch_warnings(),
    ):
        # Pillow only warns of images of 90 to 180 million pixels; no network here takes one.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(file, formats=["PNG"]) as image:
            # Only the header has been read so far: an image of another size is refused before it is unpacked.
            _check_image(image, input_shape, path)
            pixels = np.array(image.convert(mode)).reshape(input_shape)
    return pixels if scale == PIXEL_SCALE else pixels * np.float32(scale / PIXEL_SCALE)


def _check_image(image: Image.Image, input_shape: tuple[int, ...], path: Path) -> None:
    if image.mode not in _EIGHT_BIT_MODES:
        raise DataError(
            str(path),
            expected="an image with 8 bits per channel",
            received=f"one of mode {image.mode}",
            next_step="Save it with 8 bits: Pillow would cut brighter values off, not scale them.",
        )
    height, width = image.height, image.width
    match input_shape:
        case (features,):
            fits, wanted = height * width == features, f"an image of {features} pixels"
        case (rows, columns) | (rows, columns, 1 | 3):
            fits, wanted = (height, width) == (rows, columns), f"an image {columns} wide and {rows} high"
        case _:
            fits, wanted = False, f"examples of shape {input_shape}, which no image has"
    if not fits:
        raise DataError(
            str(path),
            expected=wanted,
            received=f"one {width} wide and {height} high",
            next_step="Crop or resize it to the size on which the network was trained.",
        )
