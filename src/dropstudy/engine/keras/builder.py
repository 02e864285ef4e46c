"""Functions that build a Keras model: how they are called and passed on, and a digest of their source."""

from __future__ import annotations

import hashlib
import inspect
import sys
import sysconfig
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import cloudpickle

from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PLAIN = (bool, int, float, str, bytes, tuple, list, dict, type(None))


def takes_rate(build: Callable[..., Any]) -> bool:
    """True for a function with a parameter for the rate: one named `rate`, or the only one without a default."""
    return _rate_parameter(build) is not None


def call_builder(build: Any, rate: float) -> Any:
    """The model that a function builds, or the one given in its place."""
    if not callable(build) or _is_model(build):
        return build
    name = _rate_parameter(build)
    if name is None:
        return build()
    return build(rate) if name == "" else build(**{name: rate})


def _is_model(build: Any) -> bool:
    """True for a model, which can be called too; a class of models is a function that builds them."""
    return hasattr(build, "stateless_call") and not isinstance(build, type)


def _rate_parameter(build: Callable[..., Any]) -> str | None:
    """Name of the parameter for the rate, empty where it is given by position, None where there is none."""
    if _is_model(build):
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


def name_of_builder(build: Any) -> str:
    """Module and name of a function."""
    name = getattr(build, "__qualname__", type(build).__qualname__)
    return f"{getattr(build, '__module__', None) or '__main__'}:{name}"


def pickled(thing: Any, name: str) -> bytes:
    """A function, and what it holds, in the form in which it is passed on to workers, in memory alone.

    Args:
        thing: the function.
        name: what an error calls it.

    Raises:
        InvalidArgument: it holds something that cannot be passed on.
    """
    try:
        return bytes(cloudpickle.dumps(thing))
    except Exception as error:  # whatever an object that it holds raises
        raise InvalidArgument(
            name,
            expected="a function that can be passed on to worker processes",
            received=f"{type(error).__name__}: {error}",
            next_step="Let it make all that it needs inside, such as files, locks and models.",
        ) from error


def import_builder(name: str) -> Any:
    """The function of a `name_of_builder`; None if it cannot be imported."""
    module, _, qualname = name.partition(":")
    if module == "__main__":
        return None
    try:
        return attrgetter(qualname)(import_module(module))
    except (ImportError, AttributeError):  # also of a function inside of another one
        return None


def source_digest(build: Any) -> str:
    """Digest of the source of a function and of all of the user's functions and classes that it names.

    Plain values that it names, such as a width, count too. Installed packages do not.
    """
    parts: dict[str, str] = {}
    _read(build, parts)
    text = "\n".join(f"{name}\n{parts[name]}" for name in sorted(parts))
    return hashlib.sha256(text.encode()).hexdigest()


def _read(thing: Any, parts: dict[str, str]) -> None:
    thing = inspect.unwrap(thing) if isinstance(thing, FunctionType) else getattr(thing, "func", thing)
    if not isinstance(thing, (FunctionType, type)):
        thing = type(thing)
    name = name_of_builder(thing)
    if name in parts or _is_installed(thing):
        return
    try:
        parts[name] = inspect.getsource(thing)
    except (OSError, TypeError):  # typed into a shell
        parts[name] = repr(
            [code.co_code for function in _functions(thing) for code in _codes(function.__code__)]
        )
    for base in getattr(thing, "__bases__", ()):
        _read(base, parts)
    for function in _functions(thing):
        known = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
        for code in _codes(function.__code__):
            for used in (*code.co_names, *code.co_freevars):
                value = known.get(used)
                if isinstance(value, (FunctionType, type)):
                    _read(value, parts)
                elif used in known and isinstance(value, _PLAIN):
                    parts[f"{name}.{used}"] = repr(value)


def _functions(thing: Any) -> Iterator[FunctionType]:
    if isinstance(thing, FunctionType):
        yield thing
    else:
        yield from (value for value in vars(thing).values() if isinstance(value, FunctionType))


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _is_installed(thing: Any) -> bool:
    """True for what Python or an installed package defines."""
    module: ModuleType | None = sys.modules.get(thing.__module__)
    file = getattr(module, "__file__", None)
    if thing.__module__ == "__main__":
        return False
    if file is None:
        return thing.__module__ in sys.stdlib_module_names or thing.__module__ == "builtins"
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return any(Path(file).is_relative_to(path) for path in paths)
