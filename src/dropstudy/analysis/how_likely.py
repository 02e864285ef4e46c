"""How likely it is that an arm is better, makes no difference that matters, or is worse: a line of the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.analysis.arm_phrases import group
from dropstudy.analysis.stats.estimate import ROUNDING
from dropstudy.analysis.verdict.phrases import capital, p_value
from dropstudy.analysis.verdict.rule import LEVEL
from dropstudy.core.text import whole_percent

if TYPE_CHECKING:
    from dropstudy.analysis.arm_phrases import Compared
    from dropstudy.analysis.stats.posterior import Posterior
    from dropstudy.analysis.verdict import ConditionVerdict
    from dropstudy.analysis.verdict.types import ArmComparison

_SURE = 0.95
_MOST_ARMS = 3


def how_likely(condition: ConditionVerdict, spec: Compared, margin: float) -> str:
    """The probabilities of the arm that the answer is about, or of a few arms; empty where none are known.

    A second sentence says what they are about, and a third one how they and the verdict are both true where they
    seem to disagree.
    """
    subject = condition.subject
    shown = [subject] if subject is not None else list(condition.comparisons)
    known = [(c, c.posterior) for c in shown if c.posterior is not None]
    if not known or len(known) > _MOST_ARMS or len(known) < len(shown):
        return ""
    lines = [_probabilities(capital(group([c], condition, spec)), p, c, margin) for c, p in known[:1]]
    lines += [_likewise(capital(group([c], condition, spec)), p) for c, p in known[1:]]
    new = all(p.new_data for _, p in known)
    about = "other seeds and test examples" if new else "other seeds on these test examples"
    each = "this arm" if len(known) == 1 else "each arm"
    lines.append(f"That is for {each} alone, {about}, and no earlier opinion.")
    if subject is not None and (fit := _how_both_fit(subject, known[0][1], margin)):
        lines.append(fit)
    return " ".join(lines)


def _probabilities(arm: str, found: Posterior, comparison: ArmComparison, margin: float) -> str:
    better, equal, worse = map(whole_percent, (found.better, found.equal, found.worse))
    within = comparison.measure.brief(f"within {margin:g}")
    return f"{arm} is better: {better}, no difference that matters ({within}): {equal}, worse: {worse}."


def _likewise(arm: str, found: Posterior) -> str:
    return f"{arm}: {', '.join(map(whole_percent, (found.better, found.equal, found.worse)))}."


def _how_both_fit(comparison: ArmComparison, found: Posterior, margin: float) -> str:
    """Why a decision and the probabilities do not contradict each other; empty where they plainly agree."""
    decision = comparison.decision
    if decision in {"helps", "hurts"}:
        likely = found.better if decision == "helps" else found.worse
        if likely >= _SURE:
            return ""
        size = comparison.measure.brief(f"{margin:g}")
        return f"The verdict is about any difference, these are about more than {size}."
    if decision != "undecided" or found.most < _SURE:
        return ""
    if (comparison.unseen or 0.0) > margin and found.most == found.equal:
        return f"For a verdict on others, {comparison.test_examples:,} test examples are too few."
    decides = comparison.deciding
    if found.most != found.equal and decides.known and not decides.low <= 0 <= decides.high:
        return f"The verdict asks for more: {p_value(comparison.p_adjusted)} is above {LEVEL:g}."
    reasons = []  # that it holds for all arms together stands with the interval
    if comparison.over_seeds is comparison.anytime:
        reasons.append("every look")
    new_data = comparison.new_data
    if new_data is not None and abs(new_data.high - new_data.value - (comparison.unseen or 0.0)) <= ROUNDING:
        reasons.append(f"examples unlike these {comparison.test_examples:,}")
    holds = f" for {' and '.join(reasons)}" if reasons else ""
    side = "within the margin" if found.most == found.equal else "on one side of 0"
    return f"The verdict asks for more. Its whole 95% interval{holds} must lie {side}."
