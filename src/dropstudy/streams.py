"""Standard streams that are missing, closed or bare: a service, `pythonw`, `>&-`, an object that can only write.

Python leaves `sys.stdout` None where there is none, and libraries flush it all the same.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMES = ("stdout", "stderr")
_DESCRIPTORS = 3


def say(text: str, stream: Any = None) -> None:
    """Print a line at once; nothing where there is no stream for it.

    Args:
        text: the line.
        stream: anything with `write`; whatever `sys.stdout` is at the moment where it is None.
    """
    stream = sys.stdout if stream is None else stream
    if stream is not None and not getattr(stream, "closed", False):
        print(text, file=stream, flush=hasattr(stream, "flush"))


def terminal(stream: Any = None) -> bool:
    """True where a stream, or else `sys.stdout`, is a terminal."""
    stream = sys.stdout if stream is None else stream
    return not getattr(stream, "closed", True) and hasattr(stream, "isatty") and bool(stream.isatty())


@contextmanager
def usable_streams() -> Iterator[None]:
    """Have `sys.stdout` and `sys.stderr` take text and be flushed while in here, whatever they were before."""
    before = {name: getattr(sys, name) for name in _NAMES}
    ours = {name: made for name, stream in before.items() if (made := _usable(stream)) is not stream}
    for name, made in ours.items():
        setattr(sys, name, made)
    try:
        yield
    finally:
        for name, made in ours.items():
            if getattr(sys, name) is made:
                setattr(sys, name, before[name])


def open_descriptors() -> None:
    """Let nothing but a stream have the descriptors 0, 1 and 2.

    Where one is closed, the next file that is opened would get its number, and with it whatever a library prints: the
    study's database, for instance.
    """
    for descriptor in range(_DESCRIPTORS):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(
                os.open(os.devnull, os.O_RDWR), True
            )  # it gets the lowest free number: this one


class _Bare(io.TextIOBase):
    """A stream around an object that has only `write`, or around nothing."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if self._stream is not None:
            self._stream.write(text)
        return len(text)


def _usable(stream: Any) -> Any:
    if stream is None or getattr(stream, "closed", False):
        return _Bare(None)
    return stream if hasattr(stream, "flush") and hasattr(stream, "isatty") else _Bare(stream)
