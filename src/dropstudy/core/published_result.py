"""Record of a published result, which a study repeats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dropstudy.core.bounds import (  # noqa: TC001 - validation reads the types of the record
    Count,
    NonNegative,
    Text,
)

Measure = Literal["error", "test-loss", "training-loss"]
Expected = Literal["lower", "higher", "same", "not lower"]


@dataclass(frozen=True, kw_only=True)
class PublishedResult:
    """A published result, which a study repeats: a number of an arm, or how the arm compares with the baseline.

    Args:
        arm: name of the study's arm.
        source: who published it, when and where, such as "Srivastava et al. 2014, Table 10".
        measure: `error`, of the test examples in percent; `test-loss` or `training-loss`, with dropout off, in nats.
        value: the measure that was published for the arm.
        expected: the arm's measure compared with that of the baseline: `lower`, `higher`, `same`, or `not lower`.
            Either this or `value` is given.
        within: differences up to this do not matter, in the unit of the measure.
        train_size: number of training examples that it is about; the study's largest if left out.
        updates: optimiser steps of the published runs, as far as they are known.
    """

    arm: Text
    source: Text
    measure: Measure = "error"
    value: NonNegative | None = None
    expected: Expected | None = None
    within: NonNegative = 0.0
    train_size: Count | None = None
    updates: Count | None = None
