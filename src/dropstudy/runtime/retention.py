"""Disk space of a study: whose weights are kept, its files, and its removal."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from dropstudy.errors import StoreError
from dropstudy.runtime.events import Callback
from dropstudy.spec.study_file import STUDY_FILE
from dropstudy.store import directory as folders
from dropstudy.store.locking import lock
from dropstudy.store.paths import (
    CONFIRMATION,
    DATABASE,
    FIGURE,
    FIGURES,
    FOLDERS,
    JOURNAL,
    WRITTEN,
    StudyPaths,
    entries,
)
from dropstudy.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from dropstudy.core.types import Condition, EpochMetrics, KeepWeights, Run
    from dropstudy.store.reader import RunProgress

_LAST = (DATABASE, JOURNAL, STUDY_FILE)
"""In this order: what is left of a removal that was cut short still is a study, and can be removed."""

_BACKUPS = re.compile(r"study\.v\d+\.backup\.db")
_KILO = 1000
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def weights_to_drop(progress: Iterable[RunProgress], keep: KeepWeights) -> list[str]:
    """Keys of the finished runs whose weights are not to stay.

    The best run of an arm and condition is the one of highest validation accuracy in the epoch whose weights it has,
    the last or the best one; of those alike, the one of lowest validation loss, then the first that was there.
    """
    done = [each for each in progress if each.status == "done"]
    if keep == "all":
        return []
    best: dict[tuple[str, Condition], RunProgress] = {}
    if keep == "best":
        for each in done:
            place = _place(each.run)
            if place not in best or _score(each.tested) > _score(best[place].tested):
                best[place] = each
    kept = {each.run.key for each in best.values()}
    return [each.run.key for each in done if each.run.key not in kept]


def drop_weights(store: Store, keep: KeepWeights) -> None:
    """Remove the weights that are not to stay, and are there."""
    keys = weights_to_drop(store.progress(), keep)
    if there := [key for key in keys if store.path("weights", key).exists()]:
        store.drop_weights(there)


class KeepBest(Callback):
    """Remove the weights of runs that are not the best of their arm and condition.

    Args:
        store: of the study.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        progress = store.progress()
        dropped = set(weights_to_drop(progress, "best"))
        self._best = {
            _place(each.run): each.run.key
            for each in progress
            if each.status == "done" and each.run.key not in dropped
        }

    def on_run_end(self, run: Run, status: str, cause: str) -> None:  # noqa: ARG002 - as in the base class
        """Of two runs that are done, keep the weights of the better one."""
        if status != "done":
            return
        best = self._best.setdefault(_place(run), run.key)
        if best != run.key:
            better = _score(self._store.tested_epoch(run.key)) > _score(self._store.tested_epoch(best))
            self._best[_place(run)], loser = (run.key, best) if better else (best, run.key)
            self._store.drop_weights([loser])


def in_words(count: int) -> str:
    """Bytes for people: "812 bytes", "3.2 MB"; a kB is 1,000 bytes."""
    number = float(count)
    for unit in _UNITS:
        if number < _KILO - 0.5 or unit == _UNITS[-1]:
            break
        number /= _KILO
    return f"{count} bytes" if unit == "bytes" else f"{number:.3g} {unit}"


def sizes_in_words(sizes: Mapping[str, int]) -> str:
    """Disk space of a study in words: "12.3 MB on disk: weights 10.7 MB, predictions 1.2 MB, database 412 kB"."""
    parts = sorted(((what, size) for what, size in sizes.items() if size), key=lambda part: -part[1])
    each = ", ".join(f"{what} {in_words(size)}" for what, size in parts)
    return f"{in_words(sum(sizes.values()))} on disk: {each}" if parts else "nothing on disk"


def remove_weights(folder: Path) -> None:
    """Remove the weights of all finished runs of a study; its numbers and predictions stay.

    Raises:
        StoreError: there is no study in that folder.
        StudyLocked: a process runs it.
    """
    _check(folder)
    with lock(folder), Store(folder, write=True) as store:
        drop_weights(store, "none")


def remove_study(folder: Path) -> list[str]:
    """Remove a study with those that confirm it, and its folder if nothing else lies there.

    Only files of names that a study writes are removed, and none through a link.

    Returns:
        Names of what else lies in the folder, and stays there with it.

    Raises:
        StoreError: there is no study in that folder.
        StudyLocked: a process runs it.
    """
    _check(folder)
    with lock(folder):
        for path in folders.confirmations(folder):
            remove_study(path)
        _remove_folder(folder / CONFIRMATION)
        layout = StudyPaths(folder)
        for path in layout.strays(()):
            path.unlink(missing_ok=True)
        for kind in FOLDERS:
            for path in layout.own(kind):
                path.unlink(missing_ok=True)
            _remove_folder(folder / kind)
        for name in filter(FIGURE.fullmatch, entries(folder / FIGURES)):
            _remove_file(folder / FIGURES / name)
        _remove_folder(folder / FIGURES)
        for name in (*WRITTEN, *filter(_BACKUPS.fullmatch, entries(folder)), *_LAST):
            _remove_file(folder / name)
    _remove_folder(folder)
    return [name for entry in entries(folder) for name in _with_what_is_in_it(folder, entry)]


def _remove_file(path: Path) -> None:
    """Remove a file, or a link and not what it leads to; a folder of that name is not ours."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)


def _remove_folder(path: Path) -> None:
    with suppress(OSError):  # there is none, or something else lies in it
        path.rmdir()


def _with_what_is_in_it(folder: Path, name: str) -> list[str]:
    """A name as it is, or those in a folder that a study has too: what is somebody else's in it."""
    inside = entries(folder / name) if name in {*FOLDERS, FIGURES, CONFIRMATION} else []
    return [f"{name}/{each}" for each in inside] or [name]


def _check(folder: Path) -> None:
    if not folders.is_there(folder):
        raise StoreError(
            str(folder),
            expected=f"the folder of a study, with a {STUDY_FILE}",
            received="no such file",
            next_step="Nothing was removed.",
        )


def _score(row: EpochMetrics | None) -> tuple[float, float]:
    return (float("-inf"), 0.0) if row is None else (row.val_accuracy, -row.val_loss)


def _place(run: Run) -> tuple[str, Condition]:
    return run.arm.name, run.condition
