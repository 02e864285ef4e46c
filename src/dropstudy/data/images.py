"""PNG images as examples: laid on the background of the training data, in its size and in its units."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageChops, ImageOps

from dropstudy.data.dataset import damage_named, open_file
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from dropstudy.core.profile import DataProfile

__all__ = ["BYTE", "read_images"]

BYTE = 255.0
"""White in an image of 8 bits."""

_IMAGE = "a PNG image"
_EIGHT_BIT_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA"}
_MOST_PIXELS = 4096 * 4096  # 64 MB while it is laid on a background; no network here needs as many


class _Read(NamedTuple):
    pixels: NDArray[np.uint8]
    transparent: bool
    resized: bool


def read_images(
    paths: Sequence[Path], profile: DataProfile, *, invert: bool
) -> tuple[NDArray[np.uint8], list[str]]:
    """Read images into (n, *input_shape), 0 to 255, and say what had to be done to them.

    Colour becomes grey as Pillow does it (ITU-R 601-2 luma), but for networks that take (height, width, 3). What is
    transparent is laid on the background of the training data. Other sizes are resized, their ratio kept, and filled
    up with that background.

    Raises:
        DataError: an image cannot be read, is very large, or the network takes no images.
    """
    grey = 0
    if profile.background is not None and profile.white is not None:
        grey = round(min(max(profile.background / profile.white, 0.0), 1.0) * BYTE)
    read = [_read_image(path, profile.shape, grey, invert=invert) for path in paths]
    notes = []
    if transparent := sum(image.transparent for image in read):
        notes.append(
            f"{_of(transparent, read)} transparent: laid on {grey} of 255, the training data's background."
        )
    if resized := sum(image.resized for image in read):
        height, width = _size(profile.shape, paths[0])
        notes.append(
            f"{_of(resized, read)} of another size: resized to {width} wide and {height} high, ratio kept, "
            f"filled up with {grey} of 255."
        )
    if inverted := len(read) * invert:
        notes.append(f"{_of(inverted, read)} inverted.")
    return np.stack([image.pixels for image in read]), notes


def _of(count: int, read: Sequence[_Read]) -> str:
    return (
        f"{count:,} of {len(read):,} image{'' if len(read) == 1 else 's'} {'was' if count == 1 else 'were'}"
    )


def _read_image(path: Path, input_shape: tuple[int, ...], grey: int, *, invert: bool) -> _Read:
    height, width = _size(input_shape, path)
    mode = "RGB" if input_shape[2:] == (3,) else "L"
    with (
        open_file(path, _IMAGE) as file,
        damage_named(str(path), _IMAGE),
        warnings.catch_warnings(),
    ):
        # Pillow only warns of images of 90 to 180 million pixels; no network here takes one.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(file, formats=["PNG"]) as image:
            _check_image(image, path)  # by its header, before it is unpacked
            transparent = image.has_transparency_data
            if transparent:
                ink = image.convert("RGBA")
                alpha = ink.getchannel("A")
                flat = ink.convert(mode)
                flat = ImageChops.invert(flat) if invert else flat
                ground = Image.new(mode, flat.size, (grey,) * 3 if mode == "RGB" else grey)
                flat = Image.composite(flat, ground, alpha)
            else:
                flat = image.convert(mode)
                flat = ImageChops.invert(flat) if invert else flat
            resized = flat.size != (width, height)
            if resized:
                flat = ImageOps.pad(flat, (width, height), color=(grey,) * 3 if mode == "RGB" else grey)
            return _Read(np.array(flat).reshape(input_shape), transparent, resized)


def _check_image(image: Image.Image, path: Path) -> None:
    if image.mode not in _EIGHT_BIT_MODES:
        raise DataError(
            str(path),
            expected="an image with 8 bits per channel",
            received=f"one of mode {image.mode}",
            next_step="Save it with 8 bits: Pillow would cut brighter values off, not scale them.",
        )
    if image.width * image.height > _MOST_PIXELS:
        raise DataError(
            str(path),
            expected=f"an image of at most {_MOST_PIXELS:,} pixels",
            received=f"one {image.width} wide and {image.height} high",
            next_step="Resize it to the size on which the network was trained.",
        )


def _size(input_shape: tuple[int, ...], path: Path) -> tuple[int, int]:
    """Height and width of the images that a network takes; flat ones are taken for squares."""
    match input_shape:
        case (features,) if int(features**0.5) ** 2 == features:
            return int(features**0.5), int(features**0.5)
        case (rows, columns) | (rows, columns, 1 | 3):
            return rows, columns
    raise DataError(
        str(path),
        expected=f"examples of shape {input_shape}, which no image has",
        received="an image",
        next_step="Give the numbers as an .npy file.",
    )
