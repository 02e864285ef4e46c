"""Two studies beside each other: `dropstudy diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dropstudy.cli.options import Folder

DIFFERENT = 1


def diff(
    one: Folder,
    other: Annotated[
        Path, typer.Argument(metavar="DIR2", help="The other study's folder.", show_default=False)
    ],
) -> None:
    """Say of each run of two studies whether it is the same in both, to the bit. Ends with 1 where one is not.

    Example: dropstudy diff studies/here studies/there
    """
    import pandas as pd

    from dropstudy.core import tables
    from dropstudy.store import diff as sameness

    compared = sameness.compare(one, other)
    rows = [
        {
            "arm": each.run.arm.name,
            "hidden": each.run.condition.layers,
            "examples": each.run.condition.train_size,
            "seed": each.run.seed,
            "status": " / ".join(dict.fromkeys(status or "not there" for status in each.statuses)),
            "history": each.history,
            "test metrics": each.test,
            "predictions": each.predictions,
            "weights": each.weights,
        }
        for each in compared
    ]
    if rows:
        typer.echo(tables.text(pd.DataFrame(rows)))
    same = sum(each.same for each in compared)
    typer.echo(f"{same} of {len(compared)} runs are the same in both studies, to the bit.")
    if same < len(compared):
        raise typer.Exit(DIFFERENT)
