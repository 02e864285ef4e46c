"""Sentence of an answer on the rates that cannot be told apart from the best one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.analysis.arm_phrases import arm_of
from dropstudy.analysis.cautions import MOST_NAMED
from dropstudy.analysis.verdict.phrases import is_dropout, listed, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.analysis.arm_phrases import Compared
    from dropstudy.analysis.verdict.choice import Choice

_RUN = 3
"""Rates in a row that are written as a range."""


def best_rates(choice: Choice, spec: Compared) -> str:
    """Name the arms that may be the best, for instance "Rates 0.2 to 0.5 cannot be told apart from the best".

    Empty where all arms differ equally in every seed.
    """
    if not choice.best:
        return ""
    if len(choice.best) == 1:
        return "Every other arm is behind it, with 95% confidence."
    if len(choice.best) == choice.considered:
        return f"None of the {choice.considered} can be told apart from the best (95% confidence)."
    return f"{_named(choice, spec)} cannot be told apart from the best (95% confidence)."


def _named(choice: Choice, spec: Compared) -> str:
    arms = [arm_of(spec, name) for name in choice.best]
    if all(map(is_dropout, arms)):
        tried = sorted(arm.common_rate for arm in spec.arms if is_dropout(arm))
        return f"Rates {rate_ranges([arm.common_rate for arm in arms], tried)}"
    if len(arms) <= MOST_NAMED:
        return listed([quoted(arm.name) for arm in arms])
    return f"{len(arms)} of the {choice.considered} arms"


def rate_ranges(rates: Sequence[float], tried: Sequence[float]) -> str:
    """List rates, neighbours of those tried as a range: "0.1 and 0.3 to 0.5".

    Args:
        rates: to name.
        tried: all of them, ascending.
    """
    parts: list[list[float]] = []
    row: list[float] = []
    for rate in tried:
        if rate not in rates:
            row = []
            continue
        if not row:
            parts.append(row)
        row.append(rate)
    texts = []
    for part in parts:
        names = [f"{rate:g}" for rate in part]
        texts += [f"{names[0]} to {names[-1]}"] if len(part) >= _RUN else names
    return listed(texts)
