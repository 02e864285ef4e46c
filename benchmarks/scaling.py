"""Do two workers train twice as much as one, and what memory do they take?

    python benchmarks/scaling.py

Runs `dropstudy run notebook` with the same four runs (two arms, two seeds) on one worker and on two, alternating.

    runs per minute   from the end of the first epoch that each worker trains to the end of the last epoch of all,
                      start-up left out
    wall              the whole command, figures and tables included
    memory            the largest resident set seen, sampled every two seconds; pages that processes share (the
                      pixels, the libraries) count in each of them

Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from common import ARMS, head, mnist, spread, table, watched, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKERS = (1, 2)
SEEDS = 2
RUNS = len(ARMS) * SEEDS
MEBIBYTE = 2**20
PARAMETERS = 784 * 512 + 512 + 512 * 512 + 512 + 512 * 10 + 10
_BETWEEN_SAMPLES = 2.0  # a look goes through all processes, and takes its time from the workers


@dataclass(frozen=True)
class Timing:
    """One command.

    Args:
        runs_per_minute: while all workers train.
        wall: seconds of the command.
        scheduler: its largest resident set, in bytes.
        workers: the same of each worker.
        total: the largest sum of all of them at one time.
    """

    runs_per_minute: float
    wall: float
    scheduler: int
    workers: list[int]
    total: int


class Memory:
    """The largest resident sets of this process's descendants."""

    def __init__(self) -> None:
        self.scheduler = 0
        self.workers: dict[int, int] = defaultdict(int)
        self.total = 0

    def sample(self) -> None:
        """Look once."""
        total = 0
        me = psutil.Process()
        for process in me.children(recursive=True):
            try:
                size, parent = process.memory_info().rss, process.ppid()
                command = " ".join(process.cmdline())
            except psutil.Error:  # it has ended meanwhile
                continue
            total += size
            if parent == me.pid:
                self.scheduler = max(self.scheduler, size)
            elif "LokyProcess" in command:  # the others keep account of loky's semaphores
                self.workers[process.pid] = max(self.workers[process.pid], size)
        self.total = max(self.total, total)


@contextmanager
def watching_memory() -> Iterator[Memory]:
    """Sample until the block ends."""
    memory, ended = Memory(), threading.Event()

    def watch() -> None:
        while not ended.wait(_BETWEEN_SAMPLES):
            memory.sample()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield memory
    finally:
        ended.set()
        thread.join()


def train(workers: int, epochs: int) -> Timing:
    """Train the study in a fresh folder."""
    with tempfile.TemporaryDirectory() as folder, watching_memory() as memory:
        study = [
            "notebook",
            "--data",
            "mnist",
            "--seeds",
            str(SEEDS),
            "--epochs",
            str(epochs),
            "--epoch-lines",
        ]
        out = ["--out", str(Path(folder) / "study"), "--workers", str(workers)]
        wall, lines = watched([sys.executable, "-m", "dropstudy", "run", *study, *out], {})
    ends = [at for at, text in lines if text.startswith("Epoch ")]
    begun = min(workers, len(ends) - 1)
    per_second = (len(ends) - begun) / (ends[-1] - ends[begun - 1])
    return Timing(
        60 * per_second / epochs, wall, memory.scheduler, list(memory.workers.values()), memory.total
    )


def main() -> None:
    """Run both in turn and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3, help="times that each number of workers trains")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every timing there")
    options = parser.parse_args()

    about = head(runs=RUNS, epochs=options.epochs, n=options.repeats)
    taken: dict[int, list[Timing]] = {workers: [] for workers in WORKERS}
    for number in range(options.repeats):
        for workers in WORKERS if number % 2 == 0 else reversed(WORKERS):
            timing = train(workers, options.epochs)
            taken[workers].append(timing)
            print(
                f"round {number + 1}  workers {workers}  {timing.runs_per_minute:6.2f} runs a minute",
                flush=True,
            )
    write_json(
        options.json,
        about,
        workers={workers: [asdict(timing) for timing in timings] for workers, timings in taken.items()},
    )

    head_row = [
        "workers",
        "runs per minute",
        "wall, s",
        "scheduler, MiB",
        "each worker, MiB",
        "all at once, MiB",
    ]
    rows = [head_row]
    for workers, timings in taken.items():
        memory = (
            [timing.scheduler for timing in timings],
            [size for timing in timings for size in timing.workers],
            [timing.total for timing in timings],
        )
        rows.append(
            [
                str(workers),
                spread(timing.runs_per_minute for timing in timings).text(),
                spread(timing.wall for timing in timings).text(1),
                *(spread(size / MEBIBYTE for size in sizes).text(0) for sizes in memory),
            ]
        )
    print(f"\nMedian (lowest to highest) of {options.repeats}.\n\n{table(rows)}\n")
    one, two = (taken[workers] for workers in WORKERS)
    gain = spread(b.runs_per_minute / a.runs_per_minute for a, b in zip(one, two, strict=True))
    print(f"Two workers train {gain.text()} times as many runs as one in the same time.")
    data = mnist()
    pixels = (data.x_train.nbytes + data.x_test.nbytes) / MEBIBYTE
    state = 3 * 4 * PARAMETERS / MEBIBYTE
    print(
        f"A run's state, weights and two moments, is {state:.1f} MiB; "
        f"the pixels, mapped once for all, are {pixels:.1f} MiB."
    )


if __name__ == "__main__":
    main()
