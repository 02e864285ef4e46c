"""Sentences on the rates that may be the best: of those tried, and of all between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.analysis.stats.rate_curve import FEWEST_RATES, FEWEST_SEEDS
from dropstudy.analysis.verdict.phrases import is_dropout, listed, quoted
from dropstudy.analysis.verdict.rates import rate_family

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.analysis.verdict.choice import Choice
    from dropstudy.analysis.verdict.types import ConditionVerdict
    from dropstudy.core.types import Arm

_RUN = 3
"""Rates in a row that are written as a range."""
_MOST_NAMED = 3


def best_rates(choice: Choice, arms: Sequence[Arm]) -> str:
    """Name the arms that may be the best: "By validation data, each of rates 0.2 to 0.5 may be the best".

    Empty where all arms differ equally in every seed.
    """
    if not choice.best:
        return ""
    if len(choice.best) == 1:
        return f"By validation data, only {_named(choice, arms)} may be the best (95% confidence)."
    every = f"the {choice.considered} arms" if len(choice.best) == choice.considered else _named(choice, arms)
    return f"By validation data, each of {every} may be the best (95% confidence)."


def top_of_curve(condition: ConditionVerdict, margin: float, *, anytime: bool = False) -> str:
    """Where the curve over the rates is highest, whether it may rise further, and the rate to try next.

    Empty where there is no curve.

    Args:
        condition: with its curve.
        margin: gains that are smaller do not matter, in the unit of the metric.
        anytime: whether seeds were added after a look, which the curve does not allow for.
    """
    curve = condition.curve
    if curve is None:
        return ""
    low, high = f"{curve.top_low:.2g}", f"{curve.top_high:.2g}"
    look = " at a single look" if anytime else ""
    if curve.anywhere:
        return f"The top of the curve over the rates may lie anywhere from {low} to {high}: more seeds would tell."
    found = f"The curve over the rates is highest at {curve.top:.2g} ({low} to {high}, 95% confidence{look})."
    if curve.at_high_end:
        found += f" The top may lie above {high}, the highest rate tried."
    elif curve.at_low_end:
        found += f" The top may lie below {low}, the lowest rate tried."
    following = curve.next_rates(margin)
    return f"{found} Rate to try next: {following[0]:g}." if following else found


def no_curve(condition: ConditionVerdict, arms: Sequence[Arm]) -> str:
    """Why a study whose arms are rates, with validation data, has no curve over them; empty where it has one."""
    rates = rate_family(arms)
    if condition.curve is not None or condition.chosen is None or len(rates) < len(arms):
        return ""
    seeds = min(len(arm.seeds) for arm in condition.arms)
    if len(rates) >= FEWEST_RATES and seeds >= FEWEST_SEEDS:
        return f"No curve over the rates: fewer than {FEWEST_RATES} remain without those that are far worse."
    takes = f"{FEWEST_RATES} rates and {FEWEST_SEEDS} seeds"
    return f"A curve over the rates takes {takes}; here are {len(rates)} and {seeds}."


def _named(choice: Choice, arms: Sequence[Arm]) -> str:
    found = [arm for arm in arms if arm.name in choice.best]
    if all(map(is_dropout, found)):
        tried = sorted(arm.common_rate for arm in arms if is_dropout(arm))
        rates = rate_ranges([arm.common_rate for arm in found], tried)
        return f"{'rate' if len(found) == 1 else 'rates'} {rates}"
    if len(found) <= _MOST_NAMED:
        return listed([quoted(arm.name) for arm in found])
    return f"{len(found)} of the {choice.considered} arms"


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
