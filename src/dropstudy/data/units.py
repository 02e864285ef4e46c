"""Units of examples: found from the values of the training data; all later examples are converted to them.

A network sees `x / scale`. Types do not give units: the same pixels come as uint8, int64 or float, from 0 to 255
or divided already. So the values decide, by the rules in `docs/semantics.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dropstudy.core.profile import DataProfile
from dropstudy.data.images import FLAT_IMAGE, as_images, border
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dropstudy.data.source import Scale

__all__ = ["conversion", "profile_of"]

_MOST_UNEVEN = 10  # tables have columns this many times smaller than the largest one; images have not
_FAR = 10  # times larger or smaller than the training data: other units
_DARK = 8  # times darker than white: a dark image or other units
_SMALL, _LARGE = 0.01, 4.0  # root mean square of inputs below and above which training suffers; 1 is best
_ROWS = 4096  # per pass
_SAMPLED = 2000  # examples whose border is counted
_LARGEST_DEPTH = 16  # bits of a pixel


class _Values(NamedTuple):
    """Summary of examples: smallest and largest value, whether all are whole, root mean square.

    `typical` is the mean size of the values other than 0, in the median column. `uneven` is true where the largest
    values of a quarter of the columns stay far below the largest of all.
    """

    low: float
    high: float
    whole: bool
    typical: float
    rms: float
    uneven: bool


def _summary(x: NDArray[Any]) -> _Values:
    """Summarise examples, (n, ...), in one pass, a few thousand at a time."""
    flat = x.reshape(len(x), -1)
    whole = x.dtype.kind in "bui"
    sums, counts, highest = (np.zeros(flat.shape[1]) for _ in range(3))
    lows, highs, squares = [], [], 0.0
    for first in range(0, len(flat), _ROWS):
        rows = flat[first : first + _ROWS]
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


def profile_of(x: NDArray[Any], *, dtype: str, scale: Scale) -> tuple[DataProfile, tuple[str, ...]]:
    """Return the profile of training examples, with the scale, and notes for the user.

    Args:
        x: training examples, (n, *input_shape), uint8 or float32.
        dtype: the type in which they were stored.
        scale: the divisor, or `auto` to find it from their values.
    """
    values = _summary(x)
    shape = tuple(x.shape[1:])
    white = _white(values, shape)
    divisor = float(white or 1) if scale == "auto" else float(scale)
    if white is None and values.low >= 0 and divisor / 2 < values.high <= divisor and _image_like(shape):
        white = divisor
    background, share = _background(x)
    profile = DataProfile(
        dtype=dtype,
        shape=shape,
        low=values.low,
        high=values.high,
        whole=values.whole,
        typical=values.typical,
        scale=divisor,
        white=white,
        background=background,
        background_share=share,
    )
    return profile, _notes(profile, values.rms / divisor, given=scale != "auto")


def _image_like(shape: tuple[int, ...]) -> bool:
    return len(shape) > 1 or shape[0] >= FLAT_IMAGE


def _white(values: _Values, shape: tuple[int, ...]) -> float | None:
    """Return the value of white where the values are pixels, else None.

    Whole numbers are pixels: up to 1, up to 16 as in the 8x8 digits, up to 255, up to 2^b - 1 for more bits. Images may
    hold fractions too. Negative values are no pixels, nor are rows of a table, whose columns differ widely.
    """
    table = len(shape) == 1 and (values.uneven or (values.high > 255 and not _image_like(shape)))  # noqa: PLR2004 - of a byte
    if values.low < 0 or values.high <= 0 or table:
        return None
    if values.high <= 1:
        return 1.0 if _image_like(shape) and (values.whole or values.high > 0.5) else None  # noqa: PLR2004 - half of white
    if values.high <= 16:  # noqa: PLR2004 - the digits' white
        return 16.0 if values.whole and _image_like(shape) else None
    if not values.whole and len(shape) == 1:
        return None
    bits = next((bits for bits in range(8, _LARGEST_DEPTH + 1) if values.high < 2**bits), None)
    return None if bits is None else float(2**bits - 1)


def _notes(profile: DataProfile, size: float, *, given: bool) -> tuple[str, ...]:
    """Describe the divisor of the inputs and its reason, and warn of inputs too large or too small to train on."""
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
    """Return the most frequent value along the border and its share, or None twice where examples are no images."""
    images = as_images(x[:: -(-len(x) // _SAMPLED)])
    if images is None:
        return None, None
    values, counts = np.unique(border(images), return_counts=True)
    most = int(counts.argmax())
    return float(values[most]), float(counts[most] / counts.sum())


def conversion(
    profile: DataProfile, x: NDArray[Any], *, boolean: bool = False, subject: str, next_step: str
) -> tuple[float, list[str]]:
    """Return the factor that converts examples to the units of the training data, and a note unless it is 1.

    Args:
        profile: of the training data.
        x: examples, (n, *input_shape), uint8 or float32.
        boolean: true where they were stored as True and False.
        subject: their name in errors: a file, or `x_test of data.npz`.
        next_step: advice for values in unclear units, a sentence.

    Raises:
        DataError: they are far outside the training data's range, or their units are ambiguous.
    """
    values = _summary(x)
    factor = _factor(profile, values, boolean=boolean)
    holds = _range(values.low, values.high, whole=values.whole)
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


def _factor(profile: DataProfile, values: _Values, *, boolean: bool) -> float | str:
    """Return the factor that converts values to the units of the training data, or the reason why none does."""
    if values.low == values.high == 0:
        return 1.0
    if profile.white is None:
        ratio = values.typical / profile.typical if profile.typical else 1.0
        return 1.0 if 1 / _FAR < ratio < _FAR else f"typically {ratio:.3g} times as large"
    if values.low < -values.high / _FAR:
        return "the training data hold nothing negative"
    if boolean or (not values.whole and values.high <= 1):
        return profile.white
    return _factor_of_pixels(profile.white, values, profile.shape)


def _factor_of_pixels(white: float, values: _Values, shape: tuple[int, ...]) -> float | str:
    if values.high * _DARK < white or (values.whole and values.high == 1 < white):
        return "very dark images, or images in other units"
    if values.high <= 2 * white:
        return 1.0
    other = _white(values, shape)
    if other is None or other <= white:
        return f"up to {values.high / white:.4g} times white"
    if other == 16 and values.high < 15:  # noqa: PLR2004 - one below the digits' white
        return "too few levels to infer white"
    return white / other
