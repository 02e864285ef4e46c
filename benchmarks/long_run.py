"""Does a run of a million steps show progress, survive being killed, and stay as small as it was?

    python benchmarks/long_run.py

Trains one run of a small network on the digits with batches of 1, a million steps in 696 epochs, by the command line,
kills the command with SIGKILL once on its way, and goes on. Samples the memory of the scheduler and of its worker.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from common import head, table, write_json
from dropstudy.study.study import Study

EXAMPLES = 1437
MEBIBYTE = 2**20


def sizes(process: psutil.Process) -> tuple[float, float]:
    """Resident sets of a command and of its largest worker, in MiB."""
    own, largest = process.memory_info().rss, 0
    for child in process.children(recursive=True):
        try:
            largest = max(largest, child.memory_info().rss)
        except psutil.Error:  # it has ended meanwhile
            continue
    return own / MEBIBYTE, largest / MEBIBYTE


def train(
    folder: Path, epochs: int, kill_after: float | None
) -> tuple[list[tuple[float, float, float]], int]:
    """Run the command; returns (seconds, scheduler, worker) once a second, and its exit code."""
    arguments = [
        "notebook",
        "--data",
        "digits",
        "--rates",
        "0.5",
        "--hidden",
        "128,128",
        "--batch-size",
        "1",
        "--epoch-lines",
    ]
    command = [
        sys.executable,
        "-m",
        "dropstudy",
        "run",
        *arguments,
        "--epochs",
        str(epochs),
        "--out",
        str(folder),
    ]
    with (folder.parent / "output.txt").open("a") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)  # noqa: S603 - our own command
        began, samples = time.monotonic(), []
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            time.sleep(1)
            passed = time.monotonic() - began
            try:
                samples.append((passed, *sizes(watched)))
            except psutil.Error:
                break
            if kill_after is not None and passed > kill_after:
                process.send_signal(signal.SIGKILL)
        return samples, process.wait()


def main() -> None:
    """Train, kill, go on, and print how the memory went."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--kill-after", type=float, default=20.0, help="seconds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    options = parser.parse_args()
    epochs = -(-options.steps // EXAMPLES)
    about = head(steps=epochs * EXAMPLES, epochs=epochs, n=1)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "study"
        before, code = train(folder, epochs, options.kill_after)
        kept = len(Study.open(folder).results().history_frame())
        print(f"killed after {before[-1][0]:.0f} s (exit code {code}); {kept} of {epochs} epochs were kept")
        after, code = train(folder, epochs, None)
        rows = Study.open(folder).results().history_frame()
        lines = (Path(place) / "output.txt").read_text().count("Epoch ")
        print(f"finished with exit code {code}: {len(rows)} epochs, each once: {rows['epoch'].is_unique}")
        print(f"{lines} epoch lines in {before[-1][0] + after[-1][0]:.0f} s")
        # The last seconds are the report's.
        moments = {
            "a quarter": len(after) // 4,
            "half": len(after) // 2,
            "three quarters": 3 * len(after) // 4,
        }
        cells = [["MiB", *(f"{name} of the way" for name in moments), "most, the report included"]]
        for name, column in (("scheduler", 1), ("worker", 2)):
            values = [after[at][column] for at in moments.values()]
            most = max(sample[column] for sample in after)
            cells.append([name, *(f"{value:.0f}" for value in (*values, most))])
        print(f"\n{table(cells)}")
        write_json(options.json, about, before=before, after=after)


if __name__ == "__main__":
    main()
