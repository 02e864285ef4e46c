"""Default display: a table on a terminal and in a notebook, lines elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console

from dropstudy.core.streams import is_terminal, raw_stream
from dropstudy.runtime.events import CallbackList, Display, SaidOnce, checked_callbacks
from dropstudy.runtime.progress.inline import InlineTable, in_notebook
from dropstudy.runtime.progress.lines import MAX_EPOCH_LINES, EpochLines
from dropstudy.runtime.progress.table import LiveTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.store.reader import RunProgress


class DefaultDisplay(CallbackList, Display):
    """The display that fits: an updated output in a notebook, a live table on a terminal, lines elsewhere.

    Args:
        stream: text stream to print to; `sys.stdout` at the time of each line if None.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        lines = EpochLines(stream, limit=MAX_EPOCH_LINES)
        super().__init__([InlineTable() if stream is None and in_notebook() else lines])
        self._stream = stream

    def on_train_begin(self, progress: Sequence[RunProgress], at_once: int) -> None:
        """Choose the display for this place."""
        if isinstance(self.callbacks[0], EpochLines) and is_terminal(self._stream):
            console = Console(file=raw_stream(self._stream or sys.stdout), highlight=False)
            if console.is_terminal and not console.is_dumb_terminal:
                self.callbacks = (LiveTable(console),)
        super().on_train_begin(progress, at_once)


def with_display(callbacks: Any, *, verbose: bool) -> CallbackList:
    """Check callbacks, and put the default display before them unless `verbose` is false or a display is among them.

    Raises:
        InvalidArgument: one is no callback.
    """
    checked = checked_callbacks(callbacks)
    if verbose and not any(isinstance(callback, Display) for callback in checked):
        checked = (DefaultDisplay(), *checked)
    return CallbackList(checked)


def taken_once(how: dict[str, Any]) -> SaidOnce:
    """Take `callbacks` and `verbose` out of arguments of `Study.run`, for several runs that repeat no notice."""
    return SaidOnce(with_display(how.pop("callbacks", None), verbose=how.pop("verbose", True)).callbacks)
