"""Phrases of an answer that name arms by their rates, and its length of training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.analysis.cautions import MOST_NAMED
from dropstudy.analysis.verdict.phrases import capital, is_dropout, listed, quoted
from dropstudy.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dropstudy.analysis.verdict import ConditionVerdict
    from dropstudy.analysis.verdict.design import Design
    from dropstudy.analysis.verdict.types import ArmComparison, ArmScores
    from dropstudy.core.types import Arm, StudySpec

    Compared = StudySpec | Design


def group(found: Sequence[ArmComparison], condition: ConditionVerdict, spec: Compared) -> str:
    """Several arms in a few words: "rates 0.2 and 0.5", "'a' and 'b'", "all 5 arms", "5 of 9 arms"."""
    arms = [arm_of(spec, c.arm) for c in found]
    if len(arms) > MOST_NAMED:
        total = len(condition.comparisons)
        return f"all {total} arms" if len(arms) == total else f"{len(arms)} of {total} arms"
    if all(arm.rate and is_dropout(arm) for arm in arms):
        return f"{'rate' if len(arms) == 1 else 'rates'} {listed([f'{arm.common_rate:g}' for arm in arms])}"
    return listed([quoted(arm.name) for arm in arms])


def sentence(
    found: Sequence[ArmComparison], verb: str, condition: ConditionVerdict, spec: Compared, rest: str = ""
) -> str:
    """What arms do: " Rates 0.5 and 0.8 hurt."; empty where there are none."""
    return (
        f" {capital(group(found, condition, spec))} {verb}{'s' * (len(found) == 1)}{rest}." if found else ""
    )


def epochs_of(arms: Iterable[ArmScores], spec: Compared) -> str:
    """Length of training: " after 20 epochs"."""
    epochs = max(arm.most_epochs for arm in arms)
    at_most = "at most " if spec.restore_best_weights else ""  # the weights are those of an earlier epoch
    return f" after {at_most}{counted(epochs, 'epoch')}" if epochs else ""


def arm_of(spec: Compared, name: str) -> Arm:
    """The arm of that name."""
    return next(arm for arm in spec.arms if arm.name == name)


def named(arm: Arm) -> str:
    """An arm as part of a sentence: "dropout at rate 0.5", "no dropout", or its quoted name."""
    if not is_dropout(arm):
        return quoted(arm.name)
    return f"dropout at rate {arm.common_rate:g}" if arm.rate else "no dropout"
