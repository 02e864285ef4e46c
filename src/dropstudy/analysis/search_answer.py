"""Verdict and answer of a study that searched its rate: fresh seeds give both, since they had no part in the search."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dropstudy.analysis.answer import answer
from dropstudy.analysis.confirm import to_confirm
from dropstudy.analysis.verdict.rule import SEEDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.analysis.answered import Answer
    from dropstudy.analysis.arm_phrases import Compared
    from dropstudy.analysis.next_steps import NextStep
    from dropstudy.analysis.verdict import Verdict


def verdict_of_search(verdict: Verdict) -> Verdict:
    """The verdict of a search with decision, label and headline of its fresh seeds, once the chosen arm has enough.

    Conditions stay those of the search, with all of its rates.

    Args:
        verdict: of the study, with its confirmations.
    """
    fresh = _fresh(verdict)
    if fresh is None:
        return verdict
    headline = f"On fresh seeds: {fresh.headline}"
    return replace(
        verdict,
        decision=fresh.decision,
        label=fresh.label,
        headline=headline,
        sentences=(headline, f"In the search: {verdict.sentences[0]}", *verdict.sentences[1:]),
    )


def answer_of(verdict: Verdict, spec: Compared, steps: Sequence[NextStep], *, searched: bool) -> Answer:
    """Answer of a study; that of a search has the claims of its confirmation, once the chosen arm has one.

    Args:
        verdict: of the study, with its confirmations.
        spec: its specification.
        steps: what to do next.
        searched: whether the study searched its rate.
    """
    told = answer(verdict, spec, steps)
    fresh = _fresh(verdict) if searched else None
    if fresh is None:
        return told
    claim = answer(fresh, spec, ())
    return replace(
        told,
        helps=claim.helps,
        sure=f"{claim.sure} These seeds are fresh ones; those of the table searched the rate.",
        meanwhile=claim.meanwhile,
        likely=claim.likely,
        # More seeds of the search decide nothing.
        steps=tuple(step for step in told.steps if "--epochs" in step.command),
    )


def _fresh(verdict: Verdict) -> Verdict | None:
    """Verdict on fresh seeds of the arm that is chosen now; None where they are missing or too few."""
    chosen = to_confirm(verdict.conditions[0])
    found = [
        each
        for each in verdict.confirmations
        for c in each.conditions[0].comparisons
        if c.arm == chosen and c.n >= SEEDS
    ]
    return found[-1] if found else None
