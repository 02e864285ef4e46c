"""Where a study keeps its files: flat folders, one file a run in each, so that many are swept or counted in one look.

    weights/<key>.safetensors        of a finished run
    predictions/<key>.safetensors    of a finished run, for each test example
    checkpoints/<key>-<digest>.safetensors   what a run that is under way goes on from
    tracebacks/<key>.txt             of a run that failed

The first release kept a folder for each run, `runs/<key>/`. What lies there is still found.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from dropstudy.files import UNFINISHED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

DATABASE = "study.db"
RESULTS = ("weights", "predictions")
"""What a finished run leaves."""

FOLDERS = (*RESULTS, "checkpoints", "tracebacks")
_OLD = "runs"
_OLD_CHECKPOINT = "checkpoint-"


class Layout:
    """The places of files in a study's folder.

    Args:
        folder: the study's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / DATABASE

    def result(self, what: str, key: str) -> Path:
        """Where a run's `weights` or `predictions` are, or would be."""
        path = self.folder / what / f"{key}.safetensors"
        old = self.folder / _OLD / key / f"{what}.safetensors"
        return old if not path.exists() and old.exists() else path

    def checkpoint(self, key: str, name: str) -> Path:
        """Where the checkpoint is that the database calls `name`."""
        if name.startswith(_OLD_CHECKPOINT):
            return self.folder / _OLD / key / name
        return self.folder / "checkpoints" / name

    def traceback(self, key: str) -> Path:
        """Where the traceback of a failed run is."""
        return self.folder / "tracebacks" / f"{key}.txt"

    def present(self, what: str) -> set[str]:
        """Keys of the runs whose `weights` or `predictions` are there."""
        found = {name.removesuffix(".safetensors") for name in _names(self.folder / what)}
        old = self.folder / _OLD
        return found | {key for key in _names(old) if (old / key / f"{what}.safetensors").is_file()}

    def strays(self, checkpoints: Collection[tuple[str, str]]) -> Iterator[Path]:
        """Files that a kill left behind: unfinished ones, and checkpoints other than those named.

        Args:
            checkpoints: key and name of each that the database names.
        """
        named = {self.checkpoint(key, name) for key, name in checkpoints}
        folders = [self.folder, *(self.folder / name for name in FOLDERS)]
        folders += [self.folder / _OLD / key for key in _names(self.folder / _OLD)]
        for folder in folders:
            for name in _names(folder):
                path = folder / name
                checkpoint = folder.name == "checkpoints" or name.startswith(_OLD_CHECKPOINT)
                if name.endswith(UNFINISHED) or (checkpoint and path not in named):
                    yield path

    def sizes(self) -> dict[str, int]:
        """Bytes on disk of the database and of each kind of file."""
        found = {"database": 0, **dict.fromkeys(FOLDERS, 0)}
        with suppress(OSError):
            found["database"] = self.database.stat().st_size
        for kind in FOLDERS:
            found[kind] = sum(_size(self.folder / kind / name) for name in _names(self.folder / kind))
        for key in _names(self.folder / _OLD):
            for name in _names(self.folder / _OLD / key):
                kind = next((kind for kind in FOLDERS if name.startswith(kind[:-1])), "weights")
                found[kind] += _size(self.folder / _OLD / key / name)
        return found


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:  # there is none
        return []


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # removed meanwhile
        return 0
