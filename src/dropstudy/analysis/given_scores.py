"""The verdict on scores of runs that others trained."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import ceil, isfinite, nan
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dropstudy.analysis.answer import answer
from dropstudy.analysis.next_steps import NextStep
from dropstudy.analysis.verdict.build import give_verdict
from dropstudy.analysis.verdict.design import Design
from dropstudy.analysis.verdict.phrases import listed, quoted
from dropstudy.analysis.verdict.rule import SEEDS
from dropstudy.analysis.verdict.undecided import more_examples
from dropstudy.core.bounds import Count, Positive
from dropstudy.core.metrics import ACCURACY, METRICS, check_margin
from dropstudy.core.text import visible_form
from dropstudy.core.types import METRICS as EPOCH_METRICS
from dropstudy.core.types import Arm, MetricName
from dropstudy.core.validation import refuse_duplicates, validate
from dropstudy.data.score_table import read_scores
from dropstudy.errors import InvalidArgument
from dropstudy.spec.arms import arm_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from narwhals.typing import IntoFrame

    from dropstudy.analysis.answered import Answer
    from dropstudy.analysis.verdict.types import ConditionVerdict, Verdict
    from dropstudy.core.metrics import Metric
    from dropstudy.data.score_table import ScoreTable

__all__ = ["ScoresAssessed", "assess_scores"]

_RATES = re.compile(r"(^|[./])rate$|dropout", re.IGNORECASE)
"""Names of columns whose numbers are dropout rates: "rate", "params.rate", "dropout_rate"."""

_MOST_NAMED = 3


@dataclass(frozen=True, eq=False)
class ScoresAssessed:
    """Scores of runs that others trained, and the verdict on them.

    Args:
        table: the scores as they were read.
        design: arms, metric and margin.
        verdict: on them.
        answer: the same in plain words.
        test_examples: in the test set; None where that is not known.
        options: arguments of `assess_scores` that were given, by name.
    """

    table: ScoreTable
    design: Design
    verdict: Verdict
    answer: Answer
    test_examples: int | None
    options: Mapping[str, str | float]

    confirmations: tuple[ScoresAssessed, ...] = ()
    """None: fresh seeds are another table."""

    conditions: tuple[tuple[str, int], ...] = (("", 0),)
    """One, of which nothing is known."""

    pairing: str = "Runs of one seed are pairs; what else they share is not in the table."

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arms, the baseline first."""
        return self.design.arms

    @property
    def metric(self) -> Metric:
        """What the scores are."""
        return self.design.measure

    @property
    def margin(self) -> float:
        """Equivalence margin, in the unit of the metric."""
        return self.design.margin

    @property
    def finals(self) -> pd.DataFrame:
        """Finite scores as a study has them: a row for each run with arm, rate, seed and the metric's column."""
        done: pd.DataFrame = self.table.runs[np.isfinite(self.table.runs["score"].to_numpy(dtype=np.float64))]
        rates = {arm.name: arm.common_rate for arm in self.arms}
        return done[["arm", "seed"]].assign(
            rate=[rates[name] for name in done["arm"]], **{self.metric.column: done["score"]}
        )

    def condition_verdict(self, condition: tuple[str, int]) -> ConditionVerdict:  # noqa: ARG002 - there is one
        """Verdict of the one condition."""
        return self.verdict.conditions[0]

    def of_condition(self, frame: pd.DataFrame, condition: tuple[str, int]) -> pd.DataFrame:  # noqa: ARG002 - as above
        """All rows."""
        return frame


def assess_scores(
    scores: IntoFrame | str | Path,
    *,
    arm_column: str | None = None,
    seed_column: str | None = None,
    score_column: str | None = None,
    validation_column: str | None = None,
    baseline: str | float | None = None,
    metric: MetricName = ACCURACY.name,
    margin: float | None = None,
    test_examples: int | None = None,
) -> ScoresAssessed:
    """Assess scores; arguments and errors as for `dropstudy.verdict`."""
    columns = {
        "arm_column": arm_column,
        "seed_column": seed_column,
        "score_column": score_column,
        "validation_column": validation_column,
    }
    others = {"baseline": baseline, "margin": margin, "test_examples": test_examples}
    given = {name: value for name, value in (columns | others).items() if value is not None}
    options = given | ({} if metric == ACCURACY.name else {"metric": metric})
    measure = METRICS[validate("metric", metric, MetricName)]
    margin = measure.margin if margin is None else validate("margin", margin, Positive)
    check_margin(measure, margin)
    test_examples = validate("test_examples", test_examples, Count | None)
    table = read_scores(scores, measure, **columns)
    runs, notes = table.runs, list(table.notes)
    arms = _arms(runs, rates=bool(_RATES.search(arm_column or "")))
    first = _baseline(arms, baseline, table.source, notes)
    ordered = (first, *(arm for arm in arms.values() if arm != first))
    runs = runs.assign(arm=[arms[name].name for name in runs["arm"]])
    notes += _on_pairs(runs, [arm.name for arm in ordered])
    design = Design(ordered, metric=measure.name, margin=margin, scores_only=True)
    found = give_verdict(
        *_tables(runs, measure), design, outcomes=_outcomes(runs), test_examples=test_examples
    )
    told = answer(found, design, _steps(found))
    found = replace(found, sentences=(*found.sentences, *notes), disclosures=tuple(notes))
    return ScoresAssessed(replace(table, runs=runs), design, found, told, test_examples, options)


