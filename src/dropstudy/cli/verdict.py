"""Give a verdict on scores of runs that others trained: `dropstudy verdict`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from dropstudy.cli.completion import choice, values
from dropstudy.cli.options import number_option, whole_option
from dropstudy.cli.output import echo
from dropstudy.core.metrics import ACCURACY
from dropstudy.errors import DropstudyError


def _column_option(help_text: str) -> Any:
    return typer.Option(metavar="COLUMN", help=help_text, show_default=False)


def verdict(  # noqa: PLR0917 - a command's flags, which typer reads off the signature
    scores: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV or Parquet: columns arm, seed, score; or a column for each arm and a row for each seed.",
            show_default=False,
        ),
    ],
    arm_column: Annotated[str | None, _column_option("Column of the arms; default: arm.")] = None,
    seed_column: Annotated[str | None, _column_option("Column of the seeds; default: seed.")] = None,
    score_column: Annotated[str | None, _column_option("Column of the test scores; default: score.")] = None,
    validation_column: Annotated[
        str | None, _column_option("Column of validation scores, which then choose an arm; default: none.")
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="ARM", help="Arm that others are compared with; default: no dropout, else the first."
        ),
    ] = None,
    metric: Annotated[
        Any,
        typer.Option(
            metavar="NAME",
            help="What the scores are: accuracy, balanced-accuracy, log-loss or auc.",
            autocompletion=values("MetricName"),
        ),
    ] = ACCURACY.name,
    margin: Annotated[
        float | None,
        number_option("Differences within ±margin do not matter; default: the metric's own (0.1 points)."),
    ] = None,
    test_examples: Annotated[
        int | None, whole_option("Examples in the test set; few of them limit what can be equivalent.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also print p values, effect sizes and every sentence.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print answer and verdict as JSON.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PAGE",
            help="Write the page here; default: scores.verdict.html beside scores.csv.",
            show_default=False,
        ),
    ] = None,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            **choice("latex|markdown|csv"),
            help="Print a table for a paper.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Give a verdict on scores that you have already, and write its page; nothing is trained.

    With --json or --format the page is written only where --out names it.

    Example: dropstudy verdict scores.csv --baseline "no dropout"
    """
    from dropstudy.analysis.given_scores import assess_scores
    from dropstudy.cli.result import print_comparisons, print_verdict
    from dropstudy.report.paper.table import verdict_table
    from dropstudy.report.score_page import check_page, write_score_page

    if out is not None:
        check_page(out)
    assessed = assess_scores(
        scores,
        arm_column=arm_column,
        seed_column=seed_column,
        score_column=score_column,
        validation_column=validation_column,
        baseline=baseline,
        metric=metric,
        margin=margin,
        test_examples=test_examples,
    )
    found, answer = assessed.verdict, assessed.answer
    if as_json:
        typer.echo(json.dumps({"answer": asdict(answer), **found.to_dict()}, indent=1))
    elif file_format is not None:
        typer.echo(verdict_table(found).text(file_format), nl=False)
    else:
        print_verdict(answer.lines, found, (*answer.cautions, *found.disclosures), answer.steps)
        if everything:
            print_comparisons(found)
        elif answer.steps:  # else the table ends with a blank line
            typer.echo()
    if out is not None:
        write_score_page(assessed, out)
    if as_json or file_format is not None:
        return
    try:
        page = out or write_score_page(assessed)
    except DropstudyError as error:  # the verdict was asked for, and is printed
        echo(f"No report was written. {error}")
    else:
        echo(f"The report: {page} (open it in a browser)")
