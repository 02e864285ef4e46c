"""The Trainer of training functions. A run is trained to its end: a function cannot be stopped and continued."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from dropstudy.core.types import Condition, Run, Segment, SegmentResult, Weights


class FunctionTrainer:
    """Calls the training function of a study, one run at a time; see `Trainer` for the methods."""

    def operations(self, condition: Condition) -> float:  # noqa: ARG002 - as in the protocol
        """One: what a function does for an example is not known, and all runs of a study have the same function."""
        return 1.0

    def weights_bytes(self, condition: Condition) -> int:  # noqa: ARG002 - as above
        """Nothing: a function keeps its network to itself."""
        return 0

    def checkpoint_bytes(self, run: Run) -> int:  # noqa: ARG002 - as above
        """Nothing: a run has one segment."""
        return 0

    def program(self, run: Run) -> Hashable:
        """Return the run's key: each call is alone in its process."""
        return run.key

    def lanes_that_fit(self, run: Run, data_bytes: int) -> int:  # noqa: ARG002 - as above
        """One run at a time."""
        return 1

    def train(self, segments: tuple[Segment, ...]) -> tuple[SegmentResult, ...]:
        """Call the function for each run, and read what it returns.

        Raises:
            FunctionRaised: the function raised, or called sys.exit.
            ModelError: it returned what cannot be used.
        """
        from dropstudy.engine.function.train import train_run  # noqa: PLC0415 - reads results as arrays

        return tuple(map(train_run, segments))

    def layers(self, condition: Condition, weights: Mapping[str, NDArray[np.generic]]) -> Weights:  # noqa: ARG002 - as above
        """Return none: no weights are known."""
        return ()

    def device_name(self) -> str:
        """Say that the function chooses its device."""
        return "as the function chose"
