"""Tables as plain text and as CSV."""

from __future__ import annotations

import io
import re
import textwrap
from functools import partial
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dropstudy.core.atomic import write_text
from dropstudy.core.streams import is_terminal, terminal_width
from dropstudy.errors import printable

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import pandas as pd
    from rich.console import RenderableType

_HEADING, _NARROW_HEADING = 14, 10
"""Characters in a line of a heading: where there is room, and where there is little."""

_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""First characters of spreadsheet formulas, their full-width forms included."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)

_PIPE_WIDTH = 1000
"""Characters in a line without a terminal."""


def text(frame: pd.DataFrame, *, left: Collection[str] = (), gap: int = 3, keys: int = 1) -> str:
    """A table as plain text.

    Columns that the terminal is too narrow for follow in a second table, which repeats the first ones.

    Args:
        frame: the table.
        left: columns that are aligned to the left, as the first one is.
        gap: blanks between columns, 2 or 3; 2 where the table then fits.
        keys: number of first columns that say what a row is about.
    """
    width = _width()
    first, *others = (_drawn(table, width) for table in tables(frame, width, left=left, gap=gap, keys=keys))
    return "\n".join((first, *(part.removeprefix("\n") for part in others)))


def tables(
    frame: pd.DataFrame, width: int, *, left: Collection[str] = (), gap: int = 3, keys: int = 1
) -> list[RenderableType]:
    """A table as one that fits a width, or as several that repeat the first columns; arguments as for `text`."""
    every = list(range(frame.shape[1]))
    made = partial(_table, frame, left=left, gap=gap)
    for whole in (made(every), _table(frame, every, left=left, gap=2, narrow=True)):
        if least_width(whole) <= width:
            return [whole]
    widest_name = width // 3
    parts = [every[: keys + 1]]
    for column in every[keys + 1 :]:
        if least_width(made([*parts[-1], column], widest_name)) <= width:
            parts[-1].append(column)
        else:
            parts.append([*every[:keys], column])
    return [made(columns, widest_name) for columns in parts]


def least_width(table: RenderableType) -> int:
    """Columns of a terminal that a table takes."""
    return Console(file=io.StringIO(), width=_PIPE_WIDTH).measure(table).maximum


def _width() -> int:
    return terminal_width() if is_terminal() else _PIPE_WIDTH


def _table(
    frame: pd.DataFrame,
    columns: list[int],
    widest_name: int | None = None,
    *,
    left: Collection[str],
    gap: int,
    narrow: bool = False,
) -> RenderableType:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, gap - 2), show_edge=not narrow)
    for number in columns:
        # Folded and not cut: names of arms tend to differ at the end.
        first = number == 0
        table.add_column(
            Text(heading(str(frame.columns[number]), _NARROW_HEADING if narrow else _HEADING)),
            justify="left" if first or frame.columns[number] in left else "right",
            overflow="fold",
            max_width=widest_name if first else None,
        )
    for row in frame.itertuples(index=False):
        # Text, so that an arm named "[red]" is no markup.
        table.add_row(*(_cell(row[number]) for number in columns))
    # The edges, which take two columns, are the blank lines above and below, too.
    return Padding(table, (1, 0), expand=False) if narrow else table


def _drawn(table: RenderableType, width: int) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in stream.getvalue().strip("\n").splitlines())


def heading(name: str, width: int = _HEADING) -> str:
    """Heading of a column, in several lines where it is longer than `width`."""
    return textwrap.fill(name, width, break_long_words=False)


def csv(frame: pd.DataFrame, digits: int | None = None) -> str:
    """A table as CSV. Texts that begin like a spreadsheet formula get an apostrophe (OWASP, "CSV Injection").

    Args:
        frame: the table.
        digits: significant digits of each number; None for all.
    """
    safe = frame.set_axis([_no_formula(name) for name in frame.columns], axis="columns")
    safe = safe.apply(lambda column: column if column.dtype.kind in "biuf" else column.map(_no_formula))
    text: str = safe.to_csv(
        index=False, lineterminator="\n", float_format=None if digits is None else f"%.{digits}g"
    )
    return text


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as a CSV file, atomically."""
    write_text(path, csv(frame))


def _cell(value: object) -> Text:
    if isinstance(value, Text):
        return value
    return Text(f"{value:.4f}" if isinstance(value, float) else printable(str(value)))


def _no_formula(value: object) -> object:
    if not isinstance(value, str) or not value.startswith(_FORMULA) or _NUMBER.fullmatch(value):
        return value
    return f"'{value}"
