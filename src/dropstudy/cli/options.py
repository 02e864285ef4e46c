"""Options that several commands share, and parsers of lists and numbers in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dropstudy.analysis.sequential import MOST, checked_most
from dropstudy.errors import InvalidArgument, StoreError


def folder(text: str) -> Path:
    """A study's folder. An empty text would be the current folder: it comes of a variable that is not set."""
    if not text.strip():
        raise StoreError(
            "the study's folder",
            expected="a path such as studies/notebook",
            received=repr(text),
            next_step="For the current folder, say '.'.",
        )
    return Path(text)


Folder = Annotated[
    Path, typer.Argument(metavar="DIR", parser=folder, help="The study's folder.", show_default=False)
]
DataDir = Annotated[
    Path | None, typer.Option(help="Folder to look for data in, before $DROPSTUDY_DATA.", show_default=False)
]
ArmName = Annotated[str | None, typer.Option(help="Name of the arm; the baseline if left out.")]
Seed = Annotated[int | None, typer.Option(help="Seed of the run; the first if left out.")]

HiddenOf = Annotated[
    str | None, typer.Option("--hidden", help="Hidden layers of the network, 512,512; the first if left out.")
]
TrainSize = Annotated[int | None, typer.Option(help="Examples it was trained on; the first if left out.")]


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


def scale(text: str | None) -> float | str | None:
    """`auto` or the number that inputs are divided by; None where it was not given."""
    if text is None or text == "auto":
        return text
    try:
        return float(text)
    except ValueError as error:
        raise InvalidArgument(
            "--scale", expected="auto or a number such as 255", received=repr(text)
        ) from error


def networks(texts: list[str] | None) -> list[Any] | None:
    """One network of `--hidden 512,512`, or several, where it is given several times."""
    several = [numbers("hidden", text, int, "512,512") for text in texts or ()]
    return several if len(several) > 1 else next(iter(several), None)


def sizes(text: str | None) -> list[int | str] | None:
    """Training sizes of `--train-sizes 1000,all`."""
    if text is None:
        return None
    parts = [part.strip() for part in text.removesuffix(",").split(",")]
    try:
        return [part if part == "all" else int(part) for part in parts]
    except ValueError as error:
        raise InvalidArgument(
            "--train-sizes",
            expected="counts with commas between, or all, such as 1000,10000,all",
            received=repr(text),
        ) from error


def arms(texts: list[str] | None) -> list[dict[str, Any]] | None:
    """The settings of arms, each `--arms rate=0.5,max_norm=3` one of them."""
    return [_settings(text) for text in texts] if texts else None


def _settings(text: str) -> dict[str, Any]:
    pairs = [part.split("=", 1) for part in text.removesuffix(",").split(",")]
    if not all(len(pair) == 2 for pair in pairs):  # noqa: PLR2004 - a name and its value
        raise InvalidArgument(
            "--arms",
            expected="settings with commas between, such as rate=0.5,max_norm=3",
            received=repr(text),
            next_step="An arm for each --arms; --rates 0,0.5 is a short way where arms differ in the rate alone.",
        )
    return {name.strip(): _value(value.strip()) for name, value in pairs}


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def seeds(text: str | None) -> int | list[Any] | None:
    """Number of seeds, or the seeds themselves."""
    values = numbers("seeds", text, int, "3,4,5")
    return values if values is None or "," in (text or "") else values[0]


def most_seeds(given: int | None, *, until_decided: bool) -> int | None:
    """The seeds to give up at; None where none are added."""
    if until_decided:
        return MOST if given is None else checked_most(given)
    if given is not None:
        raise InvalidArgument(
            "--max-seeds",
            expected="--until-decided beside it",
            received=f"--max-seeds {given} alone",
            next_step=f"Add --until-decided, or give the number of seeds as --seeds {given}.",
        )
    return None


def validation_split(text: str | None) -> str | float | int | None:
    """`test`, a share or a count of the training examples."""
    if text is None or text == "test":
        return text
    try:
        return int(text) if text.lstrip("+-").isdecimal() else float(text)
    except ValueError as error:
        raise InvalidArgument(
            "--validation-split",
            expected="test, a share such as 0.1 or a count such as 10000",
            received=repr(text),
        ) from error
