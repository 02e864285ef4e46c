"""The compiled training program (`mlp.cc`), called with NumPy arrays. Needs no array framework.

Layers are given as flat lists of arrays in Keras' layout: kernel (in, out) and bias (out,), then the moments alike.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, Structure, byref, c_float, c_int32, c_uint32, c_void_p
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

VARIABLE = "DROPSTUDY_KERNELS"
"""Environment variable: `off`, or in a worker the library's path."""

VERSION = 5
"""Number of the interface, as `dropstudy_version` in mlp.cc gives it."""

ACTIVATIONS = ("relu", "tanh", "sigmoid")
"""Those that the program has, in the order of its enum."""


class LayerArrays(NamedTuple):
    """Weights and moments of one layer, float32, contiguous; training changes them in place.

    Args:
        kernel: (in, out).
        bias: (out,).
        m_kernel: Adam's first moment or SGD's last step; None for evaluation.
        m_bias: likewise.
        v_kernel: Adam's second moment; None for SGD and evaluation.
        v_bias: likewise.
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    m_kernel: NDArray[np.float32] | None = None
    m_bias: NDArray[np.float32] | None = None
    v_kernel: NDArray[np.float32] | None = None
    v_bias: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples to train on or to score.

    Args:
        x: (n, features), uint8 or float32, contiguous.
        y: labels, (n,), int32.
        scale: the network sees `x / scale`.
        weight: of each example's loss in training, (n,), above 0; None for 1.
    """

    x: NDArray[np.generic]
    y: NDArray[np.int32]
    scale: float
    weight: NDArray[np.float32] | None = None


class Noise(Structure):
    """Noise of a batch: seed and number of the step that key its draws; rates of each hidden layer and of inputs."""

    kept: NDArray[np.float32]
    _fields_ = (
        ("gaussian", c_int32),
        ("seed", c_uint32),
        ("step", c_uint32),
        ("hidden", c_void_p),
        ("inputs", c_float),
    )

    @classmethod
    def of(
        cls, seed: int, step: int, hidden: NDArray[np.float32], inputs: float, *, gaussian: bool = False
    ) -> Noise:
        """Noise, dropout or Gaussian, with the rates of hidden layers from an array, (layers,), which it keeps."""
        noise = cls(gaussian, seed, step, _address(hidden), inputs)
        noise.kept = hidden
        return noise


class OptimizerNumbers(Structure):
    """Optimiser settings that stay the same over an epoch; `gain_1` is 1 - beta_1."""

    _fields_ = (
        ("adam", c_int32),
        ("gain_1", c_float),
        ("gain_2", c_float),
        ("epsilon", c_float),
        ("momentum", c_float),
        ("l2", c_float),
        ("max_norm", c_float),
    )


class Running(Structure):
    """Sums over an epoch: loss, its rounding error (Kahan 1965), correct predictions."""

    _fields_ = (("loss", c_float), ("lost", c_float), ("correct", c_int32))
    names = tuple(name for name, _ in _fields_)


class Scores(NamedTuple):
    """Scores of examples, (n,) each where nothing else is said.

    Args:
        loss: cross-entropy, in nats.
        label: predicted class.
        confidence: probability of the predicted class.
        likelihood: probability of the true class.
        brier: squared distance between probabilities and one-hot label.
        probabilities: of each class, (n, c); None where they were not asked for.
    """

    loss: NDArray[np.float32]
    label: NDArray[np.int32]
    confidence: NDArray[np.float32]
    likelihood: NDArray[np.float32]
    brier: NDArray[np.float32]
    probabilities: NDArray[np.float32] | None


class _Arrays(Structure):
    _fields_ = tuple((name, c_void_p) for name in LayerArrays._fields)


class _Network(Structure):
    _fields_ = (
        ("layers", c_int32),
        ("activation", c_int32),
        ("widths", c_void_p),
        ("arrays", POINTER(_Arrays)),
    )


class _Examples(Structure):
    _fields_ = (
        ("x", c_void_p),
        ("is_uint8", c_int32),
        ("scale", c_float),
        ("labels", c_void_p),
        ("weights", c_void_p),
    )


class _Epoch(Structure):
    _fields_ = (
        ("rows", c_void_p),
        *((name, c_int32) for name in ("examples", "batch_size", "first", "steps")),
        ("first_step", c_uint32),
        ("seed", c_uint32),
        ("gaussian", c_int32),
        *((name, c_void_p) for name in ("learning_rates", "hidden_rates", "input_rates")),
    )


class _Scores(Structure):
    _fields_ = tuple((name, c_void_p) for name in Scores._fields)


