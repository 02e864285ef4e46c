"""Check the rows of a study's database: a study may come from an untrusted source.

A row's digest detects damage, not intent. Keys and file names become paths, so each must have its exact form; all
other values must be ones that dropstudy writes.
"""

from __future__ import annotations

import json
import math
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import msgspec

from dropstudy.core.dataset import table_from
from dropstudy.core.metrics import METRICS
from dropstudy.core.model import ModelReference
from dropstudy.core.profile import is_profile
from dropstudy.core.types import Arm, Condition, Optimizer, Run, Status
from dropstudy.spec import plan
from dropstudy.spec.arms import parse_arms
from dropstudy.spec.study_file import parse_spec, parse_toml
from dropstudy.store.paths import KEY, is_checkpoint_of, is_own

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping

    from dropstudy.core.types import StudySpec

_INVALID = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
"""Errors from reading JSON or TOML that is invalid or has unexpected content."""


def run_of(text: str) -> Run:
    """Read a run from its specification in JSON."""
    table = json.loads(text)
    rate = table["arm"]["rate"]
    condition = {**table["condition"], "hidden": tuple(table["condition"]["hidden"])}
    if condition.get("model"):
        condition["model"] = msgspec.convert(condition["model"], ModelReference)
    return Run(
        **{
            **table,
            "arm": Arm(**{**table["arm"], "rate": tuple(rate) if isinstance(rate, list) else rate}),
            "condition": Condition(**condition),
            "optimizer": Optimizer(**table["optimizer"]),
        }
    )


def first_wrong(db: sqlite3.Connection) -> str | None:
    """The first metadata or run that dropstudy does not write, for an error message, or None."""
    metadata: dict[str, Any] = {}
    for name, value in db.execute("SELECT name, value FROM meta"):
        try:
            metadata[name] = json.loads(value)
            sound = _METADATA.get(name, _anything)(metadata[name])
        except _INVALID:
            sound = False
        if not sound:
            return f"metadata '{name}' of another kind"
    spec = None
    if "specification" in metadata:
        if missing := [name for name in _REQUIRED if name not in metadata]:
            return f"no metadata '{missing[0]}'"
        try:
            spec = parse_spec(parse_toml(metadata["specification"].encode()))
        except _INVALID:
            return "an invalid specification"
    epochs = {key: found for key, *found in db.execute(_EPOCHS)}
    cursor = db.execute("SELECT * FROM run ORDER BY position")
    names = [column[0] for column in cursor.description]
    for values in cursor:
        row = dict(zip(names, values, strict=True))
        for wrong in _faults_of_run(row, epochs.get(row["key"], [0, None, None]), spec, metadata):
            return f"{wrong} in the row of '{row['arm']}', seed {row['seed']}"
    return None


_EPOCHS = "SELECT key, count(*), min(epoch), max(epoch) FROM history GROUP BY key"


def _faults_of_run(
    row: Mapping[str, Any], epochs: list[int | None], spec: StudySpec | None, metadata: Mapping[str, Any]
) -> Iterator[str]:
    """Faults of a row, for an error message; only the first is reliable."""
    key = row["key"]
    if not KEY.fullmatch(key):
        yield "an invalid key"
    try:
        run = run_of(row["specification"])
        named = (run.key, run.arm.name, run.seed) == (key, row["arm"], row["seed"])
        sound = named and (spec is None or _is_of(run, spec, metadata))
    except _INVALID:
        yield "an invalid specification"
        return
    if not sound:
        yield "a specification that does not match the study or the key"
    yield from _faults_of_progress(row, run, epochs)


def _faults_of_progress(row: Mapping[str, Any], run: Run, epochs: list[int | None]) -> Iterator[str]:
    """Faults of a run's progress."""
    done = row["epochs_done"]
    digests = (value for name, value in row.items() if name.endswith("sha256"))
    if not all(digest is None or KEY.fullmatch(digest) for digest in digests):
        yield "an invalid digest"
    checkpoint = row["checkpoint"]
    if checkpoint is not None and not is_checkpoint_of(checkpoint, run.key):
        yield "a checkpoint of another run"
    if (checkpoint is None) != (row["checkpoint_sha256"] is None):
        yield "a checkpoint without a digest, or a digest without one"
    if (checkpoint is not None) not in _CHECKPOINT.get(row["status"], ()):
        yield "a status that contradicts the checkpoint"
    most = math.inf if run.of_function else run.steps  # a function trains as long as it likes
    if not 0 <= row["steps_done"] <= most or done != row["steps_done"] // run.condition.steps:
        yield "another number of steps"
    if epochs != ([done, 1, done] if done else [0, None, None]):
        yield f"{epochs[0]} of {done} epochs"
    if row["status"] == "done":
        yield from _faults_of_end(row, run)


