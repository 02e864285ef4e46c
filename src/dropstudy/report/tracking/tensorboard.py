"""A study as event files of TensorBoard: a folder for each arm, in it one for each seed.

A file has a name of its own, so that a new export replaces it and no point stands twice.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from dropstudy.core.atomic import write_files
from dropstudy.errors import InvalidArgument
from dropstudy.report.tracking.packages import missing_package
from dropstudy.report.tracking.runs import NOTE
from dropstudy.store.outputs import refuse_overwriting

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from dropstudy.report.tracking.runs import TrackedRun

EVENTS = "events.out.tfevents.0.dropstudy"
"""Name of an event file: TensorBoard reads files with `tfevents` in their names."""

_VERSION = "brain.Event:2"


class Written(NamedTuple):
    """What an export wrote.

    Args:
        folder: the log folder.
        new: event files that it did not have.
        changed: event files that were replaced.
        unchanged: event files that it had already.
    """

    folder: Path
    new: int
    changed: int
    unchanged: int


def write_events(study: TrackedRun, folder: Path) -> Written:
    """Write the event files of a study.

    Args:
        study: as `tracked_study` has it.
        folder: the log folder, one for each study.

    Raises:
        InvalidArgument: the package tensorboardX is not installed, or the folder is a file or one of a study's own.
        StoreError: the folder cannot be written.
    """
    if find_spec("tensorboardX") is None:
        raise missing_package("tensorboardX, which writes TensorBoard's files", "tensorboard")
    if folder.exists() and not folder.is_dir():
        raise InvalidArgument(
            "out",
            expected="a folder for TensorBoard's files",
            received=f"{folder}, a file",
            next_step="Name another place.",
        )
    refuse_overwriting(folder / EVENTS)
    runs = list(_all(study))
    files = {folder / run.folder / EVENTS: _content(run, study) for run in runs}
    old = {path: path.read_bytes() for path in files if path.is_file()}
    changed = {path: content for path, content in files.items() if old.get(path) != content}
    write_files(changed)
    _remove_old(folder, files)
    new = len(files) - len(old)
    return Written(folder, new, len(changed) - new, len(files) - len(changed))


def _remove_old(folder: Path, files: Collection[Path]) -> None:
    """Remove event files of seeds that the study has no more, and of arms that have another name by now."""
    for path in (*folder.glob(f"*/{EVENTS}"), *folder.glob(f"*/seed*/{EVENTS}")):
        if path not in files:
            with suppress(OSError):  # what there is now is written
                path.unlink()


def _all(run: TrackedRun) -> Iterator[TrackedRun]:
    yield run
    for below in run.below:
        yield from _all(below)


def _content(run: TrackedRun, study: TrackedRun) -> bytes:
    """Content of a run's event file: settings (HParams) of a seed, metrics by epoch, scores; the study's answer."""
    event = import_module("tensorboardX.proto.event_pb2").Event
    summary = import_module("tensorboardX.summary")
    settings = import_module("tensorboardX.proto.plugin_hparams_pb2").HParamsPluginData
    events = [event(wall_time=run.started, file_version=_VERSION)]

    def add(content: Any, seconds: float = 0.0, step: int = 0) -> None:
        events.append(event(wall_time=run.started + seconds, step=step, summary=content))

    if run is study:
        add(summary.text("answer", run.tags[NOTE]))
    scores = run.scores or {}
    if run.epochs:
        for content in summary.hparams(dict(run.params), dict(scores)):
            data = content.value[0].metadata.plugin_data
            data.content = settings.FromString(data.content).SerializeToString(deterministic=True)
            add(content)
    for epoch, seconds, metrics in run.epochs:
        add(_scalars(summary, metrics), seconds, epoch)
    if scores:
        add(_scalars(summary, scores), run.seconds, run.step)
    with TemporaryDirectory() as place:  # the library writes files alone
        path = Path(place) / EVENTS
        writer = import_module("tensorboardX.record_writer").RecordWriter(str(path))
        for each in events:
            writer.write(each.SerializeToString(deterministic=True))
        writer.close()
        return path.read_bytes()


def _scalars(summary: Any, values: Any) -> Any:
    """One summary of several scalars."""
    return summary.Summary(
        value=[summary.Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
    )
