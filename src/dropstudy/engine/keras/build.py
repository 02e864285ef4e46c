"""Build a Keras model from its description; names of its variables and of its noise layers. Needs no jax."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np

from dropstudy.engine.keras.builder import call_builder
from dropstudy.engine.keras.insert import with_dropout
from dropstudy.engine.user_code import function_of
from dropstudy.errors import ModelError

if TYPE_CHECKING:
    from dropstudy.core.model import ModelSource
    from dropstudy.core.types import Arm

CANONICAL_RATE = 0.5
"""Rate with which a builder that takes one is called: any above 0 gives the same variables and seeds."""


def build(source: ModelSource, seed: int | None = None) -> Any:
    """Build a model. Arms share the initial weights of a seed, since it is always built with the same rates.

    Args:
        source: what to build it from.
        seed: draw its weights from it, and let names count from the start, as in a new process; None to leave the
            generators and names of this process alone.

    Raises:
        ModelError: there is no model of this description here.
    """
    description = json.loads(source.description)
    if seed is not None:
        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
    if description["builder"] is None:
        model = keras.saving.deserialize_keras_object(description["model"], safe_mode=True)
    else:
        model = call_builder(function_of(source), CANONICAL_RATE)
        if description.get("add_dropout"):
            model = with_dropout(model, description["builder"])
    ensure_built(model, description["input_shape"])
    return model


def ensure_built(model: Any, input_shape: list[int]) -> None:
    """Make the variables of a model, which one without inputs makes at its first call."""
    if not model.built or not model.weights:
        model(np.zeros((2, *input_shape), np.float32))


def require_jax() -> None:
    """Refuse to train with another backend of Keras.

    Raises:
        ModelError: the process has loaded Keras with one.
    """
    if keras.backend.backend() != "jax":
        raise ModelError(
            "KERAS_BACKEND",
            expected="jax in the processes that train",
            received=repr(keras.backend.backend()),
            next_step="Leave out executor, or start its workers with KERAS_BACKEND=jax.",
        )


def variable_names(model: Any) -> dict[int, str]:
    """Name of each variable in a checkpoint, by its id. Equal paths are numbered."""
    names: dict[int, str] = {}
    weights = {id(variable) for variable in model.weights}
    used: dict[str, int] = {}
    for variable in [*model.weights, *model.non_trainable_variables]:
        if id(variable) in names:
            continue
        if id(variable) in weights:
            path = "weights/" + variable.path
            used[path] = used.get(path, 0) + 1
            names[id(variable)] = path if used[path] == 1 else f"{path}~{used[path]}"
        else:
            names[id(variable)] = f"seeds/{len(names)}"
    return names


class NoiseLayer(NamedTuple):
    """A layer with dropout, or one of the two dropouts of a recurrent cell.

    Args:
        name: of the layer, behind that of the layer which contains it, such as "attention/dropout".
        names: by which a user may name it: its own and those of the layers that contain it.
        layer: the layer, or the cell.
        attribute: attribute of the layer that holds the rate.
        owner: the layer that contains it.
    """

    name: str
    names: tuple[str, ...]
    layer: Any
    attribute: str
    owner: Any

    @property
    def rate(self) -> float:
        """Rate that the layer was made with."""
        return float(getattr(self.layer, self.attribute))


def noise_layers(model: Any) -> list[NoiseLayer]:
    """Every layer of a model with dropout, in the order of the model's layers; not those without a rate of their own.

    An attention layer or a recurrent layer with `dropout=0` has none. `Dropout(0)` has: it is there to be set.
    """
    found: list[NoiseLayer] = []
    _collect(model, (), found, set())
    return found


def _collect(layer: Any, above: tuple[str, ...], found: list[NoiseLayer], seen: set[int]) -> None:
    for inner in layer._flatten_layers(recursive=False, include_self=False):  # noqa: SLF001 - `layers` misses those inside a layer
        if id(inner) in seen:
            continue
        seen.add(id(inner))
        names = (*above, inner.name)
        if _is_dropout(inner):
            if not (hasattr(layer, "_dropout_layer") and inner is layer._dropout_layer and inner.rate == 0):  # noqa: SLF001 - of attention
                label = f"{above[-1]}/dropout" if hasattr(layer, "_dropout_layer") else inner.name
                found.append(NoiseLayer(label, names, inner, "rate", layer))
        elif hasattr(inner, "_create_dropout_mask"):
            found.extend(
                NoiseLayer(f"{(above or names)[-1]}/{attribute}", names, inner, attribute, layer)
                for attribute in ("dropout", "recurrent_dropout")
                if getattr(inner, attribute) > 0
            )
        _collect(inner, names, found, seen)


def _is_dropout(layer: Any) -> bool:
    kinds = (keras.layers.Dropout, keras.layers.GaussianDropout, keras.layers.AlphaDropout)
    return isinstance(layer, kinds)


def set_rate(noise: NoiseLayer, rate: float) -> None:
    """Set the rate of a layer that has not been called in a compiled program yet: such a program keeps its rate."""
    setattr(noise.layer, noise.attribute, rate)
    if hasattr(noise.owner, "_dropout"):  # of attention, which writes it into its configuration
        noise.owner._dropout = rate  # noqa: SLF001 - as above


def noise_rates(description: dict[str, Any], arm: Arm) -> list[float]:
    """Rate of each noise layer in an arm: its own, a factor of the arm's, or the one that the arm has for it."""
    layers = description["noise"]
    given = iter(arm.rates if isinstance(arm.rate, tuple) else ())
    return [
        each["rate"] if each["factor"] is None else next(given, each["factor"] * arm.rates[0])
        for each in layers
    ]
