"""Trainer: the seam between the code that schedules runs and the code that trains them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dropstudy.engine.function.trainer import FunctionTrainer
from dropstudy.engine.keras.trainer import KerasTrainer
from dropstudy.engine.mlp.trainer import MLPTrainer

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from dropstudy.core.types import Condition, Run, Segment, SegmentResult, Weights


class Trainer(Protocol):
    """Plans, trains and describes the runs of one kind of model.

    A model is identified by its condition: a run's key covers all of it, so another kind of model adds its own digest
    there. `train`, `lanes_that_fit` and `device_name` are called in a worker. All others are called in the process
    that schedules, and must not import an array framework.
    """

    def operations(self, condition: Condition) -> float:
        """Floating-point operations of training on one example, approximately: the unit of all planning."""

    def weights_bytes(self, condition: Condition) -> int:
        """Size of the weights that a finished run keeps; 0 for a model without any."""

    def checkpoint_bytes(self, run: Run) -> int:
        """Size of the state between two segments."""

    def program(self, run: Run) -> Hashable:
        """Return an equal value for runs that may train side by side, and the run's key where none may."""

    def lanes_that_fit(self, run: Run, data_bytes: int) -> int:
        """Number of runs like this one that fit on the calling process's device, 1 or more.

        Args:
            run: the largest of them.
            data_bytes: size of the dataset, which all share.
        """

    def train(self, segments: tuple[Segment, ...]) -> tuple[SegmentResult, ...]:
        """Train and evaluate runs side by side: a pure function of the segments, one for each run.

        A trainer that cannot stop within a run trains it to its end: `done` of the result says how far it came.

        Args:
            segments: of runs of one `program`, with as many steps done and to do.

        Returns:
            For each run the metrics of each epoch that ended and the new state; at its end its test metrics.

        Raises:
            MemoryError: the device has no room for so many runs. The caller tries fewer.
        """

    def layers(self, condition: Condition, weights: Mapping[str, NDArray[np.generic]]) -> Weights:
        """Return a finished run's dense layers for the report; none for a model without dense layers.

        Raises:
            ModelError: the weights do not belong to this model.
        """

    def device_name(self) -> str:
        """Readable name of the device that the calling process trains on."""


BUILT_IN = MLPTrainer()
"""Trainer of the networks that a study file describes by its hidden layers."""


KERAS = KerasTrainer()
"""Trainer of Keras models."""

FUNCTION = FunctionTrainer()
"""Trainer of training functions."""


def trainer_of(condition: Condition) -> Trainer:
    """Trainer of a condition's runs."""
    if condition.model is None:
        return BUILT_IN
    return FUNCTION if condition.model.is_function else KERAS


def groups(
    runs: Iterable[Run], lanes: int, shared: Callable[[Run], Hashable] = lambda _: None
) -> list[tuple[Run, ...]]:
    """Split runs into groups that train side by side, of at most `lanes` runs, the longest first.

    Args:
        runs: to train.
        lanes: most runs of a group.
        shared: returns an equal value for runs that have the same arrays: only these may share a group.
    """
    families: dict[Hashable, list[Run]] = {}
    for run in runs:
        families.setdefault((trainer_of(run.condition).program(run), shared(run)), []).append(run)
    made = [
        tuple(family[first : first + lanes])
        for family in families.values()
        for first in range(0, len(family), lanes)
    ]
    return sorted(made, key=lambda group: -len(group) * _operations(group[0]))


def _operations(run: Run) -> float:
    return trainer_of(run.condition).operations(run.condition) * run.condition.train_size * run.epochs
