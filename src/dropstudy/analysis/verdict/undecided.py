"""Remarks on undecided arms: why, and the seeds or test examples that a decision needs."""

from __future__ import annotations

from math import ceil, isfinite, isinf, isnan, nan
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from dropstudy.analysis.stats.projection import seeds_to_decide
from dropstudy.analysis.stats.unseen import examples_to_see
from dropstudy.analysis.verdict.phrases import capital, p_value, quoted
from dropstudy.analysis.verdict.rule import LEVEL
from dropstudy.analysis.verdict.types import DECIDED
from dropstudy.core.metrics import ACCURACY
from dropstudy.core.text import counted, rounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dropstudy.analysis.verdict.design import Design
    from dropstudy.analysis.verdict.types import ArmComparison, ConditionVerdict

_MOST_EXPLAINED = 3


def projected_seeds(comparison: ArmComparison, margin: float, *, ever_more_examples: bool = False) -> float:
    """Total number of seeds that probably decide an undecided arm; infinite where none does.

    Args:
        comparison: of the arm.
        margin: of equivalence.
        ever_more_examples: count with a test set of any size in place of the present one.
    """
    few = not ever_more_examples
    return seeds_to_decide(
        np.array(comparison.differences),
        margin,
        example_error=few * (comparison.example_error or 0.0),
        unseen=few * (comparison.unseen or 0.0),
        level=LEVEL / comparison.family,
    )


def seeds_in_all(comparisons: Iterable[ArmComparison], margin: float) -> float:
    """Total number of seeds that probably decide all of these arms; infinite above 10,000, NaN where not known."""
    known = [seeds for c in comparisons if not isnan(seeds := projected_seeds(c, margin))]
    return max(known, default=nan)


def reach(comparison: ArmComparison) -> float:
    """Half width of an interval for new data that no number of seeds makes narrower; 0 where that is not known.

    An example that differs in every seed has a standard error of one example. None that differs now is no less error.
    """
    if comparison.example_error is None or not comparison.test_examples:
        return 0.0
    error = max(comparison.example_error, comparison.measure.factor / comparison.test_examples)
    return NormalDist().inv_cdf(1 - LEVEL / (2 * comparison.family)) * error


def _coarseness(comparison: ArmComparison) -> float:
    """Difference that other test examples may show where these show none; no smaller margin can be decided."""
    return max(reach(comparison), comparison.unseen or 0.0)


def limited_by_test_set(comparison: ArmComparison, margin: float) -> bool:
    """True where more test examples can decide an undecided arm, and more seeds cannot.

    The difference is neither larger than what other test examples may change it by, whatever the number of seeds, nor
    within the margin by as much. Or no number of seeds probably decides, and one would with more test examples.
    """
    if comparison.test_examples == 1:
        return True
    shift, size = reach(comparison), abs(comparison.difference.value)
    if size <= shift and (size + shift >= margin or (comparison.unseen or 0.0) > margin):
        return True
    return isinf(projected_seeds(comparison, margin)) and isfinite(
        projected_seeds(comparison, margin, ever_more_examples=True)
    )


def examples_to_decide(comparison: ArmComparison, margin: float) -> int:
    """Number of test examples that probably decide an arm which the test set limits.

    They tell the observed difference from 0, or from ±margin where that is farther away, with 80% power, and show that
    kinds of examples which none of them is of do not change it by more.
    """
    examples, size = comparison.test_examples or 1, abs(comparison.difference.value)
    sought = margin if examples == 1 else max(size, margin - size)
    spread = int(comparison.examples_needed) if isfinite(comparison.examples_needed) else 0
    return max(examples + 1, examples_to_see(sought / comparison.measure.factor), spread)


def more_examples(comparisons: Iterable[ArmComparison], margin: float) -> str:
    """What undecided arms need that the test set limits: "about 5,400 test examples instead of 69"; empty for none."""
    found = [c for c in comparisons if c.decision == "undecided" and limited_by_test_set(c, margin)]
    if not found:
        return ""
    most = max(examples_to_decide(c, margin) for c in found)
    about = "at least" if any(c.example_error is None for c in found) else "about"
    now = min(c.test_examples or 1 for c in found)
    return f"{about} {_rounded_up(most):,} test examples instead of {now:,}"


def on_undecided_arms(condition: ConditionVerdict, design: Design) -> list[str]:
    """A remark on each undecided arm that is explained; with its name where there are several arms."""
    several = len(condition.comparisons) > 1
    remarks = [(c, _remark(c, condition, design)) for c in _undecided(condition)[:_MOST_EXPLAINED]]
    return [f"{quoted(c.arm)}: {text}" if several else capital(text) for c, text in remarks if text]


def _undecided(condition: ConditionVerdict) -> Sequence[ArmComparison]:
    """The chosen arm where it is undecided, else all undecided ones, those nearest to a decision first."""
    undecided = [c for c in condition.comparisons if c.decision == "undecided"]
    if condition.chosen in {c.arm for c in condition.comparisons}:
        return [c for c in undecided if c.arm == condition.chosen]
    return sorted(undecided, key=lambda c: (isnan(c.seeds_needed), c.seeds_needed))


