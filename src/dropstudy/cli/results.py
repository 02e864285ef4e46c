"""What a study has to say: `dropstudy show` and `dropstudy report`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dropstudy.cli.arguments import MARGIN, DataDir, Folder, Margin
from dropstudy.errors import RunsFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropstudy.verdict import Verdict


def show(
    folder: Folder,
    margin: Margin = MARGIN,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Also each pair of runs, answer by answer (McNemar).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict for machines.")] = False,
) -> None:
    """Print a study's table, its verdict and the estimates behind it; while it runs, how far it is.

    Example: dropstudy show studies/notebook
    """
    from dropstudy.space import sizes_in_words
    from dropstudy.study import Study

    study = Study.open(folder)
    if as_json:
        typer.echo(json.dumps(study.verdict(margin).to_dict(), indent=1))
        report_failures(study)
        return
    print_standing(study)
    if any(standing.status == "done" for standing in study.standings()):
        print_result(study, margin)
    if pairs:
        print_pairs(study)
    typer.echo(f"{sizes_in_words(study.sizes())}.")
    report_failures(study)


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
    margin: Margin = MARGIN,
) -> None:
    """Write a study's page (HTML), figures (PNG, SVG, PDF), tables (CSV) and conclusion into its folder.

    Example: dropstudy report studies/notebook
    """
    from dropstudy.study import Study

    for path in Study.open(folder).report(data_dir=data_dir, mc=mc, margin=margin):
        typer.echo(path)


def print_standing(study: Any) -> None:
    """How far a study is that is not through, and who runs it."""
    import pandas as pd

    from dropstudy import standing, tables
    from dropstudy.folder import command, holder

    standings = study.standings()
    if all(each.status in {"done", "diverged"} for each in standings):
        return
    arms = standing.by_arm(standings)
    runner = holder(study.folder)
    whose = (
        f"{runner[0].upper()}{runner[1:]} runs it."
        if runner
        else f"Go on with: {command('run', study.folder)}"
    )
    typer.echo(f"{standing.summary(standings)} {whose}")
    typer.echo(tables.text(pd.DataFrame(standing.columns(arms, standing.accuracy_heading(standings)))))


def print_result(study: Any, margin: float = MARGIN) -> Verdict:
    """A study's table, its verdict, and the estimates behind it."""
    from dropstudy import tables
    from dropstudy.report import shape_title
    from dropstudy.verdict.cells import comparison_cells, gap_cells

    verdict: Verdict = study.verdict(margin)
    print_summaries(study)
    for shape in verdict.shapes:
        if any(comparison.n for comparison in shape.comparisons):
            where = f"{shape_title(shape.hidden, shape.train_size)}: " if len(verdict.shapes) > 1 else ""
            title = f"{where}Test accuracy against {shape.baseline!r}, paired by seed, percentage points"
            typer.echo(f"\n{tables.paragraphs(title)}")
            typer.echo(tables.text(comparison_cells(shape)))
            title = f"{where}The gap between training and evaluation, percentage points"
            typer.echo(f"\n{tables.paragraphs(title)}")
            typer.echo(tables.text(gap_cells(shape)))
    typer.echo(f"\n{tables.paragraphs(str(verdict))}")
    return verdict


def arm_to_export(verdict: Verdict, arms: Sequence[str]) -> str:
    """The chosen arm; where none was chosen, the last one, or the baseline where that hurts."""
    if verdict.chosen is not None:
        return verdict.chosen
    compared = [c for shape in verdict.shapes for c in shape.comparisons]
    hurts = any(c.arm == arms[-1] and c.decision == "hurts" for c in compared)
    return arms[0] if hurts else arms[-1]


def print_pairs(study: Any) -> None:
    """Each arm's run against the baseline's of its seed, on the same test examples."""
    from dropstudy import tables

    frame = study.mcnemar()
    frame["p_value"] = [f"{p:.2g}" for p in frame["p_value"]]
    frame.columns = [name.replace("_", " ") for name in frame.columns]
    typer.echo("\nPairs of runs: test examples that both, one or neither got right, and McNemar's exact p")
    typer.echo(tables.text(frame))


def print_summaries(study: Any) -> None:
    """What each arm reached, shape by shape."""
    from dropstudy import tables
    from dropstudy.progress import FALLBACK
    from dropstudy.report import shape_title, summary_cells

    if study.facts["fallback"]:
        typer.echo(FALLBACK)
    summaries = study.summaries()
    shapes = list(dict.fromkeys((summary.hidden, summary.train_size) for summary in summaries))
    for shape in shapes:
        typer.echo(f"\n{shape_title(*shape)}" if len(shapes) > 1 else "")
        of_shape = [summary for summary in summaries if (summary.hidden, summary.train_size) == shape]
        typer.echo(tables.text(summary_cells(of_shape)))


def report_failures(study: Any) -> None:
    """End with the exit code for runs that failed or diverged, where there are any."""
    failures = study.failures()
    if failures:
        raise RunsFailed(
            str(study.folder),
            expected="every run to finish",
            received="; ".join(failures),
            next_step="The others are kept.",
        )
