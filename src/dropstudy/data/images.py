"""Examples as images: which arrays are images, what surrounds them, and how to show one."""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "CLEAR",
    "FLAT_IMAGE",
    "as_images",
    "border",
    "channels_last",
    "image_shape",
    "square_shape",
    "visible",
]

FLAT_IMAGE = 64
"""Features from which on flat examples can be images; fewer are the columns of a table."""

CLEAR = 0.5
"""Share of the border that one value must have to count as the background."""


def image_shape(input_shape: Sequence[int]) -> tuple[int, int, int] | None:
    """Return rows, columns and channels where examples of this shape are images, else None."""
    match tuple(input_shape):
        case (rows, columns):
            return rows, columns, 1
        case (rows, columns, 1 | 3 as channels):
            return rows, columns, channels
    return None


def square_shape(input_shape: Sequence[int]) -> tuple[int, int, int] | None:
    """Return the shape of square grey images where flat examples can be such, else None."""
    match tuple(input_shape):
        case (features,) if isqrt(features) ** 2 == features:
            return isqrt(features), isqrt(features), 1
    return None


def channels_last(x: NDArray[Any]) -> NDArray[Any] | None:
    """Return images (n, 1 or 3, rows, columns) as (n, rows, columns, 1 or 3); None for examples of other shapes.

    Images of up to 3 rows or columns could be meant either way, and stay as they are.
    """
    match x.shape:
        case (_, 1 | 3, rows, columns) if min(rows, columns) > 3:  # noqa: PLR2004 - the most channels
            return np.ascontiguousarray(np.moveaxis(x, 1, -1))
    return None


def as_images(x: NDArray[Any]) -> NDArray[Any] | None:
    """Return examples as images, (n, rows, columns, channels), or None where they are none."""
    shape = image_shape(x.shape[1:]) or (square_shape(x.shape[1:]) if x[0].size >= FLAT_IMAGE else None)
    return None if shape is None else x.reshape(len(x), *shape)


def border(images: NDArray[Any]) -> NDArray[Any]:
    """Return the values along the border of images (n, rows, columns, channels), (n, values)."""
    edges = (images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1])
    return np.concatenate([edge.reshape(len(images), -1) for edge in edges], axis=1)


def visible(x: NDArray[np.generic], scale: float) -> NDArray[np.uint8]:
    """Return an image with values from 0 to 255, as image files hold them.

    Args:
        x: (rows, columns) or (rows, columns, 1 or 3), from 0 to `scale`.
        scale: the brightest value.

    Returns:
        (rows, columns) in shades of grey, or (rows, columns, 3).
    """
    shares = np.clip(np.asarray(x, dtype=np.float64) / scale, 0, 1)
    values: NDArray[np.uint8] = np.round(255 * shares).astype(np.uint8)
    return values[..., 0] if values.shape[2:] == (1,) else values
