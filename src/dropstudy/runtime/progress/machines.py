"""Machines of a cluster in displays: lines, and a table."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from dropstudy.core.text import counted, plain_name
from dropstudy.runtime.machines import Machine

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dropstudy.core.types import Run

_COUNTS = ("workers", "parts", "lost")
_COUNT_WIDTH, _MIN_NAME, _PADDING = 7, 8, 2  # columns of the window
_MOST_RUNS = 4  # named in a line
_MOST_RUNS_OF_ROW = 12  # the end of a row is cut off at the width of the window


def machine_lines(machines: Sequence[Machine], most: int) -> list[str]:
    """A line for each machine: "node7, 2 workers: 12 parts of runs done; now dropout 0.5: seeds 3, 4".

    Of more than `most` machines the last line sums up the others.
    """
    return list(map(_line, _first(machines, most)))


def machine_table(machines: Sequence[Machine], most: int, width: int) -> Table:
    """A row for each machine, of more than `most` machines the last row sums up the others."""
    shown = _first(machines, most)
    name = max(_MIN_NAME, min(max(cell_len(each.name) for each in shown), width // 4))
    sizes = {"machine": name} | dict.fromkeys(_COUNTS, _COUNT_WIDTH)
    sizes["trains"] = max(_MIN_NAME, width - sum(sizes.values()) - _PADDING * (len(sizes) + 1))
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for heading, size in sizes.items():
        right = heading in _COUNTS
        table.add_column(
            heading, justify="right" if right else "left", overflow="ellipsis", no_wrap=True, width=size
        )
    for each in shown:
        # Text, so that a machine called "[red]" is no markup.
        style = "dim" if each.refused else "red" if each.workers == 0 else ""
        table.add_row(*map(Text, _cells(each)), style=style)
    return table


def _cells(machine: Machine) -> tuple[str, ...]:
    workers = "?" if machine.workers is None else f"{machine.workers:,}"
    now = runs_by_arm(machine.runs, _MOST_RUNS_OF_ROW)
    now = f"left out, {machine.refused}" if machine.refused else now
    return machine.name, workers, f"{machine.parts:,}", f"{machine.lost:,}", now


def runs_by_arm(runs: Iterable[Run], most: int) -> str:
    """Runs by arm: "dropout 0.5: seeds 3, 4; no dropout: seed 3"; of more than `most` the first ones."""
    runs = tuple(runs)
    seeds: dict[str, list[str]] = {}
    for run in islice(runs, most):
        seeds.setdefault(plain_name(run.arm.name), []).append(str(run.seed))
    texts = [f"{arm}: seed{'s' * (len(each) > 1)} {', '.join(each)}" for arm, each in seeds.items()]
    return "; ".join([*texts, *([f"{len(runs) - most:,} more"] if len(runs) > most else [])])


def _first(machines: Sequence[Machine], most: int) -> Sequence[Machine]:
    """The first machines, and if there are more these together as one."""
    others = machines[most:]
    if len(others) <= 1:
        return machines
    known = [each.workers for each in others if each.workers is not None]
    together = Machine(
        counted(len(others), "more machine"),
        workers=sum(known) if known else None,
        parts=sum(each.parts for each in others),
        lost=sum(each.lost for each in others),
    )
    return [*machines[:most], together]


def _line(machine: Machine) -> str:
    there = "" if machine.workers is None else f", {counted(machine.workers, 'worker')}"
    if machine.refused:
        return f"{machine.name}{there}: left out, {machine.refused}"
    again = f", {machine.lost:,} lost and given again" if machine.lost else ""
    now = f"; now {runs_by_arm(machine.runs, _MOST_RUNS)}" if machine.runs else ""
    return f"{machine.name}{there}: {counted(machine.parts, 'part')} of runs done{again}{now}"
