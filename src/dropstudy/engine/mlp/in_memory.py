"""Train one run on arrays in memory, in this process: for callers without a study, its cache and its workers."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from dropstudy.core.tensors import unpack_weights
from dropstudy.core.types import DataReference, Segment
from dropstudy.engine.native import train as native
from dropstudy.engine.native.build import kernels
from dropstudy.engine.native.library import Library

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from dropstudy.core.types import Run, SegmentResult, Weights
    from dropstudy.engine.mlp.rules import ArraysInMemory

_NOWHERE = DataReference("", 1.0)


def train_in_memory(
    run: Run,
    arrays: ArraysInMemory,
    train_index: NDArray[np.int32],
    validation_index: NDArray[np.int32] | None,
) -> SegmentResult:
    """Train a run from its start to its end, with the compiled program where it serves.

    Args:
        run: the run, in float32.
        arrays: all examples.
        train_index: those to train on; a row that occurs twice counts twice.
        validation_index: those held out; None for none.
    """
    segment = Segment(run, _NOWHERE, train_index, validation_index, state=None, done=0, steps=run.steps)
    return _train(segment, arrays)


def epochs_in_memory(
    run: Run, arrays: ArraysInMemory, train_index: NDArray[np.int32]
) -> Iterator[SegmentResult]:
    """Train a run epoch by epoch, each when the next result is asked for; arguments as for `train_in_memory`.

    Returns:
        After each epoch its metrics, with the test set as validation data, and its network (`layers_of`). A run whose
        loss is no longer finite ends there.
    """
    state = None
    for done in range(0, run.steps, run.condition.steps):
        segment = Segment(run, _NOWHERE, train_index, None, state, done, steps=run.condition.steps)
        result = _train(segment, arrays)
        yield result
        if result.diverged:
            return
        state = result.state


def layers_of(run: Run, result: SegmentResult) -> Weights:
    """The network of a result."""
    prefix = "weights/"
    arrays = {name.removeprefix(prefix): a for name, a in result.state.items() if name.startswith(prefix)}
    return unpack_weights(arrays, run.condition.widths)


def _train(segment: Segment, arrays: ArraysInMemory) -> SegmentResult:
    path = kernels().path if native.supports(segment.run) else None
    if path is not None:
        return native.train_segment(segment, Library(path), arrays)
    _limit_threads()
    from dropstudy.engine.mlp import train  # noqa: PLC0415 - most runs need no array framework

    return train.train_group((segment,), arrays)[0]


def _limit_threads() -> None:
    """Give XLA as many threads as joblib allows the libraries in its workers, before they import jax."""
    if "jax" not in sys.modules and (threads := os.environ.get("OMP_NUM_THREADS")):
        os.environ.setdefault("NPROC", threads)
