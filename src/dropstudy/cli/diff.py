"""Compare two studies: `dropstudy diff`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dropstudy.cli.options import Folder, folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.core.types import Run
    from dropstudy.store.diff import RunDiff

DIFFERENT = 1
"""Exit code where a run differs."""


def diff(
    one: Folder,
    other: Annotated[
        Path,
        typer.Argument(
            metavar="DIR2", parser=folder, help="The folder of the other study.", show_default=False
        ),
    ],
) -> None:
    """Compare each run of two studies, to the bit, and list those that differ.

    The exit code is 1 if one differs.

    Example: dropstudy diff studies/here studies/there
    """
    import pandas as pd

    from dropstudy.core import tables
    from dropstudy.core.types import ENDED
    from dropstudy.store.diff import compare

    compared = compare(one, other)
    rows = [
        {
            "arm": each.run.arm.name,
            "hidden": each.run.condition.layers,
            "examples": each.run.condition.train_size,
            "seed": each.run.seed,
            "difference": _difference(each),
        }
        for each in compared
        if not each.same
    ]
    if rows:
        typer.echo(tables.text(pd.DataFrame(rows), left=("difference",)))
    for side, place in enumerate(("DIR", "DIR2")):
        for line in _unlike(compared, side, place):
            typer.echo(line)
    same = sum(each.same for each in compared)
    open_runs = sum(each.same and each.statuses[0] not in ENDED for each in compared)
    more = f" {open_runs} of them {'is' if open_runs == 1 else 'are'} not finished." if open_runs else ""
    typer.echo(f"{same} of {len(compared)} runs are identical in both studies, to the bit.{more}")
    if same < len(compared):
        raise typer.Exit(DIFFERENT)


def _unlike(compared: Sequence[RunDiff], side: int, place: str) -> list[str]:
    """Runs of a study that `--allow-mixed` let other machines train, by what was other there."""
    from dropstudy.core.text import counted
    from dropstudy.runtime.messages import run_names

    found: dict[str, list[Run]] = {}
    for each in compared:
        for part in each.unlike[side]:
            found.setdefault(part, []).append(each.run)
    if not found:
        return []
    count = counted(sum(bool(each.unlike[side]) for each in compared), "run")
    return [
        f"--allow-mixed in {place}: {count} trained on other machines; last digits may differ for that reason alone.",
        *(f"  {part}: {run_names(runs)}" for part, runs in found.items()),
    ]


def _difference(run: RunDiff) -> str:
    """What differs in a run: "only in DIR", or its parts."""
    for status, place in zip(run.statuses, ("DIR2", "DIR"), strict=True):
        if status is None:
            return f"only in {place}"
    parts = {
        "history": run.history,
        "test metrics": run.test,
        "predictions": run.predictions,
        "weights": run.weights,
    }
    found = [f"{name} {outcome}" for name, outcome in parts.items() if outcome not in {"equal", "in neither"}]
    statuses = dict.fromkeys(map(str, run.statuses))
    return ", ".join((*([" / ".join(statuses)] if len(statuses) > 1 else []), *found))
