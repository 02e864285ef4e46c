"""Records of bytes without a header, as CIFAR-10's binary files have them; packed with gzip or not.

Format: A. Krizhevsky, The CIFAR-10 dataset, https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dropstudy.data.formats.files import open_unpacked, read_at_most, reporting_damage
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["read_records"]

_KIND = "a file of records"


def read_records(path: Path, count: int, width: int) -> NDArray[np.uint8]:
    """Read a file of `count` records of `width` bytes, (count, width).

    Raises:
        DataError: the file is missing or damaged, or shorter or longer than that.
    """
    size = count * width
    with open_unpacked(path, _KIND) as (stream, _), reporting_damage(str(path), _KIND):
        values = read_at_most(stream, size + 1)  # one byte more: does the file end there?
    if len(values) != size:
        raise DataError(
            str(path),
            expected=f"{size:,} bytes, {count:,} records of {width:,}",
            received="more" if len(values) > size else f"{len(values):,}",
            next_step="The file is damaged, cut or another one: get it again.",
        )
    return np.frombuffer(values, dtype=np.uint8).reshape(count, width)
