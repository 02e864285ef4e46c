"""Pictures are drawn by another process, and survive its end."""

import io
import os
import signal
import sys
from pathlib import Path

import pytest
from PIL import Image

import fast_command
from command_line import run_process
from dropstudy.errors import DropstudyError, InvalidArgument
from dropstudy.report.charts import render
from dropstudy.report.charts.render import FORMATS, apart, draw, save
from dropstudy.store.store import Store

SPEC = {"data": {"values": [{"x": 1, "y": float("nan")}, {"x": 2, "y": 1.0}]}, "mark": "point"}
SPEC |= {"encoding": {axis: {"field": axis, "type": "quantitative"} for axis in "xy"}}


def test_a_chart_is_drawn_in_each_format_and_what_is_not_a_number_is_left_out(monkeypatch):
    monkeypatch.setattr(render, "apart", apart)  # other tests draw in this process
    (drawn,) = draw([SPEC])
    assert set(drawn) == set(FORMATS)
    assert drawn["pdf"].startswith(b"%PDF-")
    assert drawn["svg"].startswith(b"<svg")
    assert b"NaN" not in drawn["svg"]
    with Image.open(io.BytesIO(drawn["png"])) as image:
        image.load()
        assert len(image.convert("RGB").getcolors(1 << 24)) > 2


def test_a_picture_of_another_format_is_refused(tmp_path):
    with pytest.raises(InvalidArgument, match=r"path: expected .*\.png, \.svg, \.pdf.*'x\.gif'"):
        save(SPEC, tmp_path / "x.gif")
    assert list(tmp_path.iterdir()) == []


def die_once(mark):
    """End the process that calls this, the first time."""
    if not Path(mark).exists():
        Path(mark).touch()
        os._exit(1)
    return "the second time"


def die_always():
    sys.stderr.write("the last words of a JavaScript engine")
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGTRAP)


def test_a_process_that_dies_is_replaced_once_and_then_named_in_an_error(tmp_path, capfd):
    assert apart(die_once, tmp_path / "mark") == "the second time"
    with pytest.raises(DropstudyError, match=r"ended its process, twice.*All results are saved"):
        apart(die_always)
    assert capfd.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="bounds the address space as Linux does")
def test_a_command_that_cannot_draw_ends_in_a_line_and_keeps_what_it_trained(tmp_path):
    """V8 wants more address space than this, and ends the process that asks."""
    limited = ("/bin/sh", "-c", 'ulimit -v 60000000; exec "$@"', "sh", *fast_command.PROGRAM)
    words = ("run", *fast_command.SETTINGS, "--out", tmp_path / "study")
    output = run_process(*words, program=limited, **fast_command.environment(figures=True))
    assert output.is_error("figures: expected a drawing library")
    assert "Writing the report." in output.out
    with Store(tmp_path / "study") as store:
        assert set(store.status().values()) == {"done"}
