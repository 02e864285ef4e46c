"""Ctrl-C and SIGTERM of the command line: before it begins, while it works, after it has ended."""

from __future__ import annotations

import os
import signal
import sys
from threading import Event
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

STOPPED = 130
"""Exit code of an interrupted command."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_RETRY = 0.05  # seconds until an interrupt that came during an import is tried again
_asked = Event()


def end_at_once() -> None:
    """From now on end the process at a signal: nothing has begun that could be lost, or all is done."""
    _handle(lambda *_: os._exit(STOPPED))


def interrupt() -> None:
    """From now on raise KeyboardInterrupt at the first signal, and end the process at the second."""
    _handle(_first)


def obey() -> None:
    """Raise the KeyboardInterrupt that a signal asked for, if it was lost.

    Libraries in C, such as msgspec, drop an exception that comes while they call Python.
    """
    if _asked.is_set():
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        raise KeyboardInterrupt


def _handle(handler: Callable[[int, FrameType | None], None]) -> None:
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup and a script's `&` ignore them
            signal.signal(number, handler)


def _first(number: int, frame: FrameType | None) -> None:
    end_at_once()
    _asked.set()
    sys.unraisablehook = _quiet
    _raise(number, frame)


def _quiet(dropped: sys.UnraisableHookArgs) -> None:
    """Print what Python ignores, such as an exception in a finalizer, except for an interrupt, which `obey` has."""
    if dropped.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(dropped)


def _raise(_: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, but not during an import: some modules catch every exception while they load."""
    while frame is not None and hasattr(signal, "setitimer"):  # Windows has none
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            signal.signal(signal.SIGALRM, _raise)
            signal.setitimer(signal.ITIMER_REAL, _RETRY)
            return
        frame = frame.f_back
    raise KeyboardInterrupt
