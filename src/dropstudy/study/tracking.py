"""Export a whole study to MLflow or TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dropstudy.errors import InvalidArgument
from dropstudy.report.tracking.mlflow import Logged, log_study, tracking_uri
from dropstudy.report.tracking.runs import tracked_study
from dropstudy.report.tracking.tensorboard import Written, write_events

if TYPE_CHECKING:
    from dropstudy.report.snapshot import Snapshot

TRACKERS = ("mlflow", "tensorboard")
"""Formats of `export` that take a whole study."""


def export_study(
    snapshot: Snapshot, file_format: str, out: str | Path | None, **chosen: object
) -> Logged | Written:
    """Export a study.

    Args:
        snapshot: the study.
        file_format: one of `TRACKERS`.
        out: the MLflow store, as `tracking_uri` takes it; or the log folder, `tensorboard` in the study's by default.
        chosen: arm, seed and the like that were asked for, all None.

    Raises:
        InvalidArgument: a run was chosen, the place cannot be used, or a package is not installed.
        StoreError: the place cannot be written.
    """
    for name, value in chosen.items():
        if value is not None:
            raise InvalidArgument(
                name,
                expected=f"none with {file_format}, which takes the whole study",
                received=str(value),
                next_step="Leave it out.",
            )
    if file_format == "tensorboard":
        return write_events(
            tracked_study(snapshot), snapshot.folder / "tensorboard" if out is None else Path(out)
        )
    uri = tracking_uri(None if out is None else str(out))
    return log_study(tracked_study(snapshot), uri)
