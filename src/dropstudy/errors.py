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
"""

from __future__ import annotations

import unicodedata

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


class DropstudyError(Exception):
    """A problem that the user can mend.

    Args:
        subject: the argument, field or file that is at fault.
        expected: what would have been right.
        received: what was found instead.
        next_step: one sentence on what to do.
    """

    exit_code = 2

    def __init__(self, subject: str, *, expected: str, received: str, next_step: str = "") -> None:
        self.subject = subject
        self.expected = expected
        self.received = received
        self.next_step = next_step
        super().__init__(subject, expected, received, next_step)

    def __str__(self) -> str:
        subject, expected, received = map(_shortened, (self.subject, self.expected, self.received))
        message = f"{subject}: expected {expected}, received {received}."
        # One line, whatever a file or an argument holds that is quoted in it.
        return printable(f"{message} {_shortened(self.next_step)}".rstrip())

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from keywords, so that the error survives the way back from a worker process."""
        return _rebuild, (type(self), self.subject, self.expected, self.received, self.next_step)


def _rebuild(
    kind: type[DropstudyError], subject: str, expected: str, received: str, next_step: str
) -> DropstudyError:
    return kind(subject, expected=expected, received=received, next_step=next_step)


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
