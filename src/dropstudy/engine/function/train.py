"""Call a training function in a worker process: its epochs are reported as they end, its output goes to a log."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import astuple
from functools import lru_cache
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from dropstudy.core.types import SegmentResult
from dropstudy.data.arrays import map_arrays
from dropstudy.engine.function.call import call
from dropstudy.engine.function.data import TrainingData
from dropstudy.engine.function.raised import FunctionRaised
from dropstudy.engine.function.results import Reader
from dropstudy.engine.user_code import function_of
from dropstudy.errors import DropstudyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dropstudy.core.model import ModelSource
    from dropstudy.core.types import EpochMetrics, Segment

EPOCHS, LOG = "jsonl", "log"
"""Suffixes of the files of a run in the folder of reports."""


def train_run(segment: Segment) -> SegmentResult:
    """Call the function for a run, and read what it returns; see `Trainer.train`."""
    source, run, process = segment.model, segment.run, os.getpid()
    if source is None:
        raise ValueError("a segment of a training function has none")
    began = last = time.perf_counter()
    with _reporting(source, run.key) as report:
        function, description = _function(source), json.loads(source.description)
        data = _data(segment) if description["takes_data"] else None
        reader = Reader(description["function"], None if data is None else data.y_test)
        try:
            returned = call(function, run.arm.rate, run.seed, data)
            for item in reader.items(returned):
                now = time.perf_counter()
                row, last = reader.read(item, now - last), now
                if row is not None:
                    report(row)
                if reader.diverged:
                    break
        except DropstudyError:
            raise
        except BaseException as error:  # also sys.exit and KeyboardInterrupt of the function's own
            raise FunctionRaised(*_described(error)) from error
        finally:
            if os.getpid() != process:  # a child that the function forked, and that came back from it
                os._exit(0)
        final = reader.final(time.perf_counter() - began)
    return SegmentResult(
        history=tuple(reader.history),
        state={},
        done=len(reader.history) * run.condition.steps,
        seconds=time.perf_counter() - began,
        final=final,
        diverged=reader.diverged,
        device="",
        notice=_notice(reader),
    )


def _described(error: BaseException) -> tuple[str, str]:
    """Kind and text of an error."""
    if isinstance(error, SystemExit):
        code = 0 if error.code is None else error.code
        return "SystemExit", f"it called sys.exit({code!r})"
    return type(error).__name__, str(error)


def _notice(reader: Reader) -> str:
    if not reader.ignored:
        return ""
    return f"Not used of what {reader.name} returns: {', '.join(sorted(reader.ignored))}."


@lru_cache(1)
def _function(source: ModelSource) -> Callable[..., Any]:
    function: Callable[..., Any] = function_of(source)
    return function


def _data(segment: Segment) -> TrainingData:
    """The data of a run as its function gets them, scaled."""
    arrays = map_arrays(segment.data)
    scale, held = np.float32(segment.data.scale), segment.validation_index

    def scaled(rows: Any) -> Any:
        return np.asarray(rows, np.float32) / scale

    def of(index: Any) -> tuple[Any, Any]:
        return scaled(arrays.x_train[index]), np.array(arrays.y_train[index], np.int64)

    x_test, y_test = scaled(arrays.x_test), np.array(arrays.y_test, np.int64)
    x_train, y_train = of(segment.train_index)
    x_val, y_val = (x_test, y_test) if held is None else of(held)
    return TrainingData(x_train, y_train, x_val, y_val, x_test, y_test)


@contextmanager
def _reporting(source: ModelSource, key: str) -> Iterator[Callable[[EpochMetrics], None]]:
    """Send what this process prints to a log, and write each epoch as a line of JSON.

    On another machine there is no such folder: nothing is reported before the end then.
    """
    folder = Path(source.reports) if source.reports else None
    if folder is None or not folder.is_dir():
        yield lambda _: None
        return
    with (
        (folder / f"{key}.{EPOCHS}").open("w", encoding="utf-8") as epochs,
        _printed_to(folder / f"{key}.{LOG}"),
    ):
        yield lambda row: _write(epochs, row)


def _write(file: TextIO, row: EpochMetrics) -> None:
    values = [None if isinstance(value, float) and math.isnan(value) else value for value in astuple(row)]
    file.write(json.dumps(values) + "\n")
    file.flush()


@contextmanager
def _printed_to(log: Path) -> Iterator[None]:
    """Send both streams of this process, and those of its children, to a file, each line when it ends.

    Lines that were kept back would stand behind those of a child, and be lost where the process is killed.
    """
    streams = (sys.stdout, sys.stderr)
    _flush(streams)
    buffered = [
        stream for stream in streams if isinstance(stream, TextIOWrapper) and not stream.line_buffering
    ]
    for stream in buffered:
        stream.reconfigure(line_buffering=True)
    saved = [os.dup(number) for number in (1, 2)]
    with log.open("ab") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        _flush(streams)
        for stream in buffered:
            stream.reconfigure(line_buffering=False)
        for number, before in zip((1, 2), saved, strict=True):
            os.dup2(before, number)
            os.close(before)


def _flush(streams: tuple[TextIO, ...]) -> None:
    for stream in streams:
        with suppress(Exception):  # closed, or replaced by something else
            stream.flush()
