"""A `.keras` file: what it holds is checked before Keras reads it. The checks need neither Keras nor jax."""

from __future__ import annotations

import json
import warnings
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dropstudy.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_LARGEST = 1 << 26
"""Bytes of a configuration: far more than any model's."""

_CODE = "__lambda__"
"""Class name under which Keras stores a function as code."""


@dataclass(frozen=True)
class ModelFile:
    """A `.keras` file in place of a function that builds a model.

    Args:
        path: of the file.
    """

    path: Path

    def __call__(self) -> Any:
        """Load the model with Keras, which runs no code from it."""
        import keras  # noqa: PLC0415 - in workers alone

        try:
            with warnings.catch_warnings(action="ignore"):  # of moments, which do not count
                return keras.saving.load_model(self.path, safe_mode=True)
        except Exception as error:  # Keras raises many kinds
            raise ModelError(
                str(self.path),
                expected="a model that Keras can load",
                received=f"{type(error).__name__}: {' '.join(str(error).split())}",
                next_step="Save it again with model.save in the version of Keras that is installed here.",
            ) from error


def check_archive(path: Path) -> None:
    """Refuse a file that is no whole `.keras` file, or that needs code which it holds or which is not Keras' own.

    Raises:
        ModelError: it is such a file.
    """
    config = _config(path)
    if any(each.get("class_name") in {"Lambda", _CODE} for each in _objects(config)):
        raise ModelError(
            str(path),
            expected="a model without code of its own, which dropstudy never runs from a file",
            received="one with a Lambda layer or a function",
            next_step="Pass a function that builds the model: dropstudy.compare(build, ...).",
        )
    if own := custom_classes(config):
        raise ModelError(
            str(path),
            expected="layers of Keras alone in a model file",
            received=f"a layer or model of the class {own[0]}, which the file does not define",
            next_step="Pass a function that builds the model: dropstudy.compare(build, ...).",
        )


def custom_classes(config: Any) -> list[str]:
    """Classes in a configuration that are not Keras' own."""
    return [str(each["class_name"]) for each in _objects(config) if _is_custom(each)]


def _is_custom(each: dict[str, Any]) -> bool:
    module = each.get("module")
    if module is None:
        return bool(each.get("registered_name"))
    return str(module).partition(".")[0] not in {"keras", "builtins"}


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Every object in a configuration, by its class and its own configuration."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        for value in config.values():
            yield from _objects(value)
    elif isinstance(config, list):
        for value in config:
            yield from _objects(value)


def _config(path: Path) -> Any:
    expected = "a model that model.save('....keras') wrote"
    try:
        with zipfile.ZipFile(path) as archive:
            archive.getinfo(_WEIGHTS)
            if archive.getinfo(_CONFIG).file_size <= _LARGEST and archive.testzip() is None:
                return json.loads(archive.read(_CONFIG))
            damage = "its checksums differ, or its configuration has more than 64 MB"
    except OSError as error:
        raise ModelError(str(path), expected=expected, received=error.strerror or str(error)) from error
    except KeyError as error:
        raise ModelError(
            str(path), expected=expected, received=f"a file without {error.args[0].split(chr(39))[1]}"
        ) from error
    except (zipfile.BadZipFile, ValueError, RecursionError, EOFError, zlib.error) as error:
        damage = " ".join(str(error).split())
    old = path.suffix in {".h5", ".hdf5"}
    raise ModelError(
        str(path),
        expected=expected,
        received="a file in Keras' old format"
        if old
        else f"a damaged file, or one of another kind ({damage})",
        next_step="Load it in Keras, and save it again as .keras.",
    )
