"""Checks of one value from a study file, a flag or an argument: the value, or an error that names it."""

from __future__ import annotations

import difflib
import math
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from dropstudy.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MAX_COUNT = 2**31 - 1
"""The engine counts steps and sizes arrays with 32-bit integers."""

_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's categories of what would break a line, command a terminal or not encode."""

_SHOWN = 200


def refuse_unknown(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Refuse a table with a field that is not known, naming the nearest that is."""
    known = tuple(known)
    for field in map(str, table):
        if field not in known:
            near = difflib.get_close_matches(field, known, n=1)
            raise InvalidArgument(
                f"{one_line(field)} ({where})",
                expected=f"one of {', '.join(known)}",
                received=f"the unknown field {field!r}",
                next_step=f"Did you mean {near[0]!r}?" if near else "Remove it.",
            )


def text(subject: str, value: object) -> str:
    """A text of one line."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgument(subject, expected="a text", received=shown(value))
    if one_line(value) != value:
        raise InvalidArgument(
            subject, expected="a text of one line, without control characters", received=shown(value)
        )
    return value


def is_file_of_data(data: str) -> bool:
    """True for the path of a file, False for the name of a dataset."""
    return data.lower().endswith(".npz")


def name(subject: str, value: object) -> str:
    """A text that can be a folder's name."""
    checked = text(subject, value)
    if any(c in checked for c in "/\\") or checked in {".", ".."}:
        raise InvalidArgument(
            subject,
            expected="a name that can be a folder's, without slashes",
            received=shown(checked),
        )
    return checked


def choice(subject: str, value: object, choices: tuple[Any, ...]) -> Any:
    """One of `choices`."""
    if value not in choices:
        raise InvalidArgument(subject, expected=" or ".join(map(repr, choices)), received=shown(value))
    return value


def boolean(subject: str, value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise InvalidArgument(subject, expected="true or false", received=shown(value))
    return value


def integer(subject: str, value: object, lowest: int, highest: int, expected: str) -> int:
    """A whole number between bounds."""
    # Integral and Real, since NumPy's numbers are those too.
    if isinstance(value, bool) or not isinstance(value, Integral) or not lowest <= int(value) <= highest:
        raise InvalidArgument(subject, expected=expected, received=shown(value))
    return int(value)


def count(subject: str, value: object) -> int:
    """A whole number of 1 or more."""
    return integer(subject, value, 1, MAX_COUNT, f"a whole number from 1 to {MAX_COUNT}")


def number(subject: str, value: object, holds: Callable[[float], bool], expected: str) -> float:
    """A number for which `holds` is true."""
    converted = math.nan  # which no condition holds for
    if isinstance(value, Real) and not isinstance(value, bool):
        with suppress(OverflowError):
            converted = float(value)
    if not holds(converted):
        raise InvalidArgument(subject, expected=expected, received=shown(value))
    return converted + 0.0  # -0.0 becomes 0.0: one number, one key


MOST_MARGIN = 50.0
"""Points: from guessing one of two classes to a network that is always right. No difference between two useful
networks is larger, and with a larger margin every one of them would be equivalent."""


def margin(value: float) -> float:
    """Differences of test accuracy that do not matter, in points."""
    expected = f"points of test accuracy above 0 and at most {MOST_MARGIN:g}"
    return number("margin", value, lambda m: 0 < m <= MOST_MARGIN, expected)


def sequence(subject: str, value: object, of: str) -> list[Any]:
    """A list with something in it."""
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)) or not value:
        raise InvalidArgument(subject, expected=f"a list of one or more {of}", received=shown(value))
    return list(value)


def refuse_twice(subject: str, what: str, values: Sequence[Any]) -> None:
    """Refuse a value that comes twice."""
    seen = set()
    for value in values:
        if value in seen:
            raise InvalidArgument(
                subject, expected=f"{subject} that differ in {what}", received=f"{what} {shown(value)} twice"
            )
        seen.add(value)


def shown(value: object) -> str:
    """A value as an error prints it, cut to the length of a line or two."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]}...{text[-_SHOWN // 2 :]}"


def one_line(text: str) -> str:
    """A text with everything replaced that would break its line."""
    return "".join(" " if unicodedata.category(c) in _UNPRINTABLE else c for c in text)
