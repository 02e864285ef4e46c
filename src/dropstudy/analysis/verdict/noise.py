"""Remark on where the noise of a difference comes from: seeds, the choice of test examples, or both together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.analysis.verdict.phrases import quoted
from dropstudy.analysis.verdict.rule import SEEDS
from dropstudy.core.text import rounded, whole_percent

if TYPE_CHECKING:
    from dropstudy.analysis.stats import Estimate
    from dropstudy.analysis.verdict.types import ConditionVerdict


def on_noise(condition: ConditionVerdict) -> str:
    """Sources of the noise of the arm that the decision is about, else of the best one; empty where not known."""
    known = sorted((c for c in condition.comparisons if c.n >= SEEDS), key=lambda c: -c.gain)
    subject = condition.subject or next(iter(known), None)
    if subject is None or subject.n < SEEDS or (found := subject.noise) is None:
        return ""
    seeds, examples, both = map(whole_percent, (found.seeds, found.examples, found.both))
    return (
        f"Of the spread of {quoted(subject.arm)} over seeds, about {of_spread(found.of_spread)} comes from measuring "
        f"on {subject.test_examples:,} test examples, the rest from training. For new data, the noise is {seeds} "
        f"seeds, {examples} the choice of test examples, and {both} how single examples are answered from seed to seed."
    )


def of_spread(share: Estimate) -> str:
    """A share of the spread with its interval: "70% (21 to 100%)"."""
    low, high = (rounded(100 * end, 0) for end in (share.low, share.high))
    return f"{rounded(100 * share.value, 0)}% ({low} to {high}%)"
