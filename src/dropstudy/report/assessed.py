"""Arms with their scores and a verdict on them: what sections need that are about scores alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from dropstudy.analysis.answered import Answer
    from dropstudy.analysis.verdict import ConditionVerdict, Verdict
    from dropstudy.core.metrics import Metric
    from dropstudy.core.types import Arm


class Assessed(Protocol):
    """A study (`Snapshot`), or scores that others computed (`ScoresAssessed`)."""

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Arms, the baseline first."""

    @property
    def conditions(self) -> tuple[tuple[str, int], ...]:
        """Hidden layers and training examples of each condition."""

    @property
    def metric(self) -> Metric:
        """What the arms are judged by."""

    @property
    def margin(self) -> float:
        """Equivalence margin, in the unit of the metric."""

    @property
    def finals(self) -> pd.DataFrame:
        """A row for each finished run: arm, rate, seed and the metric's column at least."""

    @property
    def verdict(self) -> Verdict:
        """Verdict on the scores."""

    @property
    def answer(self) -> Answer:
        """The same in plain words."""

    @property
    def confirmations(self) -> Sequence[Assessed]:
        """The same on fresh seeds."""

    @property
    def pairing(self) -> str:
        """Sentence on what runs of one seed share."""

    def condition_verdict(self, condition: tuple[str, int]) -> ConditionVerdict:
        """Verdict of one condition."""

    def of_condition(self, frame: pd.DataFrame, condition: tuple[str, int]) -> pd.DataFrame:
        """Rows of a table that belong to a condition."""


def featured(assessed: Assessed, condition: tuple[str, int]) -> Arm | None:
    """The arm that figures compare with the baseline, at a condition.

    It is the arm chosen on validation data unless that is the baseline, else the arm of the best mean. None if no other
    arm shares a seed with the baseline.
    """
    verdict = assessed.condition_verdict(condition)
    compared = [c for c in verdict.comparisons if c.n]
    if not compared:
        return None
    chosen = [c for c in compared if c.arm == verdict.chosen]
    name = (chosen[0] if chosen else max(compared, key=lambda c: c.gain)).arm
    return next(arm for arm in assessed.arms if arm.name == name)
