"""Read the configuration in a `.keras` file as data.

The file is a zip archive of `metadata.json`, `config.json` and `model.weights.h5`. Keras turns the
configuration into objects, and a configuration can name any class or carry Python bytecode (a Lambda layer).
Here it is only looked at.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from dropstudy.errors import ModelError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_widths"]

LAYERS = ("InputLayer", "Dense", "Activation", "Dropout")
_CONFIG = "config.json"
_WEIGHTS = "model.weights.h5"
_MAX_CONFIG = 1 << 20
_MAX_EXPANSION = 100  # Keras stores its members as they are; a hundredfold is no model but a bomb
_FLOAT32_BYTES = 4
_SHOWN = 60
_ACCEPTED = (
    "Accepted are .keras files with only Input, Dense, Activation and Dropout layers, and .safetensors "
    "files; nothing in this one was run."
)
_KINDS = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (.h5), which can hold code"),
    (b"\x80", "a pickle, which runs code when it is read"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x93NUMPY", "a NumPy array"),
)
_ZIP = b"PK\x03\x04"


def read_widths(path: Path) -> tuple[int, ...]:
    """Layer widths of the network in a `.keras` file, input to output, without building anything.

    Raises:
        ModelError: not a `.keras` file, or a network other than relu layers with a softmax at the end.
        StoreError: the file cannot be read.
    """
    config, weight_bytes = _read_config(path)
    try:
        widths = _widths(_layers(config))
    except _Refusal as refusal:
        raise _error(path, refusal.expected, refusal.received) from refusal
    _check_claims(path, weight_bytes)
    needed = _FLOAT32_BYTES * sum((a + 1) * b for a, b in pairwise(widths))
    if needed > weight_bytes:  # before anybody makes room for them
        raise _error(path, f"{needed} bytes of weights, as its layers need", f"{weight_bytes}")
    return widths


def _check_claims(path: Path, weight_bytes: int) -> None:
    """Refuse weights that claim to be larger than the file that holds them: HDF5 leaves out what nobody has written."""
    import h5py  # noqa: PLC0415 - most of what uses this module opens no such file

    claimed = 0

    def add(_: str, item: Any) -> None:
        nonlocal claimed
        claimed += item.nbytes if isinstance(item, h5py.Dataset) else 0

    try:
        with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read(_WEIGHTS)), "r") as file:
            file.visititems(add)
    except Exception as error:  # HDF5 and zlib raise whatever is at hand for a damaged file
        raise _error(path, "a complete .keras file", f"a damaged one ({type(error).__name__})") from error
    if claimed > weight_bytes:
        raise _error(path, f"weights of at most {weight_bytes:,} bytes, as the file has", f"{claimed:,}")


class _Refusal(Exception):
    """Mismatch of a configuration: what was expected, and what it holds."""

    def __init__(self, expected: str, received: str) -> None:
        super().__init__(expected, received)
        self.expected = expected
        self.received = received


def _read_config(path: Path) -> tuple[Any, int]:
    """The configuration, and the size of the weights in bytes."""
    if path.suffix != ".keras":
        raise _error(path, "a file whose name ends in .keras", _kind(path))
    kind = _kind(path)
    if kind != "a zip archive":
        raise _error(path, "a .keras file, which is a zip archive", kind)
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if any(name.endswith("data.pkl") for name in names):
                raise _error(path, "a .keras file", "a PyTorch file with a pickle in it")
            for name in (_CONFIG, _WEIGHTS):
                if names.count(name) != 1:
                    raise _error(path, f"a .keras file with one {name} in it", f"{names.count(name)}")
            for info in archive.infolist():
                if info.file_size > _MAX_EXPANSION * max(info.compress_size, 1):
                    raise _error(
                        path, "members of about their packed size", f"{_shown(info.filename)}, far larger"
                    )
            if archive.getinfo(_CONFIG).file_size > _MAX_CONFIG:
                raise _error(path, f"a {_CONFIG} of at most {_MAX_CONFIG} bytes", "a longer one")
            return json.loads(archive.read(_CONFIG)), archive.getinfo(_WEIGHTS).file_size
    except (
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,  # a way of packing that zipfile does not know
        RuntimeError,  # an encrypted member, or JSON nested too deep
        ValueError,
        EOFError,
        OSError,
    ) as error:
        raise _error(path, "a complete .keras file", f"a damaged one ({type(error).__name__})") from error


def _kind(path: Path) -> str:
    """Kind of a file, by its first bytes."""
    if path.exists() and not path.is_file():  # a pipe would block for ever
        raise StoreError(str(path), expected="a .keras file", received="something that is not a file")
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise StoreError(
            str(path),
            expected="a .keras file that can be read",
            received=error.strerror or str(error),
            next_step="Check the path and its permissions.",
        ) from error
    if start.startswith(_ZIP):
        return "a zip archive"
    return next((kind for magic, kind in _KINDS if start.startswith(magic)), "a file of another kind")


def _layers(config: Any) -> list[dict[str, Any]]:
    """Settings of each layer with its class under `class_name`, once all are known ones."""
    model = _table(config)
    if (model.get("module"), model.get("class_name")) != ("keras", "Sequential"):
        raise _Refusal("a Sequential model of Keras", _described(model))
    listed = _table(model.get("config")).get("layers")
    if not isinstance(listed, list):
        raise _Refusal("a list of layers", _shown(listed))
    settings = []
    for entry in listed:
        layer = _table(entry)
        name = layer.get("class_name")
        # A registered name other than its own would make Keras look the class up among custom objects.
        if (
            layer.get("module") != "keras.layers"
            or name not in LAYERS
            or layer.get("registered_name") not in (None, name)
        ):
            raise _Refusal(f"only Keras' own layers {', '.join(LAYERS)}", _described(layer))
        config_of_layer = _table(layer.get("config"))
        if (
            _dtype(config_of_layer) != "float32"
        ):  # of the activations and the input too: each rounds what passes it
            raise _Refusal("layers in float32", f"{name} in {_shown(_dtype(config_of_layer))}")
        settings.append({**config_of_layer, "class_name": name})
    return settings


def _widths(layers: list[dict[str, Any]]) -> tuple[int, ...]:
    """Widths, once the layers are a network that dropstudy trains."""
    shape = layers[0].get("batch_shape") if layers and layers[0]["class_name"] == "InputLayer" else None
    if not isinstance(shape, list) or len(shape) != 2 or not _is_width(shape[1]):  # noqa: PLR2004 - (batch, features)
        raise _Refusal("an Input of (features,) first", _shown(shape))
    steps = [step for layer in layers[1:] for step in _steps(layer)]
    units = [step for step in steps if isinstance(step, int)]
    order = ["dense" if isinstance(step, int) else step for step in steps]
    if not units or order != ["dense", "relu"] * (len(units) - 1) + ["dense", "softmax"]:
        raise _Refusal(
            "relu after each hidden Dense layer and softmax after the last", _shown(", ".join(order))
        )
    return (shape[1], *units)


def _steps(layer: dict[str, Any]) -> list[int | str]:
    """Operations of a layer at evaluation, in order: units of a Dense, name of an activation, or nothing."""
    kind = layer["class_name"]
    if kind == "Dropout":
        return []
    if kind == "InputLayer":
        raise _Refusal("one Input", "another")
    activation = layer.get("activation")
    if activation not in ("linear", "relu", "softmax"):
        raise _Refusal("the activations linear, relu and softmax", _shown(activation))
    steps: list[int | str] = [] if activation == "linear" else [activation]
    if kind == "Activation":
        return steps
    units: Any = layer.get("units")
    if not _is_width(units) or layer.get("use_bias") is not True:
        raise _Refusal(
            "Dense layers with units and a bias",
            _shown({key: layer.get(key) for key in ("units", "use_bias")}),
        )
    return [units, *steps]


def _dtype(layer: dict[str, Any]) -> Any:
    dtype = layer.get("dtype")
    return _table(dtype.get("config")).get("name") if isinstance(dtype, dict) else dtype


def _is_width(value: Any) -> bool:
    return type(value) is int and value > 0


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Refusal("a Keras configuration", _shown(value))
    return value


def _described(entry: dict[str, Any]) -> str:
    if entry.get("class_name") == "Lambda":
        return "a Lambda layer, which holds code"
    module, name = entry.get("module"), entry.get("class_name")
    custom = entry.get("registered_name")
    known_as = f", registered as {_shown(custom)}" if custom not in (None, name) else ""
    return f"{_shown(name)} of module {_shown(module)}{known_as}"


def _shown(value: Any) -> str:
    """A value from the file, safe to print: control characters escaped, and not longer than a line."""
    text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _error(path: Path, expected: str, received: str) -> ModelError:
    return ModelError(str(path), expected=expected, received=received, next_step=_ACCEPTED)
