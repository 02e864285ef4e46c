"""Kill a process for real, at each of the points where it touches the disk.

As a script: `kill_points.py SCENARIO FOLDER` acts SCENARIO once for each of its points, each time in a process
and a folder of its own (FOLDER/0, FOLDER/1 and on), and sends that process SIGKILL just before the point. It
prints the points as JSON. The processes are forked, which is quick, from one that has no other threads.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from dropstudy.data.load import load_dataset
from dropstudy.runtime import local, scheduler
from dropstudy.runtime.workers import ExecutorPool
from dropstudy.spec.study_file import read_spec
from dropstudy.store import database
from dropstudy.store.directory import check_data, merged_with_stored
from dropstudy.store.record import record_study
from dropstudy.store.store import Store
from fake_training import (
    DATA,
    InlineExecutor,
    Recorder,
    groups_of_one,
    make_run,
    make_runs,
    segment_of,
    split,
    train,
)

RUN = make_run(epochs=5)
SEGMENTS = ((0, 2), (2, 2), (4, 1))
"""First epoch and number of epochs of each segment of RUN."""

RUNS = make_runs("no dropout", "dropout 0.2", "dropout 0.5")
META = {"data": "digits", "classes": ["0", "1"]}


class Killed(NamedTuple):
    """A folder as a kill left it."""

    folder: Path
    before: str


def commits(folder):
    """Commit what RUN has not done yet, segment by segment."""
    with Store(folder, create=True) as store:
        store.begin(META, [RUN])
        done, state = store.checkpoint(RUN.key)
        for first, epochs in SEGMENTS:
            if first >= done // RUN.condition.steps and store.status()[RUN.key] != "done":
                result = train(segment_of(RUN, state=state, first_epoch=first, epochs=epochs))
                store.commit([(RUN, result)])
                state = result.state


def study(folder):
    """Train what is missing of RUNS, as a study does. The caller sees to it that the stand-in trains them."""
    with Store(folder, create=True) as store:
        store.begin(META, RUNS)
        runs = store.runs("planned", "running", "failed")
        scheduler.train_runs(
            store,
            groups_of_one(runs),
            DATA,
            split,
            pool=ExecutorPool(InlineExecutor(), 1),
            callback=Recorder(),
        )


def begin(folder):
    """Begin a study on data that stand in for others, as `Study.run` does."""
    begin_with(folder, epochs=2)


def grow(folder):
    """Begin a study, and have it grow by a rate."""
    begin_with(folder, epochs=2)
    begin_with(folder, epochs=2, rates=[0, 0.5, 0.8])


def begin_with(folder, **settings):
    """Prepare training as `Study.run` does, and return the specification."""
    asked = read_spec("notebook", {"rates": [0, 0.5], "hidden": [16], **settings})
    spec = merged_with_stored(folder, asked)
    dataset = fallback_data()
    check_data(folder, dataset)
    return record_study(folder, spec, dataset, "cpu")


@cache
def fallback_data():
    """The digits, in place of MNIST."""
    return replace(load_dataset("digits"), fallback=True)


SCENARIOS = {"commits": commits, "study": study, "grow": grow}


def kill_at_every_point(scenario, folder):
    """Run this file as a script, and say where each of its processes died. The last one lived to the end."""
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, __file__, scenario, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    points = json.loads(done.stdout)
    killed = [Killed(folder / str(number), point) for number, point in enumerate(points)]
    return killed, points, folder / str(len(points))


class _Points:
    """Counts what a process does to the disk, and kills it before the action of a given number."""

    def __init__(self, fatal):
        self.fatal = fatal
        self.passed = []

    def reach(self, name):
        if len(self.passed) == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed.append(name)

    def watch(self):
        for name in ("fsync", "replace", "unlink", "mkdir"):
            setattr(os, name, self._before(name, getattr(os, name)))
        os.write = self._in_the_middle(os.write)
        connect = sqlite3.connect

        def watched(*args, **kwargs):
            connection = connect(*args, **kwargs)
            connection.set_trace_callback(lambda sql: self.reach(f"SQL {sql.split()[0]}"))
            return connection

        database.sqlite3.connect = watched

    def _before(self, name, function):
        def watched(*args, **kwargs):
            paths = args if name == "replace" else args[:1]
            names = [name_of(args[0])] if name == "fsync" else [Path(path).name for path in paths]
            self.reach(" ".join([name, *names]))
            return function(*args, **kwargs)

        return watched

    def _in_the_middle(self, function):
        """Before each write, and again when half of it is done."""

        def watched(descriptor, content):
            name = name_of(descriptor)
            self.reach(f"write {name}")
            if len(self.passed) == self.fatal:
                function(descriptor, content[: len(content) // 2])
            self.reach(f"write half of {name}")
            return function(descriptor, content)

        return watched


def name_of(descriptor):
    """Name of an open file or folder, where the system tells."""
    path = Path(f"/proc/self/fd/{descriptor}")
    return path.readlink().name if path.is_symlink() else "?"


def main(scenario, folder):
    local.train = train
    fallback_data()  # for all processes to come
    scheduler.COMMIT_INTERVAL = 0  # or else how many commits there are would depend on how quick they are
    points = None
    fatal = 0
    while points is None:
        place = folder / str(fatal)
        place.mkdir(parents=True)
        child = os.fork()
        if child == 0:
            act(SCENARIOS[scenario], place, _Points(fatal))
        _, status = os.waitpid(child, 0)
        if status == 0:
            points = json.loads((place / "points.json").read_text())
            (place / "points.json").unlink()
        elif os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            sys.exit(f"died by itself before point {fatal}")
        fatal += 1
    print(json.dumps(points))  # noqa: T201 - for the process that asked


def act(scenario, place, points):
    """In the child: never returns."""
    status = 1
    try:
        points.watch()
        scenario(place)
        points.fatal = None
        (place / "points.json").write_text(json.dumps(points.passed))
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
