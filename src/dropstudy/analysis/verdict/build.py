"""Build a study's verdict from its tables: numbers, decisions, then sentences."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dropstudy.analysis.stats.runs import at_condition, by_condition, finished_history
from dropstudy.analysis.verdict.choice import choose
from dropstudy.analysis.verdict.comparison import compare_arms
from dropstudy.analysis.verdict.conditions import for_all_conditions
from dropstudy.analysis.verdict.headlines import condition_headline, study_headline
from dropstudy.analysis.verdict.labels import condition_label, study_label
from dropstudy.analysis.verdict.over_epochs import half_time
from dropstudy.analysis.verdict.pairs import pair_runs
from dropstudy.analysis.verdict.rates import rate_curve
from dropstudy.analysis.verdict.remarks import remarks
from dropstudy.analysis.verdict.rule import decide_together
from dropstudy.analysis.verdict.scores import arm_scores, gap
from dropstudy.analysis.verdict.types import ConditionVerdict, Verdict
from dropstudy.core.text import condition_title

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from dropstudy.analysis.verdict.design import Design
    from dropstudy.analysis.verdict.pairs import PairedRuns, Truth
    from dropstudy.analysis.verdict.types import Decision

    Predictions = Callable[[str, str, int, int], Mapping[str, NDArray[Any]] | None]


def give_verdict(
    history: pd.DataFrame,
    finals: pd.DataFrame,
    design: Design,
    *,
    outcomes: pd.DataFrame | None = None,
    predictions: Predictions | None = None,
    truth: Truth | None = None,
    test_examples: int | None = None,
) -> Verdict:
    """Verdict of a study.

    Args:
        history: one row per arm, condition, seed and epoch, columns of `EpochMetrics`.
        finals: one row per finished run: arm, rate, condition, seed, test_loss, test_accuracy, brier, and `epoch` where
            the tested weights need not be the last epoch's.
        design: of the study.
        outcomes: arm, hidden, train_size, seed and status of every planned run; conditions without any record then have
            their part in the verdict too.
        predictions: of (arm, hidden, train_size, seed) the `confidence` and `likelihood` of every test example, and
            perhaps `labels`; None where they are missing.
        truth: gives the true classes of the test examples; None where they are not known.
        test_examples: their number, where there are no predictions.
    """
    conditions = []
    for (hidden, train_size), rows, done in by_condition(history, finals, outcomes):
        planned = outcomes
        if outcomes is not None and hidden:
            planned = at_condition(outcomes, hidden, train_size)
        runs = pair_runs(
            rows,
            done,
            design.arms,
            outcomes=planned,
            metric=design.metric,
            predictions=None if predictions is None else _at(predictions, hidden, train_size),
            truth=truth,
            examples=test_examples,
        )
        numbers = _condition_verdict(runs, hidden, train_size, design)
        half = half_time(finished_history(rows, done, design.arms), design)
        conditions.append(replace(numbers, half_time=half))
    conditions = for_all_conditions(conditions)
    first, decisions = conditions[0], {condition.decision for condition in conditions}
    decision: Decision = first.decision if len(decisions) == 1 else "depends on the condition"
    headline = first.headline if len(conditions) == 1 else study_headline(conditions, design)
    on_looks = _on_looks(design)
    return Verdict(
        decision=decision,
        chosen=first.chosen if len({condition.chosen for condition in conditions}) == 1 else None,
        label=study_label(decision, (condition.label for condition in conditions)),
        headline=headline,
        sentences=(*_sentences(conditions, headline), *on_looks),
        metric=design.metric,
        margin=design.margin,
        tested_weights=design.tested_weights,
        watches_test=design.watches_test,
        anytime=design.always_valid,
        conditions=tuple(conditions),
        disclosures=tuple(on_looks),
    )


def _at(predictions: Predictions, hidden: str, train_size: int) -> Callable[[str, int], Any]:
    return lambda arm, seed: predictions(arm, hidden, train_size, seed)


def _condition_verdict(runs: PairedRuns, hidden: str, train_size: int, design: Design) -> ConditionVerdict:
    metric = design.measure
    scores = tuple(arm_scores(runs, arm, metric) for arm in design.arms)
    comparisons = tuple(
        replace(comparison, stopped=comparison.arm in design.stopped)
        for comparison in compare_arms(
            runs, metric=metric, margin=design.margin, always_valid=design.always_valid
        )
    )
    choice = None
    if not design.watches_test:
        choice = choose(scores, runs, metric, always_valid=design.always_valid, stopped=design.stopped)
    chosen = None if choice is None else choice.arm
    compared = comparisons if any(arm.seeds for arm in scores) else ()
    numbers = ConditionVerdict(
        hidden=hidden,
        train_size=train_size,
        baseline=design.baseline.name,
        decision=decide_together({c.arm: c.decision for c in compared}, chosen),
        decision_on_these=decide_together({c.arm: c.decision_on_these for c in compared}, chosen),
        chosen=chosen,
        choice=choice,
        label="",
        headline="",
        sentences=(),
        arms=scores,
        comparisons=comparisons,
        gaps=tuple(gap(runs, arm) for arm in design.arms),
        metric=metric.name,
        curve=rate_curve(runs, design),
    )
    headline = condition_headline(numbers, design)
    sentences = (headline, *remarks(numbers, design, examples=runs.examples))
    return replace(numbers, label=condition_label(numbers, design), headline=headline, sentences=sentences)


def _sentences(conditions: Sequence[ConditionVerdict], headline: str) -> list[str]:
    if len(conditions) == 1:
        return list(conditions[0].sentences)
    sentences = [headline]
    for condition in conditions:
        first, *others = condition.sentences
        sentences += [f"{condition_title(condition.hidden, condition.train_size)}: {first}", *others]
    return list(dict.fromkeys(sentences))  # a remark that holds for several appears once


def _on_looks(design: Design) -> list[str]:
    """Why intervals are always-valid; empty where they are not."""
    if not design.looks:
        return []
    wider = "hold at every look, and are wider than those of a single look."
    if design.most_runs is not None:
        why = f"Rates and seeds were added as results came in, {design.most_runs} runs at most."
        if design.stopped:
            why += " A rate is stopped once validation data show another one to be better."
        return [f"{why} Intervals of the search {wider}"]
    if design.most_seeds is not None:
        why = f"Seeds are added until the verdict is decided, {design.most_seeds} at most"
    else:
        changed = "added" if design.looks == tuple(sorted(design.looks)) else "added and removed"
        why = f"Seeds were {changed} after a first verdict ({', then '.join(map(str, design.looks))})"
    return [f"{why}. Its intervals {wider}"]
