"""Clocks that benchmarks/step_parts.py puts around the parts of a training step: they find the parts, and tick."""

import importlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from dropstudy.engine.native.library import Examples, Library

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def step_parts(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("step_parts")


def test_each_part_of_a_step_has_a_clock(step_parts):
    assert step_parts.timed_source().count("Clock clock{") == len(step_parts.PARTS)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="needs a C++ compiler")
def test_each_part_of_a_step_takes_time(step_parts, tmp_path, monkeypatch):
    library = tmp_path / "timed.so"
    step_parts.compile_timed(tmp_path / "timed.cc", library, "-march=native")
    draw = np.random.default_rng(0)
    x = draw.integers(0, 256, (4 * step_parts.BATCH, step_parts.WIDTHS[0])).astype(np.uint8)
    data = Examples(x, draw.integers(0, 10, len(x)).astype(np.int32), 255.0)
    monkeypatch.setattr(step_parts, "STEPS", 4)
    taken = step_parts.milliseconds(Library(library), library, data, rate=0.5, repeats=1)
    assert all("{}" not in part for part in taken)  # a row for each layer, by its number
    assert len(taken) > len(step_parts.PARTS)
    assert all(milliseconds >= 0 for (milliseconds,) in taken.values())
    assert taken["masks"][0] > 0
