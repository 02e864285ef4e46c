"""Arguments that several commands share, and lists and numbers out of the text of a flag."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dropstudy.errors import InvalidArgument

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The study's folder.", show_default=False)]
DataDir = Annotated[
    Path | None, typer.Option(help="Folder to look for data in, before $DROPSTUDY_DATA.", show_default=False)
]
ArmName = Annotated[str | None, typer.Option(help="Name of the arm; the baseline if left out.")]
Seed = Annotated[int | None, typer.Option(help="Seed of the run; the first if left out.")]


def numbers(name: str, text: str | None, kind: type, example: str) -> list[Any] | None:
    """The numbers of a flag such as `0,0.5`; None where it was not given."""
    if text is None:
        return None
    try:
        return [kind(part) for part in text.removesuffix(",").split(",")]
    except ValueError as error:
        raise InvalidArgument(
            f"--{name}", expected=f"numbers with commas between, such as {example}", received=repr(text)
        ) from error


def seeds(text: str | None) -> int | list[Any] | None:
    """How many seeds, or which."""
    values = numbers("seeds", text, int, "3,4,5")
    return values if values is None or "," in (text or "") else values[0]


def validation(text: str | None) -> str | float | int | None:
    """`test`, a share or a count of the training examples."""
    if text is None or text == "test":
        return text
    try:
        return int(text) if text.lstrip("+-").isdecimal() else float(text)
    except ValueError as error:
        raise InvalidArgument(
            "--validation", expected="test, a share such as 0.1 or a count such as 10000", received=repr(text)
        ) from error
