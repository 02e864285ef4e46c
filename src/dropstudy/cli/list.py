"""List the studies below a folder: `dropstudy list`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dropstudy.cli import options
from dropstudy.cli.output import echo
from dropstudy.errors import StoreError


def list_(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", parser=options.folder, help="Folder in which studies are looked for."
        ),
    ] = Path("studies"),
) -> None:
    """List studies in a folder: state, runs, time left, verdict.

    Example: dropstudy list studies
    """
    import pandas as pd

    from dropstudy.core import tables
    from dropstudy.report.overview import NOTHING, overview
    from dropstudy.store.paths import command

    studies = [overview(path) for path in found_studies(folder)]
    names = [str(study.folder.relative_to(folder)) for study in studies]
    rows = [{"study": name, **study.cells} for name, study in zip(names, studies, strict=True)]
    cells = pd.DataFrame(rows)
    cells = cells.loc[:, (cells != NOTHING).any()]  # no time left where all studies are finished
    typer.echo(tables.text(cells, left=("state", "verdict", "data", "network"), gap=2))
    for study in studies:
        if study.problem:
            echo(f"{study.folder} cannot be read: {study.problem}")
    unreported = [study for study in studies if study.state == "finished" and study.decision is None]
    if unreported:
        echo(f"A verdict is listed once there is a report: {command('report', unreported[0].folder)}")
    echo(f"All in the browser: {command('view', folder)}")


def found_studies(folder: Path) -> list[Path]:
    """Folders of the studies below a folder.

    Raises:
        StoreError: there is none.
    """
    from dropstudy.store.directory import find_studies, nearest_study, no_study

    found = find_studies(folder)
    if not found:
        if nearest_study(folder) is not None:
            raise no_study(folder)
        raise StoreError(
            str(folder),
            expected="a folder with studies",
            received="none in it" if folder.is_dir() else "no such folder",
            next_step="To train one in studies/notebook: dropstudy run",
        )
    return found
