"""Live table of a study's arms on a terminal."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dropstudy.core.streams import wrap_paragraphs
from dropstudy.core.tables import heading as heading_lines
from dropstudy.core.text import counted, plain_name
from dropstudy.core.types import ENDED
from dropstudy.errors import printable
from dropstudy.runtime.events import Display
from dropstudy.runtime.messages import run_ended
from dropstudy.runtime.progress.eta import Eta, duration, epoch_cost, training_ended
from dropstudy.runtime.progress.machines import machine_lines, machine_table
from dropstudy.runtime.progress.status import (
    CLEAN,
    KERAS,
    accuracy_heading,
    by_arm,
    columns,
    epoch_columns,
    is_running,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console, RenderableType

    from dropstudy.core.types import EpochMetrics, Run, Status
    from dropstudy.runtime.machines import Machine
    from dropstudy.runtime.progress.status import ArmProgress
    from dropstudy.store.reader import RunProgress

_REFRESH_RATE = 4  # per second
_OTHER_LINES = 10  # lines of the screen besides the rows: headings, bar, text
_MACHINE_LINES = 4  # likewise of the table of machines
_PADDING = 2  # blanks of a column
_BAR_WIDTH = 60
_MIN_NAME_WIDTH = 8
_MAX_NAME_SHARE = 6
"""Names of arms are shortened to a sixth of the window before a column is left out."""

_ONE_RUN = len("seed 0: epoch 100/300, 98.00%")
"""Least width of the column of current runs: one run."""

_HEADING = 10
"""Characters in a line of a heading, few so that bars have room."""

_PROGRESS = "progress"
_LEAST = {"current": _ONE_RUN, _PROGRESS: 8}
_LEFT = {"network", "arm", "current", _PROGRESS}

_OPTIONAL = ("done", CLEAN, _PROGRESS, KERAS, "failed", "current", "running", "queued")
"""Columns left out of a narrow window, the last first."""

_ELASTIC = ("arm", "current", _PROGRESS)
"""Columns that take the room that is left, the first first."""


class LiveTable(Display):
    """Table of arms that is kept up to date, with the time left.

    Arms of several runs: done, running, failed and queued, accuracy, current runs, one bar for all. Arms of one run:
    its epochs with a bar, and the accuracies of its last epoch.

    Args:
        console: the terminal's.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._progress: dict[str, RunProgress] = {}
        self._eta = Eta((), 1)
        self._epochs_shown: dict[str, float] = {}  # of each run: an estimate may be above the next report
        self._at_once = 0
        self._machines: Sequence[Machine] = ()
        self._training = False
        self._started_at = time.monotonic()

    def on_train_begin(self, progress: Sequence[RunProgress], at_once: int) -> None:
        """Show the table."""
        self._progress = {each.run.key: each for each in progress}
        self._eta = Eta(progress, at_once)
        self._at_once = at_once
        self._started_at = time.monotonic()
        self._training = True
        self._open()

    def on_train_end(self) -> None:
        """Replace the table by one line."""
        if not self._training:
            return
        self._training = False
        self._close()
        for line in machine_lines(self._machines, self._machine_rows):
            self._print(line)
        done = sum(each.status == "done" for each in self._progress.values())
        self._print(training_ended(done, len(self._progress), time.monotonic() - self._started_at))

    def on_epoch_end(self, run: Run, metrics: EpochMetrics) -> None:
        """Update the run's row."""
        self._eta.on_epoch_end(run, metrics)
        before = self._progress[run.key]
        self._progress[run.key] = replace(before, status="running", epochs_done=metrics.epoch, last=metrics)

    def on_segment_end(self, run: Run, steps_done: int) -> None:
        """Move the bar on within a long epoch."""
        self._eta.on_segment_end(run, steps_done)
        self._progress[run.key] = replace(self._progress[run.key], status="running")

    def on_run_end(self, run: Run, status: str, cause: str) -> None:
        """Update the run's row; print the outcome of a run that did not finish."""
        self._eta.on_run_end(run)
        self._progress[run.key] = replace(self._progress[run.key], status=cast("Status", status))
        if status != "done":
            self._print(run_ended(run, status, cause))

    def on_machines(self, machines: Sequence[Machine]) -> None:
        """Update the table of machines."""
        self._machines = machines
        if workers := sum(each.workers or 0 for each in machines):
            self._eta.on_workers(workers)
            self._at_once = workers

    def on_notice(self, text: str) -> None:
        """Print it above the table."""
        self._print(text)

    def renderable(self) -> RenderableType:
        """The present table."""
        arms = by_arm(self._with_started())
        rows = self._visible_rows(arms)
        single = all(arm.runs == 1 for arm in arms)
        heading = accuracy_heading(self._progress.values())
        # From all arms, also those out of view, so that the columns do not depend on the window.
        all_cells = epoch_columns(arms, heading, self._epochs) if single else columns(arms, heading)
        cells = {name: [texts[row] for row in rows] for name, texts in all_cells.items()}
        if single:
            cells[_PROGRESS] = [" " * _BAR_WIDTH for _ in rows]
        widths = _widths(cells, self._console.width)
        shown: dict[str, list[RenderableType]] = {name: list(map(Text, cells[name])) for name in widths}
        shown["arm"] = [Text(_short(name, widths["arm"])) for name in cells["arm"]]
        if _PROGRESS in shown:
            shown[_PROGRESS] = [self._bar([arms[row].each[0]], widths[_PROGRESS]) for row in rows]
        table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for name, width in widths.items():
            table.add_column(
                Text(heading_lines(name, _HEADING)),
                justify="left" if name in _LEFT else "right",
                vertical="bottom",
                overflow="ellipsis",
                no_wrap=True,
                width=width,
            )
        for row, texts in zip(rows, zip(*(shown[name] for name in widths), strict=True), strict=True):
            arm = arms[row]
            # Text, so that an arm called "[red]" is no markup.
            table.add_row(*texts, style="red" if arm.failed else "" if arm.running else "dim")
        hidden = len(arms) - len(rows)
        do = "does" if hidden == 1 else "do"
        below: list[RenderableType] = (
            [Text(f"{counted(hidden, 'more row')} {do} not fit into the window")] if hidden else []
        )
        if _PROGRESS not in shown:
            below.append(self._bar(self._progress.values(), min(_BAR_WIDTH, self._console.width)))
        if self._machines:
            below.append(machine_table(self._machines, self._machine_rows, self._console.width))
        return Group(table, *below, Text(self._time(count_runs=not single)))

    def _open(self) -> None:
        self._live = Live(
            console=self._console,
            get_renderable=self.renderable,
            refresh_per_second=_REFRESH_RATE,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def _close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _with_started(self) -> list[RunProgress]:
        """Progress of all runs, with the first queued ones as running: as many as can train beside the others.

        Training reports no start of a run; runs start in the order of the plan, the longest first.
        """
        progress = list(self._progress.values())  # a copy: the other thread changes it
        idle = self._at_once - sum(map(is_running, progress))
        planned = [each for each in progress if each.status == "planned" and not each.epochs_done]
        planned.sort(key=lambda each: -epoch_cost(each.run.condition))
        keys = {each.run.key for each in planned[: max(0, idle)]}
        return [replace(each, status="running") if each.run.key in keys else each for each in progress]

    def _visible_rows(self, arms: Sequence[ArmProgress]) -> list[int]:
        """Rows that fit: those with running runs first, then those with ended ones; in the order of the table."""
        taken = min(self._machine_rows, len(self._machines)) + _MACHINE_LINES if self._machines else 0
        room = max(1, self._console.height - _OTHER_LINES - taken)
        by_priority = sorted(
            range(len(arms)),
            key=lambda row: (not arms[row].running, not (arms[row].done or arms[row].failed)),
        )
        return sorted(by_priority[:room])

    @property
    def _machine_rows(self) -> int:
        """Machines that have a row of their own: as many as fit into a third of the window."""
        return max(1, self._console.height // 3 - _MACHINE_LINES)

    def _epochs(self, each: RunProgress) -> float:
        """Epochs that a run has done, about."""
        key, now = each.run.key, each.epochs_done + self._eta.epochs_begun(each.run)
        self._epochs_shown[key] = max(self._epochs_shown.get(key, 0.0), now)
        return self._epochs_shown[key]

    def _bar(self, progress: Iterable[RunProgress], width: int) -> RenderableType:
        done = total = 0.0
        for each in tuple(progress):
            done += self._epochs(each)
            total += each.epochs
        bar = ProgressBar(
            total=max(total, 1),
            completed=done,
            width=width,
            style="dim bright_black",
            complete_style="green",
            finished_style="green",
        )
        line = Table.grid()
        line.add_row(bar)
        return line

    def _time(self, *, count_runs: bool) -> str:
        ended = sum(each.status in {*ENDED, "failed"} for each in self._progress.values())
        passed, left = duration(time.monotonic() - self._started_at), self._eta.seconds_left()
        runs = f"{ended} of {len(self._progress)} runs, " if count_runs else ""
        rest = "time left not known yet" if left is None else f"{duration(left)} left"
        return f"{runs}{passed} so far, {rest}. Ctrl-C stops; what is done is kept."

    def _print(self, text: str) -> None:
        # Without wrapping: the terminal breaks long words, and copied text then has no line ends in them.
        self._console.print(Text(wrap_paragraphs(printable(text, "\n"), self._console.file)), soft_wrap=True)


def _widths(cells: dict[str, list[str]], width: int) -> dict[str, int]:
    """Widths of the columns that fit; a column whose numbers would be cut off is left out.

    Names of arms and current runs are shortened first, since their start still identifies them.
    """
    full = {
        name: max(map(cell_len, (*heading_lines(name, _HEADING).splitlines(), *cells[name])))
        for name in cells
    }
    least = full | {
        "arm": min(full["arm"], max(_MIN_NAME_WIDTH, width // _MAX_NAME_SHARE)),
        **{name: min(full[name], width) for name, width in _LEAST.items() if name in full},
    }
    required = [name for name in cells if name not in {"arm", *_OPTIONAL}]
    by_priority = ["arm", *required, *(name for name in _OPTIONAL if name in cells)]
    room = max(width, least["arm"] + _PADDING)
    widths: dict[str, int] = {}
    for name in by_priority:
        if least[name] + _PADDING <= room:
            widths[name] = least[name]
            room -= least[name] + _PADDING
    for name in _ELASTIC:
        if name in widths:
            more = min(full[name] - least[name], room)
            widths[name] += more
            room -= more
    return {name: widths[name] for name in cells if name in widths}


def _short(name: str, width: int) -> str:
    """A name shortened to a width in columns; letters of some alphabets take two."""
    short, limit = name, width
    while cell_len(short) > width and limit:
        short, limit = plain_name(name, limit), limit - 1
    return short
