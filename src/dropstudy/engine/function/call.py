"""A training function: how it is recognised, named, passed on to workers and called.

What is passed on is pickled in memory alone: a study's folder never holds a pickle.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import pickle
import re
import sys
from dataclasses import replace
from functools import partial
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropstudy.core.model import ModelReference, ModelSource
from dropstudy.core.safe_path import safe_path
from dropstudy.engine.keras.builder import name_of_builder, pickled, source_digest
from dropstudy.errors import InvalidArgument, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dropstudy.core.types import StudySpec

_TAKES = ("rate", "seed", "data")
_SIGNATURES = "fn(rate, seed) or fn(rate, seed, data)"
_FEWEST, _MOST = 2, 3  # parameters
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # in the text of an object, another one in each process


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


def function_name(function: Any) -> str:
    """Module and name of a function, of the function in a partial."""
    while isinstance(function, partial):
        function = function.func
    return name_of_builder(function)


def describe(function: Callable[..., Any]) -> tuple[ModelSource, ModelReference]:
    """Describe a function: what workers call, and its place in a specification.

    Raises:
        InvalidArgument: it has other parameters, or cannot be passed on.
    """
    name = function_name(function)
    text = json.dumps(
        {
            "version": 1,
            "function": name,
            "source": _digest(function),
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
    return ModelSource(text, _packed(function, name)), reference


def _digest(function: Any) -> str:
    """Digest of a function's source, of the user's functions that it calls, and of the arguments of a partial."""
    parts = []
    while isinstance(function, partial):
        parts.append(repr((function.args, sorted(function.keywords.items()))))
        function = function.func
    parts.append(source_digest(function))
    if not hasattr(function, "__code__"):  # an object that can be called: its settings count
        parts.append(
            repr(sorted((key, repr(value)) for key, value in getattr(function, "__dict__", {}).items()))
        )
    return hashlib.sha256(_ADDRESS.sub("", "\n".join(parts)).encode()).hexdigest()


def _packed(function: Any, name: str) -> bytes:
    """A function and the folders that its modules are imported from, which workers search last."""
    safe = set(safe_path())
    folders = [str(Path(entry).resolve()) for entry in sys.path if entry not in safe]
    return pickle.dumps((folders, pickled(function, name)))


def function_of(source: ModelSource) -> Callable[..., Any]:
    """The function that a worker calls: the one passed on, else the one of that name and that source.

    Raises:
        ModelError: it cannot be imported, or its source has changed since.
    """
    if source.builder:
        folders, packed = pickle.loads(source.builder)  # noqa: S301 - from the process that started this worker
        sys.path += [folder for folder in folders if folder not in sys.path]
        function: Callable[..., Any] = pickle.loads(packed)  # noqa: S301 - as above
        return function
    description = json.loads(source.description)
    name = description["function"]
    function = imported(name, again=True)
    if _digest(function) != description["source"]:
        raise ModelError(
            name,
            expected="the training function with which the study was made",
            received="another source of that name",
            next_step="Undo the change, or start a new study with --out.",
        )
    return function


def ready(source: ModelSource | None, spec: StudySpec) -> ModelSource | None:
    """What workers need of a study's own model: the training function of a study that is continued is imported.

    Raises:
        ModelError: it cannot be, or its source has changed since.
    """
    if source is None or source.builder or spec.model is None or not spec.model.is_function:
        return source
    return replace(source, builder=_packed(function_of(source), spec.model.name))


def imported(name: str, *, again: bool = False) -> Callable[..., Any]:
    """Import a function by its name, `package.module:function`; the current folder is searched last.

    Args:
        name: of the function.
        again: it is that of a study which is continued.

    Raises:
        ModelError: there is no such function.
    """
    module, _, qualname = name.partition(":")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    how = "Run the script or notebook that made the study once more: it continues there." if again else ""
    if not module or not qualname or (again and (module == "__main__" or "<" in qualname)):
        raise ModelError(
            name or "function",
            expected="a function that can be imported, as package.module:function",
            received=f"one of {module}" if module == "__main__" else repr(name),
            next_step=how,
        )
    try:
        found: Callable[..., Any] = attrgetter(qualname)(import_module(module))
    except Exception as error:  # whatever the user's module raises
        raise ModelError(
            name,
            expected="a function that can be imported, as package.module:function",
            received=f"{type(error).__name__}: {error}",
            next_step=how or "Call the command in the folder that holds the module, or install its package.",
        ) from error
    return found
