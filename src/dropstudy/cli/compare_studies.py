"""Rank arms over several studies: `dropstudy compare-studies`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from dropstudy.cli.options import folder
from dropstudy.cli.output import echo


def compare_studies(
    studies: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR",
            parser=folder,
            help="The folders of two studies or more, each of its own data.",
            show_default=False,
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print scores, ranks and tests as JSON.")] = False,
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also draw the mean ranks: .svg, .png or .pdf.", show_default=False
        ),
    ] = None,
) -> None:
    """Rank the arms of several studies, each study a data set.

    Friedman's test and Nemenyi's critical difference; of two arms Wilcoxon's test.

    Example: dropstudy compare-studies studies/digits studies/wine studies/penguins
    """
    from dropstudy.core import tables
    from dropstudy.store.outputs import refuse_overwriting
    from dropstudy.study.compare_studies import compare_studies as compared

    if picture is not None:
        refuse_overwriting(picture)
    found = compared(studies)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=1))
    else:
        echo(f"\n{found.metric.subject}, mean over seeds; mean rank over studies, 1 is best")
        typer.echo(tables.text(found.cells))
        echo("\n".join(found.sentences))
    if picture is not None:
        found.save(picture)
        echo(f"The picture: {picture}", err=as_json)
