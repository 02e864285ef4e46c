"""Tables for the eye and for other programs."""

from __future__ import annotations

import io
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dropstudy.files import write_text

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

_HEADING = 14
"""Columns after which a heading goes on in a line below."""

_PIPE_WIDTH = 1000
"""Columns where there is no terminal: a wide page; long headings are set in several lines."""


def text(frame: pd.DataFrame) -> str:
    """A table as plain text, as wide as the terminal; numbers are set to the right."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _PIPE_WIDTH
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(frame.columns):
        # Folded, since names of arms tend to differ at the end.
        heading = Text(textwrap.fill(str(name), _HEADING, break_long_words=False))
        table.add_column(heading, justify="left" if number == 0 else "right", overflow="fold")
    for row in frame.itertuples(index=False):
        # Text, so that an arm called "[red]" is printed and not obeyed.
        table.add_row(*(Text(_cell(value)) for value in row))
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in stream.getvalue().strip("\n").splitlines())


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """A table as CSV, written whole or not at all."""
    write_text(path, frame.to_csv(index=False))


def _cell(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
