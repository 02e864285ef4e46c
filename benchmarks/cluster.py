"""What does a run on a Dask cluster cost besides training: time, processor time of the coordinator, bytes moved?

Many runs of a tiny network, of which training takes some milliseconds, on the workers of a scheduler on this machine,
and on as many local workers; beside them as many calls that do nothing, as plain Dask futures and by joblib. Bytes are
those that pass the loopback interface, both ways and to the scheduler, so each state counts twice.

    python benchmarks/cluster.py --runs 1000 --workers 8
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
            "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "18786", "--no-dashboard"
        )
        workers = ["--nworkers", str(options.workers), "--nthreads", "1", "--no-dashboard"]
        start("distributed.cli.dask_worker", address, *workers, "--local-directory", name)
        how: dict[str, Any] = {"verbose": False}
        with connect(address, timeout=60) as pool:
            while pool.count < options.workers:
                time.sleep(0.5)
            study(folder / "warm", options, options.workers).run(executor=pool, **how)
            far = study(folder / "far", options, options.runs // 2)
            memory = [scheduler.memory_info().rss / 1e6]
            found["dropstudy on Dask"] = measured(lambda: far.run(executor=pool, **how), options.runs)
            memory.append(scheduler.memory_info().rss / 1e6)
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
    print(f"\nMemory of the scheduler: {memory[0]:.0f} MB before, {memory[1]:.0f} MB after the runs.")
    write_json(options.json, about, sides=found, scheduler_mb=memory)


if __name__ == "__main__":
    main()
