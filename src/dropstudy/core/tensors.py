"""Weights and other arrays as safetensors files, written atomically and checked when they are read.

A safetensors file is eight bytes with the length of a JSON header, the header, and the numbers. Reading one runs no
code. Format: https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import psutil
import safetensors
import safetensors.numpy

from dropstudy.core.atomic import write_bytes
from dropstudy.core.types import Layer, Weights
from dropstudy.errors import DamagedFile, ModelError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["PREPROCESSING", "pack_weights", "read_tensors", "to_bytes", "unpack_weights", "write_tensors"]

PREPROCESSING = "preprocessing/"
"""Prefix of the names of arrays that belong to the inputs, not to the network."""

_METADATA = "__metadata__"
_NAMES_SHOWN = 60
_SMALL = 1 << 20
"""Bytes: smaller files are read unchecked, and no header is longer."""

_START_AGAIN = "Restore a copy, or delete it and run the study again, which trains this run again."
_OTHER_NETWORK = "The file is damaged or belongs to another network: export the weights again."


def write_tensors(path: Path, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> str:
    """Write arrays to a safetensors file, atomically. The same arrays and metadata always give the same bytes.

    Args:
        path: the file; one that exists is replaced.
        arrays: arrays of any shape by name.
        metadata: texts by name, for the file's header.

    Returns:
        SHA-256 of the file, in hexadecimal.

    Raises:
        StoreError: the file cannot be written; the message has the path and the bytes needed.
    """
    content = to_bytes(arrays, metadata)
    write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


def to_bytes(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> bytes:
    """Content of a safetensors file; the same arrays and metadata always give the same bytes."""
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    return _with_sorted_metadata(safetensors.numpy.save(contiguous), metadata)


def read_tensors(path: Path, *, sha256: str | None = None) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Read a safetensors file.

    Args:
        path: the file.
        sha256: digest that `write_tensors` returned, where it is known.

    Returns:
        The arrays by name, and the metadata.

    Raises:
        DamagedFile: the content is not what was written, or is no safetensors file.
        StoreError: the file does not exist, or cannot be read.
    """
    content = _read(path)
    received = hashlib.sha256(content).hexdigest()
    if sha256 is not None and received != sha256:
        raise DamagedFile(
            str(path),
            expected=f"the content that was written, with SHA-256 {sha256}",
            received=f"{len(content)} bytes with SHA-256 {received}",
            next_step=_START_AGAIN,
        )
    try:
        arrays = safetensors.numpy.load(content)
        header, _ = _split(content)
    except (safetensors.SafetensorError, ValueError, KeyError, OverflowError, RecursionError) as error:
        # KeyError: a type of number that NumPy lacks. ValueError, OverflowError: a shape too large for it.
        raise DamagedFile(
            str(path),
            expected="a complete safetensors file",
            received=f"{len(content)} other bytes ({_one_line(error)})",
            next_step=_START_AGAIN,
        ) from error
    return arrays, dict(header.get(_METADATA) or {})


def pack_weights(weights: Weights) -> dict[str, NDArray[np.float32]]:
    """Name a network's arrays: `dense_0/kernel` (in, out), `dense_0/bias` (out,), `dense_1/kernel` and on."""
    return {
        f"dense_{number}/{field}": array
        for number, layer in enumerate(weights)
        for field, array in (("kernel", layer.kernel), ("bias", layer.bias))
    }


