"""Print the result of a study: the answer, one small table and the next command; or all tables."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dropstudy.cli.output import echo
from dropstudy.core.streams import fill, is_terminal, raw_stream, terminal_width, wrap_paragraphs
from dropstudy.errors import RunsFailed, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from dropstudy.analysis.as_published import AsPublished
    from dropstudy.analysis.next_steps import NextStep
    from dropstudy.analysis.verdict.types import ArmComparison, Verdict
    from dropstudy.core.types import Run
    from dropstudy.report.snapshot import Snapshot

_COLOURS = {"helps": "green", "hurts": "red", "equivalent": "cyan"}
"""Colour of each decision; yellow for all others."""

_MOST_ROWS = 24
_MIN_BAR, _MAX_BAR = 15, 31  # columns
_PADDING = 3  # columns before the bars
_WORSE, _BETTER = "worse", "better"
_GRID_PADDING = 2
_MIN_GRID = 60  # columns, below which a question stands above its answer


def print_answer(snapshot: Snapshot) -> None:
    """Print the answer, the numbers that it rests on, and the command to run next."""
    from dropstudy.store.locking import holder

    answer, verdict = snapshot.answer, snapshot.verdict
    fallback = f"{snapshot.fallback_note}." if snapshot.fallback_note else None
    cautions = (fallback, *answer.cautions, *verdict.disclosures, snapshot.left_out)
    steps = () if holder(snapshot.folder) else answer.steps
    print_verdict(
        answer.lines,
        verdict,
        list(filter(None, cautions)),
        steps,
        snapshot.published if answer.published else (),
    )


def print_verdict(
    lines: Sequence[tuple[str, str]],
    verdict: Verdict,
    notes: Iterable[str],
    steps: Iterable[NextStep],
    published: Sequence[AsPublished] = (),
) -> None:
    """Print questions with their answers, notes, the numbers of a verdict, published results, what to do next."""
    from dropstudy.analysis.verdict.tables import answer_cells

    typer.echo()
    answered = (*lines, *(("Note:", note) for note in notes))
    _print_lines(answered, _COLOURS.get(verdict.decision, "yellow"))
    if not any(arm.seeds for condition in verdict.conditions for arm in condition.arms):
        typer.echo()
    else:
        cells, comparisons = answer_cells(verdict)
        _print_table(cells[:_MOST_ROWS], comparisons[:_MOST_ROWS])
        if len(cells) > _MOST_ROWS:
            echo(f"{len(cells) - _MOST_ROWS} more rows are in the other tables (--all).")
    if published:
        _print_published(published)
    if commands := [str(step) for step in steps]:
        _print_commands(commands)


def _print_published(published: Sequence[AsPublished]) -> None:
    """Print published results beside those of the study."""
    from dropstudy.analysis.as_published import caption, cells
    from dropstudy.core import tables

    echo(f"Published: {caption(published)}")
    typer.echo(tables.text(cells(published), left=("published", "as published?")))


def print_places(snapshot: Snapshot, *, everything: bool = False) -> None:
    """Print where the page is, how a network is exported and where all tables are."""
    from dropstudy.report.stamp import is_current
    from dropstudy.store.paths import command

    lines = []
    if export := export_command(snapshot):
        lines.append(f"Export a trained network: {export}")
    if is_current(snapshot):
        lines.append(f"The report: {snapshot.folder / 'report.html'} (open it in a browser)")
    if not everything and len(snapshot.finals):
        lines.append(f"All tables: {command('show', snapshot.folder)} --all")
    if lines and snapshot.answer.steps:  # else the table ends with a blank line
        typer.echo()
    _print_commands(lines)


def _print_commands(lines: Sequence[str]) -> None:
    """Print lines that end with commands, if there are any; on a terminal these stand out."""
    if not lines:
        return
    if not is_terminal():
        echo("\n".join(lines))
        return
    shown = Text(printable(wrap_paragraphs("\n".join(lines)), "\n"))
    shown.highlight_regex(r"dropstudy [a-z](.*\\\n)*.*", "bold")
    _console().print(shown, soft_wrap=True)


def _console() -> Console:
    return Console(file=raw_stream(sys.stdout), width=terminal_width(), highlight=False)


def _print_lines(lines: Sequence[tuple[str, str]], colour: str) -> None:
    """Print questions with their answers, the first words of the first one in colour."""
    if not is_terminal() or terminal_width() < _MIN_GRID:
        echo("\n".join(f"{question} {text}" for question, text in lines))
        return
    grid = Table.grid(padding=(0, _GRID_PADDING, 0, 0))
    room = terminal_width() - max(len(question) for question, _ in lines) - _GRID_PADDING
    for number, (question, text) in enumerate(lines):
        shown = Text(fill(printable(text), room))
        if number == 0:
            shown.stylize(f"bold {colour}", 0, text.find(".") + 1)
        grid.add_row(Text(question, style="bold" if question.endswith("?") else "yellow"), shown)
    _console().print(grid)


def _print_table(cells: pd.DataFrame, comparisons: Sequence[ArmComparison | None]) -> None:
    """Print a table; on a terminal with bars for the differences, as far as there is room."""
    from dropstudy.analysis.verdict.tables import CONDITION_COLUMNS
    from dropstudy.core import tables

    console, keys = _console(), cells.columns.isin(CONDITION_COLUMNS).sum() + 1
    if not is_terminal() or console.options.ascii_only:
        typer.echo(tables.text(cells, keys=keys))
        return
    room = console.width - sum(tables.least_width(part) for part in tables.tables(cells, 1000)) - _PADDING
    bars = _bars(comparisons, min(room, _MAX_BAR)) if room >= _MIN_BAR else {}
    cells = cells.assign(**bars)
    for part in tables.tables(cells, console.width, left=bars, keys=keys):
        console.print(part)


def _bars(comparisons: Sequence[ArmComparison | None], width: int) -> dict[str, Any]:
    """Differences with their intervals on a common axis, under a heading with the axis; none where all are 0."""
    ends = [_ends(each) for each in comparisons if each is not None and each.n]
    low, high = min((0.0, *(e[0] for e in ends))), max((0.0, *(e[2] for e in ends)))
    if low == high:
        return {}

    def place(value: float) -> int:
        return round((value - low) / (high - low) * (width - 1))

    zero = place(0)
    higher = all(each.measure.better == "higher" for each in comparisons if each is not None)
    left, right = (_WORSE, _BETTER) if higher else (_BETTER, _WORSE)
    heading = f"{left if zero > len(left) else '':<{zero}}0"
    rest = width - len(heading)
    heading += f"{right if rest > len(right) else '':>{rest}}"
    bars = []
    for each in comparisons:
        cells, style = [" "] * width, "dim"
        if each is not None and each.n:
            first, middle, last = map(place, _ends(each))
            if first == last:
                first, last = sorted((middle, zero))
            cells[first : last + 1] = "─" * (last + 1 - first)
            cells[middle], style = "●", _COLOURS.get(each.decision, "yellow")
        if cells[zero] != "●":
            cells[zero] = "│" if cells[zero] == " " else "┼"
        bars.append(Text("".join(cells), style=style))
    return {heading.replace(" ", "\u00a0"): bars}  # in one line


def _ends(comparison: ArmComparison) -> tuple[float, float, float]:
    """Lower end, difference and upper end; the difference alone where there is no interval."""
    value, decides = comparison.difference.value, comparison.deciding
    return (decides.low, value, decides.high) if decides.known else (value, value, value)


def print_tables(snapshot: Snapshot) -> None:
    """Print all tables of a study, and each sentence of its verdict."""
    _print_summaries(snapshot)
    print_comparisons(snapshot.verdict)


def print_comparisons(verdict: Verdict) -> None:
    """Print each arm's comparison, the gaps where they are known, and each sentence of a verdict."""
    from dropstudy.analysis.verdict.centres import TITLE, centre_cells
    from dropstudy.analysis.verdict.tables import comparison_cells, gap_cells
    from dropstudy.core import tables
    from dropstudy.core.text import condition_title

    for condition in verdict.conditions:
        if any(comparison.n for comparison in condition.comparisons):
            title = condition_title(condition.hidden, condition.train_size)
            where = f"{title}: " if len(verdict.conditions) > 1 else ""
            metric = condition.measure
            measured = f"{metric.subject} against {condition.baseline!r}, paired by seed"
            echo(f"{where}{measured}{f', {metric.unit}' if metric.unit else ''}")
            typer.echo(tables.text(comparison_cells(condition)))
            if len(centres := centre_cells(condition)):
                echo(f"{where}{TITLE}")
                typer.echo(tables.text(centres))
            if any(gap.true.known for gap in condition.gaps):
                echo(f"{where}The gap between training and test accuracy, percentage points")
                typer.echo(tables.text(gap_cells(condition)))
    echo(f"{verdict}")


