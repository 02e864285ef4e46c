"""Names from files and arguments, counts and numbers, made fit for a line of text. Numbers are rounded here alone."""

from __future__ import annotations

import unicodedata
from decimal import ROUND_HALF_UP, Decimal
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_NOISE = 9
"""Decimal places from which on a float is rounding: 100 * (0.98765 - 0.97) is 1.765."""


def plain_name(name: str, limit: int = 60) -> str:
    """A name as one line of at most `limit` characters, for titles and sentences.

    Line breaks and characters that cannot be seen become a space; a name too long loses its middle, since
    names of one study tend to differ at the end.
    """
    visible = "".join(" " if unicodedata.category(c).startswith("C") else c for c in name)
    line = " ".join(visible.split())
    if len(line) > limit:
        tail = (limit - 1) // 2
        line = f"{line[: limit - 1 - tail]}…{line[len(line) - tail :]}"
    return line or "(no name)"


def visible_form(name: str) -> str:
    """Form that look-alike names share: compatible letters are one (NFKC), invisible ones none."""
    letters = unicodedata.normalize("NFKC", name)
    return " ".join("".join(c for c in letters if unicodedata.category(c) != "Cf").split())


def counted(count: int, what: str) -> str:
    """Count with its noun: "1 run", "2 runs"."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def rounded(value: float, places: int = 2) -> str:
    """A number for a reader, half away from zero: 1.765 is "1.77"; "-" where it is no finite number; never "-0.00".

    The decimal number is rounded, not the binary one next to it, so that one value reads the same everywhere.
    """
    if not isfinite(value):
        return "-"
    decimal = Decimal(repr(round(float(value), _NOISE))).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return f"{decimal + 0 if decimal else abs(decimal)}"


def signed(points: float, *, unlike: Iterable[float] = ()) -> str:
    """Points with their sign, "+0.13".

    Args:
        points: a difference.
        unlike: numbers that it must not look like where it is another one, for which it gets more digits: an interval
            that ends at 0.0049 does not hold 0, and ends at "+0.005".
    """
    marks = [mark for mark in unlike if isfinite(points) and round(points - mark, _NOISE)]
    places = 2
    while places < _NOISE and any(
        Decimal(rounded(points, places)) == Decimal(rounded(mark, _NOISE)) for mark in marks
    ):
        places += 1
    text = rounded(points, places)
    return text if text[0] == "-" else f"+{text}"


def percent(share: float) -> str:
    """A share in percent, "98.12%"."""
    return f"{rounded(100 * share)}%"


def span(low: float, high: float, *, margin: float = 0.0) -> str:
    """An interval's ends, "+0.08 to +0.18", with as many digits as it takes to see whether 0 and ±margin are inside."""
    marks = (0.0, margin, -margin)
    return f"{signed(low, unlike=marks)} to {signed(high, unlike=marks)}"
