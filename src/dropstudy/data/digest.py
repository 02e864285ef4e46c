"""Digests of arrays that are the same on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from hashlib import _Hash

    from numpy.typing import NDArray

__all__ = ["add_array"]


def add_array(digest: _Hash, array: NDArray[Any]) -> None:
    """Add a line with an array's type and shape to a digest, then its values in C order; all little-endian."""
    portable = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    digest.update(f"{portable.dtype.str} {portable.shape}\n".encode())
    digest.update(portable.data)
