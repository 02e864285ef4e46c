"""Progress in a notebook: one output that is updated in place.

IPython is no dependency: whoever runs in a notebook has it loaded.
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
    from collections.abc import Sequence

    from dropstudy.core.types import EpochMetrics, Run
    from dropstudy.store.reader import RunProgress

_WIDTH = 110  # columns, which a notebook shows without scrolling
_HEIGHT = 60  # lines, likewise
_BETWEEN = 0.5  # seconds between updates
_MOST_NOTICES = 40  # lines


def in_notebook() -> bool:
    """True where a notebook's kernel runs this process."""
    ipython: Any = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class InlineTable(LiveTable):
    """The table of arms and what else there is to tell, in one output of a notebook."""

    def __init__(self) -> None:
        super().__init__(Console(file=io.StringIO(), width=_WIDTH, height=_HEIGHT, highlight=False))
        self._notices: list[str] = []
        self._handle: Any = None
        self._training = False
        self._drawn = 0.0

    def on_train_begin(self, progress: Sequence[RunProgress], workers: int) -> None:
        """Show the table."""
        self.know(progress, workers)
        self._training = True
        self._draw()

    def on_train_end(self) -> None:
        """Leave what was told, and a line of what was done."""
        self._training = False
        self._print(self.passed())

    def on_epoch_end(self, run: Run, metrics: EpochMetrics) -> None:
        """Note the epoch, and show it in time."""
        super().on_epoch_end(run, metrics)
        self._draw_in_time()

    def on_segment_end(self, run: Run, steps_done: int) -> None:
        """Note how far a long epoch is."""
        super().on_segment_end(run, steps_done)
        self._draw_in_time()

    def on_run_end(self, run: Run, status: str, cause: str) -> None:
        """Note what became of a run."""
        super().on_run_end(run, status, cause)
        self._draw_in_time()

    def _print(self, text: str) -> None:
        self._notices = [*self._notices, text][-_MOST_NOTICES:]
        self._draw()

    def _draw_in_time(self) -> None:
        if time.monotonic() - self._drawn >= _BETWEEN:
            self._draw()

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        text = "\n".join(self._notices)
        if self._training:
            with self._console.capture() as capture:
                self._console.print(self.renderable())
            text += f"\n{capture.get()}"
        shown = _Told(text.rstrip())
        if self._handle is None:
            self._handle = import_module("IPython.display").display(shown, display_id=True)
        else:
            self._handle.update(shown)


class _Told:
    """Text that a notebook shows as it is."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        return f'<pre style="white-space: pre-wrap">{escape(self._text)}</pre>'
