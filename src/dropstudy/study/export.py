"""Write a trained network to a file, under a name that tells its arm, condition and seed."""

from __future__ import annotations

import json
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from dropstudy.core.dataset import table_from
from dropstudy.core.tensors import PREPROCESSING
from dropstudy.data.formats.csv_parquet import MISSING
from dropstudy.data.preprocessing import from_tensors
from dropstudy.engine.trainer import trainer_of
from dropstudy.errors import InvalidArgument
from dropstudy.models import keras, onnx
from dropstudy.models.keras_model import trained_model
from dropstudy.models.keras_onnx import save_keras_onnx
from dropstudy.report import file_stems
from dropstudy.store.outputs import refuse_overwriting
from dropstudy.study.tracking import TRACKERS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any, Literal

    from dropstudy.core.types import Run
    from dropstudy.report.snapshot import Snapshot

FORMATS = ("keras", "onnx", "safetensors")


class Exported(NamedTuple):
    """A file that was written.

    Args:
        path: of the file.
        takes: what its input is.
    """

    path: Path
    takes: str


def export(snapshot: Snapshot, run: Run, file_format: str, out: Path | None) -> Exported:
    """Write the network of a run to `out`, by default into the study's folder; errors as of `Results.export`."""
    if file_format not in FORMATS:
        raise InvalidArgument(
            "file_format",
            expected=f"one of {', '.join((*FORMATS, *TRACKERS))}",
            received=repr(file_format),
        )
    path = out or snapshot.folder / f"{_stem(snapshot, run)}.{file_format}"
    refuse_overwriting(path, inputs=(snapshot.metadata["data_source"],))
    tensors = snapshot.files.read("weights", run.key)
    about = {"arm": run.arm.name, "seed": str(run.seed), "key": run.key}
    if run.condition.model is not None:
        return Exported(path, _export_model(snapshot, run, file_format, path, about))
    weights = trainer_of(run.condition).layers(run.condition, tensors)
    if file_format == "onnx":
        takes = _onnx_input(snapshot.metadata, tensors)
        onnx.save_onnx(
            weights,
            path,
            takes=takes,
            activation=run.activation,
            name=snapshot.spec.name,
            classes=snapshot.metadata["classes"],
            metadata=about,
        )
        return Exported(path, str(takes))
    keras.export(
        weights,
        path=path,
        file_format=file_format,
        arm=run.arm,
        activation=run.activation,
        name=snapshot.spec.name,
        metadata=about,
    )
    return Exported(path, _flat_input(snapshot.metadata))


def _export_model(
    snapshot: Snapshot, run: Run, file_format: str, path: Path, about: Mapping[str, str]
) -> str:
    """Write the network of a study's own Keras model; returns what its input is."""
    source, tensors = snapshot.model_source, snapshot.files.read("weights", run.key)
    description, metadata = json.loads(source.description), snapshot.metadata
    if file_format == "onnx":
        takes = _array_input(metadata)
        save_keras_onnx(
            trained_model(source, tensors, arm=run.arm),
            path,
            takes=takes,
            description=description,
            classes=metadata["classes"],
            metadata=about,
        )
        return str(takes) if metadata["table"] is None else _flat_input(metadata)
    keras.export_model(
        lambda: trained_model(source, tensors, arm=run.arm),
        {name: array for name, array in tensors.items() if not name.startswith(PREPROCESSING)},
        path=path,
        file_format=file_format,
        metadata=about,
    )
    shape, scale = " x ".join(map(str, description["input_shape"])), metadata["scale"]
    return f"{shape} numbers for each example" + ("" if scale == 1 else f", divided by {scale:g}")


def _stem(snapshot: Snapshot, run: Run) -> str:
    # Two arms' names can have the same letters and digits: their stems are made together to differ.
    stem = file_stems([arm.name for arm in snapshot.arms])[snapshot.arms.index(run.arm)]
    if len(snapshot.conditions) > 1:
        stem += f"-{run.condition.layers}-of-{run.condition.train_size}"
    return f"{stem}-seed{run.seed}"


def _onnx_input(metadata: Mapping[str, Any], tensors: Mapping[str, Any]) -> onnx.ArrayInput | onnx.TableInput:
    if (table := table_from(metadata["table"])) is not None:
        return onnx.TableInput(table, from_tensors(tensors, table), MISSING)
    return _array_input(metadata)


def _array_input(metadata: Mapping[str, Any]) -> onnx.ArrayInput:
    # Pixels as they are stored; floats are refused there, which a second division by the scale would spoil.
    profile = metadata["profile"]
    dtype: Literal["uint8", "float32"] = "uint8" if profile["dtype"] == "uint8" else "float32"
    ends = (profile["low"], profile["high"])
    return onnx.ArrayInput(tuple(metadata["input_shape"]), metadata["scale"], dtype, ends)


def _flat_input(metadata: Mapping[str, Any]) -> str:
    text = f"{prod(metadata['input_shape'])} numbers for each example"
    if metadata["table"] is not None:
        return f"{text}, prepared from the columns as in training; in an ONNX file the columns are the input"
    return text if metadata["scale"] == 1 else f"{text}, divided by {metadata['scale']:g}"
