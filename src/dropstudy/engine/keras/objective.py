"""Optimiser and loss of a Keras model: those it was compiled with, or those asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from dropstudy.engine.user_code import unpacked
from dropstudy.errors import ModelError

if TYPE_CHECKING:
    from dropstudy.engine.keras.request import ModelRequest

_LABELS = {
    "SparseCategoricalCrossentropy": "integers",
    "CategoricalCrossentropy": "one-hot",
    "CategoricalFocalCrossentropy": "one-hot",
    "BinaryCrossentropy": "binary",
    "BinaryFocalCrossentropy": "binary",
}
"""Form in which each loss of Keras takes the labels."""

_CLASS_OF = {
    "sparse_categorical_crossentropy": "SparseCategoricalCrossentropy",
    "categorical_crossentropy": "CategoricalCrossentropy",
    "categorical_focal_crossentropy": "CategoricalFocalCrossentropy",
    "binary_crossentropy": "BinaryCrossentropy",
    "binary_focal_crossentropy": "BinaryFocalCrossentropy",
}
"""Class of each loss that Keras also knows as a function."""

_TOLERANCE = 1e-3  # of a sum of probabilities
_PROBED_ROWS = 8


def of(model: Any, request: ModelRequest, shape: tuple[int, ...]) -> dict[str, Any]:
    """Optimiser, loss, form of the labels and of the outputs, for a description.

    Raises:
        ModelError: the loss is none of a classifier, or does not fit the outputs.
    """
    optimizer, loss = unpacked(request.chosen, request.builder_name)
    compiled = bool(getattr(model, "compiled", False))
    outputs = np.asarray(model(_probe(shape), training=False))
    probabilities = _are_probabilities(outputs)
    loss = _loss(model, loss, outputs.shape[-1], probabilities, compiled)
    labels = _LABELS[type(loss).__name__]
    from_logits = bool(loss.get_config()["from_logits"])
    if not from_logits and not probabilities:
        low, high = float(outputs.min()), float(outputs.max())
        raise ModelError(
            request.builder_name,
            expected=f"outputs that are probabilities, as its loss {type(loss).__name__}(from_logits=False) says",
            received=f"outputs from {low:.3g} to {high:.3g} whose sums are not 1",
            next_step="End the model in a softmax, or compile it with from_logits=True.",
        )
    return {
        "optimizer": _plain(_optimizer(model, optimizer, compiled)),
        "loss": _plain(loss),
        "labels": labels,
        "outputs": "logits" if from_logits else "probabilities",
    }


def in_words(config: dict[str, Any]) -> str:
    """An optimiser in words: "Adam, learning rate 0.001"."""
    settings = config["config"]
    rate = settings.get("learning_rate")
    words = [config["class_name"]]
    words += [
        f"learning rate {rate:.4g}" if isinstance(rate, float) else f"learning rate {rate['class_name']}"
    ]
    words += [
        f"{name.replace('_', ' ')} {settings[name]:g}"
        for name in ("momentum", "weight_decay")
        if settings.get(name)
    ]
    return ", ".join(words)


def _optimizer(model: Any, wanted: Any, compiled: bool) -> Any:
    if wanted is not None:
        asked = wanted
        if isinstance(wanted, dict) and "class_name" not in wanted:
            wanted = {
                "class_name": wanted.get("name", "adam"),
                "config": {k: v for k, v in wanted.items() if k != "name"},
            }
        try:
            optimizer = keras.optimizers.get(wanted)
        except Exception as error:  # Keras raises several kinds
            raise ModelError(
                "optimizer",
                expected="a name such as 'adam', or an optimiser of Keras",
                received=f"{asked!r} ({' '.join(str(error).split())})",
            ) from error
    else:
        optimizer = model.optimizer if compiled and model.optimizer is not None else keras.optimizers.Adam()
    if getattr(optimizer, "use_ema", False):
        raise ModelError(
            "optimizer",
            expected="an optimiser without averaged weights",
            received="use_ema=True",
            next_step="Leave use_ema out.",
        )
    return optimizer


def _loss(model: Any, wanted: Any, outputs: int, probabilities: bool, compiled: bool) -> Any:
    if wanted is None and compiled:
        wanted = model.loss
    if wanted is None:
        kind = keras.losses.BinaryCrossentropy if outputs == 1 else keras.losses.SparseCategoricalCrossentropy
        return kind(from_logits=not probabilities)
    name = wanted if isinstance(wanted, str) else getattr(wanted, "__name__", "")
    if name in _CLASS_OF:
        return getattr(keras.losses, _CLASS_OF[name])()
    try:
        loss = keras.losses.get(wanted)
    except Exception:  # noqa: BLE001 - Keras raises several kinds
        loss = None
    kind = type(loss).__name__
    if kind not in _LABELS or type(loss).__module__.partition(".")[0] != "keras":
        raise ModelError(
            "loss",
            expected=f"a cross-entropy of Keras ({', '.join(_LABELS)})",
            received=repr(wanted) if isinstance(wanted, str) else kind if loss is not None else repr(wanted),
            next_step="Compile the model with one, or leave it uncompiled.",
        )
    if (_LABELS[kind] == "binary") != (outputs == 1):
        raise ModelError(
            "loss",
            expected="BinaryCrossentropy for one output, and a categorical cross-entropy for more",
            received=f"{kind} for {outputs} outputs",
        )
    return loss


def _are_probabilities(outputs: Any) -> bool:
    inside = bool((outputs >= -_TOLERANCE).all() and (outputs <= 1 + _TOLERANCE).all())
    return inside and (outputs.shape[-1] == 1 or bool(np.allclose(outputs.sum(axis=-1), 1, atol=_TOLERANCE)))


def _probe(shape: tuple[int, ...]) -> Any:
    """Examples that differ, small and not negative, so that an embedding takes them too."""
    return np.random.default_rng(0).integers(0, 2, (_PROBED_ROWS, *shape)).astype(np.float32)


def _plain(thing: Any) -> dict[str, Any]:
    serialise = (
        keras.optimizers.serialize
        if isinstance(thing, keras.optimizers.Optimizer)
        else keras.losses.serialize
    )
    config: dict[str, Any] = json.loads(json.dumps(serialise(thing)))
    return config
