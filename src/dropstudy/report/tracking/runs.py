"""Runs as trackers of experiments have them, nested: the study, below it its arms, below each arm its seeds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from itertools import accumulate
from math import isfinite
from typing import TYPE_CHECKING, Any

from dropstudy.core.types import CONDITION, METRICS
from dropstudy.report.tables import file_stems, summary_table
from dropstudy.spec.merge import FIXED, FREE, LISTS
from dropstudy.spec.placeholders import placeholders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from dropstudy.core.types import Arm, Run
    from dropstudy.report.snapshot import Snapshot
    from dropstudy.store.reader import RunProgress

Value = str | int | float
"""Value of a parameter."""

STUDY, KEY = "dropstudy.study", "dropstudy.key"
"""Tags by which an exported run is found again: digest of its study, and its own key."""

NOTE = "mlflow.note.content"
"""Tag that MLflow shows as a description."""

_FINAL = ("clean_loss", "clean_accuracy")
"""Measured in each epoch, and once more for the tested weights: of these the names begin with `final_`."""

_PATHS = {"data", "test"}
"""Fields that may change without a change of the data."""


@dataclass(frozen=True)
class TrackedRun:
    """A study, an arm at a condition, or a seed of it.

    Args:
        key: by which it is found again; for a seed, of the run.
        name: for people.
        folder: where its event file is, below the study's.
        params: settings that never change.
        tags: texts that may change, by name.
        status: of the run; of a study or an arm `running` until all its runs have ended.
        ended: time of its last result, in seconds since 1970.
        seconds: wall time of training.
        epochs: number of each epoch, seconds from the start to its end, metrics.
        scores: metrics of the whole.
        step: epoch that the scores belong to; 0 for those of a study or an arm.
        below: runs that belong to it.
    """

    key: str
    name: str
    folder: str
    params: Mapping[str, Value]
    tags: Mapping[str, str]
    status: str
    ended: float
    seconds: float
    epochs: tuple[tuple[int, float, Mapping[str, float]], ...] = ()
    scores: Mapping[str, float] | None = None
    step: int = 0
    below: tuple[TrackedRun, ...] = ()

    @property
    def started(self) -> float:
        """Time of its start, as far as the wall time of training tells."""
        return self.ended - self.seconds


def tracked_study(snapshot: Snapshot) -> TrackedRun:
    """The runs of a study that have begun, below their arms, below the study.

    A study is the same one as long as folder and fixed settings are: it may grow, be exported again, and be found by
    `STUDY`.
    """
    spec, metadata, verdict = snapshot.spec, snapshot.metadata, snapshot.verdict
    settings = asdict(spec)
    replaced = (
        set() if spec.model is None else {"activation", "optimizer", *placeholders(spec.model, spec.data)}
    )
    params = _flat({name: settings[name] for name in FIXED if name not in {*_PATHS, *replaced}})
    params |= {"data": metadata["data"], "data_sha256": metadata["data_sha256"]}
    folder = snapshot.folder.resolve()
    digest = hashlib.sha256(json.dumps([str(folder), params], sort_keys=True).encode()).hexdigest()
    arms = tuple(_arms(snapshot, digest))
    left_out = {"arms", *placeholders(spec.model, spec.data), *(["hidden"] if spec.model else [])}
    grown = {f"dropstudy.{name}": _text(settings[name]) for name in (*LISTS, *FREE) if name not in left_out}
    return TrackedRun(
        digest,
        folder.name,  # as lists of studies have it: the names in study files are often the preset's
        "",
        params,
        {
            STUDY: digest,
            "dropstudy.folder": str(folder),
            "dropstudy.version": metadata["dropstudy"],
            **grown,
            "dropstudy.decision": verdict.decision,
            "dropstudy.chosen": verdict.chosen or "",
            "dropstudy.verdict": verdict.headline,
            NOTE: "\n\n".join(str(snapshot.answer).splitlines()),  # of Markdown
        },
        _status([each.status for each in snapshot.progress]),
        max((arm.ended for arm in arms), default=snapshot.files.paths.database.stat().st_mtime),
        max((arm.ended for arm in arms), default=0.0) - min((arm.started for arm in arms), default=0.0),
        below=arms,
    )


def _arms(snapshot: Snapshot, study: str) -> Iterator[TrackedRun]:
    """Each arm at each condition that has begun."""
    stems = dict(zip(snapshot.arms, file_stems([arm.name for arm in snapshot.arms]), strict=True))
    of_arm: dict[tuple[Arm, tuple[str, int]], list[RunProgress]] = {}
    for each in snapshot.progress:
        condition = (each.run.condition.layers, each.run.condition.train_size)
        of_arm.setdefault((each.run.arm, condition), []).append(each)
    histories = dict(list(snapshot.history.groupby(["arm", *CONDITION, "seed"])))
    finals: dict[str, dict[str, Any]] = {row["key"]: row for row in _records(snapshot.finals)}
    for (arm, condition), progress in of_arm.items():
        hidden, train_size = condition
        several = len(snapshot.conditions) > 1
        name = arm.name + (f", {hidden} on {train_size:,}" if several else "")
        folder = stems[arm] + (f"-{hidden}-of-{train_size}" if several else "")
        size = {} if snapshot.has_own_data else {"train_size": train_size}
        params = {**_arm_params(arm, snapshot.arms), "hidden": hidden, **size}
        begun = [each for each in progress if each.status != "planned"]
        seeds = tuple(
            _seed(
                snapshot,
                each,
                study=study,
                name=name,
                folder=folder,
                params=params,
                history=histories.get((arm.name, hidden, train_size, each.run.seed)),
                final=finals.get(each.run.key, {}),
            )
            for each in begun
        )
        if not seeds:
            continue
        scores, decision = _arm_scores(snapshot, arm, condition)
        yield TrackedRun(
            f"{study}/{arm.name}/{hidden}/{train_size}",
            name,
            folder,
            params,
            {STUDY: study, "dropstudy.decision": decision},
            _status([each.status for each in progress]),
            max(seed.ended for seed in seeds),
            max(seed.ended for seed in seeds) - min(seed.started for seed in seeds),
            scores=scores,
            below=seeds,
        )


def _seed(
    snapshot: Snapshot,
    progress: RunProgress,
    *,
    study: str,
    name: str,
    folder: str,
    params: Mapping[str, Value],
    history: pd.DataFrame | None,
    final: Mapping[str, Any],
) -> TrackedRun:
    run, tested = progress.run, progress.tested
    epochs: tuple[tuple[int, float, Mapping[str, float]], ...] = ()
    if history is not None:
        known = [name for name in METRICS if history[name].notna().any()]
        times = accumulate(history["seconds"].tolist())
        epochs = tuple(zip(history["epoch"].tolist(), times, _records(history[known]), strict=True))
    scores = {f"final_{name}" if name in _FINAL else name: final.get(name) for name in _measured(final)}
    if tested is not None:
        scores |= {"final_val_loss": tested.val_loss, "final_val_accuracy": tested.val_accuracy}
    return TrackedRun(
        f"{study}/{run.key}",
        f"{name}, seed {run.seed}",
        f"{folder}/seed{run.seed}",
        {**params, "seed": run.seed},
        {STUDY: study, "dropstudy.status": progress.status, "dropstudy.device": str(final.get("device", ""))},
        progress.status,
        _ended(snapshot, run),
        epochs[-1][1] if epochs else 0.0,
        epochs,
        {name: float(value) for name, value in scores.items() if value is not None and isfinite(value)},
        int(final.get("epoch", progress.epochs_done)),
    )


def _measured(final: Mapping[str, Any]) -> list[str]:
    """Names of the scores of a finished run."""
    about = {"key", "arm", "rate", *CONDITION, "seed", "device", "epoch"}
    return [name for name in final if name not in about]


def _arm_scores(snapshot: Snapshot, arm: Arm, condition: tuple[str, int]) -> tuple[dict[str, float], str]:
    """Means over the seeds of an arm, and its difference from the baseline; with the decision on it."""
    table = snapshot.of_condition(summary_table(snapshot.summaries), condition)
    rows = _records(table[table["arm"] == arm.name].drop(columns=["arm", "rate", *CONDITION]))
    scores = {f"mean/{name}": value for row in rows for name, value in row.items()}
    compared = [c for c in snapshot.condition_verdict(condition).comparisons if c.arm == arm.name]
    for comparison in compared:
        deciding = comparison.deciding
        scores |= {
            "verdict/difference": deciding.value,
            "verdict/low": deciding.low,
            "verdict/high": deciding.high,
            "verdict/p_adjusted": comparison.p_adjusted,
            "verdict/improvement": comparison.improvement.value,
            "verdict/seeds": comparison.n,
        }
    known = {
        str(name): float(value) for name, value in scores.items() if value is not None and isfinite(value)
    }
    return known, compared[0].decision if compared else "baseline"


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict(orient="records")]


def _arm_params(arm: Arm, arms: Sequence[Arm]) -> dict[str, Value]:
    """Settings of an arm, without those that no arm of the study has set."""
    used = {field.name for field in fields(arm) if any(getattr(a, field.name) != field.default for a in arms)}
    settings = {name: value for name, value in asdict(arm).items() if name in {"rate", *used} - {"name"}}
    return {"arm": arm.name, **_flat(settings)}


def _flat(settings: Mapping[str, Any]) -> dict[str, Value]:
    """Settings without those that are not set; the ones of an optimizer or a model by `optimizer.name` and so on."""
    found: dict[str, Value] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found |= _flat({f"{name}.{inner}": setting for inner, setting in value.items()})
        elif value is not None and value != ():
            found[name] = value if isinstance(value, (int, float)) else _text(value)
    return found


def _text(value: Any) -> str:
    """Text of a setting; parts of a list with commas between, of a list of networks with spaces between these."""
    if isinstance(value, (tuple, list)):
        nested = any(isinstance(part, (tuple, list)) for part in value)
        return (" " if nested else ",").join(map(_text, value))
    return "" if value is None else str(value)


def _status(statuses: list[str]) -> str:
    """Status of a study or an arm, from those of its runs."""
    return "running" if {"planned", "running"} & set(statuses) else "done"


def _ended(snapshot: Snapshot, run: Run) -> float:
    """Time of a run's last result: a study keeps how long runs took, and its files tell when they ended."""
    paths = snapshot.files.paths
    for path in (paths.result("predictions", run.key), paths.database):
        if path.is_file():
            return path.stat().st_mtime
    return 0.0
