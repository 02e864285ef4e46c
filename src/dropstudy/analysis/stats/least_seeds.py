"""Search for the least number of seeds that is enough."""

from __future__ import annotations

from bisect import bisect_left
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST = 10_000
"""What takes more seeds is out of reach."""


def least_seeds(too_few: int, is_enough: Callable[[int], bool]) -> float:
    """The least number above one that is too few, found by doubling and halving.

    Args:
        too_few: the number.
        is_enough: true of a number of seeds, and then of all above it.

    Returns:
        A whole number, or infinity above 10,000.
    """
    low, high = too_few, too_few + 1
    while not is_enough(high):
        if high >= _MOST:
            return inf
        low, high = high, min(2 * high, _MOST)
    return low + 1 + bisect_left(range(low + 1, high), True, key=is_enough)
