"""A training function: how it is recognised, described and called."""

from __future__ import annotations

import hashlib
import inspect
import json
from typing import TYPE_CHECKING, Any

from dropstudy.core.model import ModelReference, ModelSource
from dropstudy.engine.user_code import name_of, packed, source_digest
from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable

_TAKES = ("rate", "seed", "data")
_SIGNATURES = "fn(rate, seed) or fn(rate, seed, data)"
_FEWEST, _MOST = 2, 3  # parameters


def is_training_function(thing: Any) -> bool:
    """True for a function of a rate and a seed; one that builds a model has a rate at most."""
    names = _parameters(thing)
    return names is not None and ("seed" in names or len(names) >= _FEWEST)


def takes_data(function: Callable[..., Any], name: str) -> bool:
    """True where a function is called with data.

    Raises:
        InvalidArgument: it takes neither a rate and a seed, nor data behind them.
    """
    names = _parameters(function)
    if names is None or not _FEWEST <= len(names) <= _MOST:
        received = "something that is no function" if names is None else f"fn({', '.join(names)})"
        raise InvalidArgument(name, expected=f"a function {_SIGNATURES}", received=received)
    return len(names) == _MOST


def _parameters(thing: Any) -> list[str] | None:
    """Names of the parameters that a call gives: those without a default, and rate, seed and data."""
    if not callable(thing) or isinstance(thing, type) or hasattr(thing, "stateless_call"):
        return None
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return None
    plain = [each for each in parameters if each.kind not in {each.VAR_POSITIONAL, each.VAR_KEYWORD}]
    return [each.name for each in plain if each.default is each.empty or each.name in _TAKES]


def call(function: Callable[..., Any], rate: Any, seed: int, data: Any) -> Any:
    """Call a function by the names of its parameters where it has ours, else by their order."""
    names = _parameters(function) or []
    values = (rate, seed, data)[: len(names)]
    if set(names) == set(_TAKES[: len(names)]):
        return function(**dict(zip(_TAKES, values, strict=False)))
    return function(*values)


def describe(function: Callable[..., Any]) -> tuple[ModelSource, ModelReference]:
    """Describe a function: what workers call, and its place in a specification.

    Raises:
        InvalidArgument: it has other parameters, or cannot be passed on.
    """
    name = name_of(function)
    text = json.dumps(
        {
            "version": 1,
            "function": name,
            "source": source_digest(function),
            "takes_data": takes_data(function, name),
        },
        sort_keys=True,
    )
    short = name.rpartition(":")[2].rpartition(".")[2]
    reference = ModelReference(
        name="training function" if short == "<lambda>" else short,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        parameters=0,
        operations=1.0,
        optimizer="",
        noise=(),
        function=name,
    )
    return ModelSource(text, packed(function, name)), reference
