"""Reports of training functions while they run: their epochs, and what they print.

A run of a function has one segment, whose result comes at its end. Until then its worker writes each epoch, and what
it prints, to files in a temporary folder.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dropstudy.core.types import EpochMetrics
from dropstudy.engine.function.train import EPOCHS, LOG

if TYPE_CHECKING:
    from dropstudy.core.model import ModelSource
    from dropstudy.core.types import Run

_MOST_LOG = 2**20
"""Bytes of a run's output that are kept, the last ones."""


def with_reports(source: ModelSource) -> ModelSource:
    """A training function with a new folder for its reports."""
    return replace(source, reports=tempfile.mkdtemp(prefix="dropstudy-"))


def remove_reports(source: ModelSource) -> None:
    """Remove that folder."""
    shutil.rmtree(source.reports, ignore_errors=True)


def _row(line: str) -> EpochMetrics:
    epoch, *values = json.loads(line)
    return EpochMetrics(epoch, *(math.nan if value is None else value for value in values))


class Reports:
    """Reads the reports of runs.

    Args:
        source: the training function; of anything else there are no reports.
    """

    def __init__(self, source: ModelSource | None) -> None:
        self._folder = Path(source.reports) if source is not None and source.reports else None
        self._told: dict[str, int] = {}

    def new_epochs(self, run: Run) -> list[EpochMetrics]:
        """Epochs of a run that ended since the last call. A run that starts again begins with its first one."""
        if self._folder is None:
            return []
        try:
            text = (self._folder / f"{run.key}.{EPOCHS}").read_text(encoding="utf-8")
        except OSError:  # not started
            return []
        lines = text[: text.rfind("\n") + 1].splitlines()
        told = self._told.get(run.key, 0)
        told = told if told <= len(lines) else 0
        self._told[run.key] = len(lines)
        return list(map(_row, lines[told:]))

    def told(self, run: Run) -> int:
        """Number of epochs that were returned of a run."""
        return self._told.get(run.key, 0)

    def log(self, run: Run) -> str:
        """What a run printed; its end where that is long."""
        if self._folder is None:
            return ""
        try:
            content = (self._folder / f"{run.key}.{LOG}").read_bytes()
        except OSError:
            return ""
        cut = f"[{len(content) - _MOST_LOG:,} bytes before]\n" if len(content) > _MOST_LOG else ""
        return cut + content[-_MOST_LOG:].decode("utf-8", "replace")
