"""Stamp of a report: the records it was made from and the files it wrote, to tell whether it is current.

Times of files would not do: a clock may be set back, and a file may be edited.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from dropstudy.core.atomic import write_text
from dropstudy.store.paths import FIGURE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dropstudy.report.snapshot import Snapshot

STAMP = "report.stamp"

_BESIDE = {"report.html", "history.csv", "runs.csv", "summary.csv", "conclusion.txt"}


def seal(snapshot: Snapshot, folder: Path, files: Mapping[Path, bytes]) -> None:
    """Record what a report was made of, and the digests of its files.

    Args:
        snapshot: what it was made from.
        folder: where it lies.
        files: its files, by path.
    """
    digests = {path.relative_to(folder).as_posix(): _digest(content) for path, content in files.items()}
    write_text(folder / STAMP, json.dumps({"state": snapshot.state, "files": digests}, indent=1))


def is_current(snapshot: Snapshot) -> bool:
    """True where the report in a study's folder was made of all that is recorded, and its files are as written."""
    stamp = _read(snapshot.folder)
    files = stamp.get("files")
    if stamp.get("state") != snapshot.state or not isinstance(files, dict) or not files:
        return False
    return all(_is_ours(name) and _is(snapshot.folder / name, digest) for name, digest in files.items())


def told(snapshot: Snapshot) -> str:
    """The conclusion as the last report wrote it, of a study whose report is current."""
    return (snapshot.folder / "conclusion.txt").read_text(encoding="utf-8").rstrip("\n")


def _read(folder: Path) -> dict[str, Any]:
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # there is none, or somebody else's
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _is_ours(name: str) -> bool:
    """A stamp may be somebody else's, and name any file of the machine."""
    return name in _BESIDE or bool(FIGURE.fullmatch(name.removeprefix("figures/")) and "/" in name)


def _is(path: Path, digest: object) -> bool:
    try:
        return path.is_file() and _digest(path.read_bytes()) == digest
    except OSError:  # it may not be read
        return False


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