def unpack_weights(arrays: Mapping[str, NDArray[Any]], widths: tuple[int, ...]) -> Weights:
    """Network of named arrays, as `pack_weights` names them.

    Args:
        arrays: float32 arrays by name; those of the preprocessing are ignored.
        widths: units of every layer from the input to the output, for instance (784, 512, 512, 10).

    Raises:
        ModelError: a tensor is missing, extra, of another shape or type, or not finite; it is named.
    """
    weights = tuple(
        Layer(
            _tensor(arrays, f"dense_{number}/kernel", (units_in, units_out)),
            _tensor(arrays, f"dense_{number}/bias", (units_out,)),
        )
        for number, (units_in, units_out) in enumerate(pairwise(widths))
    )
    others = {name for name in arrays if not name.startswith(PREPROCESSING)}
    extra = sorted(others - pack_weights(weights).keys())
    if extra:
        raise ModelError(
            f"tensor {_shown(extra[0])}",
            expected=f"only kernel and bias of dense_0 to dense_{len(weights) - 1}",
            received=f"{len(extra)} more" if len(extra) > 1 else "one more",
            next_step=_OTHER_NETWORK,
        )
    return weights


def _tensor(arrays: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Array of a layer, checked: finite float32 numbers of a shape."""

    def refused(received: str) -> ModelError:
        return ModelError(
            f"tensor {_shown(name)}",
            expected=f"finite float32 numbers of shape ({', '.join(map(str, shape))})",
            received=received,
            next_step=_OTHER_NETWORK,
        )

    array = arrays.get(name)
    if array is None:
        raise refused("no such tensor")
    if array.shape != shape:
        raise refused(f"shape {array.shape}")
    if array.dtype != np.float32:
        raise refused(f"numbers of type {array.dtype}")
    wrong = ~np.isfinite(array)
    if wrong.any():
        first = tuple(int(place) for place in np.argwhere(wrong)[0])
        raise refused(f"{wrong.sum()} NaN or infinite, the first at {first}")
    return array


def _read(path: Path) -> bytes:
    # Reading a pipe would block for ever, and a device may have no end.
    if path.exists() and not path.is_file():
        raise StoreError(str(path), expected="a safetensors file", received="not a file")
    try:
        with path.open("rb") as file:
            _check_size(path, file, os.fstat(file.fileno()).st_size)
            file.seek(0)
            return file.read()
    except OSError as error:
        raise StoreError(
            str(path),
            expected="a safetensors file that can be read",
            received=(error.strerror or str(error)).lower(),
            next_step="Check the path and its permissions.",
        ) from error


def _check_size(path: Path, file: BinaryIO, size: int) -> None:
    """Refuse a file that is larger than its header says, or than the free memory, before it is read."""
    if size <= _SMALL:
        return
    most = size
    # `read_tensors` reports an invalid header.
    with suppress(ValueError, TypeError, LookupError, AttributeError, RecursionError):
        length = int.from_bytes(file.read(8), "little")
        entries = json.loads(file.read(min(length, _SMALL)))
        most = (
            8 + length + max(entry["data_offsets"][1] for name, entry in entries.items() if name != _METADATA)
        )
    free = psutil.virtual_memory().available
    if size > min(most, free):
        raise DamagedFile(
            str(path),
            expected=f"at most {most:,} bytes, as its header says"
            if most <= free
            else f"at most {free:,} bytes, the free memory",
            received=f"{size:,}",
            next_step=_START_AGAIN,
        )


def _with_sorted_metadata(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """Add metadata to a safetensors file, sorted: the library's order changes from call to call."""
    header, numbers = _split(content)
    header = {_METADATA: dict(sorted(metadata.items())), **header} if metadata else header
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)  # the format keeps numbers on multiples of eight bytes
    return len(encoded).to_bytes(8, "little") + encoded + numbers


def _split(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and numbers of a safetensors file that the library has accepted."""
    end = 8 + int.from_bytes(content[:8], "little")
    header: dict[str, Any] = json.loads(content[8:end])
    return header, content[end:]


def _shown(name: str) -> str:
    """A name from a file, printable and at most a line long."""
    text = ascii(name)
    return text if len(text) <= _NAMES_SHOWN else f"{text[:_NAMES_SHOWN]}..."


def _one_line(error: Exception) -> str:
    text = " ".join(f"{error}".split())
    return _shown(text).strip("'\"") or type(error).__name__
