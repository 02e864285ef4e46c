"""A drawn digit in the form of the training examples, without which a network reads it badly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["Form", "form_of"]

_WHITE = 255


def as_mnist(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a drawing as MNIST has its digits: fitted into 20 x 20, its centre of mass in the middle of 28 x 28.

    Y. LeCun, C. Cortes and C. Burges, The MNIST database of handwritten digits, http://yann.lecun.com/exdb/mnist/.

    Args:
        ink: (side, side), from 0 for paper to 255.

    Returns:
        (28, 28), from 0 to 255.
    """
    drawn = _cropped(ink)
    scale = 20 / max(drawn.shape)
    digit = _resized(drawn, *(max(1, round(scale * size)) for size in drawn.shape))
    field = np.zeros((28, 28), np.uint8)
    corner = []
    for axis, size in enumerate(digit.shape):
        mass = digit.sum(axis=1 - axis, dtype=np.float64)
        centre = mass @ np.arange(size) / mass.sum() if mass.any() else size / 2
        corner.append(int(np.clip(round(14 - centre), 0, 28 - size)))
    field[corner[0] : corner[0] + digit.shape[0], corner[1] : corner[1] + digit.shape[1]] = digit
    return field


def as_digits(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a drawing as scikit-learn's digits are: 32 high, at most 24 wide, counted in blocks of 4 x 4.

    They come from bitmaps of 32 x 32 that NIST's programs normalised. Nearly all fill the height and 6 of 8 columns.

    Args:
        ink: as for `as_mnist`.

    Returns:
        (8, 8), from 0 to 16.
    """
    drawn = _cropped(ink)
    height, width = drawn.shape
    wide = min(24, max(1, round(32 * width / height)))
    field = np.zeros((32, 32), np.uint8)
    left = (32 - wide) // 2
    field[:, left : left + wide] = _resized(drawn, 32, wide)
    counts = field.reshape(8, 4, 8, 4).sum(axis=(1, 3), dtype=np.float64) / _WHITE
    digit: NDArray[np.uint8] = np.round(counts).astype(np.uint8)
    return digit


@dataclass(frozen=True)
class Form:
    """How digits are drawn and prepared for a dataset.

    Args:
        side: pixels of a side of the drawing; a multiple of that of an example.
        pen: width of the pen in these pixels: a digit that nearly fills the drawing has lines as wide as the data's.
        prepare: makes an example of a drawing.
    """

    side: int
    pen: int
    prepare: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]

    def example(self, ink: bytes) -> NDArray[np.uint8] | None:
        """Prepare a drawing, a byte for each pixel row by row; None where nothing is drawn.

        Raises:
            InvalidArgument: another number of bytes.
        """
        if len(ink) != self.side**2:
            raise InvalidArgument(
                "drawing", expected=f"{self.side**2} bytes, one for each pixel", received=f"{len(ink)}"
            )
        drawing = np.frombuffer(ink, np.uint8).reshape(self.side, self.side)
        return self.prepare(drawing) if drawing.any() else None


_FORMS = {"mnist": Form(140, 10, as_mnist), "digits": Form(128, 12, as_digits)}


def form_of(name: str) -> Form:
    """Form of the digits of a dataset.

    Raises:
        InvalidArgument: a dataset of other things than digits.
    """
    if name not in _FORMS:
        raise InvalidArgument("data", expected=" or ".join(_FORMS), received=repr(name))
    return _FORMS[name]


def _cropped(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The smallest rectangle that holds all ink."""
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _resized(ink: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Average over the area of each new pixel."""
    return np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BOX))
