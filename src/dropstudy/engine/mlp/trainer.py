"""The multilayer perceptron's Trainer. Methods for workers may import the array framework; this file does not."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from dropstudy.core.tensors import unpack_weights
from dropstudy.engine.native import train as native
from dropstudy.engine.native.library import load_fault, loaded_library, why_xla

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from dropstudy.core.types import Condition, Run, Segment, SegmentResult, Weights

_OPERATIONS_A_WEIGHT = 6.0  # a multiplication and an addition forward, twice that backward
_XLA_ERRORS = {"JaxRuntimeError", "XlaRuntimeError"}  # names in jax and jaxlib
_OUT_OF_MEMORY = re.compile("RESOURCE_EXHAUSTED|out of memory", re.IGNORECASE)


class MLPTrainer:
    """Trains networks of dense layers; see `Trainer` for the methods."""

    def operations(self, condition: Condition) -> float:
        """Floating-point operations of training on one example, approximately."""
        return _OPERATIONS_A_WEIGHT * condition.parameters

    def weights_bytes(self, condition: Condition) -> int:
        """Size of the weights, float32."""
        return 4 * condition.parameters

    def checkpoint_bytes(self, run: Run) -> int:
        """Size of weights and moments, and of the best epoch's weights where a run keeps them."""
        moments = 2 if run.optimizer.name == "adam" else 1
        return (1 + moments + run.restore_best_weights) * self.weights_bytes(run.condition)

    def program(self, run: Run) -> Hashable:
        """Return all that one compiled program fixes; everything else about its runs is a number to it."""
        stop = (run.epochs, run.restore_best_weights, run.patience)
        return run.condition, run.activation, run.optimizer.name, run.precision, stop

    def lanes_that_fit(self, run: Run, data_bytes: int) -> int:
        """Number of runs like this one that fit on the calling process's device."""
        from dropstudy.engine.mlp import memory  # noqa: PLC0415 - the scheduler's process must not import jax

        return memory.lanes_that_fit(run, data_bytes)

    def train(self, segments: tuple[Segment, ...]) -> tuple[SegmentResult, ...]:
        """Train and evaluate runs side by side; a run by itself with the compiled program where it serves."""
        if len(segments) == 1 and (library := loaded_library()) and native.supports(segments[0].run):
            return (native.train_segment(segments[0], library),)
        from dropstudy.engine.mlp import train  # noqa: PLC0415 - as above

        try:
            results = train.train_group(segments)
        except RuntimeError as error:
            if type(error).__name__ in _XLA_ERRORS and _OUT_OF_MEMORY.search(str(error)):
                raise MemoryError(str(error)) from error
            raise
        notice = why_xla(fault) if (fault := load_fault()) else ""
        return tuple(replace(result, notice=notice) for result in results)

    def layers(self, condition: Condition, weights: Mapping[str, NDArray[np.generic]]) -> Weights:
        """Return the layers, kernel and bias each."""
        return unpack_weights(weights, condition.widths)

    def device_name(self) -> str:
        """Readable name of the device that the calling process trains on."""
        if loaded_library():
            return native.device_name()
        from dropstudy.engine.mlp import train  # noqa: PLC0415 - as above

        return train.device_name()
