"""Trained weights as a keras.Model and as files for other programs.

Importing this module imports neither Keras nor jax. Functions that need Keras import it when they are called.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropstudy.core.atomic import write_bytes
from dropstudy.core.tensors import pack_weights, write_tensors
from dropstudy.errors import InvalidArgument, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import keras
    from numpy.typing import NDArray

    from dropstudy.core.types import Activation, Arm, Weights

__all__ = ["check_suffix", "export", "save_keras", "to_keras"]

_FORMATS = ("keras", "safetensors")
_DTYPE = "float32"
_BACKEND = "KERAS_BACKEND"
_BACKENDS = ("jax", "tensorflow", "torch", "openvino")
"""Backends of Keras, each named like the module that it needs."""


def to_keras(weights: Weights, *, arm: Arm, activation: Activation, name: str) -> keras.Model:
    """Build a compiled keras.Model, layer by layer the notebook's: Dense, Activation, Dropout, ..., Dense, softmax.

    Its input is (n, features) float32, already divided by the dataset's scale; its labels are integers. A
    layer of rate 0 has no Dropout layer behind it, as in the notebook's plain network. Gaussian noise, a penalty and a
    limit on norms become Keras' own. Keras has no schedules: the full rate replaces one.

    Args:
        weights: the network.
        arm: how it was regularised.
        activation: of the hidden layers.
        name: the model's name; characters that TensorFlow does not allow become underscores.
    """
    keras = import_keras()
    noise = keras.layers.Dropout if arm.noise == "dropout" else keras.layers.GaussianDropout
    penalty = keras.regularizers.L2(arm.l2) if arm.l2 > 0 else None
    limit = keras.constraints.MaxNorm(arm.max_norm, axis=0) if arm.max_norm > 0 else None
    # Each layer names its type: else the caller's floatx and dtype policy would apply.
    layers: list[Any] = [keras.Input((weights[0].kernel.shape[0],), dtype=_DTYPE)]
    if arm.input_rate > 0:
        layers.append(noise(arm.input_rate, name="dropout_input", dtype=_DTYPE))
    rates = arm.layer_rates(len(weights) - 1)
    for number, layer in enumerate(weights):
        is_hidden = number < len(weights) - 1
        layers.append(
            keras.layers.Dense(
                layer.bias.size,
                name=f"dense_{number}",
                kernel_regularizer=penalty,
                kernel_constraint=limit if is_hidden else None,
                dtype=_DTYPE,
            )
        )
        if is_hidden:
            layers.append(keras.layers.Activation(activation, name=f"{activation}_{number}", dtype=_DTYPE))
        if is_hidden and rates[number] > 0:
            layers.append(noise(rates[number], name=f"dropout_{number}", dtype=_DTYPE))
    layers.append(keras.layers.Activation("softmax", name="softmax", dtype=_DTYPE))
    model = keras.Sequential(layers, name=_scope_name(name))
    model.set_weights([array for layer in weights for array in (layer.kernel, layer.bias)])
    model.compile(
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(dtype=_DTYPE),
        metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy", dtype=_DTYPE)],
    )
    # Saved without Adam's moments, the file would make every later load_model warn that they are missing.
    model.optimizer.build(model.trainable_variables)
    return model


def save_keras(model: keras.Model, path: Path) -> None:
    """Save any keras.Model as a `.keras` file that is written whole or not at all.

    Raises:
        InvalidArgument: `path` ends in something else.
        StoreError: the file cannot be written.
    """
    check_suffix(path, ".keras")
    # Keras writes a zip piece by piece, and a full disk would leave half of it. So it writes to a temporary folder.
    try:
        with tempfile.TemporaryDirectory(prefix="dropstudy-") as folder:
            draft = Path(folder) / "model.keras"
            model.save(draft)
            content = draft.read_bytes()
    except OSError as error:
        raise StoreError(
            tempfile.gettempdir(),
            expected="room for a temporary copy of the model",
            received=error.strerror or str(error),
            next_step="Free some space there, or name another folder in the environment variable TMPDIR.",
        ) from error
    write_bytes(path, content)


def export(
    weights: Weights,
    *,
    path: Path,
    file_format: str,
    arm: Arm,
    activation: Activation,
    name: str,
    metadata: Mapping[str, str],
) -> None:
    """Write a network to a file that other programs read.

    Args:
        weights: the network.
        path: the file, ending in `.keras` or `.safetensors` as the format says.
        file_format: `keras` for a model that `keras.models.load_model` opens and `evaluate` can use at once;
            `safetensors` for the bare arrays, named `dense_0/kernel`, `dense_0/bias` and on.
        arm: how it was regularised.
        activation: of the hidden layers.
        name: of the network.
        metadata: notes for the header of a safetensors file, beside activation, name and rate. A
            `.keras` file has no place for notes.

    Raises:
        InvalidArgument: unknown format, or a suffix other than the format's.
        StoreError: the file cannot be written.
    """
    _check_format(path, file_format)
    if file_format == "keras":
        save_keras(to_keras(weights, arm=arm, activation=activation, name=name), path)
    else:
        notes = {"activation": activation, "name": name, "rate": ", ".join(f"{rate:g}" for rate in arm.rates)}
        write_tensors(path, pack_weights(weights), {**metadata, **notes})


def export_model(
    model: Callable[[], keras.Model],
    weights: Mapping[str, NDArray[Any]],
    *,
    path: Path,
    file_format: str,
    metadata: Mapping[str, str],
) -> None:
    """Write a Keras model to a file that other programs read; arguments and errors as for `export`.

    Args:
        model: returns the model; called for the format `keras`.
        weights: by the path of the variable, for the format `safetensors`.
        path: the file.
        file_format: its format.
        metadata: notes for the header of a safetensors file.
    """
    _check_format(path, file_format)
    if file_format == "keras":
        save_keras(model(), path)
    else:
        write_tensors(path, weights, metadata)


def _check_format(path: Path, file_format: str) -> None:
    if file_format not in _FORMATS:
        raise InvalidArgument(
            "file_format", expected=f"one of {', '.join(_FORMATS)}", received=repr(file_format)
        )
    check_suffix(path, f".{file_format}")


def import_keras() -> Any:
    # Only jax is sure to be installed. A backend that the user has chosen stays.
    chosen = os.environ[_BACKEND] = os.environ.get(_BACKEND) or "jax"
    installed = [name for name in _BACKENDS if find_spec(name) is not None]
    if "keras" not in sys.modules and chosen not in installed:  # Keras itself would raise a traceback
        unset = f"Unset it or set {_BACKEND}=jax"
        raise InvalidArgument(
            f"the environment variable {_BACKEND}",
            expected=f"a backend of Keras that is installed here: {', '.join(installed)}",
            received=repr(chosen),
            next_step=f"{unset}; or install {chosen}." if chosen in _BACKENDS else f"{unset}.",
        )
    import keras  # noqa: PLC0415 - takes seconds

    return keras


def check_suffix(path: Path, suffix: str) -> None:
    """Refuse the name of a file that does not end in the suffix of its format."""
    if path.suffix != suffix:
        raise InvalidArgument(
            str(path),
            expected=f"a file name that ends in {suffix}",
            received=repr(path.name),
            next_step=f"Name it {path.stem or 'model'}{suffix}.",
        )


def _scope_name(name: str) -> str:
    """Return `name` as TensorFlow accepts it for a model, so that the file opens on each of Keras' backends."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", re.sub(r"^[^A-Za-z0-9.]+", "", name)) or "model"
