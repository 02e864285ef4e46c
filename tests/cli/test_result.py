"""The result on terminals of several widths, with and without colour, and in a pipe."""

import re
import sys
from dataclasses import replace

import pytest
from rich.cells import cell_len

import random_results
from command_line import TINY
from dropstudy import Study

COLOUR = re.compile(r"\x1b\[[\d;]*3\d(;[\d;]*)?m")
CODES = re.compile(r"\x1b\[[\d;]*m")


@pytest.fixture
def terminal(monkeypatch):
    """Make standard output a terminal."""

    def of_width(width):
        monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.delenv("NO_COLOR", raising=False)

    return of_width


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_result_fits_the_terminal_and_says_what_a_pipe_gets(trained, call, terminal, width):
    piped = call("show", trained[0]).out
    terminal(width)
    shown = CODES.sub("", call("show", trained[0]).out)
    lines = [line.rstrip() for line in shown.splitlines()]
    breakable = [line for line in lines if " " in line and not line.startswith(("dropstudy ", "    --"))]
    assert all(cell_len(line) <= width or "report.html" in line for line in breakable)
    flat, words = " ".join(shown.split()), set(piped.split())
    for _, sentence in Study.open(trained[0]).answer().lines:
        assert sentence in flat
    assert {word for word in words if not word.startswith("─")} <= set(shown.split())


def test_colour_and_bars_are_for_terminals_that_want_them(trained, call, terminal, monkeypatch):
    assert "\x1b" not in call("show", trained[0]).out
    terminal(80)
    coloured = call("show", trained[0]).out
    assert COLOUR.search(coloured)
    assert "●" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    plain = call("show", trained[0]).out
    assert not COLOUR.search(plain)
    assert CODES.sub("", plain) == CODES.sub("", coloured)


@pytest.mark.usefixtures("no_report")
def test_bars_end_on_the_side_of_their_sign_as_far_off_as_the_difference_is_large(
    call, terminal, monkeypatch
):
    accuracy = {0.0: 0.9, 0.2: 0.95, 0.5: 0.85, 0.8: 0.7}

    def final(segment, draws):
        found = random_final(segment, draws)
        return replace(found, accuracy=accuracy[segment.run.arm.rate])

    random_final = random_results._final
    monkeypatch.setattr(random_results, "_final", final)
    call("run", *TINY, "--rates", "0,0.2,0.5,0.8", "--out", "s")
    terminal(120)
    shown = CODES.sub("", call("show", "s").out)
    place = {}
    for line in shown.splitlines():
        if "●" in line:
            arm = line[: line.index("%") - 5].strip()
            place[arm] = line.index("●")
    (zero,) = {line.index("│") for line in shown.splitlines() if "│" in line}
    assert place["dropout 0.8"] < place["dropout 0.5"] < zero < place["dropout 0.2"]


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize(("inside", "path"), [(".", "."), ("weights", "..")])
def test_a_study_is_shown_from_within_its_folder(call, monkeypatch, tmp_path, inside, path):
    """Commands to copy name folders beside it, for which `.` and `..` are no names."""
    out = tmp_path / "first"
    assert call("run", *TINY, "--rates", "0,0.5", "--seeds", 6, "--quiet", "--out", out).code == 0
    monkeypatch.chdir(out / inside)
    done = call("show", path)
    assert done.code == 0
    beside = re.findall(r"--out (\S+)", done.out)
    assert beside
    assert all(folder.startswith(f"{out}-") for folder in beside)
