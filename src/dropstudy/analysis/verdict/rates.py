"""Arms that differ in the rate alone, and the curve over their rates, on validation data."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING

import pandas as pd

from dropstudy.analysis.stats.rate_curve import fit_rate_curve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.analysis.stats.rate_curve import RateCurve
    from dropstudy.analysis.verdict.design import Design
    from dropstudy.analysis.verdict.pairs import PairedRuns
    from dropstudy.core.types import Arm


def rate_family(arms: Sequence[Arm]) -> list[Arm]:
    """The baseline and the arms that are the baseline with another rate, the same in all layers."""
    plain = replace(arms[0], name="", rate=0.0)
    return [arm for arm in arms if replace(arm, name="", rate=0.0) == plain and isfinite(arm.common_rate)]


def rate_curve(runs: PairedRuns, design: Design) -> RateCurve | None:
    """Gain in the study's metric over the rate, in its unit, above 0 where a rate is better than the baseline.

    Rates with a diverged run are left out, as in the choice. None where the test set was watched, and below as many
    rates and seeds as a curve takes.
    """
    if design.watches_test:
        return None
    metric = design.measure
    family = [
        arm for arm in rate_family(design.arms) if not runs.diverged(arm.name) and len(runs.of(arm.name))
    ]
    if not family or family[0] is not design.baseline:
        return None
    columns = [runs.of(arm.name)[metric.validation] for arm in family]
    table = metric.sign * metric.factor * pd.concat(columns, axis=1)
    return fit_rate_curve([arm.common_rate for arm in family], table.to_numpy(dtype=float))
