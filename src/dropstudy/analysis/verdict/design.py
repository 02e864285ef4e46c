"""Design of a study, as far as its verdict depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dropstudy.core.metrics import ACCURACY, METRICS, Metric

if TYPE_CHECKING:
    from dropstudy.core.types import Arm, MetricName

TestedWeights = Literal["final", "best"]
"""Weights that are tested: those of the last epoch, or of each run's epoch of lowest validation loss."""


@dataclass(frozen=True)
class Design:
    """Design of a study, as far as its verdict depends on it.

    Args:
        arms: baseline first.
        watches_test: whether the test set was evaluated every epoch, so that nothing may be chosen on it.
        metric: name of the metric that choice and verdict rest on.
        margin: differences within ±margin do not matter, in its unit, above 0.
        tested_weights: which weights were tested.
        looks: numbers of seeds at which the verdict may have been seen before more were added. With any, decisions
            rest on always-valid intervals.
        most_seeds: limit of seeds where they are added until a decision; None where they are not.
        most_runs: budget of a study that searches the best rate; None for others.
        stopped: names of the arms that the search stopped, so that they have fewer seeds and cannot be chosen.
        scores_only: whether scores of runs that others trained are all that is known.
    """

    arms: tuple[Arm, ...]
    watches_test: bool = False
    metric: MetricName = ACCURACY.name
    margin: float = ACCURACY.margin
    tested_weights: TestedWeights = "final"
    looks: tuple[int, ...] = ()
    most_seeds: int | None = None
    most_runs: int | None = None
    stopped: frozenset[str] = frozenset()
    scores_only: bool = False

    @property
    def measure(self) -> Metric:
        """The metric."""
        return METRICS[self.metric]

    @property
    def around_zero(self) -> str:
        """The margin as text: "±0.1 points"."""
        return f"±{self.measure.brief(f'{self.margin:g}')}"

    @property
    def baseline(self) -> Arm:
        """The arm that the others are compared with."""
        return self.arms[0]

    @property
    def restore_best_weights(self) -> bool:
        """True where the tested weights may be those of an earlier epoch."""
        return self.tested_weights == "best"

    @property
    def always_valid(self) -> bool:
        """True where decisions rest on always-valid intervals."""
        return bool(self.looks)

    def arm(self, name: str) -> Arm:
        """The arm of that name."""
        return next(arm for arm in self.arms if arm.name == name)
