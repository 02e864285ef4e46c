"""Live page of a running study: rendered on request, at a limited rate."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from dropstudy.report.page import html
from dropstudy.report.sections import sections
from dropstudy.store.directory import confirmations, has_database
from dropstudy.store.store import DATABASE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dropstudy.report.snapshot import Snapshot

REST = 8.0
"""Seconds without rendering for each second that a page took: training needs the cores more."""


class LivePage:
    """Page of a study that may still run.

    Args:
        folder: the study's.
        read: returns a snapshot of the study.
    """

    def __init__(self, folder: Path, read: Callable[[], Snapshot]) -> None:
        self._folder, self._read = folder, read
        self._lock = threading.Lock()
        self._page, self._version = "", ""
        self._next = 0.0

    @property
    def version(self) -> str:
        """Version of the page: changes when the study has changed and the page may be rendered again."""
        stamp = self._stamp()
        return self._version if self._version and time.monotonic() < self._next else stamp

    def page(self) -> str:
        """The page, rendered again if the study has changed.

        Raises:
            DropstudyError: the study is missing or damaged.
        """
        with self._lock:
            version = self.version
            if not version or version != self._version:
                begin = time.monotonic()
                snapshot = self._read()
                self._page = html(snapshot, sections(snapshot), live=version, progress=_progress(snapshot))
                self._version = version
                end = time.monotonic()
                self._next = end + REST * (end - begin)
            return self._page

    def _stamp(self) -> str:
        """Last change of the study's databases, confirmations included; empty where they are missing."""
        try:
            folders = [self._folder, *filter(has_database, confirmations(self._folder))]
            return "-".join(str((folder / DATABASE).stat().st_mtime_ns) for folder in folders)
        except OSError:
            return ""


def _progress(snapshot: Snapshot) -> str:
    """Progress of the study, from the snapshot that the page shows."""
    finished, total = set(snapshot.finals["key"]), len(snapshot.runs)
    ended = sum(
        run.key in finished or snapshot.status.get(run.key) in {"diverged", "failed"} for run in snapshot.runs
    )
    if ended == total:
        return f"All {total:,} runs have ended."
    planned = sum(run.epochs for run in snapshot.runs)
    runs = f"{ended:,} of {total:,} runs have ended"
    return f"{runs}, {len(snapshot.history):,} of {planned:,} epochs are done. This page follows."
