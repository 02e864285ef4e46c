"""Standard streams: print to any, also to one that is missing, closed or has only `write`.

Services, `pythonw` and `>&-` have no standard output: `sys.stdout` is None, and libraries flush it nevertheless.
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
"""Control characters that are printed."""

_PROGRESS_BAR = "\r"
"""Progress bars return to the start of their line. They write to standard error only."""

_WIDTH = 80
"""Columns of a terminal of unknown width."""

_UNIT = "(?:ms|s|min|h|d|kB|MB|GB|points|seeds?|epochs?|runs?)"
_NO_BREAK = "\u00a0"
_CONTINUED = " \\"
"""End of a line of a command that goes on in the next line."""

_COMMAND = "dropstudy (?:[a-z]|--)"


def say(text: str, stream: Any = None) -> None:
    """Print text and flush it, with wrapped paragraphs; print nothing where the stream is missing or closed.

    Args:
        text: one or more lines.
        stream: any object with `write`; None for the current `sys.stdout`.
    """
    stream = sys.stdout if stream is None else stream
    if stream is not None and not getattr(stream, "closed", False):
        print(wrap_paragraphs(printable(text, _LAYOUT), stream), file=stream, flush=hasattr(stream, "flush"))


def is_terminal(stream: Any = None) -> bool:
    """True where a stream, by default `sys.stdout`, is a terminal."""
    stream = sys.stdout if stream is None else stream
    return not getattr(stream, "closed", True) and hasattr(stream, "isatty") and bool(stream.isatty())


def terminal_width(stream: Any = None) -> int:
    """Width of the terminal, in columns."""
    width = shutil.get_terminal_size((0, 0)).columns
    if not width:  # standard output is no terminal, but another stream may be one
        with suppress(OSError, AttributeError, ValueError):
            width = os.get_terminal_size(stream.fileno()).columns
    return width or _WIDTH


def wrap_paragraphs(text: str, stream: Any = None) -> str:
    """Wrap each line of text at the width of the terminal; without a terminal, leave it as it is.

    A command at the end of a long line begins on a line of its own. One that is longer than a line is broken before
    its flags with a backslash, so that it can be copied. A number stays with its unit.

    Args:
        text: the text.
        stream: stream that it will be printed to; None for `sys.stdout`.
    """
    return "\n".join(_lines(text, terminal_width(stream))) if is_terminal(stream) else text


def fill(text: str, width: int) -> str:
    """Wrap a paragraph at a width, between words; later lines are indented as far as the first one's text."""
    begin = re.match(r"\s*(?:\d+\. )?", text)
    indent = " " * (begin.end() if begin and text.startswith(" ") else 0)
    bound = re.sub(rf"(?<=\d) (?={_UNIT}\b)|(?<=\bdropout) (?=\d)|(?<=\brate) (?=\d)", _NO_BREAK, text)
    lines = textwrap.fill(
        bound, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return lines.replace(_NO_BREAK, " ")


def _broken(command: str, width: int) -> str:
    """A command in lines that end with a backslash; in one where quotes make that unsafe."""
    if len(command) <= width or '"' in command:
        return command
    first, *flags = re.split(r" (?=--)(?=(?:[^']*'[^']*')*[^']*$)", command)
    lines = [first]
    for flag in flags:
        joined = f"{lines[-1]} {flag}"
        if len(joined) <= width - len(_CONTINUED):
            lines[-1] = joined
        else:
            lines.append(f"    {flag}")
    return f"{_CONTINUED}\n".join(lines)


def _lines(text: str, width: int) -> Iterator[str]:
    for line in text.splitlines():
        if len(line) <= width:
            yield line
            continue
        sentence, command = re.fullmatch(rf"((?:.*: )?)({_COMMAND}.*)|(.*)", line).group(1, 2)  # type: ignore[union-attr]
        prose = line if command is None else sentence.rstrip()
        if prose:
            yield fill(prose, width)
        if command is not None:
            yield _broken(command, width)


@contextmanager
def escaped_streams() -> Iterator[None]:
    """Make `sys.stdout` and `sys.stderr` print terminal commands as escapes: names come from anywhere."""
    before = sys.stdout, sys.stderr
    escaped: list[Any] = [_Escaped(sys.stdout, _LAYOUT), _Escaped(sys.stderr, _LAYOUT + _PROGRESS_BAR)]
    sys.stdout, sys.stderr = escaped
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def raw_stream(stream: Any) -> Any:
    """Stream without escaping, for code that controls the terminal and escapes texts itself."""
    return stream.raw_stream if isinstance(stream, _Escaped) else stream


@contextmanager
def usable_streams() -> Iterator[None]:
    """Make `sys.stdout` and `sys.stderr` accept text and flushes within this context, whatever they are."""
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
    """Open the descriptors 0, 1 and 2 where they are closed.

    Else the next file that is opened, such as the study's database, would get one of them and receive printed text.
    """
    for descriptor in range(_DESCRIPTORS):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
            os.set_inheritable(opened, True)


class _Escaped:
    """Stream that escapes terminal commands; all but `write` is the inner stream's."""

    def __init__(self, stream: Any, keep: str) -> None:
        self.raw_stream = stream
        self._keep = keep

    def write(self, text: str) -> int:
        self.raw_stream.write(printable(text, self._keep))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw_stream, name)


class _Bare(io.TextIOBase):
    """Stream around an object that has only `write`, or around None."""

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
