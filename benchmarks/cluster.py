"""What does a run on a Dask cluster cost besides training: time, processor time of the coordinator, bytes moved?

Many runs of a tiny network, of which training takes some milliseconds, on the workers of a scheduler on this machine,
and on as many local workers; beside them as many calls that do nothing, as plain Dask futures and by joblib. Bytes are
those that pass the loopback interface, both ways and to the scheduler, so each state counts twice.

    python benchmarks/cluster.py --runs 1000 --workers 8
    python benchmarks/cluster.py --runs 10000 --memory     # the scheduler's memory alone, every 1,000 runs
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import psutil
from distributed import Client

from common import head, table, write_json
from dropstudy import Study
from dropstudy.runtime.cluster import connect
from dropstudy.runtime.events import Callback

if TYPE_CHECKING:
    from collections.abc import Callable


def nothing(number: int) -> int:
    """A call that costs nothing."""
    return number


def started(*words: str) -> subprocess.Popen[bytes]:
    """Start a module of Dask's."""
    return subprocess.Popen([sys.executable, "-m", *words], stderr=subprocess.DEVNULL)  # noqa: S603 - fixed words


def measured(work: Callable[[], object], runs: int) -> dict[str, float]:
    """Milliseconds, processor milliseconds of this process, and kB on the loopback interface, for each run."""

    def sent() -> int:
        return int(psutil.net_io_counters(pernic=True)["lo"].bytes_sent)

    before, processor, began = sent(), time.process_time(), time.perf_counter()
    work()
    wall, processor = time.perf_counter() - began, time.process_time() - processor
    return {"ms": 1e3 * wall / runs, "cpu_ms": 1e3 * processor / runs, "kb": (sent() - before) / 1e3 / runs}


def held(dask_scheduler: Any) -> dict[str, int]:
    """What a scheduler keeps: called in it."""
    return {
        "tasks": len(dask_scheduler.tasks),
        "groups": len(dask_scheduler.task_groups),
        "transitions": len(dask_scheduler.transition_log),
        "events": sum(map(len, dask_scheduler.get_events().values())),
    }


class Memory(Callback):
    """Memory of a scheduler, and what it keeps, after each so many runs.

    Args:
        scheduler: its process.
        client: of the scheduler.
        every: runs between two rows.
    """

    def __init__(self, scheduler: psutil.Process, client: Client, every: int) -> None:
        self._scheduler, self._client, self._every = scheduler, client, every
        self._runs = 0
        self.rows: list[dict[str, float]] = []

    def on_train_begin(self, progress: Any, workers: int) -> None:  # noqa: ARG002
        """Look."""
        self._look()

    def on_run_end(self, run: Any, status: str, cause: str) -> None:  # noqa: ARG002
        """Count, and look."""
        self._runs += 1
        if self._runs % self._every == 0:
            self._look()

    def _look(self) -> None:
        row = {"runs": self._runs, "mb": self._scheduler.memory_info().rss / 1e6}
        self.rows.append(row | self._client.run_on_scheduler(held))
        print(self.rows[-1], flush=True)


def study(folder: Path, options: argparse.Namespace, seeds: int) -> Study:
    """A study of two arms."""
    settings = {"data": "digits", "rates": [0, 0.5], "epochs": 1, "hidden": [options.width]}
    return Study(**settings, seeds=seeds, out=folder)


def main() -> None:
    """Measure each way, and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--width", type=int, default=16, help="units of the hidden layer")
    parser.add_argument("--memory", action="store_true", help="the memory of the scheduler alone")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, address = Path(name), "tcp://127.0.0.1:18786"

        def start(*words: str) -> psutil.Process:
            process = started(*words)
            stack.callback(lambda: (process.terminate(), process.wait()))
            return psutil.Process(process.pid)

        scheduler = start(
            "distributed.cli.dask_scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            "18786",
            "--dashboard-address",
            ":0",
        )
        workers = ["--nworkers", str(options.workers), "--nthreads", "1", "--no-dashboard"]
        start("distributed.cli.dask_worker", address, *workers, "--local-directory", name)
        how: dict[str, Any] = {"verbose": False}
        with connect(address, timeout=60) as pool:
            while pool.count < options.workers:
                time.sleep(0.5)
            study(folder / "warm", options, options.workers).run(executor=pool, **how)
            far = study(folder / "far", options, options.runs // 2)
            if options.memory:
                with Client(address, set_as_default=False) as client:
                    memory = Memory(scheduler, client, max(1, options.runs // 10))
                    far.run(executor=pool, callbacks=memory, **how)
                write_json(options.json, head(runs=options.runs, workers=options.workers), rows=memory.rows)
                return
            found["dropstudy on Dask"] = measured(lambda: far.run(executor=pool, **how), options.runs)
        near = study(folder / "near", options, options.runs // 2)
        found["dropstudy, local workers"] = measured(
            lambda: near.run(workers=options.workers, **how), options.runs
        )
        with Client(address, set_as_default=False) as client:
            found["nothing, Dask futures"] = measured(
                lambda: client.gather(client.map(nothing, range(options.runs), pure=False)), options.runs
            )
        parallel = joblib.Parallel(n_jobs=options.workers, batch_size=1)
        found["nothing, joblib"] = measured(
            lambda: parallel(joblib.delayed(nothing)(number) for number in range(options.runs)), options.runs
        )
    about = head(runs=options.runs, workers=options.workers, cores=os.cpu_count())
    rows = [["side", "ms a run", "of processor time of the coordinator", "kB a run"]]
    rows += [[side, f"{x['ms']:.1f}", f"{x['cpu_ms']:.1f}", f"{x['kb']:.0f}"] for side, x in found.items()]
    print(table(rows))
    write_json(options.json, about, sides=found)


if __name__ == "__main__":
    main()
