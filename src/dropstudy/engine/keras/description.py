"""Description of a Keras model: all that its numbers depend on, as JSON, made and checked in a worker.

Its digest stands for the model in keys and study files. It holds the configuration that Keras writes, the optimiser,
the loss, and the dropout layers with the factor of the study's rate that each has. A model with classes of the user
cannot be built from it: then the function that builds the model goes to the workers too, and the description has its
name and the digest of its source.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

import jax
import keras
import numpy as np

from dropstudy.core.model import ModelReference, ModelSource
from dropstudy.core.tensors import to_bytes
from dropstudy.engine.keras import checks, objective
from dropstudy.engine.keras.archive import ModelFile, custom_classes
from dropstudy.engine.keras.build import (
    CANONICAL_RATE,
    NoiseLayer,
    ensure_built,
    noise_layers,
    require_jax,
    variable_names,
)
from dropstudy.engine.keras.builder import call_builder, takes_rate
from dropstudy.engine.keras.insert import with_dropout
from dropstudy.engine.keras.network import digest, values_of
from dropstudy.engine.user_code import unpacked
from dropstudy.errors import ModelError

if TYPE_CHECKING:
    from dropstudy.engine.keras.request import ModelRequest

_PROBED = 0.25
"""Rate that shows, beside the canonical one, how a function uses its rate."""

_FIRST_SEED, _OTHER_SEED = 1, 2
_PASSES = 3.0  # a forward pass, and a backward one that takes twice as long


def describe(request: ModelRequest) -> tuple[ModelSource, ModelReference]:
    """Build a model, check it, and describe it.

    Raises:
        ModelError: it cannot be used; the message says why.
    """
    require_jax()
    given = unpacked(request.builder, request.builder_name)
    model = _made(given, request, CANONICAL_RATE, _FIRST_SEED)
    checks.check_kind(model, request.builder_name)
    shape = checks.input_shape(model, request.input_shape)
    _prepare(model, shape, request)
    found = noise_layers(model)
    factors = _factors(given, request, model, found)
    objective_of = objective.of(model, request, shape)
    config = _config(model)
    rebuilt = None if custom_classes(config) else _rebuilt(config, shape)
    needs_builder = rebuilt is None or not checks.same_weights(model, rebuilt)
    if needs_builder:
        checks.refuse_unbuildable(given, config, request.builder_name)
    named = rebuilt
    if not isinstance(given, (keras.Model, ModelFile)) and not request.pretrained:
        again, other = (_built(given, request, seed, shape) for seed in (_FIRST_SEED, _OTHER_SEED))
        checks.check_seeds(model, again, other, rebuilt, request.builder_name)
        named = again if needs_builder else rebuilt
    names = _weight_names(named or model)
    weights = _weights_file(model, names) if request.pretrained else b""
    description = {
        "version": 1,
        "model": config,
        "builder": request.builder_name if needs_builder else None,
        "source": request.source if needs_builder else None,
        "input_shape": list(shape),
        "weights": names,
        **({"add_dropout": True} if request.add_dropout else {}),
        **({"pretrained": hashlib.sha256(weights).hexdigest()} if request.pretrained else {}),
        "noise": [
            {"name": layer.name, "rate": layer.rate, "factor": factor}
            for layer, factor in zip(found, factors, strict=True)
        ],
        **objective_of,
    }
    text = json.dumps(description, sort_keys=True, separators=(",", ":"))
    source = ModelSource(text, request.builder if needs_builder else b"", weights)
    reference = ModelReference(
        name=request.name or model.name,
        sha256=digest(text),
        parameters=int(sum(math.prod(variable.shape) for variable in model.weights)),
        operations=_operations(model, shape),
        optimizer=objective.in_words(objective_of["optimizer"]),
        noise=tuple(layer.name for layer, factor in zip(found, factors, strict=True) if factor is not None),
        builder=request.builder_name if needs_builder else "",
    )
    return source, reference


def _made(given: Any, request: ModelRequest, rate: float, seed: int) -> Any:
    """The model of a builder, as it is after a fixed seed and with names that count from the start."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    try:
        model = call_builder(given, rate)
        return with_dropout(model, request.builder_name) if request.add_dropout else model
    except ModelError:
        raise
    except Exception as error:  # whatever the user's function raises
        raise ModelError(
            request.builder_name,
            expected="a function that builds a keras.Model, called as build() or build(rate)",
            received=f"{type(error).__name__}: {error}",
            next_step="Call it once yourself to see the whole traceback.",
        ) from error


