"""Print and report a study: `dropstudy show` and `dropstudy report`."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from dropstudy.cli.options import DataDir, Folder
from dropstudy.cli.output import echo
from dropstudy.errors import RunsFailed

if TYPE_CHECKING:
    from dropstudy.core.types import Run
    from dropstudy.report.snapshot import Snapshot


def show(
    folder: Folder,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Also each pair of runs, answer by answer (McNemar).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict for machines.")] = False,
) -> None:
    """Print a study's table, its verdict and the estimates behind it; while it runs, how far it is.

    Example: dropstudy show studies/notebook
    """
    from dropstudy.runtime.retention import sizes_in_words
    from dropstudy.study.study import Study

    study = Study.open(folder)
    now = study.now()
    if as_json:
        told = now.verdict.to_dict() | {"left_out": now.left_out}
        typer.echo(json.dumps(told, indent=1))
        report_failures(now)
        return
    print_standing(now)
    if len(now.finals):
        print_result(now)
    if pairs:
        print_pairs(now)
    echo(f"{sizes_in_words(study.sizes())}.")
    report_failures(now)


def report(
    folder: Folder,
    data_dir: DataDir = None,
    mc: Annotated[
        int,
        typer.Option(
            help="Networks to sample by Monte-Carlo dropout, for uncertainty: 50. On MNIST that takes about 15 "
            "seconds an arm on two cores.",
            min=0,
        ),
    ] = 0,
) -> None:
    """Write a study's page (HTML), figures (PNG, SVG, PDF), tables (CSV) and conclusion into its folder.

    Example: dropstudy report studies/notebook
    """
    from dropstudy.study.study import Study

    study = Study.open(folder)
    now = study.now(data_dir=data_dir, mc=mc)
    for path in study.write(now):
        typer.echo(path)
    if now.left_out:
        echo(now.left_out, err=True)


def print_standing(now: Snapshot) -> None:
    """Print the progress of an unfinished study, and who runs it."""
    import pandas as pd

    from dropstudy.core import tables
    from dropstudy.runtime.progress import status
    from dropstudy.store.directory import command
    from dropstudy.store.locking import holder

    progress = now.progress
    if all(each.status in {"done", "diverged"} for each in progress):
        return
    arms = status.by_arm(progress)
    runner = holder(now.folder)
    whose = (
        f"{runner[0].upper()}{runner[1:]} runs it." if runner else f"Go on with: {command('run', now.folder)}"
    )
    echo(f"{status.summary(progress)} {whose}")
    typer.echo(tables.text(pd.DataFrame(status.columns(arms, status.accuracy_heading(progress)))))


def print_result(now: Snapshot) -> None:
    """A study's table, its verdict, and the estimates behind it."""
    from dropstudy.analysis.verdict.tables import comparison_cells, gap_cells
    from dropstudy.core import tables
    from dropstudy.report import shape_title

    print_summaries(now)
    for condition in now.verdict.conditions:
        if any(comparison.n for comparison in condition.comparisons):
            where = (
                f"{shape_title(condition.hidden, condition.train_size)}: "
                if len(now.verdict.conditions) > 1
                else ""
            )
            title = f"{where}Test accuracy against {condition.baseline!r}, paired by seed, percentage points"
            echo("\n" + title)
            typer.echo(tables.text(comparison_cells(condition)))
            title = f"{where}The gap between training and evaluation, percentage points"
            echo("\n" + title)
            typer.echo(tables.text(gap_cells(condition)))
    told = [*([now.left_out] if now.left_out else []), str(now.verdict)]
    echo("\n" + chr(10).join(told))


def export_command(now: Snapshot) -> str | None:
    """A command that exports a network of the arm that validation data chose, or else of the baseline.

    None where neither has a finished run whose weights are there.
    """
    from dropstudy.store.directory import command

    assert now.files is not None, "a study that was read has files"  # noqa: S101
    for name in (now.verdict.chosen, now.arms[0].name):
        ours = [run for run in now.runs if run.arm.name == name]
        there = [run for run in ours if now.files.there("weights", run.key)]
        if there:
            return f"{command('export', now.folder)} --arm {shlex.quote(there[0].arm.name)}{_place(there[0], ours)}"
    return None


def _place(run: Run, runs: list[Run]) -> str:
    """Flags that choose a run of its arm, as far as `export` would take another one without."""
    flags = ""
    for flag, value in _coordinates(run).items():
        if _coordinates(runs[0])[flag] != value:
            flags += f" --{flag} {value}"
        runs = [other for other in runs if _coordinates(other)[flag] == value]
    return flags


def _coordinates(run: Run) -> dict[str, str]:
    return {
        "hidden": run.condition.layers,
        "train-size": str(run.condition.train_size),
        "seed": str(run.seed),
    }


def print_pairs(now: Snapshot) -> None:
    """Each arm's run against the baseline's of its seed, on the same test examples."""
    from dropstudy.core import tables

    frame = now.mcnemar()
    frame["p_value"] = [f"{p:.2g}" for p in frame["p_value"]]
    frame.columns = [name.replace("_", " ") for name in frame.columns]
    echo("\nPairs of runs: test examples that both, one or neither got right, and McNemar's exact p")
    typer.echo(tables.text(frame))


def print_summaries(now: Snapshot) -> None:
    """Print the scores of each arm, condition by condition."""
    from dropstudy.core import tables
    from dropstudy.report import shape_title, summary_cells
    from dropstudy.runtime.progress.lines import FALLBACK

    if now.metadata["fallback"]:
        echo(FALLBACK)
    summaries = now.summaries
    conditions = list(dict.fromkeys((summary.hidden, summary.train_size) for summary in summaries))
    for condition in conditions:
        typer.echo(f"\n{shape_title(*condition)}" if len(conditions) > 1 else "")
        of_condition = [summary for summary in summaries if (summary.hidden, summary.train_size) == condition]
        typer.echo(tables.text(summary_cells(of_condition)))


def report_failures(now: Snapshot) -> None:
    """End with the exit code for runs that failed or diverged, where there are any."""
    if now.all_failures:
        raise RunsFailed(
            str(now.folder),
            expected="every run to finish",
            received="; ".join(now.all_failures),
            next_step="The others are kept.",
        )
