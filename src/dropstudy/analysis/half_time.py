"""Sentence of an answer on its length of training: where half of the epochs would have given another answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.analysis.verdict.phrases import quoted
from dropstudy.analysis.verdict.rule import decide_together

if TYPE_CHECKING:
    from dropstudy.analysis.verdict import Verdict
    from dropstudy.analysis.verdict.types import Decision

_ONE: dict[Decision, str] = {"equivalent": "makes no difference that matters", "undecided": "is undecided"}
_ALL: dict[Decision, str] = {
    "helps": "an arm helps",
    "hurts": "all arms hurt",
    "equivalent": "no arm beats the baseline",
    "undecided": "undecided",
}


def on_half_time(verdict: Verdict) -> str:
    """What a study of half the epochs would have answered, where it is another answer; else empty.

    Both are read from the histories. Where these do not give the answer of the study at the end, they say nothing of it
    at half of the epochs. Of several conditions nothing is said.
    """
    condition = verdict.conditions[0]
    arms = condition.half_time
    if len(verdict.conditions) > 1 or not arms or len(arms) < len(condition.comparisons):
        return ""
    chosen = None if condition.chosen == condition.baseline else condition.chosen
    then, now = (
        decide_together({arm.arm: getattr(arm, time) for arm in arms}, chosen) for time in ("then", "now")
    )
    if then == now or now != condition.decision_on_these:
        return ""
    subject = condition.subject
    what = _ALL[then] if subject is None else f"{quoted(subject.arm)} {_ONE.get(then, then)}"
    data = "test" if verdict.watches_test else "validation"
    return f"After {arms[0].epochs} of {arms[0].last} epochs, {data} data would have said: {what}."