def _print_summaries(snapshot: Snapshot) -> None:
    """Print the scores of each arm, for each condition."""
    from dropstudy.core import tables
    from dropstudy.core.text import condition_title
    from dropstudy.report import metric_cells, summary_cells

    summaries = snapshot.summaries
    conditions = list(dict.fromkeys((summary.hidden, summary.train_size) for summary in summaries))
    if len(conditions) > 1:
        typer.echo()
    for condition in conditions:
        if len(conditions) > 1:
            typer.echo(condition_title(*condition))
        of_condition = [summary for summary in summaries if (summary.hidden, summary.train_size) == condition]
        typer.echo(tables.text(summary_cells(of_condition, watches_test=snapshot.spec.watches_test)))
        typer.echo(tables.text(metric_cells(of_condition)))


def print_pairs(snapshot: Snapshot) -> None:
    """Print McNemar's test of each arm's run against the baseline's run of the same seed."""
    from dropstudy.core import tables

    frame = snapshot.mcnemar()
    if frame.empty:
        echo("\nPairs of runs: no pair has finished.")
        return
    frame["p_value"] = [f"{p:.2g}" for p in frame["p_value"]]
    frame.columns = [name.replace("_", " ") for name in frame.columns]
    echo("\nPairs of runs: test examples that both, one or neither got right, and McNemar's exact p")
    typer.echo(tables.text(frame))