def _arms(runs: pd.DataFrame, *, rates: bool) -> dict[str, Arm]:
    """Arms by their names in the table, in its order.

    A rate is known where the column is one of rates, which are sorted, and where an arm is called as in a study: "no
    dropout", "dropout 0.5".
    """
    names = list(dict.fromkeys(runs["arm"]))
    numbers = pd.to_numeric(pd.Series(names), errors="coerce")
    if rates and numbers.between(0, 1, inclusive="left").all():
        found = [(name, Arm(rate=float(rate))) for rate, name in sorted(zip(numbers, names, strict=True))]
        arms = {name: replace(arm, name=arm_name(arm)) for name, arm in found}
    else:
        arms = {name: _arm(name) for name in names}
    refuse_duplicates("arms", "name", [visible_form(arm.name) for arm in arms.values()])
    return arms


def _arm(name: str) -> Arm:
    if name == arm_name(Arm()):
        return Arm(name)
    rate = re.fullmatch(r"dropout (0?\.\d+)", name)
    return Arm(name, float(rate[1]) if rate else nan)


def _baseline(arms: dict[str, Arm], wanted: str | float | None, source: str, notes: list[str]) -> Arm:
    if wanted is None:
        first = next((arm for arm in arms.values() if arm.rate == 0), next(iter(arms.values())))
        notes.append(f"The baseline is {quoted(first.name)}; another one: --baseline.")
        return first
    for name, arm in arms.items():
        if str(wanted) in {name, arm.name} or (isfinite(arm.common_rate) and _number(wanted) == arm.rate):
            return arm
    raise InvalidArgument(
        "baseline",
        expected=f"one of the arms of {source}: {listed([quoted(name) for name in list(arms)[:10]])}",
        received=repr(wanted),
    )


def _number(value: str | float) -> float:
    try:
        return float(value)
    except ValueError:
        return nan


def _on_pairs(runs: pd.DataFrame, arms: Sequence[str]) -> list[str]:
    """Arms with seeds that the baseline has not, or the other way round; those that share none with it."""
    seeds = {arm: set(runs.loc[runs["arm"] == arm, "seed"]) for arm in arms}
    first, *others = arms
    alone = [arm for arm in others if not seeds[arm] & seeds[first]]
    partly = [arm for arm in others if seeds[arm] != seeds[first] and arm not in alone]
    notes = []
    if alone:
        notes.append(
            f"{_named(alone)} {'shares' if len(alone) == 1 else 'share'} no seed with {quoted(first)}. "
            "Runs are compared in pairs: give those that belong together the same seed."
        )
    if partly:
        shared = ", ".join(f"{quoted(arm)} {len(seeds[arm] & seeds[first])}" for arm in partly[:_MOST_NAMED])
        more = f" and {len(partly) - _MOST_NAMED} more arms" if len(partly) > _MOST_NAMED else ""
        notes.append(
            f"Only seeds that an arm shares with {quoted(first)} are compared: {shared}{more}. Others are left out."
        )
    return notes


def _named(arms: Sequence[str]) -> str:
    return listed([quoted(arm) for arm in arms]) if len(arms) <= _MOST_NAMED else f"{len(arms)} arms"


def _tables(runs: pd.DataFrame, metric: Metric) -> tuple[pd.DataFrame, pd.DataFrame]:
    """History and final numbers as `give_verdict` takes them: a row for each run, of an epoch 0 that no text names."""
    done = runs[np.isfinite(runs["score"].to_numpy(dtype=np.float64))]
    history = done[["arm", "seed"]].assign(epoch=0, seconds=nan, **dict.fromkeys(EPOCH_METRICS, nan))
    finals = done[["arm", "seed"]].assign(brier=nan, **{metric.column: done["score"]})
    (history if metric.validation in history else finals)[metric.validation] = done["validation"]
    return history, finals


def _outcomes(runs: pd.DataFrame) -> pd.DataFrame:
    finite = np.isfinite(runs["score"].to_numpy(dtype=np.float64))
    return runs[["arm", "seed"]].assign(status=np.where(finite, "done", "diverged"))


def _steps(verdict: Verdict) -> list[NextStep]:
    """How many seeds a decision needs."""
    found = verdict.open_comparisons
    if any(c.decision == "too few seeds" for c in found):
        return [NextStep(f"For a verdict, add seeds: it needs {SEEDS} of each arm, the same ones")]
    needed = [c.seeds_needed for c in found if c.decision == "undecided" and isfinite(c.seeds_needed)]
    if more := more_examples(found, verdict.margin):
        return [NextStep(f"To decide, use {more}, not more seeds")]
    if not needed:
        return []
    most = max(ceil(max(needed)), 1 + max(c.n for c in found))
    return [NextStep(f"For a decision, train about {most:,} seeds of each arm")]
