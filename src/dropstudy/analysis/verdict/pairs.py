"""A condition's runs paired by seed: one row a seed, one column an arm."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dropstudy.analysis.stats.calibration import expected_calibration_error
from dropstudy.analysis.stats.mcnemar import right_answers
from dropstudy.analysis.stats.per_example import NEEDS_TRUTH, per_example
from dropstudy.analysis.stats.runs import finished_runs, is_finite
from dropstudy.core.metrics import ACCURACY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from dropstudy.core.types import Arm, MetricName

    Predictions = Callable[[str, int], Mapping[str, NDArray[Any]] | None]
    Truth = Callable[[], NDArray[np.integer[Any]] | None]
    RunKey = tuple[str, int]  # arm and seed

_DIGITS = 12  # of a difference of shares; one example of a million million


@dataclass(frozen=True, eq=False)
class PairedRuns:
    """Runs of one condition.

    Args:
        arms: baseline first.
        finished: one row per finished run, as `stats.runs.finished_runs` gives them, and its calibration error, ece.
        unfinished: status ("diverged", "failed" or another) of every other run.
        parts: what each test example adds to the study's metric of a finished run, (examples,), where that is known.
        one_class: runs that predict one class for all examples, although some of these are of another.
        examples: in the test set; None where that is not known.
    """

    arms: tuple[Arm, ...]
    finished: pd.DataFrame
    unfinished: dict[RunKey, str]
    parts: dict[RunKey, NDArray[np.generic]]
    one_class: frozenset[RunKey]
    examples: int | None

    def of(self, arm: str) -> pd.DataFrame:
        """Finished runs of an arm, indexed by seed, ascending; not to be changed."""
        return self._by_arm[arm]

    @cached_property
    def _by_arm(self) -> dict[str, pd.DataFrame]:
        runs = self.finished.set_index("seed")
        return {arm.name: runs[runs["arm"] == arm.name] for arm in self.arms}

    def pairs(self, arm: str) -> list[int]:
        """Seeds that finished in an arm and in the baseline, ascending."""
        return sorted(set(self.of(arm).index) & set(self.of(self.arms[0].name).index))

    def per_example(self, arm: str, seeds: Sequence[int]) -> NDArray[np.generic] | None:
        """What each test example adds to the difference of an arm to the baseline, (seeds, examples).

        Of accuracy 1 where only the arm is right, -1 where only the baseline is, else 0. None where that is not known
        of one of the runs, or there are no seeds.
        """
        ours, theirs = (
            [self.parts[name, seed] for seed in seeds if (name, seed) in self.parts]
            for name in (arm, self.arms[0].name)
        )
        if not len(ours) == len(theirs) == len(seeds) > 0:
            return None
        return np.stack(ours) - np.stack(theirs)

    def differences(self, column: str, arms: Sequence[Arm]) -> tuple[list[int], NDArray[np.float64]]:
        """Differences of each arm to the baseline: seeds, ascending, and (seeds, arms), NaN where a pair is missing."""
        table = self.finished.pivot_table(
            index="seed", columns="arm", values=column, sort=False, dropna=False
        )
        table = table.reindex(columns=[self.arms[0].name, *(arm.name for arm in arms)]).sort_index()
        values = table.to_numpy(dtype=np.float64)
        # Rounded, so that seeds which differ by equally many examples differ by the same float.
        paired = (values[:, 1:] - values[:, :1]).round(_DIGITS)
        complete = ~np.isnan(paired).all(axis=1)
        return [int(seed) for seed in table.index[complete]], paired[complete]

    def diverged(self, *arms: str) -> int:
        """Seeds in which any of these arms diverged."""
        runs = self.unfinished.items()
        return len({seed for (arm, seed), status in runs if arm in arms and status == "diverged"})


def pair_runs(
    history: pd.DataFrame,
    finals: pd.DataFrame,
    arms: Sequence[Arm],
    *,
    outcomes: pd.DataFrame | None = None,
    metric: MetricName = ACCURACY.name,
    predictions: Predictions | None = None,
    truth: Truth | None = None,
    examples: int | None = None,
) -> PairedRuns:
    """Join histories, final numbers and predictions of each run.

    Args:
        history: of one condition, one row per arm, seed and epoch, columns of `EpochMetrics`.
        finals: of that condition, as for `stats.runs.finished_runs`; noisy_accuracy where it was measured.
        arms: baseline first.
        outcomes: arm, seed and status of every planned run; without it, a run with a history and no final is
            unfinished.
        metric: that arms are judged by.
        predictions: of an arm and seed of this condition, or None.
        truth: gives the true classes of the test examples, where predictions do not bring them.
        examples: in the test set, where there are no predictions.
    """
    runs, finite = finished_runs(history, finals), is_finite(finals)
    ended = list(zip(runs["arm"], runs["seed"].astype(int), strict=True))
    found = {} if predictions is None else {run: predictions(*run) for run in ended}
    stored = {run: answer for run, answer in found.items() if answer is not None}
    right = {run: right_answers(answer) for run, answer in stored.items()}
    runs["ece"] = [
        expected_calibration_error(stored[run]["confidence"], right[run])
        if "confidence" in stored.get(run, ())
        else np.nan
        for run in ended
    ]
    classes = truth() if truth is not None and metric in NEEDS_TRUTH else None
    parts = {run: per_example(answer, metric, answer.get("truth", classes)) for run, answer in stored.items()}
    if outcomes is None:
        started = history[["arm", "seed"]].drop_duplicates()
        outcomes = pd.concat([started, finals[["arm", "seed"]]]).drop_duplicates().assign(status="unfinished")
    done = set(ended)
    lost = finals.loc[~finite, ["arm", "seed"]].assign(status="diverged")
    statuses = pd.concat([outcomes[["arm", "seed", "status"]], lost]).itertuples(index=False, name=None)
    return PairedRuns(
        arms=tuple(arms),
        finished=runs,
        unfinished={(arm, int(seed)): status for arm, seed, status in statuses if (arm, seed) not in done},
        parts={run: values for run, values in parts.items() if values is not None},
        one_class=frozenset(run for run, answer in stored.items() if _is_one_class(answer, right[run])),
        examples=next((len(hits) for hits in right.values()), examples),
    )


def _is_one_class(answer: Mapping[str, NDArray[Any]], right: NDArray[np.bool_]) -> bool:
    """True where a run predicts one class for all test examples, and so is wrong about some."""
    labels = answer.get("labels")
    return labels is not None and len(labels) > 1 and bool((labels == labels[0]).all()) and not right.all()
