"""PNG images as examples: on the background of the training data and in its size."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageChops, ImageOps

from dropstudy.core.text import counted
from dropstudy.data.formats.files import open_file, reporting_damage
from dropstudy.data.images import image_shape, square_shape
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from dropstudy.core.profile import DataProfile

__all__ = ["BYTE", "read_images"]

BYTE = 255.0
"""White in an image of 8 bits."""

_KIND = "a PNG image"
_EIGHT_BIT_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA"}
_MOST_PIXELS = 4096 * 4096  # 64 MB with its background; no network here needs as many


class _Image(NamedTuple):
    pixels: NDArray[np.uint8]
    transparent: bool
    resized: bool


def read_images(
    paths: Sequence[Path], profile: DataProfile, *, invert: bool
) -> tuple[NDArray[np.uint8], list[str]]:
    """Read images into (n, *input_shape), 0 to 255, and list the changes that were made to them.

    Colour becomes grey as Pillow does it (ITU-R 601-2 luma), but for networks that take (height, width, 3). Transparent
    areas get the background of the training data. Other sizes are resized with their ratio kept, and padded with that
    background.

    Raises:
        DataError: an image cannot be read, is very large, or the network takes no images.
    """
    grey = 0
    if profile.background is not None and profile.white is not None:
        grey = round(min(max(profile.background / profile.white, 0.0), 1.0) * BYTE)
    height, width, channels = _shape(profile.shape, paths[0])
    mode = "RGB" if channels == 3 else "L"  # noqa: PLR2004 - red, green and blue
    images = [_read_image(path, (width, height), mode, grey, invert=invert) for path in paths]
    transparent, resized = (
        sum(getattr(image, what) for image in images) for what in ("transparent", "resized")
    )
    changes = (
        (transparent, f"transparent: laid on {grey} of 255, the training data's background."),
        (
            resized,
            f"of another size: resized to {width} wide and {height} high, ratio kept, padded with {grey} of 255.",
        ),
        (len(images) * invert, "inverted."),
    )
    notes = [
        f"{count:,} of {counted(len(images), 'image')} {'was' if count == 1 else 'were'} {change}"
        for count, change in changes
        if count
    ]
    return np.stack([image.pixels.reshape(profile.shape) for image in images]), notes


def _read_image(path: Path, size: tuple[int, int], mode: str, grey: int, *, invert: bool) -> _Image:
    colour = (grey,) * 3 if mode == "RGB" else grey
    with (
        open_file(path, _KIND) as file,
        reporting_damage(str(path), _KIND),
        warnings.catch_warnings(),
    ):
        # Pillow only warns of images of 90 to 180 million pixels; no network here takes one.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(file, formats=["PNG"]) as image:
            _check_image(image, path)  # by its header, before it is unpacked
            transparent = image.has_transparency_data
            source = image.convert("RGBA") if transparent else image
            flat = source.convert(mode)
            flat = ImageChops.invert(flat) if invert else flat
            if transparent:
                background = Image.new(mode, flat.size, colour)
                flat = Image.composite(flat, background, source.getchannel("A"))
            resized = flat.size != size
            return _Image(
                np.array(ImageOps.pad(flat, size, color=colour) if resized else flat), transparent, resized
            )


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


def _shape(input_shape: tuple[int, ...], path: Path) -> tuple[int, int, int]:
    """Return rows, columns and channels of the images that a network takes; flat ones are squares."""
    shape = image_shape(input_shape) or square_shape(input_shape)
    if shape is None:
        raise DataError(
            str(path),
            expected=f"examples of shape {input_shape}, which no image has",
            received="an image",
            next_step="Give the numbers as an .npy file.",
        )
    return shape
