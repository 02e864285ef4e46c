"""Paths of a study's files: flat folders with one file per run, quick to list and to clean up.

    weights/<key>.safetensors        of a finished run
    predictions/<key>.safetensors    of a finished run, for each test example
    checkpoints/<key>-<digest>.safetensors   state of a running run
    tracebacks/<key>.txt             of a run that failed
    logs/<key>.txt                   what the training function of a run printed

Only files with such a name, directly in these folders, belong to the study. Other files are never removed, and nothing
is removed through a link.
"""

from __future__ import annotations

import os
import re
import shlex
from contextlib import suppress
from errno import ENAMETOOLONG
from stat import S_ISREG
from typing import TYPE_CHECKING

from dropstudy.core.atomic import TEMPORARY_NAME
from dropstudy.errors import StoreError
from dropstudy.spec import presets

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

DATABASE = "study.db"
JOURNAL = f"{DATABASE}-journal"
RESULTS = ("weights", "predictions")
"""Kinds of files of a finished run."""

FOLDERS = (*RESULTS, "checkpoints", "tracebacks", "logs")
FIGURES = "figures"
CHARTS = (
    "accuracy",
    "active-units",
    "all-arms",
    "confusion",
    "difference",
    "differences",
    "entropy",
    "gap",
    "loss",
    "notebook-test",
    "notebook-training",
    "notebook-validation",
    "over-epochs",
    "payoff",
    "rate-curve",
    "reliability",
    "seeds",
    "top-rate",
    "weight-norms",
)
"""Charts of a report, in its files' names and in `study.plot`."""

FIGURE = re.compile(rf"(?:{'|'.join(CHARTS)})(?:-[0-9]+)?\.(?:png|svg|pdf|csv|txt)")
"""Names of a figure's files, the number of its condition behind the chart's: no others are read or removed."""

PRETRAINED = "pretrained.safetensors"
"""Weights of a Keras model that all seeds start from."""

WRITTEN = (
    "history.csv",
    "runs.csv",
    "summary.csv",
    "conclusion.txt",
    "report.html",
    "report.stamp",
    PRETRAINED,
)
"""Files in a study's folder itself besides its records: those of a report, and the weights to start from."""

CONFIRMATION = "confirmation"
"""Folder inside a study's folder that holds its confirmations, or is the only one."""

REDRAWN = "redrawn"
"""Folder inside a study's folder that holds its runs with one source drawn anew, in a folder for each source."""

KEY = re.compile("[0-9a-f]{64}")
"""Form of a run's key."""

_RESULT = re.compile(rf"{KEY.pattern}\.safetensors")
_CHECKPOINT = re.compile(rf"{KEY.pattern}-[0-9a-f]{{16}}\.safetensors")
_TEXT = re.compile(rf"{KEY.pattern}\.txt")
_OWN = dict(zip(FOLDERS, (_RESULT, _RESULT, _CHECKPOINT, _TEXT, _TEXT), strict=True))


