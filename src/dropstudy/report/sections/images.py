"""Arrays as pictures that a page holds in itself."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def data_address(pixels: NDArray[np.uint8], width: int, height: int) -> str:
    """A PNG as a `data:` address; a large image has at most two pixels for each of the page, in both directions.

    Args:
        pixels: (rows, columns) in shades of grey, or (rows, columns, 2) with opacity, 3 in colours or 4 with opacity.
        width: pixels of the page.
        height: likewise.
    """
    image = Image.fromarray(pixels)
    image.thumbnail((2 * width, 2 * height))
    stream = io.BytesIO()
    image.save(stream, format="PNG", compress_level=4)  # more takes longer and gains nothing
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def tiles(images: ArrayLike, columns: int, *, gap: int = 1) -> NDArray[np.uint8]:
    """Signed images as one sheet: each scaled by its own largest value, zero in mid grey, gaps see-through.

    Args:
        images: (count, rows, columns, 1 for grey or 3 for colours).
        columns: images in a row.
        gap: pixels between two.

    Returns:
        Grey or colours, and opacity, (rows, columns, 2 or 4).
    """
    stack = np.asarray(images, dtype=np.float64)
    count, height, width, channels = stack.shape
    largest = np.abs(stack).max(axis=(1, 2, 3), keepdims=True)
    levels = np.round(127.5 + 127.5 * stack / np.where(largest > 0, largest, 1)).astype(np.uint8)
    rows = -(-count // columns)
    sheet = np.zeros(
        (rows * (height + gap) - gap, min(count, columns) * (width + gap) - gap, channels + 1), np.uint8
    )
    for number, image in enumerate(levels):
        top, left = (number // columns) * (height + gap), (number % columns) * (width + gap)
        sheet[top : top + height, left : left + width, :-1] = image
        sheet[top : top + height, left : left + width, -1] = 255
    return sheet
