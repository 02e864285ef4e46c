"""Compare two studies: `dropstudy diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dropstudy.cli.options import Folder, folder

DIFFERENT = 1
"""Exit code where a run differs."""


def diff(
    one: Folder,
    other: Annotated[
        Path,
        typer.Argument(metavar="DIR2", parser=folder, help="Folder of the other study.", show_default=False),
    ],
) -> None:
    """Compare each run of two studies, to the bit. The exit code is 1 if one differs.

    Example: dropstudy diff studies/here studies/there
    """
    import pandas as pd

    from dropstudy.core import tables
    from dropstudy.store.diff import compare

    compared = compare(one, other)
    rows = [
        {
            "arm": each.run.arm.name,
            "hidden": each.run.condition.layers,
            "examples": each.run.condition.train_size,
            "seed": each.run.seed,
            "status": " / ".join(dict.fromkeys(status or "missing" for status in each.statuses)),
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
    typer.echo(f"{same} of {len(compared)} runs are identical in both studies, to the bit.")
    if same < len(compared):
        raise typer.Exit(DIFFERENT)