class Library:
    """The functions of the compiled program.

    Args:
        path: of the shared library.

    Raises:
        OSError: it cannot be loaded, or is of another version.
    """

    def __init__(self, path: Path) -> None:
        self._calls: Any = ctypes.CDLL(str(path))
        version = getattr(self._calls, "dropstudy_version", lambda: None)()
        if version != VERSION:
            raise OSError(f"{path} has interface {version}, expected {VERSION}")

    def train(
        self,
        layers: Sequence[LayerArrays],
        data: Examples,
        rows: NDArray[np.int32],
        *,
        seed: int,
        batch_size: int,
        first: int,
        first_step: int,
        learning_rates: NDArray[np.float32],
        hidden_rates: NDArray[np.float32],
        input_rates: NDArray[np.float32],
        optimizer: OptimizerNumbers,
        running: Running,
        activation: str = "relu",
        gaussian: bool = False,
    ) -> None:
        """Take steps of an epoch, as many as there are learning rates.

        Args:
            layers: changed in place.
            data: examples, among others.
            rows: the epoch's examples in its order.
            seed: of the run.
            batch_size: examples of a step; the last step of the epoch may have fewer.
            first: steps of this epoch that are taken already.
            first_step: steps of the run that are taken already.
            learning_rates: of each step, Adam's bias correction in them.
            hidden_rates: noise rate of each hidden layer, of each step, (steps, layers).
            input_rates: noise rate of inputs, of each step.
            optimizer: its settings.
            running: sums of the epoch, changed in place.
            activation: of the hidden layers, one of `ACTIVATIONS`.
            gaussian: Gaussian noise in place of dropout.

        Raises:
            MemoryError: there is too little.
        """
        epoch = _Epoch(
            _address(rows), len(rows), batch_size, first, len(learning_rates), first_step, seed, gaussian,
            _address(learning_rates), _address(hidden_rates), _address(input_rates),
        )  # fmt: skip
        network, _widths = _network(layers, activation)
        _check(
            self._calls.dropstudy_train(
                byref(network), byref(_data(data)), byref(epoch), byref(optimizer), byref(running)
            )
        )

    def evaluate(
        self,
        layers: Sequence[LayerArrays],
        data: Examples,
        rows: NDArray[np.int32],
        *,
        batch_size: int,
        activation: str = "relu",
        noise: Noise | None = None,
        probabilities: bool = False,
    ) -> Scores:
        """Score examples.

        Args:
            layers: of the network.
            data: examples, among others.
            rows: which of them.
            batch_size: examples scored at once.
            activation: of the hidden layers, one of `ACTIVATIONS`.
            noise: of the first batch, none where it is not given; each batch has the next step's masks.
            probabilities: also give those of each class.

        Raises:
            MemoryError: there is too little.
        """
        n = len(rows)
        loss, confidence, likelihood, brier = (np.empty(n, np.float32) for _ in range(4))
        each = np.empty((n, layers[-1].bias.shape[0]), np.float32) if probabilities else None
        scores = Scores(loss, np.empty(n, np.int32), confidence, likelihood, brier, each)
        network, _widths = _network(layers, activation)
        _check(
            self._calls.dropstudy_evaluate(
                byref(network), byref(_data(data)), c_void_p(_address(rows)), n, min(batch_size, n),
                byref(noise or Noise()), byref(_Scores(*map(_address, scores))),
            )
        )  # fmt: skip
        return scores

    def uniform(
        self, count: int, *, seed: int, purpose: int, when: int = 0, layer: int = 0
    ) -> NDArray[np.float32]:
        """Uniform numbers in [0, 1), (count,), as `rng.uniform` under the key of these four."""
        out = np.empty(count, np.float32)
        key = (c_uint32(seed), c_uint32(purpose), c_uint32(when), c_uint32(layer))
        self._calls.dropstudy_uniform(*key, count, c_void_p(_address(out)))
        return out

    def permutation(self, count: int, *, seed: int, purpose: int, when: int = 0) -> NDArray[np.int32]:
        """A random order of 0 to count - 1, as `rng.permutation` under the key of these three."""
        out = np.empty(count, np.int32)
        key = (c_uint32(seed), c_uint32(purpose), c_uint32(when))
        _check(self._calls.dropstudy_permutation(*key, count, c_void_p(_address(out))))
        return out


def loaded_library() -> Library | None:
    """Library that the environment of this process names, as workers have it; None where XLA's programs do all."""
    return _loaded(os.environ.get(VARIABLE) or "off")[0]


def load_fault() -> str:
    """Reason why that library cannot be loaded, as a phrase; empty if it can, or if none is named."""
    return _loaded(os.environ.get(VARIABLE) or "off")[1]


def why_xla(obstacle: str) -> str:
    """Sentence for a user whose runs XLA's programs train."""
    return f"XLA's programs train, which takes longer: {obstacle}."


@lru_cache(maxsize=1)
def _loaded(path: str) -> tuple[Library | None, str]:
    if path == "off":
        return None, ""
    try:
        return Library(Path(path).resolve()), ""
    except OSError as error:  # damaged, or on a disk from which the system runs no code
        return None, f"the compiled one cannot be loaded ({error})"


def _network(layers: Sequence[LayerArrays], activation: str) -> tuple[_Network, NDArray[np.int32]]:
    widths = np.asarray([layers[0].kernel.shape[0], *(layer.kernel.shape[1] for layer in layers)], np.int32)
    arrays = (_Arrays * len(layers))(*(_Arrays(*map(_address, layer)) for layer in layers))
    return _Network(len(layers), ACTIVATIONS.index(activation), _address(widths), arrays), widths


def _data(data: Examples) -> _Examples:
    is_uint8 = data.x.dtype == np.uint8
    return _Examples(_address(data.x), is_uint8, data.scale, _address(data.y), _address(data.weight))


def _address(array: NDArray[Any] | None) -> int | None:
    if array is None:
        return None
    assert array.flags.c_contiguous  # noqa: S101 - a caller's mistake would read foreign memory
    return array.ctypes.data


def _check(code: int) -> None:
    if code:
        raise MemoryError("too little memory to train this network")
