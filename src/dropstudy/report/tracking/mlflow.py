"""A study in MLflow: nested runs that are found again by their keys, so that a new export adds only what is new.

https://mlflow.org/docs/latest/ml/tracking
"""

from __future__ import annotations

import logging
import os
import time
from importlib import import_module
from importlib.util import find_spec
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dropstudy.errors import InvalidArgument, StoreError
from dropstudy.report.tracking.packages import missing_package
from dropstudy.report.tracking.runs import KEY, STUDY
from dropstudy.store.outputs import refuse_overwriting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dropstudy.report.tracking.runs import TrackedRun

DEFAULT_URI = "sqlite:///mlflow.db"
"""Where MLflow itself looks, if nobody names another place."""

_SQLITE = "sqlite:///"
_FILES = {".db", ".sqlite", ".sqlite3"}
_STATUS = {"done": "FINISHED", "running": "RUNNING"}  # any other one is MLflow's FAILED
_PARENT = "mlflow.parentRunId"
_BATCH = 900  # entries; MLflow takes 1,000 at once
_MAX_TEXT = 5000  # characters of a tag that every store takes


class Logged(NamedTuple):
    """What an export wrote.

    Args:
        uri: of the MLflow store.
        new: runs that it did not have.
        changed: runs that it had otherwise.
        unchanged: runs that it had already.
    """

    uri: str
    new: int
    changed: int
    unchanged: int


def tracking_uri(out: str | None) -> str:
    """The MLflow store to write to: `out`, else the one that MLflow was told, else `DEFAULT_URI`.

    Args:
        out: a URI, or a path of a SQLite file.

    Raises:
        InvalidArgument: it is a folder or another file, or MLflow is not installed.
    """
    if out is None:
        mlflow = _mlflow()
        uri = str(mlflow.get_tracking_uri()) if mlflow.is_tracking_uri_set() else DEFAULT_URI
    else:
        uri = out if ":" in out or Path(out).suffix not in _FILES else f"{_SQLITE}{out}"
    if "://" not in uri or uri.startswith("file:"):
        raise InvalidArgument(
            "out",
            expected="a SQLite file such as mlflow.db, or the URI of an MLflow store such as http://localhost:5000",
            received=repr(uri),
            next_step="MLflow does not write to folders any more: mlflow migrate-filestore converts one.",
        )
    if uri.startswith(_SQLITE):
        refuse_overwriting(Path(uri.removeprefix(_SQLITE)))
    return uri


def log_study(study: TrackedRun, uri: str) -> Logged:
    """Log a study, its arms and its seeds as nested runs, in the experiment of its folder's name.

    Args:
        study: as `tracked_study` has it.
        uri: of the store, as `tracking_uri` has it.

    Raises:
        InvalidArgument: MLflow, or what it needs for this store, is not installed.
        StoreError: MLflow cannot write there.
    """
    failures: list[type[Exception]] = [_mlflow().MlflowException, OSError]
    if find_spec("sqlalchemy") is not None:
        failures.append(import_module("sqlalchemy.exc").SQLAlchemyError)
    try:
        return _Log(study, uri).write()
    except ImportError as error:
        raise missing_package(f"{error.name}, which MLflow needs for {uri}", "mlflow") from error
    except tuple(failures) as error:
        raise StoreError(
            uri,
            expected="an MLflow store that can be written",
            received=str(error).splitlines()[0] if str(error) else type(error).__name__,
            next_step="Check the address, or write to a new file: --out mlflow.db",
        ) from error


