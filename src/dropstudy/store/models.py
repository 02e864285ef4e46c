"""Description of a study's Keras model, in its database: text, never code."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from dropstudy.core.atomic import write_bytes
from dropstudy.core.model import ModelSource
from dropstudy.errors import ModelError
from dropstudy.store.directory import has_database, read_metadata
from dropstudy.store.paths import PRETRAINED

if TYPE_CHECKING:
    from pathlib import Path

    from dropstudy.core.types import StudySpec

MODEL = "model"
"""Name in the metadata of the model's description."""


def stored_model(folder: Path, spec: StudySpec, given: ModelSource | None = None) -> ModelSource | None:
    """What workers build the model of a study from; None for a study of dense layers.

    Args:
        folder: of the study.
        spec: of the study.
        given: the model that the caller has.

    Raises:
        ModelError: the study has a model that is neither given nor in its folder.
    """
    if spec.model is None:
        return None
    if given is not None and _digest(given.description) == spec.model.sha256:
        return _with_weights(folder, given)
    text = read_metadata(folder).get(MODEL) if has_database(folder) else None
    if text is None or _digest(text) != spec.model.sha256:
        raise ModelError(
            f"model of {folder}",
            expected=f"the Keras model {spec.model.name!r} with which the study was made",
            received="no description of it in the study's folder",
            next_step="Give the model again: dropstudy.compare(build, ...), or --model.",
        )
    return _with_weights(folder, ModelSource(text))


def keep_pretrained(folder: Path, model: ModelSource | None) -> None:
    """Keep the weights that all seeds start from, so that the study goes on without the file that they came from."""
    if model is not None and model.weights and not (folder / PRETRAINED).exists():
        write_bytes(folder / PRETRAINED, model.weights)


def _with_weights(folder: Path, source: ModelSource) -> ModelSource:
    """The model with the weights that all seeds start from, where there are any."""
    digest = json.loads(source.description).get("pretrained")
    if digest is None or source.weights:
        return source
    try:
        weights = (folder / PRETRAINED).read_bytes()
    except OSError:
        weights = b""
    if hashlib.sha256(weights).hexdigest() != digest:
        raise ModelError(
            str(folder / PRETRAINED),
            expected="the weights that all seeds of the study start from",
            received="others, or a damaged file" if weights else "no such file",
            next_step="Give the model again, with --pretrained.",
        )
    return replace(source, weights=weights)


def _digest(description: str) -> str:
    return hashlib.sha256(description.encode()).hexdigest()
