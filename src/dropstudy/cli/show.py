"""Print and report a study: `dropstudy show` and `dropstudy report`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from dropstudy.cli.options import DataDir, Folder, whole_option
from dropstudy.cli.output import echo

if TYPE_CHECKING:
    from dropstudy.report.snapshot import Snapshot


def show(
    folder: Folder,
    everything: Annotated[
        bool, typer.Option("--all", help="Also print all tables and every sentence of the verdict.")
    ] = False,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Also compare the answers of each pair of runs (McNemar).")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the answer and the verdict as JSON.")
    ] = False,
) -> None:
    """Print a study's answer, its numbers, and what to run next.

    While the study runs, its progress is printed.

    Example: dropstudy show studies/notebook --all
    """
    from dropstudy.cli.result import print_answer, print_pairs, print_places, print_tables, report_failures
    from dropstudy.runtime.retention import disk_usage
    from dropstudy.store.paths import StudyPaths
    from dropstudy.study.study import Study

    snapshot = Study.open(folder).results().snapshot
    if as_json:
        found = {
            "answer": asdict(snapshot.answer),
            **snapshot.verdict.to_dict(),
            "published": [each.to_dict() for each in snapshot.published],
            "left_out": snapshot.left_out,
        }
        typer.echo(json.dumps(found, indent=1))
        report_failures(snapshot)
        return
    print_progress(snapshot)
    print_answer(snapshot)
    if everything and len(snapshot.finals):
        print_tables(snapshot)
    if pairs:
        print_pairs(snapshot)
    if everything:
        for note in snapshot.metadata["data_notes"]:
            echo(note)
        echo(f"{disk_usage(StudyPaths(folder).sizes())}.")
    print_places(snapshot, everything=everything)
    report_failures(snapshot)


def report(
    folder: Folder,
    data_dir: DataDir = None,
    mc: Annotated[
        int,
        whole_option(
            "Networks to sample by Monte-Carlo dropout, for uncertainty: 50. On MNIST this takes about 15 "
            "seconds for each arm on two cores."
        ),
    ] = 0,
    figures: Annotated[
        bool,
        typer.Option(
            "--figures", help="Also write every figure of the page, with its numbers and its caption."
        ),
    ] = False,
) -> None:
    """Write a study's page, tables and main figures.

    They go into its folder: HTML, CSV, PNG, SVG, PDF, TXT.

    Example: dropstudy report studies/notebook --figures
    """
    from dropstudy.study.study import Study

    results = Study.open(folder, data_dir=data_dir).results(mc=mc)
    for path in results.report(figures=figures):
        typer.echo(path)
    if results.snapshot.left_out:
        echo(results.snapshot.left_out, err=True)


def print_progress(snapshot: Snapshot) -> None:
    """Print the progress of an unfinished study, and the process that runs it."""
    import pandas as pd

    from dropstudy.analysis.verdict.phrases import capital
    from dropstudy.core import tables
    from dropstudy.core.types import ENDED
    from dropstudy.runtime.progress import status
    from dropstudy.store.locking import holder

    progress = snapshot.progress
    if all(each.status in ENDED for each in progress):
        return
    runner = holder(snapshot.folder)
    runs_it, begun = (f" {capital(runner)} runs it.", "running") if runner else ("", "interrupted")
    echo(f"{status.summary(progress, begun)}{runs_it}")
    cells = pd.DataFrame(status.columns(status.by_arm(progress), status.accuracy_heading(progress)))
    cells = cells.rename(columns={"running": begun})
    typer.echo(tables.text(cells, left=("current",)))
