"""Functions that build a Keras model: how they are called."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def takes_rate(build: Callable[..., Any]) -> bool:
    """True for a function with a parameter for the rate: one named `rate`, or the only one without a default."""
    return _rate_parameter(build) is not None


def call_builder(build: Any, rate: float) -> Any:
    """The model that a function builds, or the one given in its place."""
    if not callable(build) or is_model(build):
        return build
    name = _rate_parameter(build)
    if name is None:
        return build()
    return build(rate) if name == "" else build(**{name: rate})


def is_model(build: Any) -> bool:
    """True for a model, which can be called too; a class of models is a function that builds them."""
    return hasattr(build, "stateless_call") and not isinstance(build, type)


def _rate_parameter(build: Callable[..., Any]) -> str | None:
    """Name of the parameter for the rate, empty where it is given by position, None where there is none."""
    if is_model(build):
        return None
    try:
        parameters = inspect.signature(build).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(each.name == "rate" and each.kind is not each.POSITIONAL_ONLY for each in parameters):
        return "rate"
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = [each for each in parameters if each.default is each.empty and each.kind in kinds]
    return "" if len(required) == 1 else None
