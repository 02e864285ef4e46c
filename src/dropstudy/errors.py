"""Every error that dropstudy raises on purpose.

    DropstudyError            exit code 2: a bad input, explained in one line
    ├── InvalidArgument       a flag, a field of a study file or an argument in Python
    ├── DataError             a file of examples that cannot be used
    │   └── DataUnavailable   a named dataset that could not be found or fetched
    ├── StoreError            a study directory that cannot be read or written
    │   ├── StudyLocked       another process runs this study
    │   └── DamagedFile       a file whose content differs from what was written
    ├── ModelError            weights or a model file that cannot be used
    └── RunsFailed            exit code 3: some runs failed or diverged, the others are finished

Each is advice. It names the argument or file, what was expected, what was received and what to do next.

Settings are written as flags: `--out`, `--seeds 6`, `--drop=id,name`. In Python they are printed as arguments:
`out`, `seeds=6`, `drop=['id', 'name']`. The subject is an argument's name, which a command prints as its flag.
Commands, from "dropstudy " to a semicolon or the end, stay as they are.
"""

from __future__ import annotations

import csv
import re
import shlex
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "DamagedFile",
    "DataError",
    "DataUnavailable",
    "DropstudyError",
    "InvalidArgument",
    "ModelError",
    "RunsFailed",
    "StoreError",
    "StudyLocked",
]

_LONGEST = 2000
"""Characters of each part of a message."""

_COMMAND = re.compile(r"(\bdropstudy [^;]*)")

_FLAG = re.compile(
    r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)(?:=('[^']*'|\S*[^\s.,;:)])| (-?\d+(?:[.,]\d+)*|'[^']*')| (\S*[^\s.])$)?"
)
"""A flag with its value: after `=`, or a number, a quoted text, or the last word of the text."""

_JOINERS = "\u200c\u200d"
"""Invisible, and yet part of words in Persian and Hindi, and of emoji."""


def printable(text: str, keep: str = "") -> str:
    """A text as a terminal may show it: what commands the terminal or cannot be seen becomes its escape.

    Args:
        text: of a file or an argument.
        keep: characters that stay as they are, for instance line breaks.
    """
    if text.isprintable():
        return text
    return "".join(c if c in keep or _shows(c) else c.encode("unicode_escape").decode() for c in text)


def _shortened(part: str) -> str:
    """A part of a message without the middle of a text that nobody reads: the name of a column can be a whole file."""
    return part if len(part) <= _LONGEST else f"{part[: _LONGEST // 2]} ... {part[-_LONGEST // 4 :]}"


def _shows(c: str) -> bool:
    return c in _JOINERS or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _with_settings(text: str, form: Callable[[re.Match[str]], str]) -> str:
    """A text with each flag outside commands in another form."""
    parts = _COMMAND.split(text)
    parts[::2] = [_FLAG.sub(form, part) for part in parts[::2]]
    return "".join(parts)


def _as_typed(flag: re.Match[str]) -> str:
    return flag[0].replace("=", " ", 1)


def _as_argument(flag: re.Match[str]) -> str:
    name, value = flag[1].replace("-", "_"), flag[2] or flag[3] or flag[4]
    if value is None:
        return f"`{name[3:]}=False`" if name.startswith("no_") else f"`{name}`"
    words = next(csv.reader(shlex.split(value)), [""])
    if name == "optimizer":
        pairs = [word.split("=") if "=" in word else ["name", word] for word in words]
        text = f"{{{', '.join(f'{key!r}: {_literal(part)}' for key, part in pairs)}}}"
    elif name == "drop" or len(words) > 1:
        text = f"[{', '.join(map(_literal, words))}]"
    else:
        text = _literal(words[0])
    return f"`{name}={text}`"


def _literal(word: str) -> str:
    return word if re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", word) else repr(word)


class DropstudyError(Exception):
    """A problem that the user can mend.

    Args:
        subject: the argument, field or file that is at fault.
        expected: what would have been right.
        received: what was found instead.
        next_step: one sentence on what to do.
        retry: arguments by name with which the same command would do; None leaves one out.
    """

    exit_code = 2

    def __init__(
        self,
        subject: str,
        *,
        expected: str,
        received: str,
        next_step: str = "",
        retry: Mapping[str, str | None] | None = None,
    ) -> None:
        self.subject = subject
        self.expected = expected
        self.received = received
        self.next_step = next_step
        self.retry = dict(retry or {})
        super().__init__(subject, expected, received, next_step)

    def __str__(self) -> str:
        subject = (
            self.subject.removeprefix("--").replace("-", "_") if self.subject[:2] == "--" else self.subject
        )
        return self._message(subject, _as_argument)

    def on_command_line(self, subject: str) -> str:
        """The message with flags, and the subject as the command calls it."""
        return self._message(subject, _as_typed)

    def _message(self, subject: str, form: Callable[[re.Match[str]], str]) -> str:
        expected, received, step = (
            _with_settings(_shortened(text), form) for text in (self.expected, self.received, self.next_step)
        )
        # One line, whatever a file or an argument holds that is quoted in it.
        return printable(f"{_shortened(subject)}: expected {expected}, received {received}. {step}".rstrip())

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from keywords, so that the error survives the way back from a worker process."""
        return _rebuild, (type(self), self.subject, self.expected, self.received, self.next_step, self.retry)


def _rebuild(  # noqa: PLR0917 - as the error has them
    kind: type[DropstudyError],
    subject: str,
    expected: str,
    received: str,
    next_step: str,
    retry: Mapping[str, str | None],
) -> DropstudyError:
    return kind(subject, expected=expected, received=received, next_step=next_step, retry=retry)


class InvalidArgument(DropstudyError, ValueError):
    """A flag, a field of a study file or an argument that cannot be used."""


class DataError(DropstudyError):
    """A file of examples that cannot be used."""


class DataUnavailable(DataError):
    """A named dataset that could not be found or fetched."""


class StoreError(DropstudyError):
    """A study directory that cannot be read or written."""


class StudyLocked(StoreError):
    """Another process runs this study."""


class DamagedFile(StoreError):
    """A file whose content is not what was written."""


class ModelError(DropstudyError):
    """Weights or a model file that cannot be used."""


class RunsFailed(DropstudyError):
    """Some runs failed or diverged; the others are finished."""

    exit_code = 3
