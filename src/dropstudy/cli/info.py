"""List presets and data: `dropstudy presets` and `dropstudy data`."""

from __future__ import annotations

from typing import Annotated

import typer

from dropstudy.cli.options import DataDir
from dropstudy.cli.output import echo
from dropstudy.errors import InvalidArgument


def presets(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Print this preset's file.")] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of study files, for an editor.")
    ] = False,
) -> None:
    """List the presets, or print one.

    Example: dropstudy presets notebook > mine.toml
    """
    from dropstudy.spec.presets import names, text, title

    if schema:
        from dropstudy.spec.schema import schema_text

        typer.echo(schema_text(), nl=False)
    elif name is None:
        for preset in names():
            echo(f"{preset}: {title(preset)}")
    elif name in names():
        typer.echo(text(name), nl=False)
    else:
        raise InvalidArgument("NAME", expected=f"one of {', '.join(names())}", received=repr(name))


def data(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A dataset's name or file.")] = None,
    data_dir: DataDir = None,
) -> None:
    """List the datasets by name and where data is searched for. With a name, print what is found, shapes and classes.

    Example: dropstudy data mnist
    """
    from dropstudy.data import describe
    from dropstudy.data.load import load_dataset

    if name is None:
        for line in describe.names():
            echo(line)
    for line in describe.where(name, data_dir):
        echo(line)
    if name is not None:
        dataset = load_dataset(name, data_dir=data_dir)
        for line in (*describe.shapes(dataset), *describe.class_counts(dataset)):
            echo(line)
