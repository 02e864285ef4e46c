"""Live table of a grid's arms on a terminal."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, cast

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dropstudy.core.streams import paragraphs
from dropstudy.core.tables import heading
from dropstudy.core.text import counted, plain_name
from dropstudy.errors import printable
from dropstudy.runtime.events import Display
from dropstudy.runtime.messages import run_ended
from dropstudy.runtime.progress.eta import Pace, duration, epoch_cost
from dropstudy.runtime.progress.status import accuracy_heading, begun, by_arm, columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, RenderableType

    from dropstudy.core.types import EpochMetrics, Run, Status
    from dropstudy.runtime.progress.status import ArmProgress
    from dropstudy.store.reader import RunProgress

_A_SECOND = 4  # times that the table is drawn again
_OTHER_LINES = 9  # of the screen: headings, the bar, what stands above and below
_BETWEEN = 2  # blanks that a column takes besides its text
_BAR = 60  # columns
_SHORTEST_NAME = 8
_SHARE_OF_NAMES = 5
"""Names of arms are shortened to a fifth of the window, and to so many columns, before another column goes."""

_ONE_RUN = len("seed 0: epoch 100/300, 98.00%")
"""Longest text of current progress before it is cut off; one run fits whole."""

_DISPENSABLE = ("done", "begun", "failed", "to come", "stands at")
"""Columns that go, the last first, where a window is too narrow for all."""


class LiveTable(Display):
    """A table of arms: done, begun, failed, to come, accuracy so far; below it the pace and the time left.

    Args:
        console: the terminal's.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._progress: dict[str, RunProgress] = {}
        self._pace = Pace((), 1)
        self._inside: dict[str, float] = {}
        self._total = 0
        self._workers = 0
        self._began = time.monotonic()

    def on_train_begin(self, progress: Sequence[RunProgress], workers: int) -> None:
        """Show the table."""
        self.know(progress, workers)
        self._live = Live(
            console=self._console,
            get_renderable=self.renderable,
            refresh_per_second=_A_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def know(self, progress: Sequence[RunProgress], workers: int) -> None:
        """Note which runs there are."""
        self._progress = {each.run.key: each for each in progress}
        self._pace = Pace(progress, workers)
        self._workers = workers
        self._total = sum(each.run.epochs for each in progress)
        self._began = time.monotonic()

    def on_train_end(self) -> None:
        """Take the table away: what the study shows is printed in its place."""
        if self._live is not None:
            self._live.stop()
            self._live = None
            self._print(self.passed())

    def passed(self) -> str:
        """Sentence on what was done."""
        done = sum(each.status == "done" for each in self._progress.values())
        passed = duration(time.monotonic() - self._began)
        return f"{done} of {counted(len(self._progress), 'run')} done; this took {passed}."

    def on_epoch_end(self, run: Run, metrics: EpochMetrics) -> None:
        """Note the epoch; the table is drawn by its own clock."""
        self._pace.epoch(run, metrics)
        self._inside.pop(run.key, None)
        before = self._progress[run.key]
        self._progress[run.key] = replace(before, status="running", epochs_done=metrics.epoch, last=metrics)

    def on_segment_end(self, run: Run, steps_done: int) -> None:
        """Note how far a long epoch is: the bar moves on."""
        self._inside[run.key] = steps_done % run.condition.steps / run.condition.steps
        self._progress[run.key] = replace(self._progress[run.key], status="running")

    def on_run_end(self, run: Run, status: str, cause: str) -> None:
        """Note it, and print what became of a run that did not finish."""
        self._pace.ended(run)
        self._inside.pop(run.key, None)
        before = self._progress[run.key]
        self._progress[run.key] = replace(before, status=cast("Status", status))
        if status != "done":
            self._print(run_ended(run, status, cause))

    def on_notice(self, text: str) -> None:
        """Print it above the table."""
        self._print(text)

    def renderable(self) -> RenderableType:
        """The table as it is now."""
        arms = by_arm(self._with_begun())
        places = self._that_fit(arms)
        # Of all arms, those not in view too: whether there are several networks does not depend on the window.
        whole = columns(arms, accuracy_heading(self._progress.values()))
        cells = {name: [texts[place] for place in places] for name, texts in whole.items()}
        widths = _widths(cells, self._console.width)
        cells["arm"] = [_short(name, widths["arm"]) for name in cells["arm"]]
        table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for name, width in widths.items():
            justify: Literal["left", "right"] = "left" if name in {"network", "arm", "stands at"} else "right"
            table.add_column(
                Text(heading(name)),
                justify=justify,
                vertical="bottom",
                overflow="ellipsis",
                no_wrap=True,
                width=width,
            )
        for place, row in zip(places, zip(*(cells[name] for name in widths), strict=True), strict=True):
            arm = arms[place]
            # Text, so that an arm called "[red]" is printed and not obeyed.
            table.add_row(*map(Text, row), style="red" if arm.failed else "" if arm.begun else "dim")
        left_out = len(arms) - len(places)
        does = "does" if left_out == 1 else "do"
        below = [f"{counted(left_out, 'more row')} {does} not fit into the window"] if left_out else []
        return Group(table, *map(Text, below), self._bar(), Text(self._pace_words()))

    def _with_begun(self) -> list[RunProgress]:
        """Standings, with the runs that workers are at and that have not come to the end of their first epoch.

        Nobody says when a run begins: they begin as the plan has them, and as many as there are workers have begun.
        """
        progress = list(self._progress.values())  # a copy: the other thread goes on
        idle = self._workers - sum(map(begun, progress))
        planned = [each for each in progress if each.status == "planned" and not each.epochs_done]
        planned.sort(key=lambda each: -epoch_cost(each.run.condition))
        keys = {each.run.key for each in planned[: max(0, idle)]}
        return [replace(s, status="running") if s.run.key in keys else s for s in progress]

    def _that_fit(self, arms: Sequence[ArmProgress]) -> list[int]:
        """Places of the rows for which there is room, in the order of the table.

        Rows with runs that have begun come into view first, then those of which a run is over.
        """
        room = max(1, self._console.height - _OTHER_LINES)
        first = sorted(
            range(len(arms)),
            key=lambda place: (not arms[place].begun, not (arms[place].done or arms[place].failed)),
        )
        return sorted(first[:room])

    def _bar(self) -> RenderableType:
        done = self._total - self._pace.epochs_left + sum(tuple(self._inside.values()))
        line = Table.grid()
        line.add_row(
            ProgressBar(
                total=max(self._total, 1),
                completed=done,
                width=min(_BAR, self._console.width),
                complete_style="green",
            )
        )
        return line

    def _pace_words(self) -> str:
        ended = sum(each.status in {"done", "failed", "diverged"} for each in self._progress.values())
        words = [f"{ended} of {len(self._progress)} runs"]
        rate, left = self._pace.rate_of_the_rest(), self._pace.seconds_left()
        if rate is not None:
            words.append(f"{rate:.2g} run-epochs/s" if rate < 1 else f"{rate:.1f} run-epochs/s")
        passed = duration(time.monotonic() - self._began)
        words.append(
            f"{passed} so far, the first epoch takes longer: it is compiled first"
            if left is None
            else f"{duration(left)} left"
        )
        return ", ".join(words) + ". Ctrl-C stops; what is done is kept."

    def _print(self, text: str) -> None:
        # Long words are left to the terminal, which breaks them without a line's end in what is copied.
        self._console.print(Text(paragraphs(printable(text, "\n"), self._console.file)), soft_wrap=True)


def _widths(cells: dict[str, list[str]], width: int) -> dict[str, int]:
    """Widths of the columns that fit; a column whose numbers would be cut off is left out.

    The names of arms and what runs stand at give way first, since what is left of them still says something.
    """
    whole = {name: max(map(cell_len, (*heading(name).splitlines(), *cells[name]))) for name in cells}
    least = whole | {
        "arm": min(whole["arm"], max(_SHORTEST_NAME, width // _SHARE_OF_NAMES)),
        "stands at": min(whole["stands at"], _ONE_RUN),
    }
    needed = ["arm", *(name for name in cells if name not in {"arm", *_DISPENSABLE}), *_DISPENSABLE]
    room = max(width, least["arm"] + _BETWEEN)
    widths: dict[str, int] = {}
    for name in needed:
        if least[name] + _BETWEEN <= room:
            widths[name] = least[name]
            room -= least[name] + _BETWEEN
    for name in ("arm", "stands at"):
        if name in widths:
            more = min(whole[name] - least[name], room)
            widths[name] += more
            room -= more
    return {name: widths[name] for name in cells if name in widths}


def _short(name: str, width: int) -> str:
    """A name that takes no more columns than `width`: of some alphabets a letter takes two."""
    short, limit = name, width
    while cell_len(short) > width and limit:
        short, limit = plain_name(name, limit), limit - 1
    return short