def export_command(snapshot: Snapshot) -> str | None:
    """Command that exports a network of the arm to use: the one that helps, or the baseline where none does.

    None where that is not decided, or no weights of the arm are on disk.
    """
    from dropstudy.store.paths import command

    verdict, names = snapshot.verdict, [arm.name for arm in snapshot.arms]
    name = None
    if verdict.decision in {"hurts", "equivalent"}:
        name = names[0]
    elif verdict.decision == "helps":
        name = names[1] if len(names) == 2 else verdict.chosen  # noqa: PLR2004 - the only arm besides the baseline
    ours = [run for run in snapshot.runs if run.arm.name == name]
    stored = [run for run in ours if snapshot.files.exists("weights", run.key)]
    if not stored:
        return None
    run = stored[0]
    return f"{command('export', snapshot.folder)} --arm {shlex.quote(run.arm.name)}{_place(run, ours)}"


def _place(run: Run, runs: list[Run]) -> str:
    """Flags that select a run of its arm, without those that `export` does not need for it."""
    from dropstudy.study.selection import coordinates

    flags = ""
    for field, value in coordinates(run).items():
        if coordinates(runs[0])[field] != value:
            flags += f" --{field.replace('_', '-')} {value}"
        runs = [other for other in runs if coordinates(other)[field] == value]
    return flags


def report_failures(snapshot: Snapshot) -> None:
    """Raise the error for runs that failed or diverged, if there are any."""
    if snapshot.all_failures:
        raise RunsFailed(
            str(snapshot.folder),
            expected="every run to finish",
            received="; ".join(snapshot.all_failures),
            next_step="The results of the others are saved." if len(snapshot.finals) else "",
        )
