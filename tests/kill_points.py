"""Kill a process with SIGKILL before each of its actions on the disk.

As a script: `kill_points.py SCENARIO FOLDER` runs SCENARIO once per action, in a process and a folder of
its own (FOLDER/0, FOLDER/1, ...), and kills that process just before the action. It prints the actions as JSON.
Processes are forked, which is quick, from one that has no other threads.
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
from dropstudy.spec.study_file import read_spec
from dropstudy.store import database
from dropstudy.store.directory import check_data, merged_with_stored
from dropstudy.store.record import record_study
from dropstudy.store.store import Store
from fake_training import (
    ExecutorPool,
    FakeInputs,
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
    """Folder of a killed process, and the action that it was killed before."""

    folder: Path
    before: str


def commits(folder):
    """Commit the missing segments of RUN, one by one."""
    with Store(folder, create=True) as store:
        store.begin(META, [RUN])
        done, state = store.checkpoint(RUN.key)
        for first, epochs in SEGMENTS:
            if first >= done // RUN.condition.steps and store.status()[RUN.key] != "done":
                result = train(segment_of(RUN, state=state, first_epoch=first, epochs=epochs))
                store.commit([(RUN, result)])
                state = result.state


def study(folder):
    """Train the missing part of RUNS, as a study does. The caller replaces `local.train`."""
    with Store(folder, create=True) as store:
        store.begin(META, RUNS)
        runs = store.runs("planned", "running", "failed")
        scheduler.train_runs(
            store,
            groups_of_one(runs),
            FakeInputs(split),
            pool=ExecutorPool(InlineExecutor(), 1),
            callback=Recorder(),
        )


def create_study(folder):
    """Create a study on fallback data, as `Study.run` does."""
    prepare_study(folder, epochs=2)


def grow_study(folder):
    """Create a study, then add a rate to it."""
    prepare_study(folder, epochs=2)
    prepare_study(folder, epochs=2, rates=[0, 0.5, 0.8])


def prepare_study(folder, **settings):
    """Prepare training as `Study.run` does, and return the specification."""
    asked = read_spec("notebook", {"rates": [0, 0.5], "hidden": [16], "seeds": 1, **settings})
    spec = merged_with_stored(folder, asked)
    dataset = fallback_data()
    check_data(folder, dataset)
    return record_study(folder, spec, dataset, "cpu")


@cache
def fallback_data():
    """Digits as the fallback of MNIST."""
    return replace(load_dataset("digits"), fallback=True)


SCENARIOS = {"commits": commits, "study": study, "grow": grow_study}


def kill_at_every_point(scenario, folder):
    """Run this file as a script: killed folders, all actions, and the folder of the process that survived."""
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
    """Counts the actions of a process on the disk, and kills it before the one of a given number."""

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
        """Reach a point before each write, and again after half of it."""

        def watched(descriptor, content):
            name = name_of(descriptor)
            self.reach(f"write {name}")
            if len(self.passed) == self.fatal:
                function(descriptor, content[: len(content) // 2])
            self.reach(f"write half of {name}")
            return function(descriptor, content)

        return watched


def name_of(descriptor):
    """Name of an open file or folder; "?" on systems without /proc."""
    path = Path(f"/proc/self/fd/{descriptor}")
    return path.readlink().name if path.is_symlink() else "?"


def main(scenario, folder):
    local.train = train
    scheduler.COMMIT_INTERVAL = 0  # else the number of commits would depend on the speed of the disk
    SCENARIOS[scenario](folder / "first")  # what is imported and cached here is so in all forked processes
    points = None
    fatal = 0
    while points is None:
        place = folder / str(fatal)
        place.mkdir(parents=True)
        child = os.fork()
        if child == 0:
            run_child(SCENARIOS[scenario], place, _Points(fatal))
        _, status = os.waitpid(child, 0)
        if status == 0:
            points = json.loads((place / "points.json").read_text())
            (place / "points.json").unlink()
        elif os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            sys.exit(f"ended by itself before action {fatal}")
        fatal += 1
    print(json.dumps(points))  # noqa: T201 - read by kill_at_every_point


def run_child(scenario, place, points):
    """Run a scenario in the forked child; never returns."""
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
