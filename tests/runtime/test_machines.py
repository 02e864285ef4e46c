"""Machines of a cluster in lines and in the live table."""

import io
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dropstudy.runtime.machines import Machine
from dropstudy.runtime.progress.lines import EpochLines
from dropstudy.runtime.progress.machines import machine_lines, machine_table, runs_by_arm
from dropstudy.runtime.progress.table import LiveTable
from dropstudy.store.reader import RunProgress
from fake_training import make_runs

RUNS = make_runs("no dropout", "dropout 0.5", seeds=range(3))
NODE = Machine("node7", 2, RUNS[:2], parts=12, lost=1)


def printed(renderable, width=80):
    console = Console(file=io.StringIO(), width=width, height=24)
    console.print(renderable)
    return console.file.getvalue()


def test_a_line_says_what_a_machine_trains_and_what_was_lost():
    assert machine_lines([NODE], 8) == [
        "node7, 2 workers: 12 parts of runs done, 1 lost and given again; now no dropout: seed 0; dropout 0.5: seed 0"
    ]
    other = replace(NODE, refused="jax 0.11.0 where the study has 0.10.2")
    assert machine_lines([other], 8) == ["node7, 2 workers: left out, jax 0.11.0 where the study has 0.10.2"]
    assert machine_lines([Machine("node8", parts=1)], 8) == ["node8: 1 part of runs done"]


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 999), st.integers(0, 99)), max_size=30))
def test_nothing_is_lost_among_machines_that_have_no_line(each):
    machines = [Machine(f"n{n}", *numbers[:1], (), *numbers[1:]) for n, numbers in enumerate(each)]
    lines = machine_lines(machines, 5)
    assert len(lines) == min(len(machines), 6)
    for words, sums in ((r"(\d[\d,]*) parts?", 1), (r"(\d[\d,]*) lost", 2)):
        found = re.findall(words, "\n".join(lines))
        assert sum(int(text.replace(",", "")) for text in found) == sum(numbers[sums] for numbers in each)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_table_fits_into_the_window(width):
    names = ["node7", "[red]", "login.with.a.very.long.name.example.org"]
    text = printed(machine_table([replace(NODE, name=name) for name in names], 8, width), width)
    assert len(text.splitlines()) == 2 + len(names)
    assert all(len(line) <= width for line in text.splitlines())
    assert "[red]" in text
    assert "12" in text


def test_more_runs_than_fit_are_counted():
    assert runs_by_arm(RUNS, 4) == "no dropout: seeds 0, 1; dropout 0.5: seeds 0, 1; 2 more"
    assert runs_by_arm((), 4) == ""


def test_displays_show_the_machines_and_keep_them_at_the_end():
    progress = [RunProgress(run, "planned", 0, None, None) for run in RUNS]
    stream = io.StringIO()
    table = LiveTable(Console(file=io.StringIO(), width=80, height=24, force_terminal=True))
    lines = EpochLines(stream)
    for display in (table, lines):
        display.on_train_begin(progress, 1)
        display.on_machines([NODE])
    shown = printed(table.renderable())
    assert "node7" in shown
    assert "seed 0" in shown.split("node7")[1]
    for display in (table, lines):
        display.on_machines([replace(NODE, runs=())])
        display.on_train_end()
    assert "node7, 2 workers: 12 parts of runs done, 1 lost and given again\n" in stream.getvalue()
