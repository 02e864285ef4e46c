"""Assess a study from its records: its verdict, and McNemar's test of its runs pair by pair."""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from dropstudy.analysis.stats.mcnemar import mcnemar, right_answers
from dropstudy.analysis.verdict.build import give_verdict
from dropstudy.analysis.verdict.rule import SEEDS
from dropstudy.analysis.verdict.types import Design, Verdict
from dropstudy.core.types import CONDITION
from dropstudy.runtime.removal import removed_with_results
from dropstudy.store.directory import EARLIER_MARGINS, SEED_COUNTS, UNTIL_DECIDED, margin_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dropstudy.analysis.verdict.build import Predictions
    from dropstudy.core.types import Run, StudySpec


def assess(
    spec: StudySpec,
    metadata: Mapping[str, Any],
    history: pd.DataFrame,
    finals: pd.DataFrame,
    *,
    outcomes: pd.DataFrame,
    predictions: Predictions,
) -> Verdict:
    """Verdict of a study.

    Args:
        spec: the study, with its margin.
        metadata: of the study: its seeds at each look, earlier margins, removed parts.
        history: all histories, as `Study.frame` gives them.
        finals: final numbers of every finished run, as `Study.finals` gives them.
        outcomes: status of every run, as `Study.outcomes` gives it.
        predictions: of a run by arm, hidden, train_size and seed; None where they are missing.
    """
    design = Design(
        spec.arms,
        watches_test=spec.watches_test,
        margin=margin_of(spec),
        tested_weights="best" if spec.restore_best_weights or spec.patience else "final",
        looks=looks(metadata),
        most_seeds=metadata.get(UNTIL_DECIDED),
    )
    verdict = give_verdict(
        history,
        finals,
        design,
        outcomes=outcomes,
        predictions=predictions,
        test_examples=metadata.get("n_test"),
    )
    earlier = tuple(metadata.get(EARLIER_MARGINS, ()))
    changes = (*removed_with_results(metadata, spec), *_on_margins(earlier, verdict.margin))
    return replace(
        verdict,
        sentences=(*verdict.sentences, *changes),
        earlier_margins=earlier,
        disclosures=(*verdict.disclosures, *changes),
    )


def _on_margins(earlier: tuple[float, ...], margin: float) -> list[str]:
    if not earlier:
        return []
    before = ", then ".join(f"{m:g}" for m in earlier)
    change = f"The margin was changed after runs had finished, from {before} to {margin:g} points."
    return [f"{change} A margin chosen after seeing results weakens a claim of equivalence."]


def looks(metadata: Mapping[str, Any]) -> tuple[int, ...]:
    """Numbers of seeds at which a verdict may have been seen before more were added; empty for a single look.

    With `--until-decided` every number counts.
    """
    counts = [int(count) for count in metadata.get(SEED_COUNTS, []) if count >= SEEDS]
    return tuple(counts) if metadata.get(UNTIL_DECIDED) or len(counts) > 1 else ()


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
            test = mcnemar(*(right_answers(a["confidence"], a["likelihood"]) for a in (ours, theirs)))
            rows.append((run.arm.name, *place, *astuple(test)))
    counts = ["both_right", "arm_only", "baseline_only", "both_wrong"]
    return pd.DataFrame(rows, columns=["arm", *CONDITION, "seed", *counts, "p_value"])
