"""Names, counts and numbers as text. All numbers that readers see are rounded here."""

from __future__ import annotations

import unicodedata
from decimal import ROUND_HALF_UP, Decimal
from math import floor, isfinite, log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NOISE = 9
"""Decimal places, after which a float's digits are rounding errors: 100 * (0.98765 - 0.97) is 1.765."""


def plain_name(name: str, limit: int = 60) -> str:
    """A name as one line of at most `limit` characters, for titles and sentences.

    Line breaks and invisible characters become spaces. A long name loses its middle: names tend to differ at the end.
    """
    visible = "".join(" " if unicodedata.category(c).startswith("C") else c for c in name)
    line = " ".join(visible.split())
    if len(line) > limit:
        tail = (limit - 1) // 2
        line = f"{line[: limit - 1 - tail]}…{line[len(line) - tail :]}"
    return line or "(no name)"


def visible_form(name: str) -> str:
    """Form that names share which look alike: with compatible letters unified (NFKC) and invisible ones removed."""
    letters = unicodedata.normalize("NFKC", name)
    return " ".join("".join(c for c in letters if unicodedata.category(c) != "Cf").split())


def counted(count: int, what: str) -> str:
    """A count with its noun: "1 run", "2 runs"."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def first_of(texts: Sequence[str], most: int, joint: str = ", ") -> str:
    """The first texts, and the number of the others: "a, b, c and 4 more"."""
    more = f" and {len(texts) - most:,} more" if len(texts) > most else ""
    return f"{joint.join(texts[:most])}{more}"


UNLIKE = "where the study has"
"""Words of what differs on a machine from the one that a study's numbers are those of."""


def joined_parts(*texts: str | None) -> str:
    """Parts of texts, each once: "a; b; c" of "a; b" and "c; a"."""
    return "; ".join(dict.fromkeys(part for text in texts if text for part in text.split("; ")))


def condition_title(hidden: str, train_size: int) -> str:
    """Heading of a condition: "Hidden layers 512-512, 60,000 training examples"."""
    return f"Hidden layers {hidden}, {train_size:,} training examples"


def rounded(value: float, places: int = 2) -> str:
    """A number rounded half away from zero: 1.765 is "1.77"; never "-0.00"; "-" where it is not finite.

    The decimal number is rounded and not its binary approximation, so that a value reads the same everywhere.
    """
    if not isfinite(value):
        return "-"
    decimal = Decimal(repr(round(float(value), _NOISE))).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return f"{decimal or abs(decimal):f}"


def decimals(uncertainty: float) -> int:
    """Decimal places for a number with this uncertainty: two digits of it up to 354, else one (Particle Data Group).

    0.0712 says that hundredths are uncertain: 2 places. 0.0212 says it of thousandths, in part: 3.
    """
    exponent = floor(log10(uncertainty))
    two = uncertainty / 10**exponent < 3.55  # noqa: PLR2004 - the rule's own bound
    return min(max(int(two) - exponent, 0), _NOISE)


def signed(points: float, *, unlike: Iterable[float] = (), places: int = 2) -> str:
    """Points with their sign, "+0.13".

    Args:
        points: a difference.
        unlike: other numbers, which the text must differ from; it gets more digits where needed. An interval that ends
            at 0.0049 excludes 0 and ends at "+0.005".
        places: decimal places.
    """
    marks = [mark for mark in unlike if isfinite(points) and round(points - mark, _NOISE)]
    while places < _NOISE and any(
        Decimal(rounded(points, places)) == Decimal(rounded(mark, _NOISE)) for mark in marks
    ):
        places += 1
    text = rounded(points, places)
    return text if text[0] == "-" else f"+{text}"


def percent(share: float) -> str:
    """A share in percent, "98.12%"."""
    return f"{rounded(100 * share)}%"


def whole_percent(share: float) -> str:
    """A probability in whole percent, "87%"; "below 1%" and "above 99%" at the ends, which it never reaches."""
    if share < 0.005:  # noqa: PLR2004 - what rounds to 0
        return "below 1%"
    return "above 99%" if share > 0.995 else f"{rounded(100 * share, 0)}%"  # noqa: PLR2004 - to 100


def span(low: float, high: float, *, margin: float = 0.0, places: int = 2) -> str:
    """Ends of an interval, "+0.08 to +0.18", with enough digits to see whether 0 and ±margin lie inside."""
    marks = (0.0, margin, -margin)
    return " to ".join(signed(end, unlike=marks, places=places) for end in (low, high))
