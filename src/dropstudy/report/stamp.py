"""Stamp of a report: the state of the study and digests of the files, to know whether the report is current.

File times do not suffice: a clock may be set back, and a file may be edited.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, get_args

from dropstudy.analysis.verdict.types import Decision
from dropstudy.core.atomic import write_text
from dropstudy.store.directory import FILE_DUE
from dropstudy.store.paths import FIGURE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from dropstudy.report.snapshot import Snapshot

STAMP = "report.stamp"

_BESIDE = {"report.html", "history.csv", "runs.csv", "summary.csv", "conclusion.txt"}


def write_stamp(snapshot: Snapshot, folder: Path, files: Mapping[Path, bytes]) -> None:
    """Record the state of the study and the digests of the report's files.

    Args:
        snapshot: the study.
        folder: of the report.
        files: contents of the report's files, by path.
    """
    digests = {path.relative_to(folder).as_posix(): _digest(content) for path, content in files.items()}
    stamp = {
        "dropstudy": version("dropstudy"),
        "state": snapshot.state,
        "decision": snapshot.verdict.decision,
        "files": digests,
    }
    write_text(folder / STAMP, json.dumps(stamp, indent=1))


def is_current(snapshot: Snapshot) -> bool:
    """True where the report was made from the study's present state and its files are as written."""
    stamp = _read(snapshot.folder)
    files = stamp.get("files")
    same = (stamp.get("state"), stamp.get("dropstudy")) == (snapshot.state, version("dropstudy"))
    if not same or not isinstance(files, dict) or not files:
        return False
    return all(_is_ours(name) and _is(snapshot.folder / name, digest) for name, digest in files.items())


def reported_decision(folder: Path, state: str) -> str | None:
    """Decision of the verdict in the report of a study; None if there is no report of this state."""
    stamp = _read(folder)
    decision = stamp.get("decision")
    return decision if stamp.get("state") == state and decision in get_args(Decision) else None


def study_state(metadata: Mapping[str, Any], digest: str, inner: Iterable[str]) -> str:
    """Digest of everything recorded in a study.

    Args:
        metadata: of the study.
        digest: of the rows of its runs.
        inner: states of the studies inside it.
    """
    known = {name: value for name, value in metadata.items() if name != FILE_DUE}
    return _digest(json.dumps([known, digest, list(inner)], sort_keys=True).encode())


def _read(folder: Path) -> dict[str, Any]:
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # missing, or not a stamp
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _is_ours(name: str) -> bool:
    """Whether a name is of a report's file: a stamp from elsewhere may name any file of the machine."""
    return name in _BESIDE or bool(FIGURE.fullmatch(name.removeprefix("figures/")) and "/" in name)


def _is(path: Path, digest: object) -> bool:
    try:
        return path.is_file() and _digest(path.read_bytes()) == digest
    except OSError:  # not readable
        return False


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
