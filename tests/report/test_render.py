"""Pictures drawn by other processes, without canvases that change nothing, in the typeface that vl-convert carries."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import vl_convert
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

import acting
from dropstudy.errors import DropstudyError
from dropstudy.report.charts.canvases import without_idle_canvases
from dropstudy.report.charts.render import Drawing, apart, pictures
from dropstudy.store.store import Store


def spec(values, mark, low=0.0, high=1.0, **looks):
    """A clipped line, area or row of points over an axis from `low` to `high`."""
    rows = [{"x": i, "y": value} for i, value in enumerate(values)]
    number = {"type": "quantitative", "axis": None}
    y = {"field": "y", **number, "scale": {"domain": [low, high], "nice": False, "zero": False}}
    x = {"field": "x", **number, "scale": {"domain": [-1, len(values)], "nice": False}}
    mark = {"type": mark, "clip": True, **({} if mark == "line" else {"filled": True}), **looks}
    return json.dumps({"data": {"values": rows}, "mark": mark, "encoding": {"x": x, "y": y}})


def pixels(svg):
    with Image.open(io.BytesIO(vl_convert.svg_to_png(svg, scale=2))) as image:
        return np.asarray(image.convert("RGB")).astype(int)


ROUNDING = 3
"""Of 255 shades: what is drawn see-through is rounded once less than what is drawn and then made so."""

MARKS = st.sampled_from(["line", "area", "point", "bar"])
LOOKS = st.fixed_dictionaries(
    {}, optional={"opacity": st.floats(0, 1), "stroke": st.just("#c2410c"), "fillOpacity": st.floats(0, 1)}
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-0.3, 1.3), min_size=2, max_size=6), MARKS, LOOKS)
def test_a_picture_looks_the_same_without_its_idle_canvases(values, mark, looks):
    svg = vl_convert.vegalite_to_svg(spec(values, mark, **looks))
    assert np.abs(pixels(svg) - pixels(without_idle_canvases(svg))).max() <= ROUNDING


@pytest.mark.parametrize("mark", ["line", "point"])
def test_what_cuts_stays_and_what_cuts_nothing_goes(mark):
    inside = vl_convert.vegalite_to_svg(spec([0.3, 0.6, 0.5], mark))
    outside = vl_convert.vegalite_to_svg(spec([0.3, 1.6, 0.5], mark))
    assert "clip-path=" in inside
    assert "clip-path=" not in without_idle_canvases(inside)
    assert without_idle_canvases(outside).count("clip-path=") == outside.count("clip-path=")


@pytest.mark.parametrize("mark", ["line", "area", "point"])
def test_a_shape_of_one_paint_needs_no_canvas_to_be_seen_through_and_one_of_two_does(mark):
    one = without_idle_canvases(vl_convert.vegalite_to_svg(spec([0.3, 0.6], mark, opacity=0.5)))
    two = vl_convert.vegalite_to_svg(spec([0.3, 0.6], mark, opacity=0.5, fill="#222222", stroke="#c2410c"))
    assert ' opacity="0.5"' not in one
    assert '-opacity="0.5"' in one
    assert ' opacity="0.5"' in without_idle_canvases(two)


WRITTEN = """
import sys
from dropstudy.report.charts.render import pictures
sys.stdout.buffer.write(pictures(sys.argv[1], ["png"])["png"])
"""


def written(home, typeface, **more):
    """A picture of a word, drawn by a process of its own whose user lives in `home`."""
    chart = {"data": {"values": [{}]}, "mark": {"type": "text", "text": "Sphinx", "font": typeface}}
    environment = {name: value for name, value in os.environ.items() if name != "FONTCONFIG_FILE"}
    drawn = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-c", WRITTEN, json.dumps(chart)],
        env={**environment, "HOME": str(home), **more},
        check=True,
        capture_output=True,
    )
    return drawn.stdout


@pytest.mark.slow
def test_letters_are_the_carried_typefaces_whatever_the_machine_has_and_its_own_where_they_are_asked_for(
    tmp_path,
):
    typefaces = tmp_path / ".fonts"
    typefaces.mkdir()
    (typefaces / "own.ttf").write_bytes(
        ImageFont.load_default(20).font_bytes
    )  # Aileron, which Pillow carries
    nothing = tmp_path / "nothing.conf"
    nothing.write_text("<fontconfig><dir>/nonexistent</dir></fontconfig>", encoding="utf-8")

    carried = written(tmp_path, "Liberation Sans")
    assert carried == written(tmp_path, "Liberation Sans", FONTCONFIG_FILE=str(nothing))
    assert carried != written(tmp_path, "Aileron")
    # Who names typefaces himself has these alone.
    assert written(tmp_path, "Aileron", FONTCONFIG_FILE=str(nothing)) != written(tmp_path, "Aileron")


def test_pictures_come_from_other_processes_and_from_a_new_one_where_one_dies(monkeypatch, tmp_path):
    chart = spec([0.3, 0.6], "point")
    here = pictures(chart)
    assert here["png"].startswith(b"\x89PNG")
    with Drawing() as drawing:
        assert drawing.begin(chart)()["png"] == here["png"]
    monkeypatch.setattr("dropstudy.report.charts.render.pictures", dies_once)
    with Drawing() as drawing:
        assert drawing.begin(f"{tmp_path / 'mark'}")() == {"svg": b"drawn the second time"}


def dies_once(spec, formats=()):
    """As a process that is killed, the first time."""
    if formats:  # the start of a process that draws
        return {}
    if not Path(spec).exists():
        Path(spec).touch()
        os._exit(1)
    return {"svg": b"drawn the second time"}


def dies_always(*_):
    sys.stderr.write("the last words of a JavaScript engine")
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGTRAP)


def test_a_drawing_library_that_always_dies_takes_nothing_with_it_and_is_told_of_in_a_line(
    monkeypatch, capfd
):
    monkeypatch.setattr("dropstudy.report.charts.render.pictures", dies_always)
    with Drawing() as drawing, pytest.raises(DropstudyError) as caught:
        drawing.begin("a chart")()
    assert "ended its process, twice" in str(caught.value)
    with pytest.raises(DropstudyError, match="What was trained is kept"):
        apart(dies_always)
    assert capfd.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="bounds the address space as Linux does")
def test_a_command_whose_figures_cannot_be_drawn_ends_in_a_line_and_what_it_trained_is_kept(tmp_path):
    """V8 wants more address space than this, and ends the process that asks."""
    words = acting.command("run", *acting.SETTINGS, "--out", tmp_path / "study")
    done = subprocess.run(  # noqa: S603 - our own
        ["/bin/sh", "-c", 'ulimit -v 60000000; exec "$@"', "sh", *words],
        env=acting.environment(figures=True),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: figures: expected a drawing library")
    assert "Drawing the figures." in done.stdout
    with Store(tmp_path / "study") as store:
        assert set(store.status().values()) == {"done"}