_CHECKPOINT: dict[str, set[bool]] = {
    "planned": {False},
    "running": {True},
    "done": {False},
    "diverged": {False},
    "failed": {False, True},
}
"""Whether a run has a checkpoint, by its status."""
assert set(_CHECKPOINT) == set(get_args(Status))  # noqa: S101 - a new status needs an entry here


_ACCURACIES = (
    *(f"{data}_accuracy" for data in ("clean", "noisy", "test")),
    *(f"{data}_balanced_accuracy" for data in ("test", "val")),
)


def _faults_of_end(row: Mapping[str, Any], run: Run) -> Iterator[str]:
    """Faults of a finished run's measurements."""
    done, epoch = row["epochs_done"], row["epoch"]
    if done < run.epochs and not run.patience:
        yield f"an end after {done} of {run.epochs} epochs"
    scored = row["predictions_sha256"] is not None
    if run.of_function:
        scored = any(row[name] is not None for name in ("test_loss", *_ACCURACIES, "test_auc"))
    if not scored or epoch is None or not 1 <= epoch <= done:
        yield "an end without results"
    if not all(_is_share(row[name]) or (row[name] is None and run.of_function) for name in _ACCURACIES):
        yield "an invalid accuracy"
    if not all(row[name] is None or _is_share(row[name]) for name in ("test_auc", "val_auc")):
        yield "an invalid area under the ROC curve"


class _RecordedData(NamedTuple):
    """Properties of the data that a run's key depends on."""

    sha256: str
    scale: float


def _is_of(run: Run, spec: StudySpec, metadata: Mapping[str, Any]) -> bool:
    """True where a run belongs to the study and its key is that of its settings."""
    condition = Condition(
        prod(metadata["input_shape"]),
        run.condition.hidden,
        len(metadata["classes"]),
        run.condition.train_size,
        spec.batch_size,
        spec.model,
    )
    known = run.condition.hidden in spec.hidden and _is_count(run.condition.train_size)
    if run.condition != condition or not known or run.arm not in spec.arms or not _is_size(run.seed):
        return False
    if parse_arms([run.arm], [run.condition.hidden]) != (run.arm,):
        return False
    like = (
        "activation",
        "optimizer",
        "epochs",
        "validation_split",
        "precision",
        "restore_best_weights",
        "patience",
        "redraw",
    )
    if any(getattr(run, name) != getattr(spec, name) for name in like):
        return False
    if metadata["semantics"] != plan.SEMANTICS:  # keys of other rules cannot be computed here
        return True
    data = _RecordedData(metadata["data_sha256"], metadata["scale"])
    return run.key == plan.run_key(spec, data, condition, run.arm, seed=run.seed, precision=run.precision)


# Metadata


def _anything(_: object) -> bool:
    return True


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and KEY.fullmatch(value) is not None


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_count(value: object) -> bool:
    return _is_size(value) and value != 0


def _is_positive(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf


def _is_share(value: object) -> bool:
    return isinstance(value, (int, float)) and 0 <= value <= 1


def _is_rule(value: object) -> bool:
    """True for a pair of a metric's name and a margin."""
    match value:
        case [str() as metric, margin]:
            return metric in METRICS and _is_positive(margin)
    return False


def _list_of(holds: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and all(map(holds, value))


def _are_texts_by_name(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _is_search(value: object) -> bool:
    if not isinstance(value, dict) or not isinstance(seeds := value.get("seeds"), dict):
        return False
    return _is_count(value.get("runs")) and all(_is_text(arm) and _is_count(n) for arm, n in seeds.items())


_REQUIRED: dict[str, Callable[[object], bool]] = {
    "data": _is_text,
    "data_sha256": _is_digest,
    "data_source": _is_text,
    "fallback": _is_switch,
    "scale": _is_positive,
    "input_shape": _list_of(_is_count),
    "classes": _list_of(_is_text),
    "n_train": _is_count,
    "n_test": _is_count,
    "semantics": _is_count,
    "profile": is_profile,
    "data_notes": _list_of(_is_text),
    "table": lambda value: value is None or table_from(value) is not None,
    "dropstudy": _is_text,
    "jax": _is_text,
    "python": _is_text,
    "specification": _is_text,
    "environment": _are_texts_by_name,
    "study_file_due": _is_switch,
    "seed_counts": _list_of(_is_count),
}
"""Checks of the metadata that every study with recorded runs has."""

_METADATA: dict[str, Callable[[Any], bool]] = {
    **_REQUIRED,
    "until_decided": _is_count,
    "find_rate": lambda value: value is None or _is_search(value),
    "model": _is_text,
    "class_counts": _list_of(_is_size),
    "data_warnings": _list_of(_is_text),
    "earlier_rules": _list_of(_is_rule),
    "files_due": _list_of(lambda value: isinstance(value, str) and is_own(value)),
    "removed_parts": lambda value: isinstance(value, dict) and all(map(_list_of(_anything), value.values())),
}
