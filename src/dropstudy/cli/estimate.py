"""Estimate of a dry run: a first one on a terminal at once, which the measured one replaces."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from dropstudy.core.streams import is_terminal, raw_stream, wrap_paragraphs
from dropstudy.errors import printable

if TYPE_CHECKING:
    from dropstudy.runtime.dry_run import DryRun
    from dropstudy.study.study import Study


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
