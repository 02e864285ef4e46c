"""Record the specification, data and environment of a study."""

from __future__ import annotations

import platform
from collections import defaultdict
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from dropstudy.core.atomic import write_text
from dropstudy.core.bounds import SEEDS
from dropstudy.core.hardware import choose_precision, processor
from dropstudy.core.metrics import METRICS, margin_of, metric_of
from dropstudy.core.text import plain_name
from dropstudy.errors import InvalidArgument
from dropstudy.spec import merge, plan, splits
from dropstudy.spec.study_file import STUDY_FILE, is_study, to_toml
from dropstudy.store.directory import (
    EARLIER_RULES,
    FILE_DUE,
    FIND_RATE,
    SEED_COUNTS,
    has_database,
    inner_studies,
    read_metadata,
    recorded_spec,
    refuse_foreign,
    spec_of,
)
from dropstudy.store.locking import lock
from dropstudy.store.models import MODEL, keep_pretrained
from dropstudy.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dropstudy.core.dataset import Dataset
    from dropstudy.core.hardware import Device
    from dropstudy.core.model import ModelSource
    from dropstudy.core.types import Condition, MetricName, Run, StudySpec

STAND_IN_SEEDS = SEEDS
"""Seeds of a study that names neither data nor seeds, where the digits stand in for MNIST: as many as a verdict needs.
On the digits they take a quarter of a minute; on MNIST they would take several."""

_NOTED = ("data_source", "data_sha256", "fallback", "dropstudy", "jax", "python")
"""Metadata at the head of the study file."""


def resolve(spec: StudySpec, dataset: Dataset, device: Device) -> tuple[StudySpec, tuple[Run, ...]]:
    """Fill a specification's open fields from the data and the device, and plan its runs.

    Raises:
        InvalidArgument: the data do not fit the specification.
    """
    if metric_of(spec) is METRICS["auc"] and len(set(dataset.y_test.tolist())) < 2:  # noqa: PLR2004 - two are ranked
        raise no_auc()
    precision = choose_precision(spec.precision, device)
    spec = replace(
        spec,
        precision=precision,
        data=dataset.name if spec.data is None else spec.data,
        scale=dataset.scale,
        seeds=spec.seeds or tuple(range(STAND_IN_SEEDS if dataset.fallback else 1)),
        metric=metric_of(spec).name,
        margin=margin_of(spec),
    )
    runs = plan.plan_runs(spec, dataset, precision)
    splits.check(spec, dataset.y_train, dataset.classes, dataset.groups)
    return spec, runs


def record_study(
    folder: Path,
    spec: StudySpec,
    dataset: Dataset,
    device: Device,
    model: ModelSource | None = None,
    *,
    place: Mapping[str, str] | None = None,
    search: Mapping[str, Any] | None = None,
) -> StudySpec:
    """Resolve a specification, and record it with its runs in the database, then in the study file.

    `place` is the environment that the runs train in; that of this machine where it is not given. `search` is what the
    metadata `FIND_RATE` shall be: runs of seeds that it gives to no arm are left out. They stay so until the study is
    asked for other arms or seeds without it.

    Returns:
        The resolved specification.

    Raises:
        InvalidArgument: the data do not fit the specification; nothing is written.
        StoreError: the folder has foreign files under the names that a study uses; nothing is written.
    """
    refuse_foreign(folder)
    spec, runs = resolve(spec, dataset, device)
    text = to_toml(spec)
    known = {
        "data": dataset.name,
        "data_sha256": dataset.sha256,
        "data_source": dataset.source,
        "fallback": dataset.fallback,
        "scale": dataset.scale,
        "profile": asdict(dataset.profile),
        "input_shape": dataset.input_shape,
        "classes": dataset.classes,
        "n_train": len(dataset.y_train),
        "class_counts": np.bincount(dataset.y_train, minlength=len(dataset.classes)).tolist(),
        "n_test": len(dataset.y_test),
        "data_notes": dataset.notes,
        "data_warnings": dataset.warnings,
        "table": None if dataset.table is None else asdict(dataset.table),
        "semantics": plan.SEMANTICS,
        "dropstudy": version("dropstudy"),
        "jax": version("jax"),
        "python": platform.python_version(),
    }
    if model is not None:
        known[MODEL] = model.description
    with Store(folder, create=True) as store:
        keep_pretrained(folder, model)
        before = store.meta
        due = before.get("specification") != text or bool(before.get(FILE_DUE)) or not is_study(folder)
        fresh = {
            "environment": dict(place or environment(device)),
            **spec_metadata(spec, store),
            FILE_DUE: due,
        }
        fresh[EARLIER_RULES] = _earlier_rules(store, spec)
        search = search or kept_search(before, spec)
        if search or FIND_RATE in before:
            fresh[FIND_RATE] = search
        store.begin(known | before | fresh, searched(runs, spec, search))
        if due:  # after a kill from here on, the next command writes the file: the database says it is due
            write_study_file(folder, spec, store.meta)
            store.record({FILE_DUE: False})
    for path in inner_studies(folder):
        set_rule(path, replace(spec, published=()))
    return spec


