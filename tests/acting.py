"""The command line in a process of its own, with training that takes no time, to be killed, stopped and starved.

    acting.py run --data digits --out FOLDER ...

Everything is real but the training, which follows a rule (standin.py) and then waits $ACTING_SECONDS, and figures,
which are left out unless $ACTING_FIGURES is set. $ACTING_CLOCK sets the clock to another hour each time it is read.
"""

import itertools
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

SETTINGS = ("--data", "digits", "--hidden", "16", "--epochs", "4", "--rates", "0,0.5", "--seeds", "3")
"""Size of the study that tests run: six runs of four epochs."""

PATIENCE = 60  # seconds until a hang is called one


def command(*words):
    """The command line of a process that acts."""
    return [sys.executable, __file__, *map(str, words)]


def environment(*, seconds=0.0, figures=False, clock=False):
    """Its environment."""
    acts = {"ACTING_SECONDS": str(seconds), "PYTHONIOENCODING": "utf-8", "OPENBLAS_NUM_THREADS": "1"}
    acts |= {"ACTING_FIGURES": "1"} if figures else {}
    acts |= {"ACTING_CLOCK": "1"} if clock else {}
    return {**os.environ, **acts}


def say(*words, **acts):
    """Run it to its end."""
    return subprocess.run(  # noqa: S603 - this file
        command(*words),
        env=environment(**acts),
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
    )


@contextmanager
def started(*words, **acts):
    """Start it, in a group of its own, and see to it that it ends."""
    process = subprocess.Popen(  # noqa: S603 - this file
        command(*words),
        env=environment(**acts),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def until(process, text):
    """Read what it prints up to a line that has `text` in it."""
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"{text!r} never came: {process.stderr.read()}")


def act():
    """Be the command line."""
    import numpy as np  # noqa: PLC0415 - for the process that acts alone

    import standin  # noqa: PLC0415 - as above; it lies beside this file
    from dropstudy import cli  # noqa: PLC0415 - as above
    from dropstudy.core.types import METRICS  # noqa: PLC0415 - as above
    from dropstudy.data.arrays import map_arrays  # noqa: PLC0415 - as above
    from dropstudy.runtime import local, workers  # noqa: PLC0415 - as above
    from dropstudy.study.results import Results  # noqa: PLC0415 - as above

    def train_group(segments):
        time.sleep(float(os.environ["ACTING_SECONDS"]))
        return tuple(map(train, segments))

    def in_range(row):
        return replace(row, **{name: 1 / (1 + getattr(row, name)) for name in METRICS if "accuracy" in name})

    def train(segment):
        result = standin.train(segment)
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
            yield workers.ExecutorPool(executor, count)
        finally:
            executor.shutdown(wait=False, cancel_futures=True)

    local.train_group = train_group
    workers.LocalWorkers = threads
    if "ACTING_FIGURES" not in os.environ:
        Results.report = lambda *_, **__: []
    if "ACTING_CLOCK" in os.environ:
        hours = itertools.cycle((0, 5, -3, 48, -200))
        real = time.time
        time.time = lambda: real() + 3600 * next(hours)
    cli.main()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    act()
