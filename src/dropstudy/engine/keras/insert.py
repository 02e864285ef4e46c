"""Put a dropout layer behind each activation of a model that has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from dropstudy.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

RATE = 0.5


def with_dropout(model: Any, name: str) -> Any:
    """A copy of a model with dropout behind each activation but the last; it is compiled as the model is.

    Raises:
        ModelError: the model is neither Sequential nor Functional: the order of a subclass's layers is in its code.
            Or it has no activation before its outputs.
    """
    if isinstance(model, keras.Sequential):
        copy = _of_sequential(model)
    elif isinstance(model, keras.Model) and getattr(model, "outputs", None):
        copy = _of_functional(model)
    else:
        raise ModelError(
            name,
            expected="a Sequential or Functional model, which dropout can be put into",
            received="a subclass, whose layers are called by its own code",
            next_step="Put keras.layers.Dropout(0.5) into the class.",
        )
    if len(copy.layers) == len(model.layers):
        raise ModelError(
            name, expected="a model with an activation before its outputs", received="one without any"
        )
    if model.compiled:
        copy.compile_from_config(model.get_compile_config())
    return copy


def _of_sequential(model: Any) -> Any:
    layers: list[Any] = [keras.Input(model.input_shape[1:])] if model.built else []
    last = _last(model.layers)
    for layer in model.layers:
        layers.append(layer.__class__.from_config(layer.get_config()))
        if _activates(layer) and layer is not last:
            layers.append(_dropout(layer))
    return keras.Sequential(layers, name=model.name)


def _of_functional(model: Any) -> Any:
    outputs = {each._keras_history.operation.name for each in model.outputs}  # noqa: SLF001 - the layer of an output

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        out = layer(*args, **kwargs)
        return _dropout(layer)(out) if _activates(layer) and layer.name not in outputs else out

    return keras.models.clone_model(model, call_function=call)


def _last(layers: Iterable[Any]) -> Any:
    """The last layer with an activation: that of the outputs."""
    return next((layer for layer in reversed(list(layers)) if _activates(layer)), None)


def _activates(layer: Any) -> bool:
    kinds = tuple(
        getattr(keras.layers, name) for name in ("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax")
    )
    activation = getattr(layer, "activation", keras.activations.linear)
    return isinstance(layer, kinds) or activation is not keras.activations.linear


def _dropout(layer: Any) -> Any:
    return keras.layers.Dropout(RATE, name=f"{layer.name}_dropout")
