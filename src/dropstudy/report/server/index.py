"""Index page: all studies below a folder, each with its state, progress, time left and verdict."""

from __future__ import annotations

import threading
import time
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

import jinja2

from dropstudy.core.text import plain_name
from dropstudy.report.overview import overview
from dropstudy.store.directory import find_studies

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dropstudy.report.overview import StudyOverview
    from dropstudy.report.server.live import LivePage

REST = 4.0
"""Seconds without reading for each second that the overview took."""

_SOON, _LATER = 5, 30  # seconds until the page loads itself again: while a study runs, and otherwise


class Index:
    """Page of all studies below a folder, and the pages of each.

    Args:
        folder: in which studies are looked for.
        page_of: makes the page of the study in a folder.
    """

    version = ""  # the page loads itself again

    def __init__(self, folder: Path, page_of: Callable[[Path], LivePage]) -> None:
        self._folder, self._page_of = folder, page_of
        self._lock = threading.Lock()
        self._parts: dict[Path, LivePage] = {}  # numbered in the order in which they were found
        self._page = ""
        self._next = 0.0

    def begin(self) -> None:
        """Do nothing: the first page takes no long time."""

    def page_soon(self) -> str:
        """The page, read again if the last one has rested."""
        with self._lock:
            begin = time.monotonic()
            if begin >= self._next:
                studies = [overview(path) for path in find_studies(self._folder)]
                for study in studies:
                    self._parts.setdefault(study.folder, self._page_of(study.folder))
                self._page = self._render(studies)
                end = time.monotonic()
                self._next = end + REST * (end - begin)
            return self._page

    def part(self, number: int) -> LivePage | None:
        """Page of the study with a number; None if there is none."""
        return dict(enumerate(self._parts.values())).get(number)

    def _render(self, studies: list[StudyOverview]) -> str:
        numbers = {path: number for number, path in enumerate(self._parts)}
        rows = [
            (
                str(study.folder.relative_to(self._folder)),
                f"{numbers[study.folder]}/" if study.runs else "",
                study,
            )
            for study in studies
        ]
        running = sum(study.state == "running" for study in studies)
        return _page(
            f"Studies in {plain_name(str(self._folder))}",
            rows,
            f"{len(studies):,} in all, {running:,} running. This page follows.",
            _SOON if running else _LATER,
        )


def waiting_page(folder: Path) -> str:
    """Overview of one study, for the time in which its first page is made."""
    name = plain_name(str(folder))
    note = "The page of this study is being made. It comes by itself in some seconds."
    return _page(name, [(name, "", overview(folder))], note, 1)


def _page(title: str, rows: list[tuple[str, str, StudyOverview]], note: str, seconds: int) -> str:
    return _template().render(
        title=title, rows=rows, note=note, seconds=seconds, time=time.strftime("%H:%M:%S")
    )


@lru_cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    text = (files("dropstudy.report") / "templates" / "studies.html.j2").read_text(encoding="utf-8")
    return environment.from_string(text)
