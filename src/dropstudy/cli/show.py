"""Print and report a study: `dropstudy show` and `dropstudy report`."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from dropstudy.cli.options import DataDir, Folder, whole_option
from dropstudy.cli.output import echo
from dropstudy.errors import RunsFailed

if TYPE_CHECKING:
    from dropstudy.core.types import Run
    from dropstudy.report.snapshot import Snapshot


def show(
    folder: Folder,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Also compare the answers of each pair of runs (McNemar).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Print a study's tables and verdict. While it runs, print its progress.

    Example: dropstudy show studies/notebook
    """
    from dropstudy.runtime.retention import disk_usage
    from dropstudy.store.paths import StudyPaths
    from dropstudy.study.study import Study

    snapshot = Study.open(folder).results().snapshot
    if as_json:
        typer.echo(json.dumps(snapshot.verdict.to_dict() | {"left_out": snapshot.left_out}, indent=1))
        report_failures(snapshot)
        return
    print_progress(snapshot)
    if len(snapshot.finals):
        print_result(snapshot)
    if pairs:
        print_pairs(snapshot)
    echo(f"{disk_usage(StudyPaths(folder).sizes())}.")
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
    """Write a study's page, tables and main figures into its folder: HTML, CSV, PNG, SVG, PDF, TXT.

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

    from dropstudy.core import tables
    from dropstudy.runtime.progress import status
    from dropstudy.store.locking import holder
    from dropstudy.store.paths import command

    progress = snapshot.progress
    if all(each.status in {"done", "diverged"} for each in progress):
        return
    arms = status.by_arm(progress)
    runner = holder(snapshot.folder)
    next_step = (
        f"{runner[0].upper()}{runner[1:]} runs it."
        if runner
        else f"Continue with: {command('run', snapshot.folder)}"
    )
    echo(f"{status.summary(progress)} {next_step}")
    typer.echo(tables.text(pd.DataFrame(status.columns(arms, status.accuracy_heading(progress)))))


def print_result(snapshot: Snapshot) -> None:
    """Print a study's table, its estimates and its verdict."""
    from dropstudy.analysis.verdict.tables import comparison_cells, gap_cells
    from dropstudy.core import tables
    from dropstudy.core.text import condition_title

    print_summaries(snapshot)
    for condition in snapshot.verdict.conditions:
        if any(comparison.n for comparison in condition.comparisons):
            title = condition_title(condition.hidden, condition.train_size)
            where = f"{title}: " if len(snapshot.verdict.conditions) > 1 else ""
            echo(f"\n{where}Test accuracy against {condition.baseline!r}, paired by seed, percentage points")
            typer.echo(tables.text(comparison_cells(condition)))
            echo(f"\n{where}The gap between training and evaluation, percentage points")
            typer.echo(tables.text(gap_cells(condition)))
    echo("\n" + "\n".join(filter(None, (snapshot.left_out, str(snapshot.verdict)))))
    needed = verdict_command(snapshot)
    if needed:
        echo(needed)


def verdict_command(snapshot: Snapshot) -> str | None:
    """Command that trains the seeds a verdict still needs, with its approximate time.

    None if the study has them, one arm alone, or no finished run to estimate a time from.
    """
    from dropstudy.analysis.verdict import SEEDS
    from dropstudy.core.hardware import physical_cores
    from dropstudy.runtime.progress.eta import about
    from dropstudy.store.paths import command

    seeds = set(snapshot.spec.seeds)
    times = [arm.seconds for condition in snapshot.verdict.conditions for arm in condition.arms if arm.seeds]
    if len(seeds) >= SEEDS or len(snapshot.arms) == 1 or not times:
        return None
    seconds = len(set(range(SEEDS)) - seeds) * sum(times) / physical_cores()
    return f"For a verdict: {command('run', snapshot.folder)} --seeds {SEEDS} ({about(seconds)})"


def export_command(snapshot: Snapshot) -> str | None:
    """Command that exports a network of the chosen arm, or else of the baseline.

    None if neither has a finished run whose weights are on disk.
    """
    from dropstudy.store.paths import command

    for name in (snapshot.verdict.chosen, snapshot.arms[0].name):
        ours = [run for run in snapshot.runs if run.arm.name == name]
        stored = [run for run in ours if snapshot.files.exists("weights", run.key)]
        if stored:
            run = stored[0]
            return (
                f"{command('export', snapshot.folder)} --arm {shlex.quote(run.arm.name)}{_place(run, ours)}"
            )
    return None


def _place(run: Run, runs: list[Run]) -> str:
    """Flags that select a run of its arm, without those that `export` does not need for it."""
    from dropstudy.study.results import coordinates

    flags = ""
    for field, value in coordinates(run).items():
        if coordinates(runs[0])[field] != value:
            flags += f" --{field.replace('_', '-')} {value}"
        runs = [other for other in runs if coordinates(other)[field] == value]
    return flags


def print_pairs(snapshot: Snapshot) -> None:
    """Print McNemar's test of each arm's run against the baseline's run of the same seed."""
    from dropstudy.core import tables

    frame = snapshot.mcnemar()
    frame["p_value"] = [f"{p:.2g}" for p in frame["p_value"]]
    frame.columns = [name.replace("_", " ") for name in frame.columns]
    echo("\nPairs of runs: test examples that both, one or neither got right, and McNemar's exact p")
    typer.echo(tables.text(frame))


def print_summaries(snapshot: Snapshot) -> None:
    """Print the scores of each arm, for each condition."""
    from dropstudy.core import tables
    from dropstudy.core.text import condition_title
    from dropstudy.report import summary_cells
    from dropstudy.runtime.messages import FALLBACK

    if snapshot.metadata["fallback"]:
        echo(FALLBACK)
    summaries = snapshot.summaries
    conditions = list(dict.fromkeys((summary.hidden, summary.train_size) for summary in summaries))
    for condition in conditions:
        typer.echo(f"\n{condition_title(*condition)}" if len(conditions) > 1 else "")
        of_condition = [summary for summary in summaries if (summary.hidden, summary.train_size) == condition]
        typer.echo(tables.text(summary_cells(of_condition)))


def report_failures(snapshot: Snapshot) -> None:
    """Raise the error for runs that failed or diverged, if there are any."""
    if snapshot.all_failures:
        raise RunsFailed(
            str(snapshot.folder),
            expected="every run to finish",
            received="; ".join(snapshot.all_failures),
            next_step="The results of the others are saved.",
        )
