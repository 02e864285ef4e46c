"""Functions of the user: named, told apart by their source, passed on to workers, and imported again.

What is passed on is pickled in memory alone: a study's folder never holds a pickle.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import pickle
import re
import sys
import sysconfig
from dataclasses import replace
from functools import partial
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import cloudpickle

from dropstudy.core.safe_path import safe_path
from dropstudy.errors import InvalidArgument, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dropstudy.core.model import ModelSource

_PLAIN = (bool, int, float, str, bytes, tuple, list, dict, type(None))
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # in the text of an object, another one in each process


def name_of(function: Any) -> str:
    """Module and name of a function, of the function in a partial."""
    while isinstance(function, partial):
        function = function.func
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', None) or '__main__'}:{name}"


# Passed on to workers


def packed(thing: Any, name: str) -> bytes:
    """A function, and what it holds, with the folders that its modules are imported from, in memory alone.

    Args:
        thing: the function.
        name: what an error calls it.

    Raises:
        InvalidArgument: it holds something that cannot be passed on.
    """
    safe = set(safe_path())
    folders = [str(Path(entry).resolve()) for entry in sys.path if entry not in safe]
    try:
        return pickle.dumps((folders, cloudpickle.dumps(thing)))
    except Exception as error:  # whatever an object that it holds raises
        raise InvalidArgument(
            name,
            expected="a function that can be passed on to worker processes",
            received=f"{type(error).__name__}: {error}",
            next_step="Let it make all that it needs inside, such as files, locks and models.",
        ) from error


def unpacked(content: bytes, name: str) -> Any:
    """The function in a worker, which searches its folders last.

    Raises:
        ModelError: what it needs cannot be imported there.
    """
    folders, function = pickle.loads(content)  # noqa: S301 - from the process that started this worker
    sys.path += [folder for folder in folders if folder not in sys.path]
    try:
        return pickle.loads(function)  # noqa: S301 - as above
    except Exception as error:  # whatever an import raises
        raise ModelError(
            name,
            expected="a function that a worker process can import, with all that it uses",
            received=f"{type(error).__name__}: {error}",
            next_step="Put it into a module that can be imported, or into the notebook itself.",
        ) from error


# Imported by name


def function_of(source: ModelSource) -> Any:
    """The user's function of a study: the one passed on, else the one of that name and that source.

    Raises:
        ModelError: it cannot be imported, or its source has changed since.
    """
    description = json.loads(source.description)
    name = _name_in(description)
    if source.builder:
        return unpacked(source.builder, name)
    function = imported(name, again=True)
    if source_digest(function) != description["source"]:
        raise ModelError(
            name,
            expected="the function with which the study was made",
            received="another source of that name",
            next_step="Undo the change, or start a new study with --out.",
        )
    return function


def ready(source: ModelSource | None) -> ModelSource | None:
    """What workers need of a study's own model, with its function imported where the study is continued.

    Raises:
        ModelError: it cannot be, or its source has changed since.
    """
    if source is None or source.builder or not (name := _name_in(json.loads(source.description))):
        return source
    # A module that builds a model imports Keras, as workers do: with jax, which is sure to be installed.
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return replace(source, builder=packed(function_of(source), name))


def _name_in(description: dict[str, Any]) -> str:
    """Name of the function in a description: one that trains, or one that builds a model; empty for neither."""
    return description.get("function") or description.get("builder") or ""


def imported(name: str, *, again: bool = False) -> Any:
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
        found = attrgetter(qualname)(import_module(module))
    except Exception as error:  # whatever the user's module raises
        raise ModelError(
            name,
            expected="a function that can be imported, as package.module:function",
            received=f"{type(error).__name__}: {error}",
            next_step=how or "Call the command in the folder that holds the module, or install its package.",
        ) from error
    return found


# Source


def source_digest(function: Any) -> str:
    """Digest of the source of a function and of all of the user's functions and classes that it names.

    Plain values that it names, such as a width, count too; so do the arguments of a partial, and the settings of an
    object that can be called. Installed packages do not.
    """
    parts = []
    while isinstance(function, partial):
        parts.append(repr((function.args, sorted(function.keywords.items()))))
        function = function.func
    sources: dict[str, str] = {}
    _read(function, sources)
    text = "\n".join(f"{name}\n{sources[name]}" for name in sorted(sources))
    parts.append(hashlib.sha256(text.encode()).hexdigest())
    if not isinstance(function, (FunctionType, type)):
        settings = getattr(function, "__dict__", {})
        parts.append(repr(sorted((key, repr(value)) for key, value in settings.items())))
    return hashlib.sha256(_ADDRESS.sub("", "\n".join(parts)).encode()).hexdigest()


def _read(thing: Any, parts: dict[str, str]) -> None:
    thing = inspect.unwrap(thing) if isinstance(thing, FunctionType) else getattr(thing, "func", thing)
    if not isinstance(thing, (FunctionType, type)):
        thing = type(thing)
    name = name_of(thing)
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
