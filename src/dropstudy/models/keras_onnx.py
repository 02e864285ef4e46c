"""A Keras model as an ONNX file, by Keras' own exporter: examples as they are stored in, probabilities out.

Keras' exporter needs another package for each backend, with jax the package jax2onnx:
https://keras.io/api/models/model_saving_apis/export/
"""

from __future__ import annotations

import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dropstudy.core.atomic import write_bytes
from dropstudy.errors import InvalidArgument
from dropstudy.models.keras import check_suffix, import_keras

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import keras

    from dropstudy.models.onnx import ArrayInput

OUTPUT = "probabilities"


def save_keras_onnx(
    model: keras.Model,
    path: Path,
    *,
    takes: ArrayInput,
    description: Mapping[str, Any],
    classes: Sequence[str],
    metadata: Mapping[str, str],
) -> None:
    """Write a Keras model to an `.onnx` file, with one input `x` and the output `probabilities`, (n, classes).

    Args:
        model: as `trained_model` returns it.
        path: the file.
        takes: what its input is.
        description: of the model, see `engine/keras/description.py`.
        classes: their names.
        metadata: notes for the file.

    Raises:
        InvalidArgument: a package that Keras needs is not installed, or Keras cannot export this model.
        StoreError: the file cannot be written.
    """
    check_suffix(path, ".onnx")
    whole = _with_ends(model, takes, description)
    with tempfile.TemporaryDirectory(prefix="dropstudy-") as folder:
        draft = Path(folder) / "model.onnx"
        try:
            whole.export(draft, format="onnx", verbose=False)
            onnx = import_module("onnx")
        except ImportError as error:
            raise InvalidArgument(
                "file_format",
                expected="the package with which Keras exports to ONNX",
                received="none installed",
                next_step=f"{' '.join(str(error).split()).rstrip('.')}. Or export it with --format=keras.",
            ) from error
        except Exception as error:  # whatever the exporter of a backend raises
            raise InvalidArgument(
                "file_format",
                expected="a model that Keras can export to ONNX",
                received=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}",
                next_step="Export it with --format=keras.",
            ) from error
        file = onnx.load(draft)
    # The exporters name the output each in its way.
    (output,) = file.graph.output
    file.graph.node.append(onnx.helper.make_node("Identity", [output.name], [OUTPUT]))
    output.name = OUTPUT
    onnx.helper.set_model_props(file, {**metadata, "classes": "\n".join(classes), "input": str(takes)})
    write_bytes(path, file.SerializeToString(deterministic=True))


def _with_ends(model: Any, takes: ArrayInput, description: Mapping[str, Any]) -> Any:
    """The model with the scale before it, and the probabilities of all classes behind it."""
    keras = import_keras()
    from dropstudy.engine.keras.build import noise_layers, set_rate  # noqa: PLC0415 - imports Keras

    for layer in noise_layers(model):  # a recurrent layer makes its masks also where it does not use them
        set_rate(layer, 0.0)
    ops = keras.ops
    x = keras.Input(takes.shape, dtype=takes.dtype, name="x")
    scaled = ops.cast(x, "float32") / takes.scale
    out = model(ops.reshape(scaled, (-1, *description["input_shape"])), training=False)
    binary, logits = description["labels"] == "binary", description["outputs"] == "logits"
    if binary:
        share = ops.sigmoid(out) if logits else out
        out = ops.concatenate([1 - share, share], axis=1)
    elif logits:
        out = ops.softmax(out)
    whole = keras.Model(x, out)
    whole(np.zeros((1, *takes.shape), takes.dtype))  # which the exporter asks for
    return whole