def _remark(comparison: ArmComparison, condition: ConditionVerdict, design: Design) -> str:
    margin = design.around_zero[1:]
    if comparison.test_examples == 1:
        needed = more_examples([comparison], design.margin)
        return (
            f"1 test example shows nothing about others. A decision probably needs {needed}, not more seeds."
        )
    if comparison.all_equal:
        return f"all {comparison.n} seeds give the same difference, which shows nothing about other seeds."
    if comparison.over_seeds.known and comparison.over_seeds.within(design.margin):
        few = "which is too small to show it for other examples"
        return f"the difference is within ±{margin} on this test set, {few}."
    why = _same_sign(comparison)
    if limited_by_test_set(comparison, design.margin):
        need = "the test set is too small to decide."
    elif design.scores_only:
        need = _seeds_needed(comparison, design)
    else:
        need = _seeds_to_come(comparison, condition, design)
    return f"{why} {capital(need)}".rstrip() if why else need


def _same_sign(comparison: ArmComparison) -> str:
    """Why seeds that all agree in sign do not decide; empty where they do not agree."""
    gains = [comparison.measure.sign * difference for difference in comparison.differences]
    better = all(gain > 0 for gain in gains)
    if not better and not all(gain < 0 for gain in gains):
        return ""
    every = f"{'better' if better else 'worse'} in all {comparison.n} seeds"
    if comparison.p_adjusted > LEVEL and comparison.family > 1:
        return (
            f"{every}, but {p_value(comparison.p_adjusted)} adjusted for {comparison.family} arms is above "
            f"{LEVEL:g} ({p_value(comparison.p_value)} for this arm alone)."
        )
    return (
        f"{every}, but the {comparison.deciding_label} contains 0."
        if comparison.deciding.known
        else f"{every}."
    )


def _seeds_needed(comparison: ArmComparison, design: Design) -> str:
    """Seeds that a single look needs, with their uncertainty, and the difference that the present ones can detect."""
    n, needed = comparison.n, comparison.seeds_needed
    observed = comparison.sought > design.margin
    metric = design.measure
    seen = metric.brief(rounded(comparison.sought, metric.places))
    size = f"the observed {seen}" if observed else design.around_zero[1:]
    now = f"these {n} can detect {_detectable(comparison)}"
    if not isfinite(needed):
        return f"detecting {size} needs more than 10,000 seeds (80% power); {now}."
    high = f"{comparison.seeds_high:,.0f}" if isfinite(comparison.seeds_high) else "more than 10,000"
    total = max(n + 1, round(needed))
    return f"detecting {size} needs about {total:,} seeds ({comparison.seeds_low:,.0f} to {high}; 80% power); {now}."


def _seeds_to_come(comparison: ArmComparison, condition: ConditionVerdict, design: Design) -> str:
    """The number of seeds of the next step, and the difference that the present ones can detect.

    No number where the condition is decided, or where another arm of it needs test examples: then no step has one.
    """
    takes = []
    if condition.decision not in DECIDED and not more_examples(_undecided(condition), design.margin):
        takes.append(f"a decision probably takes {up_to(projected_seeds(comparison, design.margin))}")
    # The detectable difference is that of a single look.
    if not design.always_valid:
        takes.append(f"these {comparison.n} seeds can detect {_detectable(comparison)} with 80% power")
    return f"{'; '.join(takes)}." if takes else ""


def up_to(seeds: float) -> str:
    """A projected number of seeds: "up to 182 seeds"."""
    return f"up to {seeds:,.0f} seeds" if isfinite(seeds) else "more than 10,000 seeds"


def _detectable(comparison: ArmComparison) -> str:
    metric = comparison.measure
    return metric.brief(rounded(comparison.detectable, metric.places))


def on_test_set_size(condition: ConditionVerdict, design: Design) -> str:
    """Where the test set is too small to decide an arm; empty where it is large enough or its size is not known."""
    margin = design.margin
    coarse = [c for c in _undecided(condition) if _coarseness(c) > margin or limited_by_test_set(c, margin)]
    examples = coarse[0].test_examples if coarse else None
    if not examples or examples == 1:
        return ""
    more = more_examples(coarse, margin)
    if more:
        advice = f"A decision probably needs {more}, not more seeds."
    else:
        least = _rounded_up(max(_examples_within(c, margin) for c in coarse))
        advice = f"Showing that takes {least:,} or more."
    if max(map(_coarseness, coarse)) <= margin:
        return advice
    worth = f": one is worth {rounded(100 / examples)} points" if design.measure is ACCURACY else ""
    few = f"{counted(examples, 'test example')} cannot show that a difference is within {design.around_zero}"
    return f"{few}{worth}. {advice}"


def _examples_within(comparison: ArmComparison, margin: float) -> int:
    """Fewest test examples that can show a difference of 0 to lie within the margin, with ever so many seeds."""
    error, examples = comparison.example_error or 0.0, comparison.test_examples or 1
    reached = NormalDist().inv_cdf(1 - LEVEL / (2 * comparison.family)) * error / margin
    return max(examples + 1, examples_to_see(margin / comparison.measure.factor), ceil(examples * reached**2))


def _rounded_up(count: int) -> int:
    """A number of examples to two digits: the spread over examples is uncertain itself."""
    step: int = 10 ** max(0, len(str(count)) - 2)
    return step * ceil(count / step)
