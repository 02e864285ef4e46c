"""First estimate of the time of some runs, without a measurement: from earlier runs, or from the operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropstudy.core.hardware import processor
from dropstudy.core.types import ENDED
from dropstudy.errors import DropstudyError
from dropstudy.runtime.progress.eta import Eta, epoch_cost
from dropstudy.runtime.scheduling import makespan
from dropstudy.store.directory import find_studies, has_database
from dropstudy.store.paths import DATABASE
from dropstudy.store.reader import RunProgress
from dropstudy.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dropstudy.core.hardware import Device
    from dropstudy.core.types import Run

MAX_STUDIES = 10
"""Studies that are read, the latest ones."""

_OPERATIONS_PER_SECOND = 1e11  # of a core that trains a large network
_STEP = 5e-4  # seconds of a step besides its operations


def first_estimate(
    folder: Path, missing: Sequence[Run], workers: int, device: Device
) -> tuple[float, str] | None:
    """Seconds of some runs, and what that rests on in words; None for a GPU without earlier runs.

    Args:
        folder: of their study; the studies beside it are read too.
        missing: the runs.
        workers: runs that train at once.
        device: on which they train.
    """
    planned = [RunProgress(run, "planned", 0, None, None) for run in missing]
    seconds = Eta([*planned, *_earlier_runs(folder, device)], workers).seconds_left()
    if seconds is not None:
        return seconds, "at the speed of earlier runs on this machine"
    if device == "gpu":
        return None
    each = (
        run.epochs * (epoch_cost(run.condition) / _OPERATIONS_PER_SECOND + run.condition.steps * _STEP)
        for run in missing
    )
    return makespan(each, workers), "guessed from the size of the network"


def _earlier_runs(folder: Path, device: Device) -> Iterator[RunProgress]:
    """Runs that ended on this machine, of the study in a folder and of those beside it."""
    studies = filter(has_database, {folder, *find_studies(folder.parent, depth=1)})
    latest = sorted(studies, key=lambda path: (path / DATABASE).stat().st_mtime, reverse=True)
    for path in latest[:MAX_STUDIES]:
        try:
            with Store(path) as store:
                environment = store.meta.get("environment", {})
                progress = store.progress()
        except DropstudyError:  # damaged, or of a newer version: others will do
            continue
        if (environment.get("device"), environment.get("processor")) == (device, processor()):
            yield from (each for each in progress if each.status in ENDED)
