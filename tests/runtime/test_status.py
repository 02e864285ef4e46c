"""How far a study is, in numbers and words; and the live table that shows it."""

import io
import itertools
import math
import re
import time
from dataclasses import replace
from statistics import mean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from dropstudy.core.types import Arm, Condition, EpochMetrics, Optimizer, Run
from dropstudy.runtime.progress import status
from dropstudy.runtime.progress.display import DefaultDisplay
from dropstudy.runtime.progress.lines import EpochLines
from dropstudy.runtime.progress.table import LiveTable
from dropstudy.store.reader import RunProgress
from expected import Runtime

STATUSES = ("planned", "running", "done", "diverged", "failed")
CONDITIONS = (Condition(64, (8,), 10, 1437, 128), Condition(64, (4, 4), 10, 100, 64))


def run_of(seed, arm="plain", condition=CONDITIONS[0], validation_split="test"):
    key = f"{arm}/{condition.layers}/{seed}"
    return Run(key, Arm(arm), condition, seed, "relu", Optimizer(), 5, validation_split, "float32")


def row_of(epoch, accuracy, seconds=0.1):
    return EpochMetrics(epoch, 0.1, 0.9, 0.2, accuracy, 0.1, 0.9, seconds)


def progress_of(run, status, accuracy=0.9):
    done = {"planned": 0, "running": 3}.get(status, 5)
    return RunProgress(
        run, status, done, row_of(done, accuracy) if done else None, 0.9 if status == "done" else None
    )


PROGRESS = st.lists(
    st.tuples(
        st.sampled_from(["plain", "half", "[red]"]),
        st.sampled_from(CONDITIONS),
        st.sampled_from(STATUSES),
        st.floats(0, 1),
    ),
    min_size=1,
    max_size=30,
).map(
    lambda parts: [
        progress_of(run_of(seed, arm, condition), status, accuracy)
        for seed, (arm, condition, status, accuracy) in enumerate(parts)
    ]
)


@given(PROGRESS)
def test_every_run_is_counted_once_under_its_arm_and_condition(progress):
    arms = status.by_arm(progress)
    assert sum(arm.runs for arm in arms) == len(progress)
    assert len({(arm.arm, arm.hidden, arm.train_size) for arm in arms}) == len(arms)
    for arm in arms:
        assert arm.done + arm.failed + len(arm.running) + arm.queued == arm.runs
        assert arm.queued >= 0
        statuses = [
            each.status
            for each in progress
            if (each.run.arm.name, each.run.condition.layers) == (arm.arm, arm.hidden)
        ]
        assert arm.done == statuses.count("done") == len(arm.accuracies)
        assert arm.failed == statuses.count("failed") + statuses.count("diverged")


@given(PROGRESS)
def test_the_summary_counts_every_run_once(progress):
    sentence = status.summary(progress)
    head, *others = [
        int(number) for number in re.findall(r"(\d+) (?:of \d+ run|running|queued|failed|diverged)", sentence)
    ]
    assert head + sum(others) == len(progress)
    assert f"of {len(progress)} run" in sentence


@pytest.mark.parametrize(
    ("statuses", "sentence"),
    [
        (["done"], "1 of 1 run is done."),
        (["planned"], "0 of 1 run is done, 1 queued. 0 of 5 epochs are done."),
        (
            ["done", "running", "planned", "failed"],
            "1 of 4 runs is done, 1 running, 1 queued, 1 failed. 13 of 20 epochs are done.",
        ),
        (["done"] * 3, "3 of 3 runs are done."),
    ],
)
def test_the_progress_of_a_study_is_told_in_runs_and_epochs(statuses, sentence):
    progress = [progress_of(run_of(n), status) for n, status in enumerate(statuses)]
    assert status.summary(progress) == sentence
    assert status.summary(progress, "interrupted") == sentence.replace("running", "interrupted")


