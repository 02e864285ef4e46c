"""Pictures drawn by other processes, and clips that cut nothing."""

import io
import json
import os

import numpy as np
import pytest
import vl_convert
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dropstudy.clips import without_idle_clips
from dropstudy.pictures import Drawing, pictures


def spec(values, mark, low=0.0, high=1.0):
    """A clipped line, area or row of points over an axis from `low` to `high`."""
    rows = [{"x": i, "y": value} for i, value in enumerate(values)]
    y = {"field": "y", "type": "quantitative", "scale": {"domain": [low, high], "nice": False, "zero": False}}
    x = {"field": "x", "type": "quantitative", "scale": {"domain": [-1, len(values)], "nice": False}}
    mark = (
        {"type": mark, "clip": True, "filled": mark == "point"}
        if mark != "line"
        else {"type": mark, "clip": True}
    )
    return json.dumps({"data": {"values": rows}, "mark": mark, "encoding": {"x": x, "y": y}})


def pixels(svg):
    with Image.open(io.BytesIO(vl_convert.svg_to_png(svg, scale=2))) as image:
        return np.asarray(image.convert("RGB")).astype(int)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-0.3, 1.3), min_size=2, max_size=6), st.sampled_from(["line", "area", "point"]))
def test_a_picture_looks_the_same_without_its_idle_clips(values, mark):
    svg = vl_convert.vegalite_to_svg(spec(values, mark))
    assert np.abs(pixels(svg) - pixels(without_idle_clips(svg))).max() <= 1


@pytest.mark.parametrize("mark", ["line", "point"])
def test_what_cuts_stays_and_what_cuts_nothing_goes(mark):
    inside = vl_convert.vegalite_to_svg(spec([0.3, 0.6, 0.5], mark))
    outside = vl_convert.vegalite_to_svg(spec([0.3, 1.6, 0.5], mark))
    assert "clip-path=" in inside
    assert "clip-path=" not in without_idle_clips(inside)
    assert without_idle_clips(outside) == outside


def test_pictures_come_from_other_processes_and_from_this_one_where_those_die(monkeypatch):
    chart = spec([0.3, 0.6], "point")
    here = pictures(chart)
    assert here["png"].startswith(b"\x89PNG")
    with Drawing() as drawing:
        assert drawing.begin(chart)()["png"] == here["png"]
    monkeypatch.setattr("dropstudy.pictures.pictures", dies_elsewhere)
    with Drawing() as drawing:
        assert drawing.begin(f"{os.getpid()}")() == {"svg": b"drawn here"}


def dies_elsewhere(spec, formats=()):
    """As a process that is killed, unless it is the one that `spec` names."""
    if formats:  # the start of a process that draws
        return {}
    if os.getpid() != int(spec):
        os._exit(1)
    return {"svg": b"drawn here"}
