"""Default display: a table on a terminal and in a notebook, Keras' epoch lines elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console

from dropstudy.core.streams import is_terminal, raw_stream
from dropstudy.runtime.events import CallbackList, Display, checked_callbacks
from dropstudy.runtime.progress.inline import InlineTable, in_notebook
from dropstudy.runtime.progress.lines import EpochLines
from dropstudy.runtime.progress.table import LiveTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.store.reader import RunProgress

FEW_RUNS = 2
"""Up to so many runs are shown epoch by epoch, as Keras does."""


class DefaultDisplay(CallbackList, Display):
    """The display that fits: an updated output in a notebook, a live table for a grid on a terminal, or epoch lines.

    Args:
        stream: text stream to print to; `sys.stdout` at the time of each line if None.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__([InlineTable() if stream is None and in_notebook() else EpochLines(stream)])
        self._stream = stream

    def on_train_begin(self, progress: Sequence[RunProgress], workers: int) -> None:
        """Choose the display for these runs."""
        missing = sum(each.status not in {"done", "diverged"} for each in progress)
        lines = isinstance(self.callbacks[0], EpochLines)
        if lines and missing > FEW_RUNS and is_terminal(self._stream):
            console = Console(file=raw_stream(self._stream or sys.stdout), highlight=False)
            if console.is_terminal and not console.is_dumb_terminal:
                self.callbacks = (LiveTable(console),)
        super().on_train_begin(progress, workers)


def with_display(callbacks: Any, *, verbose: bool) -> CallbackList:
    """Check callbacks, and put the default display before them unless `verbose` is false or a display is among them.

    Raises:
        InvalidArgument: one is no callback.
    """
    checked = checked_callbacks(callbacks)
    if verbose and not any(isinstance(callback, Display) for callback in checked):
        checked = (DefaultDisplay(), *checked)
    return CallbackList(checked)
