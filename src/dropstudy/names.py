"""Names from a study file, and counts, made fit for a line of text."""

from __future__ import annotations

import unicodedata


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


def counted(count: int, what: str) -> str:
    """How many of what: "1 run", "2 runs"."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
