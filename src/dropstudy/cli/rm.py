"""Remove a study, its weights or parts of it: `dropstudy rm`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from dropstudy.cli import options
from dropstudy.cli.options import Folder
from dropstudy.cli.output import echo
from dropstudy.core.text import counted
from dropstudy.errors import InvalidArgument

DECLINED = 1
"""Exit code where the question is answered with no."""


def rm(  # noqa: PLR0917 - a command's flags, which typer reads off the signature
    folder: Folder,
    weights: Annotated[
        bool, typer.Option("--weights", help="Remove only the weights; numbers and predictions stay.")
    ] = False,
    seeds: Annotated[
        Any, typer.Option(parser=options.seed_list, metavar="3,4", help="Remove only these seeds.")
    ] = None,
    train_sizes: Annotated[
        Any, typer.Option(parser=options.sizes, metavar="1000,all", help="Remove only these training sizes.")
    ] = None,
    arms: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Remove only the arm of this name. Once for each arm.", show_default=False
        ),
    ] = None,
    hidden: Annotated[
        list[Any] | None,
        typer.Option(
            parser=options.layers,
            metavar="512,512",
            help="Remove only this network. Once for each network.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a study, its weights or parts of it. Files of others in its folder stay.

    Example: dropstudy rm studies/notebook --weights
    """
    from dropstudy.runtime.removal import find_part, remove_part, remove_study, remove_weights
    from dropstudy.runtime.retention import disk_usage, format_bytes
    from dropstudy.store.paths import StudyPaths
    from dropstudy.study.study import Study

    Study.open(folder)  # refuses a folder that holds no study
    chosen = {"seeds": seeds, "train_sizes": train_sizes, "arms": arms, "hidden": hidden or []}
    if any(chosen.values()):
        if weights:
            raise InvalidArgument(
                "--weights",
                expected="either --weights or a part of the study",
                received="both",
                next_step="Leave --weights out: the weights of the part are removed with it.",
            )
        removed = find_part(folder, **chosen)
        runs = counted(len(removed.runs), "run")
        what = f"{removed.description} from the study {folder}, {runs} with all files"
    elif weights:
        what = f"the weights of all finished runs in {folder} ({format_bytes(StudyPaths(folder).sizes()['weights'])})"
    else:
        what = f"the study {folder} ({disk_usage(StudyPaths(folder).sizes())})"
    _confirm(what, yes=yes)
    left: list[str] = []
    if any(chosen.values()):
        remove_part(folder, **chosen)
    elif weights:
        remove_weights(folder)
    else:
        left = remove_study(folder)
    echo(f"Removed {what}.")
    if left:
        echo(f"{folder} stays, because it holds other files: {', '.join(left)}.")


def _confirm(what: str, *, yes: bool) -> None:
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise InvalidArgument(
            "--yes",
            expected="a terminal to ask on, or --yes",
            received="neither",
            next_step=f"Add --yes to remove {what}.",
        )
    try:
        typer.confirm(f"Remove {what}?", abort=True)
    except typer.Abort:  # no, Ctrl-C or the end of input
        echo("Nothing was removed.", err=True)
        raise typer.Exit(DECLINED) from None
