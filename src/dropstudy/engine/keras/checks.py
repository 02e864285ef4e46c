"""What a model and the function that builds it must be like, and the error where they are not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from dropstudy.engine.keras.archive import ModelFile, custom_classes
from dropstudy.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.engine.keras.build import NoiseLayer

_CONSTANTS = 2
"""Most values of an initialiser that no seed changes, 0 and 1."""

_CLOSE = 1e-6  # between a rate and a multiple of another


def check_kind(model: Any, name: str) -> None:
    """Refuse what is no model with one output that Keras' own training loop trains."""
    if not isinstance(model, keras.Model):
        raise ModelError(
            name,
            expected="a function that returns a keras.Model",
            received=f"one that returns {'None' if model is None else 'an object of type ' + type(model).__name__}",
            next_step="Let it return the model, for instance keras.Sequential([...]).",
        )
    own = [
        method
        for method in ("train_step", "compute_loss")
        if getattr(type(model), method) is not getattr(keras.Model, method)
    ]
    if own:
        raise ModelError(
            name,
            expected="a model that is trained as Keras trains by default",
            received=f"one with a {own[0]} of its own, which dropstudy would not call",
            next_step="Leave it out, or put the extra loss into the model with add_loss.",
        )


def input_shape(model: Any, examples: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of an example as the model takes it: that of the data, or one with as many numbers.

    Raises:
        ModelError: the model takes another number of numbers, or several inputs.
    """
    inputs = getattr(model, "inputs", None)
    if not inputs:
        built = getattr(model, "_build_shapes_dict", None) or {}
        shape = next(iter(built.values()), None) if len(built) == 1 else None
        return examples if shape is None or None in shape[1:] else _fitting(model, tuple(shape[1:]), examples)
    if len(inputs) > 1:
        raise ModelError(
            model.name,
            expected="a model with one input",
            received=f"one with {len(inputs)}",
            next_step="Put the inputs into one array, and take it apart in the model.",
        )
    return _fitting(model, tuple(inputs[0].shape[1:]), examples)


def _fitting(model: Any, wanted: tuple[int | None, ...], examples: tuple[int, ...]) -> tuple[int, ...]:
    open_axes = wanted.count(None)
    if (
        open_axes
        and len(wanted) == len(examples)
        and all(w in {None, n} for w, n in zip(wanted, examples, strict=True))
    ):
        return examples
    known = math.prod(n for n in wanted if n is not None)
    if open_axes == 1 and known and math.prod(examples) % known == 0:
        return tuple(math.prod(examples) // known if n is None else n for n in wanted)
    if not open_axes and known == math.prod(examples):
        return tuple(n for n in wanted if n is not None)
    raise ModelError(
        model.name,
        expected=f"examples of shape {wanted}, which the model takes",
        received=f"examples of shape {examples}",
        next_step="Change the model's Input, or reshape the data.",
    )


def check_outputs(model: Any, shape: tuple[int, ...], classes: int, name: str) -> None:
    """Refuse a model with several outputs, with too few for the classes, or one that changes between two calls."""
    x = np.zeros((2, *shape), np.float32)
    outputs = model(x, training=False)
    if isinstance(outputs, (list, tuple, dict)):
        raise ModelError(
            name,
            expected="a model with one output",
            received=f"one with {len(outputs)}",
            next_step="Return one.",
        )
    found = tuple(outputs.shape)
    if len(found) != 2 or (found[1] != classes and not (found[1] == 1 and classes == 2)):  # noqa: PLR2004 - (batch, classes); two classes
        raise ModelError(
            name,
            expected=f"a model with {classes} outputs, one for each class of the data",
            received=f"outputs of shape {('n', *found[1:])}".replace("'", ""),
            next_step=f"End it in Dense({classes}, activation='softmax').",
        )
    if not np.array_equal(np.asarray(outputs), np.asarray(model(x, training=False))):
        raise ModelError(
            name,
            expected="a model whose outputs are a function of its inputs and variables",
            received="one that gives other outputs at the second call, so that it keeps state elsewhere",
            next_step="Keep the state in variables (add_weight), and draw in training alone.",
        )


def no_dropout(name: str) -> ModelError:
    """Error for a model without dropout."""
    return ModelError(
        name,
        expected="a model with a dropout layer, whose rate the study moves",
        received="one without any",
        next_step="Put keras.layers.Dropout(0.5) where it belongs, or have one put behind each activation: "
        "--add-dropout.",
    )


def both_rate_and_layers(name: str) -> ModelError:
    """Error for a function that takes a rate, and names of layers."""
    return ModelError(
        "dropout_layers",
        expected=f"none, since {name} takes the rate itself",
        received="names of layers",
        next_step="Leave them out.",
    )


def chosen_layers(found: Sequence[NoiseLayer], wanted: Sequence[str], name: str) -> list[NoiseLayer]:
    """Layers with dropout that have one of the names; all where no names are given.

    Raises:
        ModelError: the model has no layer of a name.
    """
    if not wanted:
        return list(found)
    for each in wanted:
        if not any(each in (layer.name, *layer.names) for layer in found):
            raise ModelError(
                "dropout_layers",
                expected=f"layers of {name} with dropout: {', '.join(layer.name for layer in found)}",
                received=repr(each),
            )
    return [layer for layer in found if set(wanted) & {layer.name, *layer.names}]


def check_same_weights(model: Any, other: Any, rate: float, name: str) -> None:
    """Refuse a function whose rate changes more than the dropout."""
    if not same_weights(model, other):
        sizes = [sum(math.prod(shape) for _, shape in _shapes(each)) for each in (model, other)]
        raise ModelError(
            name,
            expected="a function that builds the same weights at every rate",
            received=f"{sizes[0]:,} weights at rate 0.5 and {sizes[1]:,} at {rate:g}, or others in another order",
            next_step="Let the rate change the dropout alone: arms of one seed share their initial weights.",
        )


def factors(by_rate: dict[float, list[float]], names: Sequence[str], name: str) -> list[float | None]:
    """Factor of the rate in each layer, None for a constant one.

    Args:
        by_rate: rates of the layers for each rate that the function was called with.
        names: of the layers.
        name: of the function.

    Raises:
        ModelError: a layer's rate is neither constant nor a multiple of the function's.
    """
    if any(len(rates) != len(names) for rates in by_rate.values()):
        raise ModelError(
            name,
            expected="a function that builds the same dropout layers at every rate above 0",
            received="other ones at " + " and ".join(f"{rate:g}" for rate in sorted(by_rate)),
        )
    found: list[float | None] = []
    for number, layer in enumerate(names):
        rates = {rate: values[number] for rate, values in by_rate.items()}
        first = next(iter(rates.values()))
        ratios = {rate: value / rate for rate, value in rates.items()}
        ratio = next(iter(ratios.values()))
        if all(math.isclose(value, first, abs_tol=_CLOSE) for value in rates.values()):
            found.append(None)
        elif all(math.isclose(value, ratio, abs_tol=_CLOSE) for value in ratios.values()):
            found.append(float(f"{ratio:.6g}"))
        else:
            raise ModelError(
                f"rate of the layer {layer!r} of {name}",
                expected="the function's rate, a fixed multiple of it, or a constant",
                received=", ".join(f"{value:g} at rate {rate:g}" for rate, value in sorted(rates.items())),
                next_step="Use a multiple such as rate / 2.",
            )
    if not any(found):
        constant = ", ".join(f"{rate:g}" for rate in next(iter(by_rate.values())))
        raise ModelError(
            name,
            expected="a function that uses its rate in a dropout layer",
            received=f"one whose dropout layers have constant rates ({constant})",
            next_step="Pass the rate on: keras.layers.Dropout(rate).",
        )
    return found


def refuse_unbuildable(given: Any, config: Any, name: str) -> None:
    """Refuse a model, not a function, that cannot be built from its configuration."""
    if isinstance(given, (keras.Model, ModelFile)):
        own = custom_classes(config)
        raise ModelError(
            name,
            expected="layers of Keras alone in a model that is given as it is",
            received=f"a layer or model of the class {own[0]}" if own else "a model with code of its own",
            next_step="Pass a function that builds it: dropstudy.compare(build, ...).",
        )


def check_seeds(model: Any, again: Any, other: Any, rebuilt: Any, name: str) -> None:
    """Refuse weights that a seed does not repeat, or that another seed does not change.

    Args:
        model: as the function builds it after a seed.
        again: after the same seed.
        other: after another one.
        rebuilt: from its configuration, after any seed; None where that is not possible.
        name: of the function.

    Raises:
        ModelError: there are such weights.
    """
    if not same_weights(model, again) or not same_weights(model, other):
        raise ModelError(
            name,
            expected="a function that builds the same model at each call",
            received="another one at the second call",
            next_step="Let its result depend on its arguments alone.",
        )
    first, second, third = map(_weights, (model, again, other))
    if not all(map(np.array_equal, first, second)):
        raise ModelError(
            name,
            expected="the same initial weights for the same seed",
            received="other ones at the second call after keras.utils.set_random_seed",
            next_step="Draw weights with Keras' initialisers alone, without a generator of your own.",
        )
    # Zeros and ones, alone or mixed as in the bias of an LSTM, are the same for all seeds.
    fresh = [np.zeros_like(array) for array in first] if rebuilt is None else _weights(rebuilt)
    fixed = [
        np.array_equal(a, b) and not np.array_equal(a, new) and len(np.unique(a)) > _CONSTANTS
        for a, b, new in zip(first, third, fresh, strict=True)
    ]
    if any(fixed):
        raise ModelError(
            name,
            expected="initial weights that are drawn for each seed",
            received="weights that are the same for two seeds, such as ones that were loaded",
            next_step="Build the model inside the function, without loading weights; or start all seeds from these: "
            "--pretrained.",
        )


def _weights(model: Any) -> list[Any]:
    return [np.array(variable.value) for variable in model.weights]


def same_weights(model: Any, other: Any) -> bool:
    """True for models whose weights have the same names and shapes, in the same order."""
    return _shapes(model) == _shapes(other)


def _shapes(model: Any) -> list[tuple[str, tuple[int, ...]]]:
    return [(variable.name, tuple(variable.shape)) for variable in model.weights]
