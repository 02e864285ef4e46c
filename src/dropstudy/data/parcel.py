"""A dataset's arrays for machines that share no files with this one: sent once, kept in their caches by content."""

from __future__ import annotations

import hashlib
import io
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dropstudy.core.types import DataReference
from dropstudy.data.arrays import complete, map_arrays, save_arrays
from dropstudy.data.cache import cache_folder, write_folder
from dropstudy.data.digest import add_array
from dropstudy.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

_NAMES = ("x_train", "y_train", "x_test", "y_test")


class Parcel(NamedTuple):
    """What a machine needs to know of the arrays of a run.

    Args:
        reference: to the arrays, in the cache of the machine that sends it.
        digest: of their content.
        content: the arrays, compressed; empty until a machine that lacks them has asked for them.
    """

    reference: DataReference
    digest: str
    content: bytes = b""


@lru_cache(maxsize=64)
def described(reference: DataReference) -> Parcel:
    """A parcel without content."""
    return Parcel(reference, _digest(map_arrays(reference)[:4]))


@lru_cache(maxsize=2)
def packed(reference: DataReference) -> Parcel:
    """A parcel with content: of MNIST about 13 MB."""
    stream = io.BytesIO()
    np.savez_compressed(
        stream, allow_pickle=False, **dict(zip(_NAMES, map_arrays(reference)[:4], strict=True))
    )
    return described(reference)._replace(content=stream.getvalue())


_found: dict[str, DataReference] = {}
"""Arrays that this process has compared with their digest."""


def found(digest: str, reference: DataReference) -> DataReference | None:
    """Reference to these arrays in the cache of this machine, compared with their digest; None where it lacks them."""
    for name in (reference.sha256, digest):
        if digest in _found:
            break
        here = DataReference(name, reference.scale)
        with suppress(DataError):  # it lacks them, or they are damaged
            if _digest(map_arrays(here)[:4]) == digest:
                _found[digest] = here
    return _found.get(digest)


def unpack(parcel: Parcel) -> DataReference:
    """Keep the arrays of a parcel in the cache of this machine, and return their reference there.

    Raises:
        DataError: the content differs from its digest; or no room, or no right to write.
    """
    with np.load(io.BytesIO(parcel.content), allow_pickle=False) as stored:
        arrays = [stored[name] for name in _NAMES]
    if _digest(arrays) != parcel.digest:
        raise DataError(
            "the examples sent to this worker",
            expected=f"content with the digest {parcel.digest[:12]}",
            received=_digest(arrays)[:12],
            next_step="Start the study again; the network or the memory of a machine may be damaged.",
        )
    whole = complete(*arrays)
    write_folder(
        cache_folder() / "arrays" / parcel.digest,
        lambda folder: save_arrays(folder, whole._asdict()),
        is_whole=lambda: found(parcel.digest, parcel.reference) is not None,
        size=sum(array.nbytes for array in whole),
    )
    return DataReference(parcel.digest, parcel.reference.scale)


def _digest(arrays: Sequence[NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        add_array(digest, array)
    return digest.hexdigest()
