"""List presets and data: `dropstudy presets` and `dropstudy data`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dropstudy.cli.completion import data_and_files, preset_names
from dropstudy.cli.options import (
    DataDir,
    Drop,
    Group,
    ImageSize,
    Target,
    TestFile,
    TestSize,
    joined,
)
from dropstudy.cli.output import echo
from dropstudy.core.streams import fill, is_terminal, terminal_width, wrap_paragraphs
from dropstudy.errors import DataUnavailable, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dropstudy.core.dataset import Dataset

_REPEATED = (
    "These repeat what papers report, some on other networks and data. What comes out: docs/known_results.md"
)

_GAP, _LEAST_ROOM = 2, 20  # columns: between columns, for a title


def presets(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Print this preset's file.", autocompletion=preset_names),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of study files, for an editor.")
    ] = False,
) -> None:
    """List the presets, or print one.

    Example: dropstudy presets notebook > mine.toml
    """
    from dropstudy.spec.presets import names, text

    if schema:
        from dropstudy.spec.schema import schema_text

        typer.echo(schema_text(), nl=False)
    elif name is None:
        typer.echo("\n".join(_listed()))
    elif name in names():
        typer.echo(text(name), nl=False)
    else:
        raise InvalidArgument("NAME", expected=f"one of {', '.join(names())}", received=repr(name))


def _listed() -> Iterator[str]:
    """Lines that list the presets: name, time on two cores and title in columns; titles are wrapped on a terminal."""
    from dropstudy.spec.presets import duration, names, published, title

    rows = [
        ("preset", "on two cores", "what it is about"),
        *((name, duration(name), title(name)) for name in names()),
    ]
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:2]]
    room = max(terminal_width() - sum(widths) - 2 * _GAP, _LEAST_ROOM)
    for name, time, about in rows:
        if name == published()[0]:
            yield f"\n{wrap_paragraphs(_REPEATED)}"
        first, *others = fill(about, room).splitlines() if is_terminal() else [about]
        yield f"{name:{widths[0] + _GAP}}{time:{widths[1] + _GAP}}{first}".rstrip()
        yield from (" " * (sum(widths) + 2 * _GAP) + line for line in others)


def data(  # noqa: PLR0917 - a command's flags, which typer reads off the signature
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="PATH",
            help="A dataset's name, a file or a folder, as for run --data.",
            autocompletion=data_and_files,
        ),
    ] = None,
    target: Target = None,
    test: TestFile = None,
    test_size: TestSize = None,
    group: Group = None,
    drop: Drop = None,
    image_size: ImageSize = None,
    data_dir: DataDir = None,
    pictures: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Write some images of each class to this file.")
    ] = None,
) -> None:
    """Show what is understood of data, and train nothing: rows, classes, columns, leaks. Without PATH, list all names.

    Example: dropstudy data train.csv --target species
    """
    from dropstudy.data import describe

    if path is None:
        for line in (*describe.names(), *describe.where(data_dir=data_dir)):
            echo(line)
        return
    fields = {
        "data": path,
        "target": target,
        "test": test,
        "test_size": test_size,
        "group": group,
        "drop": joined(drop),
        "image_size": image_size,
    }
    dataset = _described({name: value for name, value in fields.items() if value is not None}, data_dir)
    if pictures is not None:
        from dropstudy.cli.pictures import write_sheet

        write_sheet(dataset, pictures, source=path)


def _described(fields: dict[str, Any], data_dir: Path | None) -> Dataset:
    """Load data, as `run` does with these fields, and print an overview of them."""
    from dropstudy.cli.pictures import print_some
    from dropstudy.data import describe
    from dropstudy.data.formats.csv_parquet import read_table
    from dropstudy.data.load import dataset_of, source_of
    from dropstudy.data.overview import columns_of, overview
    from dropstudy.data.sources.table_file import TableFile
    from dropstudy.spec.study_file import read_spec

    spec = read_spec("notebook", fields)
    source = source_of(spec.data)
    if spec.target is None and isinstance(source, TableFile):
        typer.echo(f"{columns_of(read_table(source.path).frame)}\n")
    try:
        dataset = dataset_of(spec, data_dir=data_dir)
    except DataUnavailable:
        for line in describe.where(fields["data"], data_dir):
            echo(line)
        raise
    echo("\n\n".join(overview(dataset)))
    typer.echo()
    print_some(dataset)
    places = describe.where(fields["data"], data_dir)
    for line in places if len(places) > 1 else ():  # a file of the user's own is where it was named
        echo(line)
    return dataset
