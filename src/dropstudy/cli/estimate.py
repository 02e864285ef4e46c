"""Estimate of a dry run: a first one on a terminal at once, which the measured one replaces."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from dropstudy.core.streams import is_terminal, raw_stream, wrap_paragraphs
from dropstudy.errors import printable

if TYPE_CHECKING:
    from dropstudy.runtime.dry_run import DryRun
    from dropstudy.study.study import Study


def runs_to_come(
    study: Study,
    found: DryRun,
    *,
    most: int | None,
    confirm: bool,
    find_rate: int | None = None,
    redraw: list[str] | None = None,
) -> list[str]:
    """Describe the runs that depend on the verdict, which an estimate leaves out."""
    from dropstudy.core.text import counted
    from dropstudy.runtime.progress.eta import about

    spec, cells = found.spec, len({run.condition for run in found.runs})
    lines, seeds = [], len(spec.seeds)

    def cost(runs: int) -> str:
        seconds = _seconds(study, found, runs)
        return f"{counted(runs, 'run')}" + ("" if seconds is None else f", {about(seconds)}")

    if find_rate is not None:
        from dropstudy.analysis.find_rate import search_runs

        more = max(0, find_rate - len(found.runs))
        search = f"up to {search_runs(find_rate)} runs of {find_rate}, the others on fresh seeds"
        return [f"find-rate: {search}; at most {cost(more)} more"]
    if most is not None and most > seeds:
        added = (most - seeds) * len(spec.arms) * cells
        lines.append(f"until decided: up to {most} seeds; at most {cost(added)} more")
        seeds = most
    if confirm:
        upto = "up to " * (most is not None)
        fresh = f"2 arms on {upto}{counted(seeds, 'fresh seed')}"
        lines.append(f"confirmation: {fresh}; {'at most ' * bool(upto)}{cost(2 * seeds * cells)} more")
    if redraw:
        from dropstudy.study.further_runs import sources_of

        names = sources_of(study, redraw)
        runs = len(names) * min(len(spec.arms), 1 + cells) * seeds * cells
        lines.append(f"redraw: {', '.join(names)}; at most {cost(runs)} more")
    return lines


def _seconds(study: Study, found: DryRun, runs: int) -> float | None:
    """Seconds of more runs like those to train or, where none is left, like those that are done."""
    from dropstudy.analysis.next_steps import seconds_of

    if found.missing:
        return None if found.seconds is None else found.seconds * runs / len(found.missing)
    return seconds_of(study.verdict(), runs)


def estimated(study: Study, *, workers: int | None, device: str) -> DryRun:
    """Measure a dry run; meanwhile show its first estimate on a terminal."""
    if not is_terminal():
        return study.dry_run(workers=workers, device=device)
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(file=raw_stream(sys.stdout), highlight=False)
    with Live(console=console, transient=True, auto_refresh=False, redirect_stdout=False) as live:

        def show(first: DryRun) -> None:
            live.update(Text(wrap_paragraphs(printable(str(first), "\n"))), refresh=True)

        return study.dry_run(workers=workers, device=device, on_first=show)
