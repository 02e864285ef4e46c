"""Remove a study, its weights or parts of it: `dropstudy rm`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dropstudy.cli import options
from dropstudy.cli.options import Folder
from dropstudy.cli.output import echo
from dropstudy.core.text import counted
from dropstudy.errors import InvalidArgument


def rm(  # noqa: PLR0917 - a command's flags, which typer reads off the signature
    folder: Folder,
    weights: Annotated[
        bool, typer.Option("--weights", help="The weights alone: numbers and predictions stay.")
    ] = False,
    seeds: Annotated[str | None, typer.Option(help="Take out these seeds alone: 3 or 3,4.")] = None,
    train_sizes: Annotated[
        str | None, typer.Option(help="Take out these training sizes alone: 1000,all.")
    ] = None,
    arms: Annotated[
        list[str] | None,
        typer.Option(help="Take out the arm of this name alone. Once for each arm.", show_default=False),
    ] = None,
    hidden: Annotated[
        list[str] | None,
        typer.Option(help="Take out this network alone: 512,512. Once for each.", show_default=False),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a study, its weights, or seeds, sizes, arms and networks of it. What else lies in its folder stays.

    Example: dropstudy rm studies/notebook --weights
    """
    from dropstudy.runtime.removal import part, take_out
    from dropstudy.runtime.retention import in_words, remove_study, remove_weights, sizes_in_words
    from dropstudy.study.study import Study

    study = Study.open(folder)
    asked = {
        "seeds": options.numbers("seeds", seeds, int, "3,4"),
        "train_sizes": options.sizes(train_sizes),
        "arms": arms,
        "hidden": [options.numbers("hidden", text, int, "512,512") or [] for text in hidden or ()],
    }
    some = any(asked.values())
    if some and weights:
        raise InvalidArgument(
            "--weights",
            expected="either --weights or a part of the study",
            received="both",
            next_step="Leave --weights out: what is taken out goes with its weights.",
        )
    if some:
        going = part(folder, **asked)
        what = f"{going.words} from the study {folder}, {counted(len(going.runs), 'run')} with all files"
    else:
        sizes = study.sizes()
        what = (
            f"the weights of all finished runs in {folder} ({in_words(sizes['weights'])})"
            if weights
            else f"the study {folder} ({sizes_in_words(sizes)})"
        )
    if not yes:
        if sys.stdin is None or not sys.stdin.isatty():
            raise InvalidArgument(
                "--yes",
                expected="a terminal to ask on, or --yes",
                received="neither",
                next_step=f"Add --yes to remove {what}.",
            )
        typer.confirm(f"Remove {what}?", abort=True)
    left: list[str] = []
    if some:
        take_out(folder, **asked)
    elif weights:
        remove_weights(folder)
    else:
        left = remove_study(folder)
    echo(f"Removed {what}.")
    if left:
        echo(f"{folder} stays, for what is not the study's: {', '.join(left)}.")