@given(st.lists(st.floats(0, 1), min_size=2, max_size=10))
def test_accuracies_have_their_spread_over_seeds(accuracies):
    words = status.mean_accuracy(accuracies)
    value, sd = map(float, re.fullmatch(r"([\d.]+)% \(SD ([\d.]+)\)", words).groups())
    assert value == pytest.approx(100 * mean(accuracies), abs=0.0051)
    assert sd == pytest.approx(100 * stdev(accuracies), abs=0.0051)


def test_one_accuracy_has_no_spread_and_none_is_a_dash():
    assert status.mean_accuracy([0.98765]) == "98.77%"
    assert status.mean_accuracy([]) == status.mean_accuracy([float("nan")]) == "-"


def test_accuracies_on_the_test_set_are_labelled_as_such():
    for validation, heading in (("test", "test accuracy (watched)"), (0.1, "validation accuracy")):
        assert (
            status.accuracy_heading([progress_of(run_of(0, validation_split=validation), "done")]) == heading
        )


# --- the live table ---


class Terminal(io.StringIO):
    def isatty(self):
        return True


def drawn(table, width=120, height=40):
    """Text that the terminal shows."""
    console = Console(file=io.StringIO(), width=width, height=height)
    console.print(table.renderable())
    return console.file.getvalue()


@pytest.fixture
def table():
    """A live table of two arms and three seeds, two workers; nothing has happened yet."""
    made = LiveTable(Console(file=Terminal(), force_terminal=True, width=120, height=40))
    made.on_train_begin(
        [progress_of(run_of(seed, arm), "planned") for seed in range(3) for arm in ("plain", "[red]")], 2
    )
    yield made
    made.on_train_end()


def test_until_the_first_epoch_ends_the_table_shows_that_time_goes_on(table, monkeypatch):
    assert " less than 1 s so far" in drawn(table)
    later = time.monotonic() + 75
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert " 75 s so far" in drawn(table)


def test_the_table_follows_what_happens(table):
    assert "time left not known yet" in drawn(table)
    assert "failed" not in drawn(table)  # as long as none has
    table.on_segment_end(run_of(2), 3)
    assert re.search(r"plain +0/3 +2 +1 +- +seed 0: first epoch; seed 2: first epoch", drawn(table))
    for epoch in range(1, 6):
        table.on_epoch_end(run_of(0), row_of(epoch, 0.97))
    table.on_run_end(run_of(0), "done", "")
    table.on_epoch_end(run_of(0, "[red]"), row_of(1, 0.5))
    time.sleep(0.02)
    table.on_epoch_end(run_of(0, "[red]"), row_of(2, 0.96))
    shown = drawn(table)
    assert re.search(r"plain +1/3 +1 +1 +97\.00% +seed 2: first epoch", shown)
    assert re.search(r"\[red\] +0/3 +1 +2 +- +seed 0: epoch 2/5, 96\.00%", shown)
    assert re.search(r"1 of 6 runs, less than 1 s so far, (less than )?\d+ s left\. Ctrl-C", shown)
    table.on_run_end(run_of(0, "[red]"), "diverged", Runtime.NOT_FINITE.format(2))
    assert re.search(r"\[red\] +0/3 +0 +1 +2 ", drawn(table))
    assert f"'[red]', seed 0 diverged: {Runtime.NOT_FINITE.format(2)}" in table._console.file.getvalue()


@pytest.mark.parametrize(("width", "height"), [(120, 40), (80, 24), (40, 12), (20, 5)])
def test_a_grid_fits_its_window(width, height):
    names = [f"dropout 0.{number}, max norm {number}" for number in range(30)]
    table = LiveTable(Console(file=Terminal(), force_terminal=True, width=width, height=height))
    runs = [run_of(seed, arm, condition) for seed in range(2) for condition in CONDITIONS for arm in names]
    table.on_train_begin([progress_of(run, "planned") for run in runs], 2)
    table.on_epoch_end(runs[45], row_of(1, 0.9))
    shown = drawn(table, width, height)
    table.on_train_end()
    assert max(map(len, shown.splitlines())) <= width
    if width >= 80:
        assert len(shown.splitlines()) <= height
        assert re.search(r"\d+ more rows do not fit into the window", shown)


