"""What a study's store holds for its verdict: what became of every run, their answers, and how often one looked."""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from dropstudy.errors import StoreError
from dropstudy.folder import SEED_COUNTS, UNTIL_DECIDED
from dropstudy.records import SHAPE
from dropstudy.stats.answers import mcnemar, right_answers
from dropstudy.taking_out import remarks
from dropstudy.verdict import SEEDS, Verdict, give_verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from dropstudy.records import StudySpec
    from dropstudy.store import Store


def judge(
    store: Store, spec: StudySpec, history: pd.DataFrame, finals: pd.DataFrame, *, margin: float = 0.1
) -> Verdict:
    """The verdict on a study.

    Args:
        store: its own.
        spec: the study.
        history: all histories, as `Study.frame` gives them.
        finals: every finished run's look at the test set, as `Study.finals` gives them.
        margin: differences within ±margin do not matter, in points.
    """
    verdict = give_verdict(
        history,
        finals,
        spec.arms,
        watches_test=spec.watches_test,
        margin=margin,
        protocol="best" if spec.restore_best or spec.patience else "final",
        looks=looks(store.meta),
        most_seeds=store.meta.get(UNTIL_DECIDED),
        outcomes=outcomes(store),
        predictions=predictions(store),
    )
    return replace(verdict, sentences=(*verdict.sentences, *remarks(store.meta, spec)))


def looks(facts: dict[str, Any]) -> tuple[int, ...]:
    """Numbers of seeds at which a verdict may have been looked at before more were added; empty where it was one look.

    A study that was to grow until decided was looked at from the start.
    """
    counts = [int(count) for count in facts.get(SEED_COUNTS, []) if count >= SEEDS]
    return tuple(counts) if facts.get(UNTIL_DECIDED) or len(counts) > 1 else ()


def outcomes(store: Store) -> pd.DataFrame:
    """What became of every run of the plan: arm, hidden, train_size, seed, status."""
    statuses = store.status()
    rows = [
        (run.arm.name, run.shape.layers, run.shape.train_size, run.seed, statuses[run.key])
        for run in store.runs()
    ]
    return pd.DataFrame(rows, columns=["arm", *SHAPE, "seed", "status"])


def predictions(store: Store) -> Callable[[str, str, int, int], dict[str, NDArray[Any]] | None]:
    """The stored answers of a run by arm, hidden, train_size and seed; None where they cannot be had."""
    keys = {
        (run.arm.name, run.shape.layers, run.shape.train_size, run.seed): run.key
        for run in store.runs("done")
    }

    def stored(arm: str, hidden: str, train_size: int, seed: int) -> dict[str, NDArray[Any]] | None:
        try:
            return store.predictions(keys[arm, hidden, train_size, seed])
        except (
            StoreError,
            KeyError,
        ):  # not finished, gone or damaged: what rests on them is left out, the rest of the verdict stands
            return None

    return stored


def pairs_of_runs(store: Store, spec: StudySpec) -> pd.DataFrame:
    """McNemar's test of every arm's run against the baseline's of its seed, on the same test examples.

    Returns:
        arm, hidden, train_size, seed, both_right, arm_only, baseline_only, both_wrong (examples), p_value.
    """
    stored, baseline = predictions(store), spec.arms[0].name
    rows = []
    for run in store.runs("done"):
        place = (run.shape.layers, run.shape.train_size, run.seed)
        ours = stored(run.arm.name, *place)
        theirs = stored(baseline, *place) if run.arm.name != baseline else None
        if ours is not None and theirs is not None:
            test = mcnemar(*(right_answers(a["confidence"], a["likelihood"]) for a in (ours, theirs)))
            rows.append((run.arm.name, *place, *astuple(test)))
    counts = ["both_right", "arm_only", "baseline_only", "both_wrong"]
    return pd.DataFrame(rows, columns=["arm", *SHAPE, "seed", *counts, "p_value"])
