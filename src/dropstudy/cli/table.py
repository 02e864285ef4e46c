"""Print a study's results for a paper: `dropstudy table`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dropstudy.cli.completion import choice
from dropstudy.cli.options import Folder
from dropstudy.cli.output import echo


def table(
    folder: Folder,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            **choice("latex|markdown|csv"),
            help="Form of the table; default: that of --out (.tex, .md, .csv), else markdown.",
            show_default=False,
        ),
    ] = None,
    methods: Annotated[
        bool, typer.Option("--methods", help="Print sentences for the methods section instead.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to this file, print only its name.")
    ] = None,
) -> None:
    """Print a study's results as a table for a paper.

    It has means, intervals, p values, effect sizes and decisions.

    Example: dropstudy table studies/notebook --format latex --out table.tex
    """
    from dropstudy.core.atomic import write_text
    from dropstudy.report.paper.table import FORMATS
    from dropstudy.store.outputs import refuse_overwriting
    from dropstudy.study.study import Study

    results = Study.open(folder).results()
    if out is not None:
        refuse_overwriting(out, inputs=(results.snapshot.metadata["data_source"],))
    if file_format is None:
        file_format = next((name for name in FORMATS if out and out.suffix == FORMATS[name]), "markdown")
    text = results.table().text(file_format, methods=methods)
    if out is not None:
        write_text(out, text)
        typer.echo(out)
    elif methods:
        echo(text.rstrip())
    else:
        typer.echo(text, nl=False)