def rows_of(shown):
    """The lines between the headings and the first empty one after them."""
    lines = [line.rstrip() for line in shown.splitlines()]
    first = next(place for place, line in enumerate(lines) if "───" in line) + 1
    return lines[first : lines.index("", first)]


@given(
    beginning=st.text("ab 字", min_size=20, max_size=60),
    width=st.sampled_from([60, 80, 100, 120, 200]),
    conditions=st.sampled_from([CONDITIONS, (CONDITIONS[0], Condition(784, (2048, 2048), 10, 60_000, 128))]),
    running=st.integers(0, 3),
)
def test_a_narrow_window_shortens_names_and_no_number(beginning, width, conditions, running):
    names = [f"x{beginning}{end}" for end in ("0.2", "0.5")]
    table = LiveTable(Console(file=Terminal(), force_terminal=True, width=width, height=40))
    runs = [run_of(seed, arm, condition) for seed in range(4) for condition in conditions for arm in names]
    statuses = ["done"] * 10 + ["running"] * running + ["planned"] * (6 - running)
    progress = [progress_of(run, status, run.seed / 9) for run, status in zip(runs, statuses, strict=True)]
    table.on_train_begin(progress, 1)
    table._at_once = 0  # none starts a queued run
    shown = drawn(table, width)
    table.on_train_end()
    rows = rows_of(shown)
    assert max(map(cell_len, shown.splitlines())) <= width
    for row, arm in zip(rows, status.by_arm(progress), strict=True):
        expected = rf" {arm.hidden} +{arm.train_size:,}  x.*{arm.arm[-3:]} +{arm.done}/{arm.runs}\b(.*)"
        rest = re.fullmatch(expected, row)[1]
        assert status.mean_accuracy(arm.accuracies) in rest
        if width >= 100:
            assert re.match(rf" +{len(arm.running)} ", rest)
        # Of several runs as many are told as there is room for.
        assert "…" not in rest or len(arm.running) > 1


