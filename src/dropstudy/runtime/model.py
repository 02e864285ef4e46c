"""A Keras model that the user brings: described and checked in a worker process, which alone imports Keras."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropstudy.core.streams import usable_streams
from dropstudy.engine.keras.archive import ModelFile, check_archive
from dropstudy.engine.keras.builder import is_model
from dropstudy.engine.keras.request import ModelRequest
from dropstudy.engine.user_code import name_of, packed, source_digest
from dropstudy.errors import ModelError
from dropstudy.runtime.local import LocalWorkers
from dropstudy.runtime.process import check_semaphores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from dropstudy.core.dataset import Dataset
    from dropstudy.core.model import ModelReference, ModelSource


def describe_model(
    build: Callable[..., Any] | str | Path,
    dataset: Dataset,
    *,
    rates: Sequence[float],
    name: str = "",
    dropout_layers: Sequence[str] = (),
    add_dropout: bool = False,
    pretrained: bool = False,
    optimizer: Any = None,
    loss: Any = None,
    executor: Executor | None = None,
) -> tuple[ModelSource, ModelReference]:
    """Build a model in a worker process, check it, and describe it.

    Args:
        build: `build()` or `build(rate)` that returns a keras.Model; or such a model, or the path of a `.keras` file.
        dataset: the data that it is for.
        rates: of the arms.
        name: in tables; by default the model's own.
        dropout_layers: names of the layers whose dropout the rate moves; all by default.
        add_dropout: put a dropout layer behind each activation.
        pretrained: all seeds start from the model's weights.
        optimizer: in place of the model's.
        loss: in place of the model's.
        executor: as for `Study.run`.

    Raises:
        ModelError: the model cannot be used.
        InvalidArgument: the function cannot be passed on.
    """
    if isinstance(build, (str, Path)):
        check_archive(Path(build))
        build, label = ModelFile(Path(build).resolve()), str(build)
    else:
        label = name_of(build)
    request = ModelRequest(
        builder=packed(build, label),
        chosen=packed((optimizer, loss), label),
        name=name,
        builder_name=label,
        source="" if isinstance(build, ModelFile) or is_model(build) else source_digest(build),
        input_shape=dataset.input_shape,
        classes=len(dataset.classes),
        rates=tuple(rates),
        dropout_layers=tuple(dropout_layers),
        add_dropout=add_dropout,
        pretrained=pretrained,
    )
    if executor is not None:
        return executor.submit(_describe, request).result()
    check_semaphores()
    with usable_streams(), LocalWorkers(1, "cpu") as workers:
        try:
            return workers.submit(_describe, request).result()
        except workers.lost_worker_errors as error:
            raise ModelError(
                request.builder_name,
                expected="a function that builds a keras.Model",
                received=f"one that ended its process ({' '.join(str(error).split())[:200]})",
                next_step="Call it once yourself, in a fresh process.",
            ) from error


def _describe(request: ModelRequest) -> tuple[ModelSource, ModelReference]:
    from dropstudy.engine.keras.description import describe  # noqa: PLC0415 - only workers import Keras

    return describe(request)
