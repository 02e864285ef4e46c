"""The units of examples: found from the values of the training data, and everything later held against them.

What a network sees is `x / scale`. Types say nothing about units: the same pixels come as uint8, int64 or float, from
0 to 255 or divided already. So the values decide, by rules that are written down in `docs/semantics.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from dropstudy.core.profile import DataProfile
from dropstudy.data.images import FLAT_IMAGE, as_images, border
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["conversion", "profile_of"]

_MOST_UNEVEN = 10  # a table has columns this many times smaller than its largest; an image has not
_FAR = 10  # times larger or smaller than the training data: other units
_DARK = 8  # an image this many times darker than white could as well be in other units
_LARGE = 4.0  # root mean square of inputs, where 1 is what training likes
_SMALL = 0.01
_ROWS = 4096  # looked at together
_SAMPLED = 2000  # examples whose border is looked at
_LARGEST_DEPTH = 16  # bits of a pixel


class _Values(NamedTuple):
    """Summary of the values of examples.

    Args:
        low: the smallest.
        high: the largest.
        whole: true where all are whole numbers.
        typical: size of a number that is not 0, in the median column.
        rms: root mean square.
        uneven: true where a quarter of the columns stays far below the largest one.
    """

    low: float
    high: float
    whole: bool
    typical: float
    rms: float
    uneven: bool


def _spread(x: NDArray[Any]) -> _Values:
    """Look through examples, (n, ...), once, a few thousand at a time."""
    flat = x.reshape(len(x), -1)
    whole = x.dtype.kind in "bui"
    sums, counts, highest = (np.zeros(flat.shape[1]) for _ in range(3))
    lows, highs, squares = [], [], 0.0
    for rows in _pieces(flat):
        lows.append(float(rows.min()))
        highs.append(float(rows.max()))
        whole = whole or bool((rows == np.floor(rows)).all())
        size = np.abs(rows) if lows[-1] < 0 else rows
        sums += size.sum(axis=0, dtype=np.float64)
        counts += np.count_nonzero(rows, axis=0)
        np.maximum(highest, size.max(axis=0), out=highest)
        squares += float(np.einsum("ij,ij->", rows, rows, dtype=np.float64))
    used = counts > 0
    typical = float(np.median(sums[used] / counts[used])) if used.any() else 0.0
    uneven = bool(used.any() and np.quantile(highest[used], 0.25) * _MOST_UNEVEN < highest.max())
    return _Values(min(lows), max(highs), whole, typical, float(np.sqrt(squares / flat.size)), uneven)


def _pieces(flat: NDArray[Any]) -> Iterator[NDArray[Any]]:
    for first in range(0, len(flat), _ROWS):
        yield flat[first : first + _ROWS]


def profile_of(
    x: NDArray[Any], *, dtype: str, scale: float | Literal["auto"]
) -> tuple[DataProfile, tuple[str, ...]]:
    """Profile of training examples, the scale (derived where none is given), and a remark on both.

    Args:
        x: training examples, (n, *input_shape), uint8 or float32.
        dtype: the type in which they were stored.
        scale: what they are divided by, or `auto` to find it from their values.
    """
    seen = _spread(x)
    shape = tuple(x.shape[1:])
    white = _white(seen, shape)
    found = 1.0 if white is None else white
    divisor = found if scale == "auto" else float(scale)
    if white is None and seen.low >= 0 and divisor / 2 < seen.high <= divisor and _image_like(shape):
        white = divisor
    background, share = _background(x)
    profile = DataProfile(
        dtype=dtype,
        shape=shape,
        low=seen.low,
        high=seen.high,
        whole=seen.whole,
        typical=seen.typical,
        scale=divisor,
        white=white,
        background=background,
        background_share=share,
    )
    return profile, _said(profile, seen.rms / divisor, given=scale != "auto")


def _image_like(shape: tuple[int, ...]) -> bool:
    return len(shape) > 1 or shape[0] >= FLAT_IMAGE


def _white(seen: _Values, shape: tuple[int, ...]) -> float | None:
    """The number that stands for white where the values are pixels, else None.

    Whole numbers are pixels: up to 1, up to 16 as the 8x8 digits have them, up to 255, up to 2^b - 1 for more bits. So
    are images of numbers between those. Rows of a table, whose columns differ widely, are not; nor is what is negative.
    """
    table = len(shape) == 1 and (seen.uneven or (seen.high > 255 and not _image_like(shape)))  # noqa: PLR2004 - of a byte
    if seen.low < 0 or seen.high <= 0 or table:
        return None
    if seen.high <= 1:
        return 1.0 if _image_like(shape) and (seen.whole or seen.high > 0.5) else None  # noqa: PLR2004 - half of white
    if seen.high <= 16:  # noqa: PLR2004 - the digits' white
        return 16.0 if seen.whole and _image_like(shape) else None
    if not seen.whole and len(shape) == 1:
        return None
    bits = next((bits for bits in range(8, _LARGEST_DEPTH + 1) if seen.high < 2**bits), None)
    return None if bits is None else float(2**bits - 1)


def _said(profile: DataProfile, size: float, *, given: bool) -> tuple[str, ...]:
    """Lines for whoever starts a study: what inputs are divided by and why, and what spoils training."""
    how = f"divided by {profile.scale:g}" if profile.scale != 1 else "not divided"
    why = "as the study sets it" if given else "--scale sets another divisor"
    values = _range(profile.low, profile.high, whole=profile.whole)
    line = f"Inputs are {how}: x_train holds {values}, stored as {profile.dtype} ({why})."
    if _SMALL < size < _LARGE:
        return (line,)
    advice = (
        f"These inputs are {size:.3g} in the root mean square, where about 1 trains well: bring each column to mean 0 "
        "and standard deviation 1, or divide all with --scale."
    )
    return line, advice


def _range(low: float, high: float, *, whole: bool) -> str:
    return f"{'whole ' if whole else ''}numbers from {low:.6g} to {high:.6g}"


def _background(x: NDArray[Any]) -> tuple[float | None, float | None]:
    """The most frequent value along the border, and its share; both None where examples are no images."""
    images = as_images(x[:: -(-len(x) // _SAMPLED)])
    if images is None:
        return None, None
    values, counts = np.unique(border(images), return_counts=True)
    most = int(counts.argmax())
    return float(values[most]), float(counts[most] / counts.sum())


def conversion(
    profile: DataProfile, x: NDArray[Any], *, boolean: bool = False, subject: str, next_step: str
) -> tuple[float, list[str]]:
    """The factor that brings examples to the units of the training data, and a word where it is not 1.

    Args:
        profile: of the training data.
        x: examples, (n, *input_shape), uint8 or float32.
        boolean: true where they were stored as True and False.
        subject: what to call them in errors: a file, or `x_test of data.npz`.
        next_step: advice for values in unclear units, a sentence.

    Raises:
        DataError: they lie far outside the training data's range, or could be in one unit as well as in another.
    """
    seen = _spread(x)
    factor = _factor(profile, seen, boolean=boolean)
    holds = _range(seen.low, seen.high, whole=seen.whole)
    if isinstance(factor, str):
        raise DataError(
            subject,
            expected="examples in the units of the training data, "
            f"{_range(profile.low, profile.high, whole=profile.whole)}",
            received=f"{holds}: {factor}",
            next_step=next_step,
        )
    if factor == 1:
        return 1.0, []
    how = f"divided by {1 / factor:.6g}" if factor < 1 else f"multiplied by {factor:.6g}"
    return factor, [f"{subject} holds {holds}: {how}, since the training data reach {profile.high:.6g}."]


def _factor(profile: DataProfile, seen: _Values, *, boolean: bool) -> float | str:
    """Factor that brings values to the units of the training data, or the reason why none does."""
    if seen.low == seen.high == 0:
        return 1.0
    if profile.white is None:
        ratio = seen.typical / profile.typical if profile.typical else 1.0
        return 1.0 if 1 / _FAR < ratio < _FAR else f"typically {ratio:.3g} times as large"
    if seen.low < -seen.high / _FAR:
        return "the training data hold nothing negative"
    if boolean or (not seen.whole and seen.high <= 1):
        return profile.white
    return _factor_of_pixels(profile.white, seen, profile.shape)


def _factor_of_pixels(white: float, seen: _Values, shape: tuple[int, ...]) -> float | str:
    if seen.high * _DARK < white or (seen.whole and seen.high == 1 < white):
        return "very dark images, or images in other units"
    if seen.high <= 2 * white:
        return 1.0
    other = _white(seen, shape)
    if other is None or other <= white:
        return f"up to {seen.high / white:.4g} times white"
    if other == 16 and seen.high < 15:  # noqa: PLR2004 - the digits' white, or one less
        return "too few levels to tell what white is"
    return white / other
