"""The command line with training that takes no time, in a process of its own: tests kill it and fill its disk.

    fast_command.py run --data digits --out FOLDER ...

Training follows a rule (fake_training.py) and then waits $FAST_SECONDS. Figures are drawn only if $FAST_FIGURES is
set. $FAST_CLOCK moves the clock by hours each time it is read. Everything else is the real command.
"""

import itertools
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import command_line
from fake_training import ExecutorPool

PROGRAM = (sys.executable, __file__)
SETTINGS = ("--data", "digits", "--hidden", "16", "--epochs", "4", "--rates", "0,0.5", "--seeds", "3")
"""Flags of the study that tests run: six runs of four epochs."""


def environment(*, seconds=0.0, figures=False, clock=False):
    """Environment variables that this file reads."""
    variables = {"FAST_SECONDS": str(seconds), "OPENBLAS_NUM_THREADS": "1"}
    variables |= {"FAST_FIGURES": "1"} if figures else {}
    variables |= {"FAST_CLOCK": "1"} if clock else {}
    return variables


def run(*words, **options):
    """Run the command to its end; returns its output."""
    return command_line.run_process(*words, program=PROGRAM, **environment(**options))


def started(*words, **options):
    """Start the command, as `command_line.started` does."""
    return command_line.started(*words, program=PROGRAM, **environment(**options))


def main():
    """Replace training and workers, then run the command line."""
    import numpy as np  # noqa: PLC0415 - only the started process needs it

    import fake_training  # noqa: PLC0415 - as above
    from dropstudy import cli  # noqa: PLC0415 - as above
    from dropstudy.core.types import METRICS  # noqa: PLC0415 - as above
    from dropstudy.data.arrays import map_arrays  # noqa: PLC0415 - as above
    from dropstudy.runtime import local, workers  # noqa: PLC0415 - as above
    from dropstudy.study.results import Results  # noqa: PLC0415 - as above

    def train_group(segments):
        time.sleep(float(os.environ["FAST_SECONDS"]))
        return tuple(map(train, segments))

    def in_range(row):
        return replace(row, **{name: 1 / (1 + getattr(row, name)) for name in METRICS if "accuracy" in name})

    def train(segment):
        result = fake_training.train(segment)
        result = replace(result, history=tuple(map(in_range, result.history)))
        if result.final is None:
            return result
        n = len(map_arrays(segment.data).y_test)
        names = ("labels", "confidence", "likelihood")
        answers = {name: np.resize(getattr(result.final, name), n) for name in names}
        shares = {name: np.clip(answers[name], 0, 1) for name in names[1:]}
        labels = answers["labels"] % segment.run.condition.classes
        return replace(result, final=replace(result.final, labels=labels, **shares))

    @contextmanager
    def threads(count, _device):
        executor = ThreadPoolExecutor(count)
        try:
            yield ExecutorPool(executor, count)
        finally:
            executor.shutdown(wait=False, cancel_futures=True)

    local.train_group = train_group
    workers.LocalWorkers = threads
    if "FAST_FIGURES" not in os.environ:
        Results.report = lambda *_, **__: []
    if "FAST_CLOCK" in os.environ:
        hours = itertools.cycle((0, 5, -3, 48, -200))
        real = time.time
        time.time = lambda: real() + 3600 * next(hours)
    cli.main()


if __name__ == "__main__":
    main()
