"""The networks of a study of a Keras model: as a keras.Model with its own dropout layers, and its predictions.

Importing this module imports neither Keras nor jax. What is called imports Keras, with the backend that is set.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from dropstudy.errors import InvalidArgument
from dropstudy.models.keras import import_keras
from dropstudy.models.predict import softmax

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras
    from numpy.typing import ArrayLike, NDArray

    from dropstudy.core.model import ModelSource
    from dropstudy.core.types import Arm

_BATCH = 256


def trained_model(source: ModelSource, weights: Mapping[str, NDArray[Any]], *, arm: Arm) -> keras.Model:
    """The model with the weights of a run, compiled, and with the rates of its arm in its dropout layers.

    Args:
        source: of the study's model.
        weights: by the path of the variable.
        arm: of the run.

    Raises:
        ModelError: the model is built by a function that is not here.
    """
    keras = import_keras()
    from dropstudy.engine.keras.build import build, noise_layers, noise_rates, set_rate  # noqa: PLC0415 - imports Keras

    description = json.loads(source.description)
    model = build(source)
    for layer, rate in zip(noise_layers(model), noise_rates(description, arm), strict=True):
        set_rate(layer, rate)
    for variable, name in zip(model.weights, description["weights"], strict=True):
        variable.assign(weights[name])
    model.compile(
        optimizer=keras.optimizers.deserialize(description["optimizer"]),
        loss=keras.losses.deserialize(description["loss"]),
        metrics=["accuracy"],
    )
    # Saved without the optimiser's variables, the file would make every later load_model warn that they are missing.
    model.optimizer.build(model.trainable_variables)
    return model


def predict_with(
    source: ModelSource, weights: Mapping[str, NDArray[Any]], x: ArrayLike, *, arm: Arm, scale: float
) -> NDArray[np.float32]:
    """Return the probabilities of the classes, (n, classes).

    Args:
        source: of the study's model.
        weights: by the path of the variable.
        x: examples, (n, *input_shape), as the dataset holds them: not yet divided by `scale`.
        arm: of the run.
        scale: the network sees `x / scale`.

    Raises:
        InvalidArgument: numbers that are not finite or too large.
        ModelError: as of `trained_model`.
    """
    description = json.loads(source.description)
    model = trained_model(source, weights, arm=arm)
    examples = np.asarray(x)
    examples = examples.reshape(len(examples), *description["input_shape"])
    found = []
    for start in range(0, len(examples), _BATCH):
        batch = examples[start : start + _BATCH].astype(np.float32) / np.float32(scale)
        found.append(np.asarray(model(batch, training=False), np.float32))
    outputs = np.concatenate(found)
    if not np.isfinite(outputs).all():
        raise InvalidArgument(
            "x", expected="finite numbers of the size that the network was trained on", received="others"
        )
    binary = description["labels"] == "binary"
    if description["outputs"] == "probabilities":
        return np.concatenate([1 - outputs, outputs], axis=1) if binary else outputs
    return softmax(np.concatenate([np.zeros_like(outputs), outputs], axis=1) if binary else outputs)
