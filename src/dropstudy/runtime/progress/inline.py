"""Progress in a notebook: one output that is updated in place.

IPython is no dependency: in a notebook it is loaded already.
"""

from __future__ import annotations

import io
import sys
import time
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rich.console import Console

from dropstudy.runtime.progress.table import LiveTable

if TYPE_CHECKING:
    from dropstudy.core.types import EpochMetrics, Run

_WIDTH = 110  # columns, which a notebook shows without scrolling
_HEIGHT = 60  # lines, likewise
_UPDATE_INTERVAL = 0.5  # seconds
_MAX_NOTICES = 40  # lines


def in_notebook() -> bool:
    """True where a notebook's kernel runs this process."""
    ipython: Any = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class InlineTable(LiveTable):
    """Table of arms and notices, in one output of a notebook."""

    def __init__(self) -> None:
        # Else rich, which knows a notebook too, adds an empty output for each table.
        console = Console(
            file=io.StringIO(), width=_WIDTH, height=_HEIGHT, highlight=False, force_jupyter=False
        )
        super().__init__(console)
        self._notices: list[str] = []
        self._handle: Any = None
        self._updated_at = 0.0

    def on_epoch_end(self, run: Run, metrics: EpochMetrics) -> None:
        """Update the table."""
        super().on_epoch_end(run, metrics)
        self._update_if_due()

    def on_segment_end(self, run: Run, steps_done: int) -> None:
        """Update the table."""
        super().on_segment_end(run, steps_done)
        self._update_if_due()

    def on_run_end(self, run: Run, status: str, cause: str) -> None:
        """Update the table."""
        super().on_run_end(run, status, cause)
        self._update_if_due()

    def _open(self) -> None:
        self._update()

    def _close(self) -> None:
        """Leave the notices."""

    def _print(self, text: str) -> None:
        self._notices = [*self._notices, text][-_MAX_NOTICES:]
        self._update()

    def _update_if_due(self) -> None:
        if time.monotonic() - self._updated_at >= _UPDATE_INTERVAL:
            self._update()

    def _update(self) -> None:
        self._updated_at = time.monotonic()
        text = "\n".join(self._notices)
        if self._training:
            with self._console.capture() as capture:
                self._console.print(self.renderable())
            text += f"\n{capture.get()}"
        output = _Output(text.rstrip())
        if self._handle is None:
            self._handle = import_module("IPython.display").display(output, display_id=True)
        else:
            self._handle.update(output)


class _Output:
    """Text that a notebook shows as it is."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        # In full, since some pages that show notebooks reset it.
        style = "font-family: monospace; white-space: pre-wrap; word-break: normal"
        return f'<pre style="{style}">{escape(self._text)}</pre>'
