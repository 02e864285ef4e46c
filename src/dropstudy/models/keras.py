"""Trained weights as models: a keras.Model, a file for others, predictions.

Importing this module imports neither Keras nor JAX; the functions that need Keras import it when they are
called, and `predict` does without.

A `.keras` file is read as data. Nothing that it describes is ever built: its configuration is held against
the few layers that dropstudy knows, then Keras copies the numbers into a network of our own making.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import scipy.special

from dropstudy.core.atomic import write_bytes
from dropstudy.core.tensors import pack_weights, unpack_weights, write_tensors
from dropstudy.core.types import Activation, Arm, Layer, Weights
from dropstudy.errors import InvalidArgument, ModelError, StoreError
from dropstudy.models import keras_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "activated",
    "activations",
    "export",
    "load_keras_weights",
    "predict",
    "save_keras",
    "softmax",
    "to_keras",
]

FORMATS = ("keras", "safetensors")
ACTIVATIONS = get_args(Activation)
_DTYPE = "float32"
_BACKEND = "KERAS_BACKEND"
_BACKENDS = {"jax": "jax", "tensorflow": "tensorflow", "torch": "torch", "openvino": "openvino"}
"""Backends of Keras and the modules that they are."""

_BATCH = 8192
"""Examples per matrix product: 16 MB of activations for 512 units, and few enough calls to keep BLAS busy."""


def to_keras(weights: Weights, *, arm: Arm, activation: str, name: str) -> keras.Model:
    """A compiled keras.Model, layer by layer the notebook's: Dense, Activation, Dropout, ..., Dense, softmax.

    Its input is (n, features) float32, already divided by the dataset's scale; its labels are integers. A
    rate of 0 gives a network without Dropout layers, as the notebook's plain one is. Gaussian noise, a penalty and a
    limit on norms become Keras' own; a schedule has no counterpart there, and the full rate stands for it.

    Args:
        weights: the network.
        arm: how it was regularised.
        activation: of the hidden layers.
        name: the model's name; whatever TensorFlow does not allow in it becomes an underscore.

    Raises:
        InvalidArgument: a rate or the activation cannot be used.
    """
    _check_network(activation, arm.rate, arm.input_rate)
    keras = _import_keras()
    noise = keras.layers.Dropout if arm.noise == "dropout" else keras.layers.GaussianDropout
    penalty = keras.regularizers.L2(arm.l2) if arm.l2 > 0 else None
    limit = keras.constraints.MaxNorm(arm.max_norm, axis=0) if arm.max_norm > 0 else None
    # Said at each layer: else the floatx and the dtype policy of whoever calls would take its place.
    layers: list[Any] = [keras.Input((weights[0].kernel.shape[0],), dtype=_DTYPE)]
    if arm.input_rate > 0:
        layers.append(noise(arm.input_rate, name="dropout_input", dtype=_DTYPE))
    for number, hidden in enumerate(weights[:-1]):
        layers.append(
            keras.layers.Dense(
                hidden.bias.size,
                name=f"dense_{number}",
                kernel_regularizer=penalty,
                kernel_constraint=limit,
                dtype=_DTYPE,
            )
        )
        layers.append(keras.layers.Activation(activation, name=f"{activation}_{number}", dtype=_DTYPE))
        if arm.rate > 0:
            layers.append(noise(arm.rate, name=f"dropout_{number}", dtype=_DTYPE))
    layers.append(
        keras.layers.Dense(
            weights[-1].bias.size,
            name=f"dense_{len(weights) - 1}",
            kernel_regularizer=penalty,
            dtype=_DTYPE,
        )
    )
    layers.append(keras.layers.Activation("softmax", name="softmax", dtype=_DTYPE))
    model = keras.Sequential(layers, name=_scope_name(name))
    model.set_weights([array for layer in weights for array in (layer.kernel, layer.bias)])
    model.compile(
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(dtype=_DTYPE),
        metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy", dtype=_DTYPE)],
    )
    # Saved without its moments, Adam would make every later load_model warn that they are missing.
    model.optimizer.build(model.trainable_variables)
    return model


def save_keras(model: keras.Model, path: Path) -> None:
    """Save a model so that `path` holds either all of it or what it held before.

    Args:
        model: any keras.Model.
        path: must end in `.keras`.

    Raises:
        InvalidArgument: `path` ends in something else.
        StoreError: the file cannot be written.
    """
    _check_suffix(path, ".keras")
    # Keras writes a zip piece by piece and takes a full disk badly. So it writes where temporary files go.
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
    format: str,  # noqa: A002 - the command line's own word for it
    arm: Arm,
    activation: str,
    name: str,
    metadata: Mapping[str, str],
) -> Path:
    """Write a network to a file that other programs read.

    Args:
        weights: the network.
        path: the file, ending in `.keras` or `.safetensors` as the format says.
        format: `keras` for a model that `keras.models.load_model` opens and `evaluate` can use at once;
            `safetensors` for the bare arrays, named `dense_0/kernel`, `dense_0/bias` and on.
        arm: how it was regularised.
        activation: of the hidden layers.
        name: of the network.
        metadata: notes for the header of a safetensors file, beside activation, name and rate. A
            `.keras` file has no place for notes.

    Returns:
        The path.

    Raises:
        InvalidArgument: format, suffix, rate or activation cannot be used.
        StoreError: the file cannot be written.
    """
    if format not in FORMATS:
        raise InvalidArgument("format", expected=f"one of {', '.join(FORMATS)}", received=repr(format))
    _check_suffix(path, f".{format}")
    if format == "keras":
        save_keras(to_keras(weights, arm=arm, activation=activation, name=name), path)
    else:
        _check_network(activation, arm.rate, arm.input_rate)
        notes = {"activation": activation, "name": name, "rate": f"{arm.rate:g}"}
        write_tensors(path, pack_weights(weights), {**metadata, **notes})
    return path


def predict(weights: Weights, x: ArrayLike, *, activation: str, scale: float) -> NDArray[np.float32]:
    """Probabilities of the classes, dropout off, computed in float32 by NumPy alone.

    Args:
        weights: the network.
        x: examples, (n, *input_shape), as the dataset holds them: not yet divided by `scale`.
        activation: of the hidden layers.
        scale: the network sees `x / scale`.

    Returns:
        Probabilities, (n, classes), each row with a sum of 1.

    Raises:
        InvalidArgument: `x` has the wrong shape, or numbers that are not finite or too large.
    """
    _check_network(activation)
    examples = np.asarray(x)
    features = weights[0].kernel.shape[0]
    if examples.dtype.kind not in "biuf":
        raise InvalidArgument("x", expected="an array of numbers", received=f"type {examples.dtype}")
    if examples.ndim == 0 or prod(examples.shape[1:]) != features:
        raise InvalidArgument(
            "x",
            expected=f"examples of {features} numbers each, in the shape (n, ...)",
            received=f"shape {examples.shape}",
        )
    probabilities = np.empty((len(examples), weights[-1].bias.size), np.float32)
    for start in range(0, len(examples), _BATCH):
        batch = examples[start : start + _BATCH].reshape(-1, features)
        probabilities[start : start + _BATCH] = softmax(_logits(weights, batch, activation, scale, start))
    return probabilities


def activations(
    weights: Weights, x: ArrayLike, *, activation: str, scale: float
) -> list[NDArray[np.float32]]:
    """Activations of each hidden layer, (n, units) each; arguments as for `predict`, dropout off."""
    _check_network(activation)
    h: NDArray[np.float32] = np.asarray(x).reshape(len(np.asarray(x)), -1).astype(np.float32) / np.float32(
        scale
    )
    layers = []
    for layer in weights[:-1]:
        h = activated(h @ layer.kernel + layer.bias, activation)
        layers.append(h)
    return layers


def load_keras_weights(path: Path) -> Weights:
    """Read the weights of a `.keras` file. No code in it can run, whatever the file holds.

    Accepted is what dropstudy itself exports and what the notebook builds: a Sequential of Input, Dense,
    Activation and Dropout layers, relu after each hidden Dense and softmax after the last.

    Raises:
        ModelError: another kind of file, a damaged one, one with code or custom objects, or another network.
        StoreError: the file cannot be read.
    """
    widths = keras_config.read_widths(path)
    keras = _import_keras()
    inputs, *units = widths
    model = keras.Sequential([keras.Input((inputs,)), *(keras.layers.Dense(n, dtype=_DTYPE) for n in units)])
    try:
        model.load_weights(path)
    except Exception as error:  # Keras and HDF5 raise whatever is at hand for a damaged file
        raise ModelError(
            str(path),
            expected=f"weights for layers of {'-'.join(map(str, widths))} units",
            received=f"others, or damaged ones ({type(error).__name__})",
            next_step="Save the model again from the program that made it.",
        ) from error
    arrays = [np.asarray(array) for array in model.get_weights()]
    weights = tuple(Layer(kernel, bias) for kernel, bias in zip(arrays[::2], arrays[1::2], strict=True))
    return unpack_weights(pack_weights(weights), widths)


def _import_keras() -> Any:
    # JAX is what dropstudy has installed. A backend that the user has chosen stays.
    chosen = os.environ[_BACKEND] = os.environ.get(_BACKEND) or "jax"
    installed = [name for name, module in _BACKENDS.items() if find_spec(module) is not None]
    if "keras" not in sys.modules and chosen not in installed:  # else it is a traceback of Keras' own
        raise InvalidArgument(
            f"the environment variable {_BACKEND}",
            expected=f"a backend of Keras that is installed here: {', '.join(installed)}",
            received=repr(chosen),
            next_step=f"Unset it or set {_BACKEND}=jax; or install {chosen}."
            if chosen in _BACKENDS
            else f"Unset it or set {_BACKEND}=jax.",
        )
    import keras  # noqa: PLC0415 - takes seconds, and most of this module does without

    return keras


def _logits(
    weights: Weights, batch: NDArray[Any], activation: str, scale: float, start: int
) -> NDArray[np.float32]:
    # A number that float32 cannot hold becomes infinite here and is reported below, without NumPy's warning.
    with np.errstate(over="ignore", invalid="ignore"):
        h: NDArray[np.float32] = batch.astype(np.float32) / np.float32(scale)
        usable = np.isfinite(h).all(axis=1)
        for layer in weights[:-1]:
            h = activated(h @ layer.kernel + layer.bias, activation)
        logits: NDArray[np.float32] = h @ weights[-1].kernel + weights[-1].bias
    usable &= np.isfinite(logits).all(axis=1)
    if not usable.all():
        raise InvalidArgument(
            "x",
            expected="finite numbers of the size that the network was trained on",
            received=f"NaN, infinite or too large ones in {(~usable).sum()} examples, the first in example "
            f"{start + int(np.argmin(usable))}",
        )
    return logits


def activated(z: NDArray[np.float32], activation: str) -> NDArray[np.float32]:
    """A hidden layer's activation of its sums."""
    if activation == "tanh":
        return np.tanh(z)
    if activation == "sigmoid":
        sigmoid: NDArray[np.float32] = scipy.special.expit(z)
        return sigmoid
    return np.maximum(z, np.float32(0))


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of logits, (n, classes)."""
    # Less the largest, so that the exponential of the rest cannot overflow.
    exponentials: NDArray[np.float32] = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return shares


def _check_network(activation: str, *rates: float) -> None:
    for rate in rates:
        if not 0 <= rate < 1:
            raise InvalidArgument("rate", expected="a share dropped, in [0, 1)", received=str(rate))
    if activation not in ACTIVATIONS:
        raise InvalidArgument("activation", expected=" or ".join(ACTIVATIONS), received=repr(activation))


def _check_suffix(path: Path, suffix: str) -> None:
    if path.suffix != suffix:
        raise InvalidArgument(
            str(path),
            expected=f"a file name that ends in {suffix}",
            received=repr(path.name),
            next_step=f"Name it {path.stem or 'model'}{suffix}.",
        )


def _scope_name(name: str) -> str:
    """`name` as TensorFlow accepts it for a model, so that the file opens on each of Keras' backends."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", re.sub(r"^[^A-Za-z0-9.]+", "", name)) or "model"
