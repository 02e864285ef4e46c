"""Overview of studies: state, progress, verdict and time left of each, read without its results."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from dropstudy.core.hardware import physical_cores
from dropstudy.core.text import plain_name
from dropstudy.core.types import ENDED
from dropstudy.errors import DropstudyError
from dropstudy.report.stamp import reported_decision, study_state
from dropstudy.runtime.progress.eta import Eta, duration
from dropstudy.spec.data_names import OWN_DATA
from dropstudy.store.directory import has_database, inner_studies, not_started, spec_of
from dropstudy.store.locking import holder
from dropstudy.store.paths import DATABASE
from dropstudy.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dropstudy.core.types import StudySpec
    from dropstudy.store.reader import RunProgress

NOTHING = "-"
"""Text of a cell without content."""

_MAX_NETWORKS, _MAX_NAME = 2, 20


@dataclass(frozen=True)
class StudyOverview:
    """A study in a line.

    Args:
        folder: of the study.
        state: "running", "interrupted", "finished", "3 failed", "not started" or "unreadable".
        data: name of its data.
        networks: hidden layers of its networks.
        runs: number of its runs, with those of the studies inside it.
        done: number of those that have ended and are not trained again.
        share: part of all epochs that is done, in [0, 1].
        decision: of the verdict in its report; None if there is no report of its present state.
        updated_at: time of the last change, in seconds since 1970.
        seconds_left: to train the other runs; None if nothing is left, or before the first epoch.
        problem: why it is unreadable; else empty.
    """

    folder: Path
    state: str
    data: str = NOTHING
    networks: str = NOTHING
    runs: int = 0
    done: int = 0
    share: float = 0.0
    decision: str | None = None
    updated_at: float | None = None
    seconds_left: float | None = None
    problem: str = ""

    @property
    def cells(self) -> dict[str, str]:
        """Texts for a table, by column."""
        return {
            "state": self.state,
            "runs": f"{self.done:,}/{self.runs:,}" if self.runs else NOTHING,
            "time left": NOTHING if self.seconds_left is None else duration(self.seconds_left),
            "verdict": self.decision or NOTHING,
            "updated": NOTHING if self.updated_at is None else moment(self.updated_at),
            "data": self.data,
            "network": self.networks,
        }


def overview(folder: Path) -> StudyOverview:
    """Overview of the study in a folder; one that was not started or cannot be read is described as such."""
    if not has_database(folder):
        return StudyOverview(folder, "not started")
    try:
        return read_overview(folder)
    except (DropstudyError, OSError) as error:
        return StudyOverview(folder, "unreadable", problem=str(error))


def read_overview(folder: Path) -> StudyOverview:
    """Overview of the study in a folder.

    Raises:
        StoreError: it was not started, or cannot be read.
    """
    recorded = _recorded(folder)
    progress = recorded.progress
    done = sum(each.status in ENDED for each in progress)
    data, model, hidden = recorded.metadata["data"], recorded.spec.model, recorded.spec.hidden
    networks = ["-".join(map(str, network)) for network in hidden] if model is None else [model.name]
    return StudyOverview(
        folder,
        _state(recorded),
        data=NOTHING if data == OWN_DATA else plain_name(data, _MAX_NAME),
        networks=", ".join(networks) if len(networks) <= _MAX_NETWORKS else f"{len(networks)} networks",
        runs=len(progress),
        done=done,
        share=_share(progress),
        decision=reported_decision(folder, recorded.state),
        updated_at=recorded.updated_at,
        seconds_left=Eta(progress, physical_cores()).seconds_left() if done < len(progress) else None,
    )


def moment(seconds: float) -> str:
    """A time, given in seconds since 1970: "08:26" if it is of today, else "2026-11-26"."""
    then = datetime.fromtimestamp(seconds).astimezone()
    today = datetime.now().astimezone().date()
    return f"{then:%H:%M}" if then.date() == today else f"{then:%Y-%m-%d}"


class _Recorded(NamedTuple):
    """Records of a study and of those inside it."""

    spec: StudySpec
    metadata: Mapping[str, Any]
    progress: list[RunProgress]
    state: str
    updated_at: float
    running: bool


def _recorded(folder: Path) -> _Recorded:
    with Store(folder) as store:
        metadata, progress, digest = store.meta, store.progress(), store.digest
    spec = spec_of(metadata)
    if spec is None:
        raise not_started(folder)
    fresh = [_recorded(path) for path in inner_studies(folder) if has_database(path)]
    return _Recorded(
        spec,
        metadata,
        [*progress, *(each for study in fresh for each in study.progress)],
        study_state(metadata, digest, [study.state for study in fresh]),
        max((folder / DATABASE).stat().st_mtime, *(study.updated_at for study in fresh), 0.0),
        bool(holder(folder)) or any(study.running for study in fresh),
    )


def _state(recorded: _Recorded) -> str:
    statuses = [each.status for each in recorded.progress]
    if recorded.running:
        return "running"
    if {"planned", "running"} & set(statuses):
        return "interrupted"
    failed = statuses.count("failed")
    return f"{failed} failed" if failed else "finished"


def _share(progress: list[RunProgress]) -> float:
    done = sum(each.epochs_done for each in progress)
    return done / max(sum(each.epochs for each in progress), 1)
