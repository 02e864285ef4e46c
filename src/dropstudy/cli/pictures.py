"""Show a few images of a dataset: in the terminal, or all classes in a picture file."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

from dropstudy.cli.output import echo
from dropstudy.core.streams import is_terminal, raw_stream
from dropstudy.data.images import as_images, visible
from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dropstudy.core.dataset import Dataset

_SHEET_CLASSES, _OF_CLASS, _SHEET_SIDE = 30, 10, 64  # pixels
_TERMINAL_IMAGES, _TERMINAL_SIDE = 5, 14  # columns
_GAP = 2
_COLOURS = {"256", "truecolor"}


def print_some(dataset: Dataset) -> None:
    """Print the first image of a few classes, two pixels in a character, where the terminal has the colours."""
    console = Console(file=raw_stream(sys.stdout))
    colours = console.color_system in _COLOURS and not console.no_color
    if not is_terminal() or not colours or console.options.ascii_only:
        return
    images = _first(dataset, _TERMINAL_IMAGES, 1, _TERMINAL_SIDE)
    if not images:
        return
    pixels = np.asarray(_sheet([[image for row in images for image in row]], _TERMINAL_SIDE, 1))
    shown = Text(no_wrap=True)
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
            shown.append("▀", Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below)))
        shown.append("\n")
    console.print(shown, soft_wrap=True)


def write_sheet(dataset: Dataset, path: Path, *, source: str) -> None:
    """Write the first images of each class to a PNG file, a class in a row.

    Raises:
        InvalidArgument: the examples are no images, or the file may not be written.
    """
    from dropstudy.core.atomic import write_bytes
    from dropstudy.store.outputs import refuse_overwriting

    if path.suffix.lower() != ".png":
        raise InvalidArgument("--pictures", expected="the name of a .png file", received=repr(str(path)))
    refuse_overwriting(path, inputs=(source,), kind=".png")
    images = _first(dataset, _SHEET_CLASSES, _OF_CLASS, _SHEET_SIDE)
    if not images:
        raise InvalidArgument(
            "--pictures", expected="data that are images", received=f"examples of shape {dataset.input_shape}"
        )
    stream = io.BytesIO()
    _sheet(images, _SHEET_SIDE, _GAP).save(stream, format="PNG")
    write_bytes(path, stream.getvalue())
    echo(f"The first {_OF_CLASS} training images of each class, a class in a row: {path}")


def _first(dataset: Dataset, classes: int, of_class: int, side: int) -> list[list[Image.Image]]:
    """First training images of the first classes, each within a square; empty where examples are no images."""
    if dataset.table is not None or as_images(dataset.x_train[:1]) is None:
        return []
    found = []
    for number in range(min(classes, len(dataset.classes))):
        rows = np.flatnonzero(dataset.y_train == number)[:of_class]
        images = as_images(dataset.x_train[rows])
        assert images is not None  # noqa: S101 - the first one is an image
        low, high = dataset.profile.low, dataset.profile.white or dataset.profile.high
        found.append(
            [_within(visible(image - min(low, 0), high - min(low, 0) or 1), side) for image in images]
        )
    return found


def _within(pixels: NDArray[np.uint8], side: int) -> Image.Image:
    """Image that fits a square: enlarged a whole number of times, or made smaller."""
    image = Image.fromarray(pixels).convert("RGB")
    longest = max(image.size)
    if longest <= side:
        return ImageOps.scale(image, side // longest, Image.Resampling.NEAREST)
    return ImageOps.contain(image, (side, side), Image.Resampling.BOX)


def _sheet(rows: Sequence[Sequence[Image.Image]], side: int, gap: int) -> Image.Image:
    """Images in rows, each in the middle of a square."""
    step = side + gap
    columns = max(map(len, rows))
    sheet = Image.new("RGB", (columns * step - gap, len(rows) * step - gap), "grey")
    for down, row in enumerate(rows):
        for right, image in enumerate(row):
            left, top = ((side - length) // 2 for length in image.size)
            sheet.paste(image, (right * step + left, down * step + top))
    return sheet
