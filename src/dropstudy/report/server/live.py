"""Live page of a running study: rendered on request, at a limited rate."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from dropstudy.core.hardware import physical_cores
from dropstudy.report.overview import moment
from dropstudy.report.server.index import waiting_page
from dropstudy.runtime.progress.eta import Eta, about
from dropstudy.store.directory import has_database, inner_studies
from dropstudy.store.store import DATABASE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dropstudy.report.snapshot import Snapshot

REST = 8.0
"""Seconds without rendering for each second that a page took: training needs the cores more."""

WAIT = 0.5
"""Seconds for which a request waits for the first page; after that it gets an overview of the study."""

_renderer = ThreadPoolExecutor(1, "first-page")


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
        self._first: Future[str] | None = None

    @property
    def version(self) -> str:
        """Version of the page: changes when the study has changed and the page may be rendered again."""
        stamp = self._stamp()
        return self._version if self._version and time.monotonic() < self._next else stamp

    def begin(self) -> Future[str]:
        """Render the first page in the background."""
        if self._first is None:
            self._first = _renderer.submit(self.page)
        return self._first

    def page_soon(self) -> str:
        """The page, or an overview that loads itself again while the first page takes long.

        Raises:
            As `page` does.
        """
        if self._page:
            return self.page()
        try:
            return self.begin().result(WAIT)
        except TimeoutError:
            return waiting_page(self._folder)
        except BaseException:
            self._first = None  # the next request tries again
            raise

    def page(self) -> str:
        """The page, rendered again if the study has changed.

        Raises:
            DropstudyError: the study is missing or damaged.
        """
        # What draws is slow to import.
        from dropstudy.report.page import html  # noqa: PLC0415
        from dropstudy.report.sections import sections  # noqa: PLC0415

        with self._lock:
            version = self.version
            if not version or version != self._version:
                begin = time.monotonic()
                snapshot = self._read()
                self._page = html(
                    snapshot, sections(snapshot), live=version, progress=self._progress(snapshot)
                )
                self._version = version
                end = time.monotonic()
                self._next = end + REST * (end - begin)
            return self._page

    def part(self, _: int) -> LivePage | None:
        """Page of another study below this one's address: there is none."""
        return None

    def _databases(self) -> list[Path]:
        """The study's databases, those of the studies inside it included."""
        return [
            folder / DATABASE for folder in (self._folder, *filter(has_database, inner_studies(self._folder)))
        ]

    def _stamp(self) -> str:
        """Last change of the study's databases; empty where they are missing."""
        try:
            return "-".join(str(path.stat().st_mtime_ns) for path in self._databases())
        except OSError:
            return ""

    def _progress(self, snapshot: Snapshot) -> str:
        """Progress of the study, from the snapshot that the page shows."""
        finished, total = set(snapshot.finals["key"]), len(snapshot.runs)
        ended = sum(
            run.key in finished or snapshot.status.get(run.key) in {"diverged", "failed"}
            for run in snapshot.runs
        )
        if ended == total:
            return f"All {total:,} runs have ended."
        planned = sum(run.epochs for run in snapshot.runs)
        left = Eta(snapshot.progress, physical_cores()).seconds_left()
        return (
            f"{ended:,} of {total:,} runs have ended, {len(snapshot.history):,} of {planned:,} epochs are done"
            f"{'' if left is None else f', {about(left)} left'}. Updated at "
            f"{moment(max(path.stat().st_mtime for path in self._databases()))}. This page follows."
        )
