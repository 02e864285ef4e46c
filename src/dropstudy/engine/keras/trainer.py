"""The Trainer of Keras models. Methods for workers import Keras and jax; this file does not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from dropstudy.core.types import Condition, Run, Segment, SegmentResult, Weights

_OUT_OF_MEMORY = re.compile("RESOURCE_EXHAUSTED|out of memory", re.IGNORECASE)
_MOMENTS = 2  # Adam's; few optimisers have more


class KerasTrainer:
    """Trains Keras models, one run at a time; see `Trainer` for the methods."""

    def operations(self, condition: Condition) -> float:
        """Floating-point operations of training on one example, approximately."""
        return condition.model.operations if condition.model else 0.0

    def weights_bytes(self, condition: Condition) -> int:
        """Size of the weights, float32."""
        return 4 * condition.parameters

    def checkpoint_bytes(self, run: Run) -> int:
        """Size of weights and moments, and of the best epoch's weights where a run keeps them."""
        return (1 + _MOMENTS + run.restore_best_weights) * self.weights_bytes(run.condition)

    def program(self, run: Run) -> Hashable:
        """Return the run's key: Keras models train one by one."""
        return run.key

    def lanes_that_fit(self, run: Run, data_bytes: int) -> int:  # noqa: ARG002 - as in the protocol
        """One run at a time."""
        return 1

    def train(self, segments: tuple[Segment, ...]) -> tuple[SegmentResult, ...]:
        """Train and evaluate runs one after another."""
        from dropstudy.engine.keras import train  # noqa: PLC0415 - the scheduler's process must not import jax

        try:
            return tuple(map(train.train_segment, segments))
        except RuntimeError as error:
            if _OUT_OF_MEMORY.search(str(error)):
                raise MemoryError(str(error)) from error
            raise

    def layers(self, condition: Condition, weights: Mapping[str, NDArray[np.generic]]) -> Weights:  # noqa: ARG002 - as above
        """Return none: what a layer of a Keras model means is not known."""
        return ()

    def device_name(self) -> str:
        """Readable name of the device that the calling process trains on."""
        from dropstudy.engine.keras import train  # noqa: PLC0415 - as above

        return train.device_name()
