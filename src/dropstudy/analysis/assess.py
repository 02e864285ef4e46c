"""Assess a study from its records: its verdict, and McNemar's test of its runs pair by pair."""

from __future__ import annotations

from dataclasses import astuple, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from dropstudy.analysis.stats.mcnemar import mcnemar, right_answers
from dropstudy.analysis.verdict.build import give_verdict
from dropstudy.analysis.verdict.design import Design
from dropstudy.analysis.verdict.rule import SEEDS
from dropstudy.core.metrics import METRICS, imbalance_hint, margin_of, metric_of
from dropstudy.core.types import CONDITION
from dropstudy.runtime.removal import removed_with_results
from dropstudy.spec.data_names import OWN_DATA
from dropstudy.store.directory import EARLIER_RULES, FIND_RATE, SEED_COUNTS, UNTIL_DECIDED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dropstudy.analysis.verdict.build import Predictions
    from dropstudy.analysis.verdict.pairs import Truth
    from dropstudy.analysis.verdict.types import Verdict
    from dropstudy.core.types import MetricName, Run, StudySpec

T = TypeVar("T")


def assess(
    spec: StudySpec,
    metadata: Mapping[str, Any],
    history: pd.DataFrame,
    finals: pd.DataFrame,
    *,
    outcomes: pd.DataFrame,
    predictions: Predictions,
    truth: Truth,
) -> Verdict:
    """Verdict of a study.

    Args:
        spec: the study, with its margin.
        metadata: of the study: its seeds at each look, earlier metrics and margins, removed parts.
        history: all histories, as `Study.frame` gives them.
        finals: final numbers of every finished run, as `Study.finals` gives them.
        outcomes: status of every run, as `Study.outcomes` gives it.
        predictions: of a run by arm, hidden, train_size and seed; None where they are missing.
        truth: gives the true classes of the test examples; None where they are missing.
    """
    search = metadata.get(FIND_RATE)
    design = Design(
        spec.arms,
        watches_test=spec.watches_test,
        metric=metric_of(spec).name,
        margin=margin_of(spec),
        tested_weights="best" if spec.restore_best_weights or spec.patience else "final",
        looks=looks(metadata),
        most_seeds=metadata.get(UNTIL_DECIDED),
        most_runs=search["runs"] if search else None,
        stopped=frozenset(name for name, count in search["seeds"].items() if count < len(spec.seeds))
        if search
        else frozenset(),
    )
    verdict = give_verdict(
        history,
        finals,
        design,
        outcomes=outcomes,
        predictions=predictions,
        truth=truth,
        test_examples=None if metadata["data"] == OWN_DATA else metadata.get("n_test"),
    )
    rules = [*map(tuple, metadata.get(EARLIER_RULES, ())), (verdict.metric, verdict.margin)]
    metrics = _earlier([metric for metric, _ in rules])
    margins = _earlier([margin for metric, margin in rules if metric == verdict.metric])
    changes = (
        *removed_with_results(metadata, spec),
        *_on_metrics(metrics, verdict),
        *_on_margins(margins, verdict),
    )
    imbalance = imbalance_hint(metadata.get("class_counts") or [1, 1], metadata["classes"], verdict.measure)
    hints = (*metadata.get("data_warnings", ()), *filter(None, [imbalance]))
    return replace(
        verdict,
        sentences=(*verdict.sentences, *hints, *changes),
        hints=hints,
        earlier_margins=margins,
        earlier_metrics=metrics,
        disclosures=(*verdict.disclosures, *changes),
    )


def _earlier(values: Sequence[T]) -> tuple[T, ...]:
    """Values before the last one, in order: each once where it stayed, none where nothing ever changed."""
    return tuple(value for value, _ in groupby(values))[:-1]


def _on_metrics(earlier: tuple[MetricName, ...], verdict: Verdict) -> list[str]:
    if not earlier:
        return []
    before = ", then ".join(METRICS[name].title for name in earlier)
    change = f"The metric was changed after runs had finished, from {before} to {verdict.measure.title}."
    return [f"{change} A metric chosen after seeing results weakens any claim."]


def _on_margins(earlier: tuple[float, ...], verdict: Verdict) -> list[str]:
    if not earlier:
        return []
    before = ", then ".join(f"{m:g}" for m in earlier)
    now = verdict.measure.brief(f"{verdict.margin:g}")
    change = f"The margin was changed after runs had finished, from {before} to {now}."
    return [f"{change} A margin chosen after seeing results weakens a claim of equivalence."]


def looks(metadata: Mapping[str, Any]) -> tuple[int, ...]:
    """Numbers of seeds at which a verdict may have been seen before more were added; empty for a single look.

    With `--until-decided` and `--find-rate` every number counts.
    """
    counts = [int(count) for count in metadata.get(SEED_COUNTS, []) if count >= SEEDS]
    return tuple(counts) if metadata.get(UNTIL_DECIDED) or metadata.get(FIND_RATE) or len(counts) > 1 else ()


def pairs_of_runs(runs: Iterable[Run], baseline: str, predictions: Predictions) -> pd.DataFrame:
    """McNemar's test of every arm's run against the baseline's of its seed, on the same test examples.

    Args:
        runs: the finished ones.
        baseline: its name.
        predictions: as for `assess`.

    Returns:
        arm, hidden, train_size, seed, both_right, arm_only, baseline_only, both_wrong (examples), p_value.
    """
    rows = []
    for run in runs:
        place = (run.condition.layers, run.condition.train_size, run.seed)
        ours = predictions(run.arm.name, *place)
        theirs = predictions(baseline, *place) if run.arm.name != baseline else None
        if ours is not None and theirs is not None:
            test = mcnemar(right_answers(ours), right_answers(theirs))
            rows.append((run.arm.name, *place, *astuple(test)))
    counts = ["both_right", "arm_only", "baseline_only", "both_wrong"]
    return pd.DataFrame(rows, columns=["arm", *CONDITION, "seed", *counts, "p_value"])
