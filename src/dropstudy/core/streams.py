"""Standard streams that are missing, closed or bare: a service, `pythonw`, `>&-`, an object that can only write.

Python leaves `sys.stdout` None where there is none, and libraries flush it all the same.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import textwrap
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from dropstudy.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMES = ("stdout", "stderr")
_DESCRIPTORS = 3
_LAYOUT = "\n\t"
"""Characters that lay text out and command nothing."""

_METERS = "\r"
"""Progress bars go back to the beginning of their line; they write to standard error alone."""

_WIDTH = 80  # where a terminal does not say
_COMMAND = "dropstudy [a-z]"


def say(text: str, stream: Any = None) -> None:
    """Print a line at once, as `paragraphs` has it; nothing where there is no stream for it.

    Args:
        text: the line.
        stream: anything with `write`; whatever `sys.stdout` is at the moment where it is None.
    """
    stream = sys.stdout if stream is None else stream
    if stream is not None and not getattr(stream, "closed", False):
        print(wrap_paragraphs(printable(text, _LAYOUT), stream), file=stream, flush=hasattr(stream, "flush"))


def is_terminal(stream: Any = None) -> bool:
    """True where a stream, or else `sys.stdout`, is a terminal."""
    stream = sys.stdout if stream is None else stream
    return not getattr(stream, "closed", True) and hasattr(stream, "isatty") and bool(stream.isatty())


def terminal_width(stream: Any = None) -> int:
    """Width of the terminal, in columns."""
    width = shutil.get_terminal_size((0, 0)).columns
    if not width:  # standard output is none; another stream may be
        with suppress(OSError, AttributeError, ValueError):
            width = os.get_terminal_size(stream.fileno()).columns
    return width or _WIDTH


def wrap_paragraphs(words: str, stream: Any = None) -> str:
    """Lines of text, each a paragraph, as wide as the terminal; as they are where there is none.

    Lines break between words. A command at the end of a line is left whole, on a line of its own, so that it can be
    copied: a quoted name in it may hold spaces.

    Args:
        words: the text.
        stream: where it is going to be printed; `sys.stdout` where it is None.
    """
    return "\n".join(_lines(words, terminal_width(stream))) if is_terminal(stream) else words


def _lines(words: str, width: int) -> Iterator[str]:
    for line in words.splitlines():
        if len(line) <= width:
            yield line
            continue
        said, command = re.fullmatch(rf"((?:.*: )?)({_COMMAND}.*)|(.*)", line).group(1, 2)  # type: ignore[union-attr]
        text = line if command is None else said.rstrip()
        if text:
            yield textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
        if command is not None:
            yield command


@contextmanager
def escaped_streams() -> Iterator[None]:
    """Have `sys.stdout` and `sys.stderr` show what commands a terminal as its escape: names come from anywhere."""
    before = sys.stdout, sys.stderr
    escaped: list[Any] = [_Escaped(sys.stdout, _LAYOUT), _Escaped(sys.stderr, _LAYOUT + _METERS)]
    sys.stdout, sys.stderr = escaped
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def raw_stream(stream: Any) -> Any:
    """The stream for a program that commands the terminal itself, and has looked after what it shows."""
    return stream.raw_stream if isinstance(stream, _Escaped) else stream


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


def reserve_descriptors() -> None:
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


class _Escaped:
    """A stream of text without commands to a terminal; all but writing is its inner stream's."""

    def __init__(self, stream: Any, keep: str) -> None:
        self.raw_stream = stream
        self._keep = keep

    def write(self, text: str) -> int:
        self.raw_stream.write(printable(text, self._keep))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw_stream, name)


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
