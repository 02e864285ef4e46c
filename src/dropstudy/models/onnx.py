"""A trained network as an ONNX file: raw examples in, probabilities out, whatever runtime opens it.

Opset 13 and IR version 8 of 2021, so that older runtimes open it too. The inputs are prepared inside the graph: numbers
are divided by the scale, columns of a table are standardised and coded with the fitted numbers of the run.

Operators: https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from dropstudy.core.atomic import write_bytes
from dropstudy.core.dataset import Table
from dropstudy.data.preprocessing import FARTHEST, UNSEEN, transform
from dropstudy.errors import InvalidArgument
from dropstudy.models.keras import check_suffix

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from dropstudy.core.types import Activation, Weights
    from dropstudy.data.preprocessing import Preprocessing

__all__ = ["IR_VERSION", "OPSET", "ArrayInput", "TableInput", "save_onnx"]

OPSET, IR_VERSION = 13, 8
_ML_DOMAIN, _ML_OPSET = "ai.onnx.ml", 2  # of LabelEncoder, which turns text into numbers
_OPERATORS: dict[Activation, str] = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}


class ArrayInput(NamedTuple):
    """Examples that are arrays, in the units of the training data.

    Args:
        shape: of one example.
        scale: the network sees the numbers divided by it.
        dtype: of the input.
        ends: smallest and largest value of the training examples.
    """

    shape: tuple[int, ...]
    scale: float
    dtype: Literal["uint8", "float32"]
    ends: tuple[float, float]

    def __str__(self) -> str:
        shape, (low, high) = ", ".join(map(str, ("n", *self.shape))), self.ends
        return f"x, {self.dtype}, of shape ({shape}), as the training data are: from {low:g} to {high:g}"


class TableInput(NamedTuple):
    """Rows of a table, an input for each column.

    Args:
        table: the columns.
        fitted: numbers of the run.
        missing: texts that stand for a missing cell.
    """

    table: Table
    fitted: Preprocessing
    missing: Sequence[str]

    def __str__(self) -> str:
        kinds = {column.kind for column in self.table.columns}
        number, text = (
            "numbers as float64, NaN where one is missing",
            "text as strings, empty where it is missing",
        )
        what = f"{number}; {text}" if len(kinds) > 1 else number if "number" in kinds else text
        return f"each column by its name, of shape (n, 1): {what}"


def save_onnx(
    weights: Weights,
    path: Path,
    *,
    takes: ArrayInput | TableInput,
    activation: Activation,
    name: str,
    classes: Sequence[str],
    metadata: Mapping[str, str],
) -> None:
    """Write a network to an `.onnx` file.

    Its output `probabilities` is float32, (n, classes). The metadata of the file have the classes, a line each, and a
    sentence on the input.

    Args:
        weights: the network.
        path: the file.
        takes: what its input is.
        activation: of the hidden layers.
        name: of the network.
        classes: their names.
        metadata: more notes.

    Raises:
        InvalidArgument: the package `onnx` is not installed, or the file has another suffix.
        StoreError: the file cannot be written.
    """
    if find_spec("onnx") is None:
        raise InvalidArgument(
            "file_format",
            expected="the package onnx, which writes ONNX files",
            received="none installed",
            next_step="Install it: pip install onnx. Or choose keras or safetensors.",
        )
    check_suffix(path, ".onnx")
    columns = takes.table.columns if isinstance(takes, TableInput) else ()
    graph = _Graph(reserved={"x", *(column.name for column in columns)})
    h = _of_table(graph, takes) if isinstance(takes, TableInput) else _of_array(graph, takes)
    for number, layer in enumerate(weights):
        h = graph.add("Gemm", h, graph.constant(layer.kernel), graph.constant(layer.bias))
        if number < len(weights) - 1:
            h = graph.add(_OPERATORS[activation], h)
    h = graph.add("Softmax", h, axis=1)
    notes = {**metadata, "classes": "\n".join(classes), "input": str(takes)}
    write_bytes(path, graph.to_bytes(h, len(classes), name, notes))


def _of_array(graph: _Graph, takes: ArrayInput) -> str:
    """Inputs of the first layer: as `models.predict` divides them."""
    x = graph.input("x", takes.dtype, takes.shape)
    if takes.dtype != "float32":
        x = graph.to_float32(x)
    x = graph.add("Div", x, graph.constant(np.float32(takes.scale)))
    return graph.add("Flatten", x, axis=1)


def _of_table(graph: _Graph, takes: TableInput) -> str:
    """Inputs of the first layer: as `preprocessing.transform` makes them."""
    columns, fitted = takes.table.columns, takes.fitted
    parts = []
    number = state = 0
    for column in columns:
        if column.kind == "number":
            x = graph.input(column.name, "float64", (1,))
            absent = graph.add("IsNaN", x)
            median, mean, deviation = (
                graph.constant(np.float64(values[number]))
                for values in (fitted.median, fitted.mean, fitted.deviation)
            )
            centred = graph.add("Sub", graph.add("Where", absent, median, x), mean)
            ends = (graph.constant(np.float64(end)) for end in (-FARTHEST, FARTHEST))
            parts.append(graph.to_float32(graph.add("Clip", graph.add("Div", centred, deviation), *ends)))
            if column.missing:
                parts.append(graph.to_float32(absent))
            number += 1
        else:
            size = len(column.categories)
            own = replace(fitted, states=fitted.states[state : state + size])
            state += size
            # What each category becomes, then a missing cell, then a category that was never seen.
            codes = np.array([*range(size), np.nan, UNSEEN])[:, None]
            rows = transform(Table((column,), takes.table.target), own, codes)
            code = {
                **dict.fromkeys(takes.missing, size),
                **{text: n for n, text in enumerate(column.categories)},
            }
            place = graph.add(
                "LabelEncoder",
                graph.input(column.name, "str", (1,)),
                domain=_ML_DOMAIN,
                keys_strings=list(code),
                values_int64s=list(code.values()),
                default_int64=size + 1,
            )
            parts.append(
                graph.add("Flatten", graph.add("Gather", graph.constant(rows), place, axis=0), axis=1)
            )
    return graph.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]


class _Graph:
    """Nodes, constants and inputs of a graph, in the order in which they are added.

    Args:
        reserved: names of all inputs; columns may have any name.
    """

    def __init__(self, reserved: Collection[str]) -> None:
        self._reserved = reserved
        self._onnx: Any = import_module("onnx")
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._numbers = count()

    def input(self, name: str, dtype: str, shape: tuple[int, ...]) -> str:
        """An input, (n, *shape)."""
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self._inputs.append(self._onnx.helper.make_tensor_value_info(name, kind, ["n", *shape]))
        return name

    def constant(self, value: NDArray[Any] | np.generic) -> str:
        name = self._name()
        self._constants.append(self._onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """A node with one output, whose name is returned."""
        name = self._name()
        self._nodes.append(self._onnx.helper.make_node(operator, inputs, [name], **attributes))
        return name

    def to_float32(self, x: str) -> str:
        return self.add("Cast", x, to=self._onnx.TensorProto.FLOAT)

    def to_bytes(self, result: str, classes: int, name: str, metadata: Mapping[str, str]) -> bytes:
        """The file, with `result` as its output."""
        helper = self._onnx.helper
        output = next(each for each in ("probabilities", self._name()) if each not in self._reserved)
        self._nodes.append(helper.make_node("Identity", [result], [output]))
        shown = helper.make_tensor_value_info(output, self._onnx.TensorProto.FLOAT, ["n", classes])
        graph = helper.make_graph(self._nodes, name, self._inputs, [shown], self._constants)
        versions = [helper.make_opsetid("", OPSET)]
        if any(node.domain for node in self._nodes):
            versions.append(helper.make_opsetid(_ML_DOMAIN, _ML_OPSET))
        model = helper.make_model(
            graph, opset_imports=versions, ir_version=IR_VERSION, producer_name="dropstudy"
        )
        helper.set_model_props(model, metadata)
        content: bytes = model.SerializeToString(deterministic=True)
        return content

    def _name(self) -> str:
        return next(name for number in self._numbers if (name := f"value_{number}") not in self._reserved)
