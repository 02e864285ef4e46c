"""The page of a study that may be under way: made when asked for, and no more often than it is worth."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from dropstudy.errors import DropstudyError
from dropstudy.report.page import html
from dropstudy.report.sections import sections
from dropstudy.report.source import read
from dropstudy.store import DATABASE
from dropstudy.study import Study

if TYPE_CHECKING:
    from pathlib import Path

REST = 8.0
"""Seconds of rest for each second that making a page takes: training needs the cores more than a page does."""


class LivePage:
    """The page of a study's folder, as its database stands.

    Args:
        folder: the study's.
        data_dir: folder to look for the data in first.
    """

    def __init__(self, folder: Path, *, data_dir: Path | None = None) -> None:
        self._folder, self._data_dir = folder, data_dir
        self._making = threading.Lock()
        self._page, self._version = "", ""
        self._next = 0.0

    @property
    def version(self) -> str:
        """What the page shows: changes when the study has gone on and it is time to make the page anew."""
        stamp = self._stamp()
        return self._version if self._version and time.monotonic() < self._next else stamp

    def page(self) -> str:
        """The page, made anew where the study has gone on.

        Raises:
            DropstudyError: the study is gone or damaged.
        """
        with self._making:
            version = self.version
            if not version or version != self._version:
                begin = time.monotonic()
                study = Study.open(self._folder)
                source = read(study.folder, study.spec, study.verdict, data_dir=self._data_dir)
                self._page = html(source, sections(source), live=version, progress=self.progress())
                self._version = version
                end = time.monotonic()
                self._next = end + REST * (end - begin)
            return self._page

    def progress(self) -> str:
        """How far the study is, in a line."""
        try:
            standings = Study.open(self._folder).standings()
        except DropstudyError as error:
            return str(error)
        ended = sum(standing.status in {"done", "diverged", "failed"} for standing in standings)
        done = sum(standing.epochs_done for standing in standings)
        planned = sum(standing.run.epochs for standing in standings)
        if ended == len(standings):
            return f"All {len(standings):,} runs have ended."
        runs = f"{ended:,} of {len(standings):,} runs have ended"
        return f"{runs}, {done:,} of {planned:,} epochs are done. This page follows."

    def _stamp(self) -> str:
        """The database's last change; empty where it is gone."""
        try:
            return str((self._folder / DATABASE).stat().st_mtime_ns)
        except OSError:
            return ""
