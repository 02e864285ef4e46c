"""One image file as an array: checked by its header, upright, laid on a background, in one size."""

from __future__ import annotations

import struct
import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import ExifTags, Image, ImageChops, ImageOps, UnidentifiedImageError

from dropstudy.data.formats.files import open_file, reporting_damage
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "BYTE",
    "DEEP",
    "IMAGE_STARTS",
    "IMAGE_SUFFIXES",
    "Form",
    "Header",
    "quiet",
    "read_header",
    "read_image",
    "shares_and_opacity",
]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".tif", ".tiff", ".webp")
IMAGE_STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"GIF8", b"II*\0", b"MM\0*", b"RIFF")
"""First bytes of these files."""

BYTE = 255.0
"""White in an image of 8 bits."""

DEEP = 65535.0
"""White in an image of 16 bits."""

_KIND = "an image"
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
_GREY = {"1", "L", "LA"}
_COLOUR = {"P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}
_DEEP = {"I;16", "I;16L", "I;16B", "I;16N"}
_MOST_PIXELS = 8192 * 8192  # more than cameras take; three quarters of what Pillow takes for a bomb
_SAMPLED = 128  # rows and columns in which the background of an image is looked for
_SHOWN = 8  # bytes of a file of another kind that its error shows


@dataclass(frozen=True)
class Header:
    """What the header of an image says.

    Args:
        width: of the upright image.
        height: likewise.
        grey: true for modes without colour; grey images may be stored in colour.
        deep: true for 16 bits of grey.
        transparent: true where pixels can be transparent.
        turned: true where its EXIF data say that it is to be turned or mirrored.
        frames: number of frames or pages, of which the first is read.
    """

    width: int
    height: int
    grey: bool
    deep: bool
    transparent: bool
    turned: bool
    frames: int


@dataclass(frozen=True)
class Form:
    """The form that images are brought to.

    Args:
        width: of the result; an image of another size is resized with its ratio kept, and padded.
        height: likewise.
        mode: `L` for grey, `RGB` for colour, `I;16` for grey of 16 bits.
        background: value that padding and what is below transparent pixels have, from 0 to white.
        white: value of white.
        invert: true to swap light and dark.
    """

    width: int
    height: int
    mode: Literal["L", "RGB", "I;16"]
    background: float = 0.0
    white: float = BYTE
    invert: bool = False


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's warnings in all threads: large images and damaged files are refused by rules of our own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_header(path: Path) -> Header:
    """Read what an image is, without unpacking it.

    Raises:
        DataError: no image, damaged, of more pixels than a camera takes, or of a mode without a certain white.
    """
    with _opened(path) as image:
        turned = _orientation(image)
        # These exchange rows and columns; of a TIFF Pillow tells the upright size, and turns it itself.
        exchanged = turned in {5, 6, 7, 8} and image.format != "TIFF"
        width, height = image.size[::-1] if exchanged else image.size
        return Header(
            width=width,
            height=height,
            grey=image.mode in _GREY | _DEEP,
            deep=image.mode in _DEEP,
            transparent=image.mode not in _DEEP and image.has_transparency_data,
            turned=turned != 1,
            frames=getattr(image, "n_frames", 1),
        )


def read_image(path: Path, form: Form) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], bool]:
    """Read an image, and whether a part of it is transparent.

    Colour becomes grey as Pillow does it (ITU-R 601-2 luma). Images are resized with an antialiasing filter.

    Returns:
        (height, width), or (height, width, 3) for `RGB`; uint8, or uint16 for `I;16`.

    Raises:
        DataError: as of `read_header`, or pixels that are damaged or cut short.
    """
    with _opened(path) as image:
        upright = _upright(image, form)
        if form.mode == "I;16":
            values = np.asarray(upright, np.float32)
            flat = Image.fromarray(form.white - values if form.invert else values)
            deep = np.asarray(_fitted(flat, form, form.background))
            return np.rint(np.clip(deep, 0, DEEP)).astype(np.uint16), False
        level = round(form.background)
        colour = (level,) * 3 if form.mode == "RGB" else level
        see_through = upright.has_transparency_data
        source = upright.convert("RGBA") if see_through else upright
        flat = source.convert(form.mode)
        flat = ImageChops.invert(flat) if form.invert else flat
        if see_through:
            opacity = source.getchannel("A")
            see_through = opacity.getextrema()[0] != BYTE
            flat = Image.composite(flat, Image.new(form.mode, flat.size, colour), opacity)
        return np.array(_fitted(flat, form, colour)), see_through


def shares_and_opacity(path: Path) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Read the colours of an image, (rows, columns, channels), from 0 to 1 for white, and which pixels are opaque.

    Of a large image every second, third or further row and column is taken.

    Raises:
        DataError: as of `read_image`.
    """
    with _opened(path) as image:
        image.draft(None, (_SAMPLED, _SAMPLED))
        step = slice(None, None, max(1, max(image.size) // _SAMPLED))
        if image.mode in _DEEP:
            shares = np.asarray(image)[step, step, None] / DEEP
            return shares, np.ones(shares.shape[:2], bool)
        pixels = np.asarray(image.convert("RGBA"))[step, step]
        return pixels[..., :3] / BYTE, pixels[..., 3] == BYTE


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """An image whose header is read and checked; what goes wrong while it is unpacked names its file."""
    with open_file(path, _KIND) as file, reporting_damage(str(path), _KIND):
        try:
            image = Image.open(file, formats=_FORMATS)
        except UnidentifiedImageError as error:
            file.seek(0)
            start = file.read(_SHOWN)
            raise DataError(
                str(path),
                expected=_KIND,
                received=f"a damaged file or one of another kind, which starts with {start!r}"
                if start
                else "an empty file",
                next_step="Get or write the file again, or take it out of the folder.",
            ) from error
        with image:
            _check(image, path)
            yield image


def _check(image: Image.Image, path: Path) -> None:
    if image.mode not in _GREY | _COLOUR | _DEEP:
        raise DataError(
            str(path),
            expected="an image with 8 bits per channel, or 16 bits of grey",
            received=f"one of Pillow's mode {image.mode}, whose white has no certain value",
            next_step="Save it with 8 bits per channel, or give the numbers as an .npy file.",
        )
    if image.width * image.height > _MOST_PIXELS:
        raise DataError(
            str(path),
            expected=f"an image of at most {_MOST_PIXELS:,} pixels",
            received=f"one {image.width} wide and {image.height} high",
            next_step="Save it smaller.",
        )


def _orientation(image: Image.Image) -> int:
    """Return EXIF's number for how an image is to be turned, 1 for not at all."""
    # Pillow would unpack a PNG to find EXIF data behind its pixels, where few programs look.
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    turned = 1
    with suppress(SyntaxError, ValueError, KeyError, TypeError, struct.error):  # damaged EXIF data
        turned = image.getexif().get(ExifTags.Base.Orientation, 1)
    return turned if turned in range(1, 9) else 1


def _upright(image: Image.Image, form: Form) -> Image.Image:
    turned = _orientation(image)
    # Unpacks a JPEG at a half, a quarter or an eighth of its size where that is still twice what is needed.
    image.draft(None, (2 * max(form.width, form.height),) * 2)
    return image if turned == 1 or image.format == "TIFF" else ImageOps.exif_transpose(image)


def _fitted(image: Image.Image, form: Form, colour: float | tuple[int, ...]) -> Image.Image:
    size = (form.width, form.height)
    # Pillow's types leave out that images of floats are filled with one.
    return image if image.size == size else ImageOps.pad(image, size, color=colour)  # type: ignore[arg-type]
