"""List presets, data and hardware: `dropstudy presets`, `dropstudy data` and `dropstudy doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from dropstudy.cli.options import DataDir
from dropstudy.cli.output import echo
from dropstudy.errors import InvalidArgument


def presets(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Print this preset's file.")] = None,
) -> None:
    """List the study files that ship, or print one.

    Example: dropstudy presets notebook > mine.toml
    """
    from dropstudy.spec import presets as shipped

    if name is None:
        for preset in shipped.names():
            typer.echo(f"{preset}: {shipped.title(preset)}")
    elif name in shipped.names():
        typer.echo(shipped.text(name), nl=False)
    else:
        raise InvalidArgument("NAME", expected=f"one of {', '.join(shipped.names())}", received=repr(name))


def data(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A dataset's name or file.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Say where data is looked for, what is there, and what condition it has.

    Example: dropstudy data mnist
    """
    from dropstudy.data import describe
    from dropstudy.data.load import load_dataset

    for line in describe.where(name, data_dir):
        echo(line)
    if name is not None:
        for line in describe.shapes(load_dataset(name, data_dir=data_dir)):
            echo(line)


def doctor() -> None:
    """Say what training would use here: device, precision, workers, versions, folders.

    Example: dropstudy doctor
    """
    from dropstudy.runtime import doctor as examination

    for line in examination.lines():
        echo(line)
