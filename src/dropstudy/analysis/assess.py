"""Assess a study: its verdict, and tests of its runs pair by pair, from its records."""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from dropstudy.analysis.stats.mcnemar import mcnemar, right_answers
from dropstudy.analysis.verdict import SEEDS, Verdict, give_verdict
from dropstudy.core.types import CONDITION
from dropstudy.runtime.removal import removed_with_results
from dropstudy.store.directory import EARLIER_MARGINS, SEED_COUNTS, UNTIL_DECIDED, margin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from dropstudy.core.types import Run, StudySpec

    Predictions = Callable[[str, str, int, int], Mapping[str, NDArray[Any]] | None]


def assess(
    spec: StudySpec,
    metadata: Mapping[str, Any],
    history: pd.DataFrame,
    finals: pd.DataFrame,
    *,
    outcomes: pd.DataFrame,
    predictions: Predictions,
) -> Verdict:
    """The verdict on a study.

    Args:
        spec: the study, with its margin.
        metadata: what was recorded of it: how often it was looked at, and with which margins.
        history: all histories, as `Study.frame` gives them.
        finals: every finished run's look at the test set, as `Study.finals` gives them.
        outcomes: what became of every run, as `Study.outcomes` gives it.
        predictions: the stored answers of a run by arm, hidden, train_size and seed; None where they cannot be had.
    """
    verdict = give_verdict(
        history,
        finals,
        spec.arms,
        watches_test=spec.watches_test,
        margin=margin_of(spec),
        protocol="best" if spec.restore_best_weights or spec.patience else "final",
        looks=looks(metadata),
        most_seeds=metadata.get(UNTIL_DECIDED),
        outcomes=outcomes,
        predictions=predictions,
        test_examples=metadata.get("n_test"),
    )
    verdict = replace(verdict, sentences=(*verdict.sentences, *removed_with_results(metadata, spec)))
    return _with_earlier_margins(verdict, tuple(metadata.get(EARLIER_MARGINS, ())))


def _with_earlier_margins(verdict: Verdict, earlier: tuple[float, ...]) -> Verdict:
    if not earlier:
        return verdict
    told = (
        f"The margin was changed after runs had finished, from {', then '.join(f'{m:g}' for m in earlier)} to "
        f"{verdict.margin:g} points. A margin chosen after looking at results weakens a claim of equivalence."
    )
    return replace(verdict, sentences=(*verdict.sentences, told), earlier_margins=earlier)


def looks(metadata: Mapping[str, Any]) -> tuple[int, ...]:
    """Numbers of seeds at which a verdict may have been looked at before more were added; empty where it was one look.

    A study that was to grow until decided was looked at from the start.
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