class StudyPaths:
    """Paths of the files in a study's folder.

    Args:
        folder: the study's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / DATABASE

    def result(self, what: str, key: str) -> Path:
        """Path of a run's `weights` or `predictions`, which need not exist."""
        return self.folder / what / f"{key}.safetensors"

    def checkpoint(self, name: str) -> Path:
        """Path of the checkpoint that the database calls `name`."""
        return self.folder / "checkpoints" / name

    def traceback(self, key: str) -> Path:
        """Path of the traceback of a failed run."""
        return self.folder / "tracebacks" / f"{key}.txt"

    def log(self, key: str) -> Path:
        """Path of what the training function of a run printed."""
        return self.folder / "logs" / f"{key}.txt"

    def present(self, what: str) -> set[str]:
        """Keys of the runs whose `weights` or `predictions` exist."""
        return {path.stem for path in self.own(what)}

    def own(self, kind: str) -> list[Path]:
        """The study's files in one of its folders, by their form."""
        return list(_files(self.folder / kind, _OWN[kind]))

    def strays(self, checkpoints: Collection[str]) -> Iterator[Path]:
        """Files that a kill left behind: unfinished ones, and checkpoints other than those named.

        Args:
            checkpoints: the name of each that the database names.
        """
        for name in ("", *FOLDERS, FIGURES):
            yield from _files(self.folder / name, TEMPORARY_NAME)
        yield from (path for path in self.own("checkpoints") if path.name not in checkpoints)

    def refuse_links(self) -> None:
        """Refuse to write to a study if one of its own files or folders is a link.

        Raises:
            StoreError: with the first such link.
        """
        inner = (CONFIRMATION, REDRAWN)
        inside = (f"{place}/{name}" for place in inner for name in entries(self.folder / place))
        for name in (*FOLDERS, FIGURES, *inner, *inside, DATABASE, JOURNAL):
            if (self.folder / name).is_symlink():
                raise StoreError(
                    str(self.folder / name),
                    expected="a file or folder of the study's own",
                    received="a link: a study writes and removes nothing behind links",
                    next_step="Replace the link by its target, or choose another folder with --out.",
                )

    def foreign(self) -> list[str]:
        """Names of foreign files in the folders of a study's runs, or in place of these folders."""
        found = []
        for kind in FOLDERS:
            place = self.folder / kind
            if place.is_symlink() or (place.exists() and not place.is_dir()):
                found.append(kind)
            ours = (_OWN[kind], TEMPORARY_NAME)
            names = entries(place)
            found += [f"{kind}/{name}" for name in names if not any(form.fullmatch(name) for form in ours)]
        return found

    def sizes(self) -> dict[str, int]:
        """Bytes on disk: `database`, `weights`, `predictions`, `checkpoints`, `tracebacks`, `logs`."""
        found = {"database": 0, **dict.fromkeys(FOLDERS, 0)}
        with suppress(OSError):
            found["database"] = self.database.stat().st_size
        for kind in FOLDERS:
            found[kind] = sum(map(_size, self.own(kind)))
        return found


def is_own(name: str) -> bool:
    """True where a relative path, such as `weights/<key>.safetensors`, is that of a run's file."""
    kind, _, rest = name.partition("/")
    return kind in _OWN and _OWN[kind].fullmatch(rest) is not None


def is_checkpoint_of(name: str, key: str) -> bool:
    """True where a name is that of a checkpoint of the run with this key."""
    return _CHECKPOINT.fullmatch(name) is not None and name.startswith(key)


def refuse_too_long(path: Path) -> None:
    """Refuse a path, or a name in it, that is longer than the file system allows.

    Raises:
        StoreError: it is.
    """
    try:
        path.lstat()
    except OSError as error:
        if error.errno == ENAMETOOLONG:
            raise StoreError(
                str(path),
                expected="a folder whose path the file system allows",
                received="a name or path that is too long for it",
                next_step="Choose a shorter one with --out.",
            ) from error


def entries(folder: Path) -> list[str]:
    """Names of all entries of a folder; none for a link, a missing or an unreadable folder."""
    try:
        return [] if folder.is_symlink() else sorted(os.listdir(folder))  # noqa: PTH208 - names, not paths
    except OSError:
        return []


def _files(folder: Path, form: re.Pattern[str]) -> Iterator[Path]:
    """Regular files, no links, whose whole name has this form."""
    for name in entries(folder):
        if form.fullmatch(name):
            with suppress(OSError):  # removed by another process
                if S_ISREG((folder / name).lstat().st_mode):
                    yield folder / name


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # removed by another process
        return 0


def named(folder: Path) -> Path:
    """A path of a folder that ends in its name, which `.` and `..` do not: others beside it are named after it."""
    return folder if folder.name not in {"", ".."} else folder.resolve()


def command(verb: str, folder: Path) -> str:
    """A command for the study in a folder, quoted for a shell: `dropstudy run studies/first`."""
    text = str(folder)
    if text in presets.names() or text.startswith("-"):
        text = f"./{text}"
    return f"dropstudy {verb} {shlex.quote(text)}"