def _prepare(model: Any, shape: tuple[int, ...], request: ModelRequest) -> None:
    try:
        ensure_built(model, list(shape))
        checks.check_outputs(model, shape, request.classes, request.builder_name)
    except ModelError:
        raise
    except Exception as error:  # whatever the user's layers raise
        raise ModelError(
            request.builder_name,
            expected=f"a model that takes a batch of examples of shape {shape}",
            received=f"{type(error).__name__}: {' '.join(str(error).split())}",
            next_step="Call the model on np.zeros((2, ...)) of that shape to see the whole traceback.",
        ) from error


def _factors(given: Any, request: ModelRequest, model: Any, found: list[NoiseLayer]) -> list[float | None]:
    """Factor of the study's rate in each noise layer; None for a layer whose rate stays.

    Raises:
        ModelError: the model has no such layer, or a function's rate enters in another way.
    """
    if not found:
        raise checks.no_dropout(request.builder_name)
    if not takes_rate(given):
        chosen = checks.chosen_layers(found, request.dropout_layers, request.builder_name)
        return [1.0 if layer in chosen else None for layer in found]
    if request.dropout_layers:
        raise checks.both_rate_and_layers(request.builder_name)
    by_rate = {CANONICAL_RATE: [layer.rate for layer in found]}
    for rate in dict.fromkeys((_PROBED, *request.rates)):
        other = _made(given, request, rate, _FIRST_SEED)
        checks.check_kind(other, request.builder_name)
        ensure_built(other, list(checks.input_shape(other, request.input_shape)))
        checks.check_same_weights(model, other, rate, request.builder_name)
        if rate > 0:  # at rate 0 a function may leave the layers out
            by_rate[rate] = [layer.rate for layer in noise_layers(other)]
    return checks.factors(by_rate, [layer.name for layer in found], request.builder_name)


def _config(model: Any) -> dict[str, Any] | None:
    """Configuration of a model without how it was compiled; None for one that Keras cannot write."""
    try:
        config = keras.saving.serialize_keras_object(model)
        config.pop("compile_config", None)
        plain: dict[str, Any] = json.loads(json.dumps(config))
    except (TypeError, ValueError, NotImplementedError):
        return None
    return plain


def _rebuilt(config: dict[str, Any] | None, shape: tuple[int, ...]) -> Any:
    """The model of a configuration; None if Keras cannot build it without running code that it holds."""
    if config is None:
        return None
    try:
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
        ensure_built(model, list(shape))
    except Exception:  # noqa: BLE001 - Keras raises many kinds for what it cannot read
        return None
    return model


def _built(given: Any, request: ModelRequest, seed: int, shape: tuple[int, ...]) -> Any:
    model = _made(given, request, CANONICAL_RATE, seed)
    checks.check_kind(model, request.builder_name)
    ensure_built(model, list(shape))
    return model


def _weight_names(model: Any) -> list[str]:
    """Names of the weights in files, in the order of the model's weights."""
    names = variable_names(model)
    return [names[id(variable)].removeprefix("weights/") for variable in model.weights]


def _weights_file(model: Any, names: list[str]) -> bytes:
    arrays = {name: np.asarray(variable.value) for name, variable in zip(names, model.weights, strict=True)}
    return to_bytes(arrays, {})


def _operations(model: Any, shape: tuple[int, ...]) -> float:
    """Floating-point operations of training on one example, as XLA counts those of a forward pass."""
    values, x = values_of(model), np.zeros((1, *shape), np.float32)
    cost = (
        jax.jit(lambda v, x: model.stateless_call(v.trainable, v.other, x)[0])
        .lower(values, x)
        .cost_analysis()
    )
    counted = (cost or {}).get("flops", 0.0) if isinstance(cost, dict) else 0.0
    least = 2.0 * sum(math.prod(variable.shape) for variable in model.weights)
    return float(f"{_PASSES * max(counted, least):.3g}")
