"""Space on the disk: `dropstudy rm`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dropstudy.cli.arguments import Folder
from dropstudy.errors import InvalidArgument


def rm(
    folder: Folder,
    weights: Annotated[
        bool, typer.Option("--weights", help="The weights alone: numbers and predictions stay.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a study, or its weights. What else lies in its folder stays.

    Example: dropstudy rm studies/notebook --weights
    """
    from dropstudy.space import in_words, remove_study, remove_weights, sizes_in_words
    from dropstudy.study import Study

    sizes = Study.open(folder).sizes()
    freed = in_words(sizes["weights"]) if weights else sizes_in_words(sizes)
    what = (
        f"the weights of all finished runs in {folder} ({freed})"
        if weights
        else f"the study {folder} ({freed})"
    )
    if not yes:
        if not sys.stdin.isatty():
            raise InvalidArgument(
                "--yes",
                expected="a terminal to ask on, or --yes",
                received="neither",
                next_step=f"Add --yes to remove {what}.",
            )
        typer.confirm(f"Remove {what}?", abort=True)
    if weights:
        remove_weights(folder)
        typer.echo(f"Removed {what}.")
        return
    left = remove_study(folder)
    typer.echo(f"Removed {what}.")
    if left:
        typer.echo(f"{folder} stays, for what is not the study's: {', '.join(left)}.")