def kept_search(known: Mapping[str, Any], spec: StudySpec) -> Mapping[str, Any] | None:
    """The search in a study's metadata, as long as the study is asked for no other arms and seeds than it has."""
    before = spec_of(known)
    return known.get(FIND_RATE) if before is not None and not merge.additions(before, spec) else None


def searched(runs: tuple[Run, ...], spec: StudySpec, search: Mapping[str, Any] | None) -> tuple[Run, ...]:
    """The runs of a plan without those that a search leaves out: later seeds of the arms that it has stopped."""
    if search is None:
        return runs
    place = {seed: number for number, seed in enumerate(spec.seeds)}
    return tuple(run for run in runs if place[run.seed] < search["seeds"].get(run.arm.name, len(spec.seeds)))


def spec_metadata(spec: StudySpec, store: Store) -> dict[str, Any]:
    """Metadata to record with a new specification.

    Args:
        spec: the new specification.
        store: the study's, before the change.
    """
    counts, now = store.meta.get(SEED_COUNTS, []), len(spec.seeds)
    if counts[-1:] != [now]:
        # A verdict has to allow for repeated looks. A number whose verdict nobody can have seen is none.
        counts = [*(counts if _has_verdict(store, spec.arms[0].name) else counts[:-1]), now]
    return {"specification": to_toml(spec), SEED_COUNTS: counts, FILE_DUE: False}


def _has_verdict(store: Store, baseline: str) -> bool:
    """True where an arm and the baseline have finished enough seeds in one condition for a verdict to be shown."""
    done: defaultdict[tuple[Condition, str], set[int]] = defaultdict(set)
    for run in store.runs("done"):
        done[run.condition, run.arm.name].add(run.seed)
    return any(
        arm != baseline and len(seeds & done.get((condition, baseline), set())) >= SEEDS
        for (condition, arm), seeds in done.items()
    )


def write_study_file(folder: Path, spec: StudySpec, known: Mapping[str, Any]) -> None:
    """Write the study file, with some of the metadata as comments at its head."""
    write_text(folder / STUDY_FILE, to_toml(spec, {name: known[name] for name in _NOTED}))


def set_rule(folder: Path, asked: StudySpec) -> None:
    """Record what no run depends on: metric and margin of a study and its confirmations, and published results.

    Does nothing if they are the same.

    Args:
        folder: of the study.
        asked: specification with them; without published results those of the study stay.

    Raises:
        StoreError: the folder cannot be written.
        StudyLocked: another process runs the study.
    """
    spec = recorded_spec(folder)
    if spec is None:
        return
    (metric, margin), published = _rule(asked), asked.published or spec.published
    if (spec.metric, spec.margin, spec.published) != (metric, margin, published):
        spec = replace(spec, metric=metric, margin=margin, published=published)
        with lock(folder), Store(folder, write=True) as store:
            if any(row[metric_of(spec).column] is None for row in store.finals()):
                raise no_auc()
            earlier = {EARLIER_RULES: _earlier_rules(store, spec)}
            store.record(spec_metadata(spec, store) | earlier | {FILE_DUE: True})
            write_study_file(folder, spec, store.meta)
            store.record({FILE_DUE: False})
    for path in inner_studies(folder):
        set_rule(path, spec)


def _earlier_rules(store: Store, now: StudySpec) -> list[list[str | float]]:
    """Earlier metrics and margins under which runs had finished: others chosen after seeing results weaken a claim."""
    known = store.meta
    before, earlier = spec_of(known), known.get(EARLIER_RULES, [])
    changed = before is not None and _rule(before) != _rule(now) and store.runs("done")
    return [*earlier, list(_rule(before))] if before is not None and changed else earlier


def _rule(spec: StudySpec) -> tuple[MetricName, float]:
    return metric_of(spec).name, margin_of(spec)


def no_auc() -> InvalidArgument:
    """Error for a test set without an AUC."""
    return InvalidArgument(
        "metric",
        expected="accuracy, balanced-accuracy or log-loss for this test set, which has a single class",
        received="'auc', which ranks the examples of one class against others",
    )


def environment(device: Device) -> dict[str, str]:
    """Versions and devices that a run's last digits may depend on."""
    return {
        "dropstudy": version("dropstudy"),
        "jax": version("jax"),
        "keras": version("keras"),
        "Python": platform.python_version(),
        "device": device,
        "processor": processor(),
    }


def environment_changes(folder: Path, now: Mapping[str, str]) -> list[str]:
    """Changes of the environment since the study was last run, as a sentence; none for a new study."""
    if not has_database(folder):
        return []
    before = read_metadata(folder).get("environment", {})
    changed = [
        f"{name} {plain_name(before[name])}, now {now[name]}"
        for name in now
        if name in before and before[name] != now[name]
    ]
    sentence = (
        f"This study was last run with {'; '.join(changed)}. It continues; runs trained from here on may differ "
        "in their last digits from what they would have been before."
    )
    return [sentence] if changed else []
