"""Verdict of a study: one sentence, with all estimates behind it. Only `build` and what it calls import scipy."""

from dropstudy.analysis.verdict.rule import MAX_SEEDS, SEEDS
from dropstudy.analysis.verdict.types import ConditionVerdict, Verdict

__all__ = ["MAX_SEEDS", "SEEDS", "ConditionVerdict", "Verdict"]
