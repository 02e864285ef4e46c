"""What does a study of 10,000 runs cost besides training: time a run, memory, disk, the wait for `show` or a resume?

Training is replaced by a stand-in that answers at once, through the executor that `Study.run` takes; plan, scheduler,
store, files and their syncs are the real ones. Each step is a process of its own, so that its memory is its own.

    python benchmarks/studies_at_scale.py
    python benchmarks/studies_at_scale.py --arms 20 --seeds 50 --hidden 512,512 --data mnist --keep 1

The folder should lie on a real disk: in memory, syncs cost nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common import head, spread, table, write_json
from dropstudy import Study
from dropstudy.core.final_metrics import FinalMetrics
from dropstudy.core.types import METRICS, EpochMetrics, SegmentResult
from dropstudy.data.arrays import map_arrays
from dropstudy.runtime import local

if TYPE_CHECKING:
    from collections.abc import Callable

    from dropstudy.core.types import Segment

TRAIN, AGAIN = "train", "go on with nothing to do"
EPOCH = 0.4  # seconds that the stand-in says an epoch took: a segment is some epochs long, as in earnest


class StandIn(Executor):
    """A worker pool that trains nothing, at once; counts the time that this takes."""

    lost_worker_errors, can_kill, link_users = (), False, 1

    def __init__(self, count: int) -> None:
        self.count, self.seconds = count, 0.0

    def kill(self, future: Future[Any]) -> None:
        """Do nothing."""

    def probe(self) -> Future[Any]:
        """Describe this process."""
        return self.submit(local.worker_info)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Answer at the moment of submission."""
        began = time.perf_counter()
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        self.seconds += time.perf_counter() - began
        return future


def train_group(segments: tuple[Segment, ...]) -> tuple[SegmentResult, ...]:
    """Stand-in for the engine, with made-up numbers."""
    return tuple(map(_train, segments))


def _train(segment: Segment) -> SegmentResult:
    run = segment.run
    draws = np.random.default_rng([run.seed, round(run.arm.rate * 1e6), segment.done])
    until = segment.done + segment.steps
    epochs = range(segment.done // run.condition.steps + 1, until // run.condition.steps + 1)
    history = tuple(
        EpochMetrics(
            epoch, **dict(zip(METRICS, draws.random(len(METRICS)).tolist(), strict=True)), seconds=EPOCH
        )
        for epoch in epochs
    )
    state: dict[str, Any] = {}
    for part in ("weights", "m", "v"):
        for layer, (inputs, outputs) in enumerate(
            zip(run.condition.widths, run.condition.widths[1:], strict=False)
        ):
            state[f"{part}/dense_{layer}/kernel"] = np.full((inputs, outputs), run.seed, np.float32)
            state[f"{part}/dense_{layer}/bias"] = np.zeros(outputs, np.float32)
    final = _look_at_the_test_set(segment, draws) if until == run.steps else None
    seconds = EPOCH * segment.steps / run.condition.steps
    return SegmentResult(history, state, until, seconds, final, diverged=False, device="stand-in")


def _look_at_the_test_set(segment: Segment, draws: np.random.Generator) -> FinalMetrics:
    n = len(map_arrays(segment.data).y_test)
    shares = draws.random(n).astype(np.float16)
    labels = draws.integers(0, segment.run.condition.classes, n).astype(np.uint8)
    return FinalMetrics(
        epoch=segment.run.epochs,
        clean_loss=0.1,
        clean_accuracy=0.99,
        noisy_loss=0.2,
        noisy_accuracy=0.98,
        loss=0.1,
        accuracy=float(draws.random()),
        balanced_accuracy=float(draws.random()),
        auc=float(draws.random()),
        brier=0.02,
        val_balanced_accuracy=0.9,
        val_auc=0.99,
        labels=labels,
        confidence=shares,
        likelihood=shares,
    )


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """Settings of the study."""
    return {
        "data": options.data,
        "hidden": [int(width) for width in options.hidden.split(",")],
        "rates": [number / options.arms * 0.9 for number in range(options.arms)],
        "seeds": options.seeds,
        "epochs": options.epochs,
    }


def act(step: str, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """One step, in this process: seconds, and the memory that it took at most."""
    local.train_group = train_group
    stand_in = StandIn(options.workers)
    began = time.perf_counter()
    if step in {TRAIN, AGAIN}:
        study = Study("notebook", out=folder, **settings(options))
        study.run(executor=stand_in, workers=options.workers, device="cpu", verbose=False)
    elif step == "open":
        Study.open(folder)
    elif step == "histories as a table":
        Study.open(folder).results().history_frame()
    elif step == "results as a table":
        Study.open(folder).results().test_scores()
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "stand_in": stand_in.seconds,
        "megabytes": most_memory(),
    }


def most_memory() -> float:
    """Peak memory of the process, in MB. Linux's own count: getrusage has that of the process that started it in it."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1000
    return float("nan")


STEPS = (TRAIN, AGAIN, "open", "results as a table", "histories as a table")


def measured(step: str, folder: Path) -> dict[str, float]:
    """`act` in a process of its own."""
    command = [sys.executable, __file__, "--step", step, "--folder", str(folder), *sys.argv[1:]]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - this script
    return dict(json.loads(done.stdout.splitlines()[-1]))


def shown(folder: Path) -> dict[str, float]:
    """The command `dropstudy show`, start-up included."""
    began = time.perf_counter()
    subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "dropstudy", "show", str(folder)], check=True, capture_output=True
    )
    return {"seconds": time.perf_counter() - began, "megabytes": float("nan")}


def main() -> None:
    """Measure and print."""
    options = arguments()
    if options.step:
        print(json.dumps(act(options.step, options.folder, options)))
        return
    runs = options.arms * options.seeds
    about = head(
        study=f"{runs:,} runs: {options.arms} arms, {options.seeds} seeds, {options.epochs} epochs, "
        f"network {options.hidden} on {options.data}; a stand-in in place of training",
        n=options.repeats,
    )
    found: dict[str, list[dict[str, float]]] = {}
    sizes: dict[str, int] = {}
    for _ in range(options.repeats):
        with tempfile.TemporaryDirectory(dir=options.disk) as place:
            folder = Path(place) / "study"
            for step in STEPS:
                found.setdefault(step, []).append(measured(step, folder))
            found.setdefault("dropstudy show", []).append(shown(folder))
            for path in folder.rglob("*"):
                if path.is_file():
                    kind = path.relative_to(folder).parts[0]
                    sizes[kind] = sizes.get(kind, 0) + path.stat().st_size
    overhead = spread(1000 * (one["seconds"] - one["stand_in"]) / runs for one in found[TRAIN])
    print(f"Coordinator, a run: {overhead.text()} ms. The stand-in's own time is left out.\n")
    rows = [["step", "seconds", "most memory, MB"]]
    for step, ones in found.items():
        seconds = spread(one["seconds"] for one in ones)
        memory = spread(one["megabytes"] for one in ones)
        rows.append([step, seconds.text(), "" if math.isnan(memory.median) else f"{memory.median:.0f}"])
    print(table(rows))
    print()
    kinds = {kind: size / options.repeats for kind, size in sizes.items()}
    print(
        "On disk: " + ", ".join(f"{kind} {size / 1e6:.1f} MB" for kind, size in sorted(kinds.items())) + "."
    )
    write_json(options.json, about, steps=found, sizes=kinds)


def arguments() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--arms", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--hidden", default="16")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--disk", type=Path, default=Path.cwd(), help="where the study is made, for a moment")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    main()