@pytest.mark.parametrize("width", [120, 80, 60, 40, 20])
def test_arms_of_one_run_each_have_a_row_with_epochs_accuracies_and_a_bar(width):
    table = LiveTable(Console(file=Terminal(), force_terminal=True, width=width, height=24))
    runs = [run_of(0, arm) for arm in ("plain", "half", "last")]
    table.on_train_begin([progress_of(run, "planned") for run in runs], 2)
    waiting = drawn(table, width)
    for epoch, accuracy in ((1, 0.5), (2, 0.9512)):
        table.on_epoch_end(
            runs[0], replace(row_of(epoch, accuracy, 1e9), accuracy=0.99, clean_accuracy=0.999)
        )
    table.on_segment_end(runs[1], runs[1].condition.steps // 2)
    shown = drawn(table, width)
    for epoch in range(3, 6):
        table.on_epoch_end(runs[0], row_of(epoch, 0.96, 1e9))
    table.on_run_end(runs[0], "done", "")
    ended = drawn(table, width)
    table.on_train_end()
    for text in (waiting, shown, ended):
        assert max(map(cell_len, text.splitlines())) <= width
    if width < 40:
        return
    assert [row.split()[:2] for row in rows_of(shown)] == [
        ["plain", "2.0/5"],
        ["half", "0.5/5"],
        ["last", "queued"],
    ]
    assert "95.12%" in rows_of(shown)[0]
    assert rows_of(ended)[0].split()[1] == "5/5"
    if width >= 80:
        assert re.search(r"plain +2\.0/5 +99\.00% +99\.90% +95\.12% +━", shown)
        bars = [row.count("━") + row.count("╸") for row in rows_of(shown)]
        assert bars[0] > bars[1] >= bars[2] == 0
        assert rows_of(ended)[0].count("━") > bars[0] * 2


def test_a_bar_never_goes_back(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    table = LiveTable(Console(file=Terminal(), force_terminal=True, width=100, height=24))
    run = run_of(0)
    started = progress_of(run, "running")
    table.on_train_begin([progress_of(run, "planned")], 1)
    table._eta._clock = lambda: now[0]
    table.on_epoch_end(run, row_of(1, 0.9, seconds=1.0))
    shown = []
    for later in (100.5, 102.0, 103.0):
        now[0] = later
        shown.append(table._epochs(replace(started, epochs_done=1)))
    assert shown == pytest.approx([1.5, 3.0, 4.0])
    table.on_epoch_end(run, row_of(2, 0.9, seconds=1.0))  # slower than was expected
    assert table._epochs(replace(started, epochs_done=2)) == pytest.approx(4.0)
    table.on_train_end()


@given(st.lists(st.sampled_from(STATUSES), min_size=1, max_size=30), st.integers(10, 20))
def test_running_rows_are_shown_first_in_the_order_of_the_table(statuses, height):
    table = LiveTable(Console(file=Terminal(), force_terminal=True, width=100, height=height))
    runs = [run_of(0, f"arm {number} of many") for number in range(len(statuses))]
    table.on_train_begin([progress_of(run, status) for run, status in zip(runs, statuses, strict=True)], 1)
    table._at_once = 0  # none starts a queued run
    shown = drawn(table, 100, height)
    table.on_train_end()
    places = [int(re.search(r"arm (\d+) of many", row)[1]) for row in rows_of(shown)]
    assert places == sorted(places)
    rank = {"running": 0, "planned": 2}
    ranks = [rank.get(status, 1) for status in statuses]
    assert sorted(ranks[place] for place in places) == sorted(ranks)[: len(places)]
    hidden = len(statuses) - len(places)
    hidden_rows = re.search(r"^(\d+) more (?:row does|rows do) not fit into the window", shown, re.MULTILINE)
    assert (int(hidden_rows[1]) if hidden_rows else 0) == hidden
    assert len(shown.splitlines()) <= height


def test_the_network_is_named_even_if_all_visible_rows_share_it():
    table = LiveTable(Console(file=Terminal(), force_terminal=True, width=100, height=12))
    runs = [run_of(0, f"arm {number}", condition) for condition in CONDITIONS for number in range(20)]
    table.on_train_begin([progress_of(run, "planned") for run in runs], 1)
    shown = drawn(table, 100, 12)
    table.on_train_end()
    assert all(" 8 " in row for row in rows_of(shown))
    assert "network" in shown


def test_a_line_replaces_the_table_when_training_ends(table):
    table.on_run_end(run_of(0), "done", "")
    table.on_train_end()
    last = table._console.file.getvalue().splitlines()[-1]
    assert "1 of 6 runs done; this took " in last


@pytest.mark.parametrize("runs", [1, 30])
@pytest.mark.parametrize(("stream", "live"), [(Terminal, True), (io.StringIO, False)])
def test_the_table_is_for_terminals_and_lines_for_all_else(stream, runs, live, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    for variable in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(variable, raising=False)
    screen = DefaultDisplay(stream())
    screen.on_train_begin([progress_of(run_of(seed), "planned") for seed in range(runs)], 2)
    screen.on_train_end()
    assert isinstance(screen.callbacks[0], LiveTable if live else EpochLines)


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    screen = DefaultDisplay(Terminal())
    screen.on_train_begin([progress_of(run_of(0), "planned")], 2)
    assert isinstance(screen.callbacks[0], EpochLines)


def train_in_a_pipe(runs, clock, *, limit=math.inf, seconds=0.1):
    """Lines of a pipe while runs of 5 epochs train in turn, with the time of each."""
    stream, at = io.StringIO(), []
    lines = EpochLines(stream, limit=limit)
    lines.on_train_begin([progress_of(run, "planned") for run in runs], 1)

    def note():
        at.extend([clock[0]] * (stream.getvalue().count("\n") - len(at)))

    for run in runs:
        for epoch in range(1, 6):
            clock[0] += seconds
            lines.on_epoch_end(run, row_of(epoch, 0.9, seconds))
            note()
        lines.on_run_end(run, "done", "")
    lines.on_train_end()
    note()
    return list(zip(at, stream.getvalue().splitlines(), strict=True))


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_lines_in_a_pipe_name_the_network_of_each_epoch_and_end_with_the_time(clock):
    runs = [run_of(seed, condition=condition) for seed in range(2) for condition in CONDITIONS]
    texts = [text for _, text in train_in_a_pipe(runs, clock, limit=20)]
    assert len(texts) == 2 * 20 + 1
    place = texts.index("Epoch 5/5 [plain, 4-4 on 100, seed 0]")
    assert texts[place + 1].startswith("2/2 - 0s - loss: 0.1000 - accuracy: 0.9000 - val_loss: 0.2000")
    assert texts[-1] == "4 of 4 runs done; this took 2 s."


def test_a_study_of_seconds_in_a_pipe_has_no_line_on_its_progress(clock):
    texts = [text for _, text in train_in_a_pipe([run_of(seed) for seed in range(9)], clock, limit=9)]
    assert texts == ["9 of 9 runs done; this took 5 s."]


def test_studies_trained_one_after_the_other_in_a_pipe_share_the_limit_of_epoch_lines():
    stream = io.StringIO()
    lines = EpochLines(stream, limit=12)
    for seed in range(3):  # 5 epochs each, as where seeds are added round by round
        lines.on_train_begin([progress_of(run_of(seed), "planned")], 1)
        for epoch in range(1, 6):
            lines.on_epoch_end(run_of(seed), row_of(epoch, 0.9, 0.1))
        lines.on_run_end(run_of(seed), "done", "")
    assert [stream.getvalue().count(f"seed {seed}]") for seed in range(3)] == [5, 5, 0]


def test_a_long_study_in_a_pipe_has_a_line_after_ten_seconds_each_minute_and_at_the_end(clock):
    runs, start = [run_of(seed) for seed in range(200)], clock[0]
    lines = train_in_a_pipe(runs, clock, limit=999, seconds=0.7)
    assert 10 <= lines[0][0] - start < 11
    assert lines[0][1].startswith("2% done (15 of 1,000 epochs, 2 of 200 runs); 11 s so far, ")
    apart = [later[0] - earlier[0] for earlier, later in itertools.pairwise(lines)]
    assert len(lines) == 2 + 700 // 60
    assert all(60 <= seconds < 61 for seconds in apart[:-1])
    assert lines[-1][1] == "200 of 200 runs done; this took 12 min."
    for _, text in lines[1:-1]:
        percent, epochs, runs_done = map(
            int,
            re.fullmatch(
                r"(\d+)% done \((\d+) of 1,000 epochs, (\d+) of 200 runs\); .+ left\.", text
            ).groups(),
        )
        assert percent == pytest.approx(epochs / 10, abs=0.51)
        assert runs_done == (epochs - 1) // 5


def test_a_slow_study_in_a_pipe_has_its_progress_between_epoch_lines(clock):
    texts = [text for _, text in train_in_a_pipe([run_of(0), run_of(1)], clock, limit=100, seconds=40)]
    assert sum(text.startswith("Epoch ") for text in texts) == 10
    minutes = [text for text in texts if "% done" in text]
    assert len(minutes) == 5
    assert minutes[0].startswith("20% done (2 of 10 epochs, 0 of 2 runs); 80 s so far, about 5 min")