class _Log:
    """One export.

    Args:
        study: to be exported.
        uri: of the store.
    """

    def __init__(self, study: TrackedRun, uri: str) -> None:
        _quiet()
        self._study = study
        self._uri = uri
        self._entities = import_module("mlflow.entities")
        self._client = _mlflow().MlflowClient(tracking_uri=uri)
        self._now = int(1000 * time.time())

    def write(self) -> Logged:
        experiment = self._client.get_experiment_by_name(self._study.name)
        place = experiment.experiment_id if experiment else self._client.create_experiment(self._study.name)
        known = {run.data.tags[KEY]: run for run in self._known(place)}
        outcomes = list(self._write(self._study, None, place, known))
        return Logged(self._uri, *(outcomes.count(kind) for kind in ("new", "changed", "unchanged")))

    def _known(self, experiment: str) -> Iterator[Any]:
        """Runs of the study that the store has."""
        token = None
        while True:
            page = self._client.search_runs(
                [experiment], f"tags.`{STUDY}` = '{self._study.tags[STUDY]}'", page_token=token
            )
            yield from (run for run in page if KEY in run.data.tags)
            token = page.token
            if not token:
                return

    def _write(
        self, tracked: TrackedRun, parent: str | None, experiment: str, known: dict[str, Any]
    ) -> Iterator[str]:
        """Write a run, then those below it; yields what became of each."""
        run = known.get(tracked.key)
        tags = {KEY: tracked.key, "mlflow.source.name": "dropstudy", **tracked.tags}
        if parent is not None:
            tags[_PARENT] = parent
        new = run is None
        if run is None:
            run = self._client.create_run(
                experiment, start_time=int(1000 * tracked.started), tags=tags, run_name=tracked.name
            )
        changed = self._update(run, tracked, tags)
        yield "new" if new else "changed" if changed else "unchanged"
        for below in tracked.below:
            yield from self._write(below, run.info.run_id, experiment, known)

    def _update(self, run: Any, tracked: TrackedRun, tags: dict[str, str]) -> bool:
        """Write what a run lacks; returns whether that was anything."""
        name, data = run.info.run_id, run.data
        entities = self._entities
        texts = {key: value[:_MAX_TEXT] for key, value in tags.items()}
        tag_list = [
            entities.RunTag(key, value) for key, value in texts.items() if data.tags.get(key) != value
        ]
        params = [
            entities.Param(key, str(value)) for key, value in tracked.params.items() if key not in data.params
        ]
        metrics = self._metrics(tracked, run.info.start_time)
        latest = {metric.key: metric.value for metric in metrics}
        if all(_same(data.metrics.get(key), value) for key, value in latest.items()):
            metrics = []
        changed = bool(tag_list or params or metrics)
        if changed:
            self._client.log_batch(name, params=params, tags=tag_list)
        for start in range(0, len(metrics), _BATCH):
            self._client.log_batch(name, metrics=metrics[start : start + _BATCH])
        status = _STATUS.get(tracked.status, "FAILED")
        if run.info.status != status:
            changed = True
        if status == "RUNNING" and run.info.status != status:
            self._client.update_run(name, status=status)
        elif status != "RUNNING" and (changed or run.info.end_time is None):
            # A seed may have been paused, and MLflow shows how long it ran; a study lasts until its last result.
            last = run.info.start_time / 1000 + tracked.seconds if tracked.epochs else tracked.ended
            self._client.set_terminated(name, status, int(1000 * last))
        return changed

    def _metrics(self, tracked: TrackedRun, start: int) -> list[Any]:
        """Metrics by epoch, then the scores.

        Times count from the start that MLflow has. So they are the same at each export, and MLflow drops what it has.
        Scores of arms, which change as a study grows, have the time of the export: the latest counts.
        """
        metric = self._entities.Metric
        found = [
            metric(name, value, start + int(1000 * seconds), epoch)
            for epoch, seconds, row in tracked.epochs
            for name, value in row.items()
        ]
        end = start + int(1000 * tracked.seconds) if tracked.epochs else self._now
        return found + [
            metric(name, value, end, tracked.step) for name, value in (tracked.scores or {}).items()
        ]


def _same(stored: float | None, value: float) -> bool:
    """Whether a store has a value; some have NaN as none."""
    return stored == value or (isnan(value) and isnan(nan if stored is None else stored))


def _mlflow() -> Any:
    if find_spec("mlflow") is None:
        raise missing_package("mlflow, which writes to MLflow's store", "mlflow")
    return import_module("mlflow")


def _quiet() -> None:
    """Keep MLflow from printing lines about the tables that it makes."""
    if "MLFLOW_LOGGING_LEVEL" not in os.environ:
        logging.getLogger("mlflow").setLevel(logging.WARNING)
